"""Pages for people."""

from django.urls import path

from marketplace.views import messages, public, requester, team, work, worker
from marketplace.views.media import show_media

urlpatterns = [
    path("", public.home, name="home"),
    path("media/<uuid:public_id>", show_media, name="media"),
    path("enter/", public.enter_any, name="enter_any"),
    path("enter/<slug:role>/", public.enter, name="enter"),
    path("start/<slug:role>/", public.start, name="start"),
    path("work/", worker.find_work, name="find_work"),
    path("work/start/<uuid:batch_id>/", work.start_work, name="start_work"),
    path("work/next/<uuid:batch_id>/", work.work_next, name="work_next"),
    path("work/<uuid:assignment_id>/", work.work_page, name="work_page"),
    path("work/<uuid:assignment_id>/open/", work.work_open, name="work_open"),
    path("work/<uuid:assignment_id>/renew/", work.work_renew, name="work_renew"),
    path("work/<uuid:assignment_id>/submit/", work.work_submit, name="work_submit"),
    path("work/read/<uuid:batch_id>/", work.work_read, name="work_read"),
    path("work/<uuid:assignment_id>/undo/", work.work_undo, name="work_undo"),
    path("work/<uuid:assignment_id>/draft/", work.work_draft, name="work_draft"),
    path("work/<uuid:assignment_id>/report/", work.work_report, name="work_report"),
    path("work/<uuid:assignment_id>/return/", work.work_return, name="work_return"),
    path("me/messages/", messages.my_messages, name="my_messages"),
    path("me/messages/new/", messages.my_message_new, name="my_message_new"),
    path("me/messages/<uuid:thread_id>/", messages.my_thread, name="my_thread"),
    path("me/messages/<uuid:thread_id>/read/", messages.my_thread_read, name="my_thread_read"),
    path("me/messages/report/<uuid:message_id>/", messages.my_message_report, name="my_message_report"),
    path("studio/messages/", messages.studio_messages, name="studio_messages"),
    path("studio/messages/new/", messages.studio_message_new, name="studio_message_new"),
    path("studio/messages/<uuid:thread_id>/", messages.studio_thread, name="studio_thread"),
    path("studio/messages/<uuid:thread_id>/read/", messages.studio_thread_read, name="studio_thread_read"),
    path("studio/messages/report/<uuid:message_id>/", messages.studio_message_report, name="studio_message_report"),
    path("studio/", requester.studio, name="studio"),
    path("studio/new/", requester.studio_project_new, name="studio_project_new"),
    path("studio/projects/<uuid:project_id>/", requester.studio_project, name="studio_project"),
    path("studio/projects/<uuid:project_id>/edit/", requester.studio_project_edit, name="studio_project_edit"),
    path("studio/projects/<uuid:project_id>/upload/", requester.studio_batch_new, name="studio_batch_new"),
    path("studio/batches/", requester.studio_batches, name="studio_batches"),
    path("studio/team/", team.studio_team, name="studio_team"),
    path("studio/team/invite/", team.invite, name="studio_invite"),
    path("studio/team/tokens/", team.new_token, name="studio_token_new"),
    path("studio/team/tokens/<str:prefix>/end/", team.end_token, name="studio_token_end"),
]
