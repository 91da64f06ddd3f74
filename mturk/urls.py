from django.urls import path

from mturk import views

urlpatterns = [
    path("mturk/", views.endpoint, name="mturk"),
    path("mturk/api/", views.endpoint, name="mturk-api"),
]
