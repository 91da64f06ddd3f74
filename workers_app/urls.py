"""Pages about a worker's own data."""

from django.urls import path

from workers_app.views import answers, home, profile, qualifications

urlpatterns = [
    path("me/", home.my_home, name="my_home"),
    path("me/answers/", answers.my_answers, name="my_answers"),
    path("me/answers/<uuid:assignment_id>/dispute/", answers.dispute_answer, name="dispute_answer"),
    path("me/appeals/", home.my_appeals, name="my_appeals"),
    path("me/requesters/", home.my_requesters, name="my_requesters"),
    path("me/requesters/<uuid:requester_id>/rate/", home.rate, name="rate_requester"),
    path("me/data/", profile.my_data, name="my_data"),
    path("me/data/erase/", profile.erase_me, name="erase_me"),
    path("me/qualifications/", qualifications.my_qualifications, name="my_qualifications"),
    path("me/qualifications/<uuid:qualification_id>/ask/", qualifications.ask_qualification, name="ask_qualification"),
    path(
        "me/qualifications/requests/<uuid:request_id>/withdraw/",
        qualifications.withdraw_qualification,
        name="withdraw_qualification",
    ),
    path("studio/qualifications/", qualifications.studio_qualifications, name="studio_qualifications"),
    path("studio/qualifications/new/", qualifications.studio_qualification_new, name="studio_qualification_new"),
    path("studio/qualifications/<uuid:qualification_id>/grant/", qualifications.studio_grant, name="studio_grant"),
    path(
        "studio/qualifications/<uuid:qualification_id>/change/",
        qualifications.studio_qualification_change,
        name="studio_qualification_change",
    ),
    path(
        "studio/qualifications/requests/<uuid:request_id>/",
        qualifications.studio_request_answer,
        name="studio_request_answer",
    ),
    path("me/data.json", profile.my_data_file, name="my_data_file"),
]
