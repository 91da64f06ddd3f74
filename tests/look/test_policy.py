"""Who may see and do what on pages, driven by the resolver: a URL that is not placed in tests/look/pages.py fails."""

from __future__ import annotations

import pytest
from django.urls import get_resolver, reverse

from marketplace.models import Assignment, Batch, Project, Requester
from mturk.models import AccessKey
from payments.models import Deposit, Payout
from quality.models import Flag, QuizAttempt
from tests.look import pages
from users.models import ApiToken, Invitation, Notice

pytestmark = pytest.mark.django_db
#: Views of other packages, the API and operators have tests of their own.
ELSEWHERE = ("config.", "django.", "allauth.", "drf_spectacular.", "rest_framework.")

READ = {
    **{name: (whose, where) for whose, places in pages.OF.items() for name, where in places.items()},
    **pages.PARTS,
}
#: Pages of one's own side, which have nothing of another in their address: a stranger sees their own, not somebody's.
OWN = {
    *pages.EVERYONE,
    *("my_home", "my_appeals", "my_requesters", "erase_me"),
    *("my_queue", "queue_work", "mark_favourite", "save_search"),
    *("find_work", "earnings", "earnings_waiting", "earnings_rejected", "earnings_payouts", "statement_csv"),
    *(
        "my_data",
        "my_data_file",
        "my_messages",
        "my_answers",
        "studio_messages",
        "my_qualifications",
        "studio_qualifications",
    ),
    "ask_qualification",
    *("studio", "studio_project_new", "studio_batches", "studio_money", "studio_team", "studio_statement"),
    *("studio_webhooks", "studio_media", "studio_blocks", "studio_forecast", "access_keys"),
    # Public work is everybody's to see; whether they may do it, the claim decides.
    *("quiz", "start_work", "work_next", "work_read", "work_preview", "practice", "quiz_start"),
    *("qualification_tests", "qualification_test"),
}


#: Read by anybody who has the address.
OPEN = {name for name, (whose, _where) in READ.items() if whose == "anybody"}
#: Acts on one's own side, where a stranger has nothing.
OWN_ACTS = {
    *("ask_payout", "ask_deposit", "studio_invite", "studio_token_new", "studio_qualification_new", "notices_read"),
    *("studio_rename", "webhook_new", "access_key_new", "media_upload", "block_act"),
    *("tour_away", "tour_back"),
}


def names():
    """Names of the URLs that lead to pages of ours."""
    found = set()
    for pattern in get_resolver().url_patterns:
        inside = getattr(pattern, "url_patterns", [pattern])
        for one in inside:
            module = getattr(getattr(one, "callback", None), "__module__", "")
            if getattr(one, "name", None) and ".views." in module and not module.startswith(ELSEWHERE):
                found.add(one.name)
    return found


def user_of(market, whose):
    return {"worker": market.worker.user, "owner": market.owner, "staff": market.staff, "anybody": None}[whose]


@pytest.fixture
def stranger(make_user, make_worker, make_requester):
    """Somebody who works and posts work here, and has nothing to do with the market's rows."""
    worker = make_worker()
    requester = make_requester(deposit="0")
    requester.memberships.create(user=worker.user, role="owner")
    return worker.user


def test_every_page_is_placed():
    assert names() == {*READ, *pages.ACTS, *pages.WAYS, *pages.ABOUT}


def test_a_page_is_there_for_those_it_is_for(client, market):
    for name, (whose, where) in READ.items():
        client.logout()
        if user := user_of(market, whose):
            client.force_login(user)

        assert client.get(reverse(name, kwargs=where(market))).status_code == 200, name


def test_a_page_is_not_there_for_somebody_who_is_not_signed_in(client, market):
    before = _rows()
    for name, (_whose, where) in {**READ, **pages.ACTS}.items():
        if name in OPEN:
            continue
        url = reverse(name, kwargs=where(market))

        response = client.post(url) if name in pages.ACTS else client.get(url)

        assert response.status_code == 302 and response.url.startswith("/accounts/login/"), name
    assert _rows() == before


def test_what_is_anothers_is_not_there_for_a_stranger(client, market, stranger):
    client.force_login(stranger)
    before = _rows()
    for name, (_whose, where) in {**READ, **pages.ACTS}.items():
        if name in OWN or name in OPEN or name == "start":
            continue
        url = reverse(name, kwargs=where(market))

        response = client.post(url) if name in pages.ACTS else client.get(url)

        if name in OWN_ACTS:
            assert response.status_code == 302, name
        else:
            assert response.status_code == 404, name
    assert _rows() == before


def _rows():
    """What acts could change."""
    return [
        list(Assignment.objects.order_by("pk").values_list("pk", "state", "deadline")),
        list(Batch.objects.order_by("pk").values_list("pk", "state", "upload")),
        list(Project.objects.order_by("pk").values_list("pk", "updated_at")),
        list(Flag.objects.order_by("pk").values_list("pk", "state")),
        [model.objects.count() for model in (Deposit, Payout, QuizAttempt, Invitation, Requester)],
        list(Notice.objects.order_by("pk").values_list("pk", "read_at")),
        list(ApiToken.objects.order_by("pk").values_list("pk", "revoked_at")),
        list(AccessKey.objects.order_by("pk").values_list("pk", "revoked_at")),
    ]


def test_an_act_is_no_get(client, market):
    for name, (whose, where) in pages.ACTS.items():
        client.force_login(user_of(market, whose) or market.owner)
        assert client.get(reverse(name, kwargs=where(market))).status_code == 405, name


def test_staff_pages_are_not_there_for_others(client, market):
    for user in (market.owner, market.worker.user):
        client.force_login(user)
        for name, where in pages.STAFF.items():
            assert client.get(reverse(name, kwargs=where(market))).status_code == 404, name


def test_a_requester_is_led_to_where_one_starts_to_work(client, market):
    client.force_login(market.owner)
    for name, where in pages.WORKER.items():
        response = client.get(reverse(name, kwargs=where(market)))
        assert response.status_code == 302 and response.url == reverse("enter", args=["worker"]), name


def test_a_viewer_may_look_and_not_act(client, market, make_user):
    viewer = make_user()
    market.requester.memberships.create(user=viewer, role="viewer")
    client.force_login(viewer)

    assert client.get(reverse("studio_batch", args=[market.batch.public_id])).status_code == 200
    assert client.post(reverse("batch_act", args=[market.batch.public_id, "close"])).status_code == 404
    assert client.get(reverse("studio_project_edit", args=[market.project.public_id])).status_code == 404
    market.batch.refresh_from_db()
    assert market.batch.state == "open"


def test_posts_without_a_token_are_refused(market):
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(market.worker.user)

    response = client.post(reverse("work_return", args=[market.held.public_id]), {"reason": "other"})

    assert response.status_code == 403
    market.held.refresh_from_db()
    assert market.held.state == "accepted"
