"""Pages of one's own, for whoever is signed in: what happened, and how one likes the site."""

from django.urls import path

from users.views import notices

urlpatterns = [
    path("notices/", notices.notices, name="notices"),
    path("notices/read/", notices.read_all, name="notices_read"),
    path("notices/unread/", notices.unread_all, name="notices_unread"),
    path("notices/settings/", notices.notice_settings, name="notice_settings"),
    path("notices/<uuid:notice_id>/", notices.open_notice, name="notice_open"),
    path("notices/<uuid:notice_id>/unread/", notices.mark_unread, name="notice_unread"),
]
