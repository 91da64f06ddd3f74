"""Pages for people."""

from django.urls import path

from marketplace.views import public
from marketplace.views.media import show_media

urlpatterns = [
    path("", public.home, name="home"),
    path("media/<uuid:public_id>", show_media, name="media"),
    path("enter/<slug:role>/", public.enter, name="enter"),
]
