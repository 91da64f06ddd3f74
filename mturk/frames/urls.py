"""All that the frame host serves; static files come before it, from WhiteNoise."""

from django.urls import path, re_path

from core import health
from marketplace.views.media import show_media
from mturk.frames.views import frame

#: The site's own pages of errors lead to places that are not here.
handler400 = handler403 = handler404 = handler500 = "mturk.frames.views.frame.in_a_word"

urlpatterns = [
    path("f/<str:token>/", frame.show, name="frame"),
    path("x/<str:token>/", frame.show_external, name="frame-external"),
    re_path(r"^s/(?P<token>[A-Za-z0-9_=-]{1,600})/+mturk/externalSubmit$", frame.receive, name="frame-receive"),
    re_path(r"^(?:/*)mturk/externalSubmit$", frame.receive_unsealed, name="frame-receive-unsealed"),
    path("media/<uuid:public_id>", frame.shared(show_media), name="frame-media"),
    path("health/live", health.live, name="frame-health"),
    re_path(r"^.*$", frame.elsewhere, name="frame-elsewhere"),
]
