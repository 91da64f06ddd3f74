"""How pages are read: the style guide, zone, language, direction, messages with a way back, reports of the policy."""

import json
import re
from datetime import UTC, datetime

import pytest
from django.contrib.messages.storage.base import Message
from django.contrib.messages.storage.cookie import CookieStorage
from django.core.cache import cache
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone, translation

from core.models import PolicyViolation
from core.pages import undo_of, undoable
from core.templatetags.touchstone import coefficient, count, moment, money_words, percent
from core.views import violations
from core.views.styleguide import colours
from core.zones import zone_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client, make_user):
    user = make_user(is_staff=True)
    client.force_login(user)
    return user


def test_the_style_guide_shows_every_part(client, staff):
    page = client.get(reverse("styleguide")).content.decode()

    parts = "btn primary,affix,error,choice,badge warn,chip sure,meter,heat,toast,log,empty,dialog,tabs,crumbs,steps"
    for css in f"{parts},pager,menu,chart,facts,stats,note bad".split(","):
        assert f'class="{css}' in page, css


def test_every_colour_can_be_read_in_both_themes():
    assert len(colours()) == 15
    for colour in colours():
        assert all(contrast >= colour["least"] for contrast in colour["contrast"]), colour


def test_a_coefficient_has_a_true_minus_and_nothing_before_nought():
    assert [coefficient(value) for value in (-0.22, 0.5, -0.001, None)] == ["\u22120.22", "0.50", "0.00", ""]
    with translation.override("de"):
        assert coefficient(-0.2234, 3) == "\u22120,223"


def test_the_style_guide_is_for_staff(client, make_user):
    client.force_login(make_user())

    assert client.get(reverse("styleguide")).status_code == 404


def test_times_are_those_of_the_browser(client, rf):
    at = datetime(2020, 7, 1, 22, 30, tzinfo=UTC)

    with timezone.override(zone_of("Europe/Berlin")):
        written = str(moment(at))

    assert ">2 Jul 2020, 00:30</time>" in written.replace("  ", " ").replace("1 Jul", "1 Jul")
    assert "ago, CEST" in written and 'datetime="2020-07-01T22:30:00+00:00"' in written


@pytest.mark.parametrize("zone", ["", "Nowhere", "../../etc/passwd", "\0", "Europe/", "a" * 500])
def test_an_odd_zone_is_utc(client, zone):
    client.cookies["zone"] = zone

    assert client.get("/").status_code == 200
    assert zone_of(zone) is UTC


def test_figures_follow_the_language():
    with translation.override("de"):
        assert (money_words(1_234_500_000), percent(0.958), count(12400)) == (
            "1.234,50\u202f€",
            "95,8\u202f%",
            "12.400",
        )
        assert money_words(-15_000, "USD") == "\u22120,015\u202f$"
    with translation.override("en"):
        assert (money_words(1_234_500_000), percent(0.958), count(12400)) == ("€1,234.50", "95.8\u202f%", "12,400")


def test_a_language_is_kept_with_the_browser_and_the_account(client, make_user):
    user = make_user()
    client.force_login(user)

    response = client.post(reverse("choose_language"), {"language": "de", "next": "/notices/?show=unread"})

    assert response.url == "/notices/?show=unread"
    user.refresh_from_db()
    assert user.language == "de"
    assert '<html lang="de" dir="ltr"' in client.get("/").content.decode()


def test_a_language_that_there_is_not_changes_nothing(client):
    assert client.post(reverse("choose_language"), {"language": "tlh"}).status_code == 404
    assert client.post(reverse("choose_language"), {"language": "de", "next": "//evil.example"}).url == "/"


def test_pages_can_be_turned_round(client):
    client.post(reverse("choose_direction"), {"direction": "rtl"})
    assert 'dir="rtl"' in client.get("/").content.decode()

    client.post(reverse("choose_direction"), {"direction": "ltr"})
    assert 'dir="ltr"' in client.get("/").content.decode()


def test_a_message_that_can_be_undone_carries_its_form():
    request = RequestFactory().get("/")
    request._messages = CookieStorage(request)
    undoable(request, "Three were read.", href="/notices/read/", fields={"until": "a b&c"})

    (heard,) = request._messages

    assert undo_of(heard) == {"href": "/notices/read/", "fields": [("until", "a b&c")]}
    assert undo_of(Message(25, "Saved.", "")) is None


def test_refusals_lead_on(client, make_user, rf):
    from django.views.defaults import bad_request

    stranger = client.get("/studio/batches/nothing/").content.decode()
    assert "There is nothing here" in stranger and "/accounts/login/?next=/studio/batches/nothing/" in stranger
    assert "Something in it was missing" in bad_request(rf.get("/"), Exception()).content.decode()

    client.force_login(make_user())
    signed_in = client.get("/nothing/").content.decode()
    assert f'action="{reverse("search")}"' in signed_in and reverse("enter_any") in signed_in


def test_a_language_does_not_leak_into_the_next_request(client):
    client.post(reverse("choose_language"), {"language": "de"})
    client.get("/")

    assert translation.get_language() == "en"


# --- reports of the content policy ------------------------------------------------------------------------------------


def told(**said):
    return json.dumps({"csp-report": {
        "document-uri": "https://market.example/work/?token=secret", "effective-directive": "script-src-elem",
        "blocked-uri": "https://evil.example/x.js?who=me", "source-file": "", **said,
    }})  # fmt: skip


def send(client, body):
    return client.post(reverse("csp_report"), body, content_type="application/csp-report")


def test_a_violation_is_counted_without_what_is_nobodys_business(client):
    for _twice in range(2):
        assert send(client, told()).status_code == 204

    row = PolicyViolation.objects.get()
    assert (row.directive, row.blocked, row.page, row.count) == (
        "script-src-elem", "https://evil.example/x.js", "/work/", 2,
    )  # fmt: skip


@pytest.mark.parametrize(
    "body", ["", "{", "[]", '{"csp-report": 5}', '{"csp-report": {"document-uri": "http://["}}', "x" * 20_000]
)
def test_nonsense_is_answered_alike(client, body):
    assert send(client, body).status_code == 204
    assert PolicyViolation.objects.count() <= 1


def test_a_flood_of_reports_fills_nothing(client, monkeypatch):
    monkeypatch.setattr(violations, "MOST_KEPT", 3)
    cache.clear()
    for number in range(violations.A_MINUTE + 20):
        send(client, told(**{"blocked-uri": f"https://evil.example/{number}"}))
    assert PolicyViolation.objects.count() == 3

    send(client, told(**{"blocked-uri": "https://evil.example/0"}))
    assert PolicyViolation.objects.get(blocked="https://evil.example/0").count == 1  # dropped: the minute is full


def test_every_page_tells_the_browser_where_to_report(client):
    policy = client.get("/")["Content-Security-Policy"]

    assert re.search(r"report-uri /csp-report(;|$)", policy)
