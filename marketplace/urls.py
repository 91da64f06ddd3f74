"""Pages for people."""

from django.urls import path

from marketplace.views import public

urlpatterns = [
    path("", public.home, name="home"),
    path("enter/<slug:role>/", public.enter, name="enter"),
]
