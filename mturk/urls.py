from django.urls import path

from mturk import endpoint
from mturk.views import access_keys

urlpatterns = [
    path("mturk/", endpoint.endpoint, name="mturk"),
    path("mturk/api/", endpoint.endpoint, name="mturk-api"),
    path("studio/keys/", access_keys.access_keys, name="access_keys"),
    path("studio/keys/new/", access_keys.access_key_new, name="access_key_new"),
    path("studio/keys/<slug:key_id>/end/", access_keys.access_key_end, name="access_key_end"),
]
