"""No page has a violation that axe finds, in either theme, wide or narrow; none is wider than its window, whichever way
it runs; none makes the browser complain, breaks the content policy or asks another host."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from tests.look import pages

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
VIEWS = [((1440, 900), "light"), ((390, 844), "dark")]


def look(page, url, found):
    """Open a page in each view and gather what is wrong with it."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    response = page.goto(url)
    if response.status >= 400:
        found.append(f"{url}: {response.status}")
        return
    for (width, height), theme in VIEWS:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        report = Axe().run(page).response["violations"]
        found += [f"{url} {width} {theme}: {one['id']} at {one['nodes'][0]['html'][:120]}" for one in report]
        for way in ("rtl", "ltr"):
            page.evaluate("way => document.documentElement.dir = way", way)
            if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                found.append(f"{url} {width} {way}: wider than the window")


@pytest.mark.parametrize("whose", ["anybody", "worker", "owner", "staff"])
def test_axe_finds_nothing(whose, page, complaints, live_server, market, signed_in):
    user, names = {
        "anybody": (None, pages.ANYBODY),
        "worker": (market.worker.user, {**pages.WORKER, **pages.EVERYONE}),
        "owner": (market.owner, pages.OWNER),
        "staff": (market.staff, pages.STAFF),
    }[whose]
    signed_in(user)
    found: list[str] = []

    for name, where in names.items():
        look(page, live_server.url + reverse(name, kwargs=where(market)), found)

    assert not found, "\n".join(found)
    assert not complaints


def test_axe_finds_nothing_on_a_draft_and_while_a_quiz_is_taken(
    page, complaints, live_server, market, signed_in, client
):
    found: list[str] = []
    signed_in(market.owner)
    look(page, live_server.url + reverse("studio_batch", args=[market.draft.public_id]), found)
    client.force_login(market.worker.user)
    client.post(reverse("quiz_start", args=[market.quiz_batch.public_id]))
    signed_in(market.worker.user)
    look(page, live_server.url + reverse("quiz", args=[market.quiz_batch.public_id]), found)

    assert not found, "\n".join(found)
    assert not complaints


def test_axe_finds_nothing_where_people_come_in(page, complaints, live_server, market, signed_in):
    found: list[str] = []
    for name in pages.ENTRANCE:
        look(page, live_server.url + reverse(name), found)
    signed_in(market.owner)
    for name in pages.OWN_ACCOUNT:
        look(page, live_server.url + reverse(name), found)

    # A freshly made session may have to prove itself again; that page is looked at then.
    assert not found, "\n".join(found)
    assert not complaints


def test_axe_finds_nothing_in_the_administration(page, complaints, live_server, market, signed_in):
    signed_in(market.staff)
    found: list[str] = []
    for name in pages.ADMIN:
        look(page, live_server.url + reverse(name), found)

    assert not found, "\n".join(found)
    assert not complaints


@pytest.mark.parametrize("dialog", ["keys", "report", "cannot"])
def test_axe_finds_nothing_in_the_dialogs_of_the_work_page(dialog, page, live_server, market, signed_in):
    signed_in(market.worker.user)
    page.goto(live_server.url + reverse("work_page", args=[market.held.public_id]))
    page.keyboard.press({"keys": "?", "report": "r", "cannot": "c"}[dialog])

    assert page.locator(f"#{dialog}").is_visible()
    assert not Axe().run(page).response["violations"]


def test_what_the_content_policy_stops_is_heard(page, complaints, live_server, market):
    """Else the tests above would find nothing, whatever a page did."""
    page.goto(live_server.url)
    with page.expect_request(lambda asked: asked.url.endswith("/csp-report")):
        page.evaluate("document.body.append(Object.assign(new Image(), {src: 'https://elsewhere.example/x.png'}))")

    assert any("elsewhere.example" in told for told in complaints)
