from django.urls import path, re_path

from mturk import views
from mturk.frames.views import site

urlpatterns = [
    path("mturk/", views.endpoint, name="mturk"),
    path("mturk/api/", views.endpoint, name="mturk-api"),
    re_path(r"^(?:/*)mturk/externalSubmit$", site.receive_unsealed, name="mturk_submit"),
    path("mturk/file/<str:token>", site.show_file, name="mturk_file"),
    path("mturk/preview", site.hits_of_group, name="mturk_preview"),
    path("projects/<str:group_id>/tasks", site.hits_of_group, name="mturk_tasks"),
    path("work/<uuid:assignment_id>/frame/", site.frame_state, name="frame_state"),
    path("work/<uuid:assignment_id>/frame/confirm/", site.frame_confirm, name="frame_confirm"),
]
