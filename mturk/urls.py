from django.urls import path, re_path

from mturk import endpoint
from mturk.frames.views import site
from mturk.views import access_keys, qualification_tests

urlpatterns = [
    path("mturk/", endpoint.endpoint, name="mturk"),
    path("mturk/api/", endpoint.endpoint, name="mturk-api"),
    re_path(r"^(?:/*)mturk/externalSubmit$", site.receive_unsealed, name="mturk_submit"),
    path("mturk/file/<str:token>", site.show_file, name="mturk_file"),
    path("mturk/preview", site.hits_of_group, name="mturk_preview"),
    path("projects/<str:group_id>/tasks", site.hits_of_group, name="mturk_tasks"),
    path("work/<uuid:assignment_id>/frame/", site.frame_state, name="frame_state"),
    path("work/<uuid:assignment_id>/frame/confirm/", site.frame_confirm, name="frame_confirm"),
    path("me/tests/", qualification_tests.qualification_tests, name="qualification_tests"),
    path("me/tests/<uuid:qualification_id>/", qualification_tests.qualification_test, name="qualification_test"),
    path("studio/keys/", access_keys.access_keys, name="access_keys"),
    path("studio/keys/new/", access_keys.access_key_new, name="access_key_new"),
    path("studio/keys/sandbox-clock/", access_keys.sandbox_clock, name="sandbox_clock"),
    path("studio/keys/<slug:key_id>/end/", access_keys.access_key_end, name="access_key_end"),
]
