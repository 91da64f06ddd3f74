"""Pages about a worker's own data."""

from django.urls import path

from workers_app.views import profile

urlpatterns = [
    path("me/", profile.my_data, name="my_data"),
    path("me/data.json", profile.my_data_file, name="my_data_file"),
]
