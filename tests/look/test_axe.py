"""No page has a violation that axe finds, in either theme, wide or narrow; none is wider than its window, whichever way
it runs; none makes the browser complain, breaks the content policy or asks another host."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from lifecycle.decide import approve
from tests.look import pages

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
VIEWS = [((1440, 900), "light"), ((390, 844), "dark")]
#: Cells of one row whose words lie on one another: what is too long for its column of a narrow table of cards.
ON_ONE_ANOTHER = """() => [...document.querySelectorAll(".table.cards tr")].flatMap(row => {
  const boxes = [...row.children].map(cell => {
    const words = document.createRange(); words.selectNodeContents(cell);
    return [cell.textContent.trim(), words.getBoundingClientRect()];
  }).filter(([, box]) => box.width && box.height);
  return boxes.flatMap(([name, a], at) => boxes.slice(at + 1).filter(([, b]) =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1
  ).map(([other]) => name + " / " + other));
})"""


def look(page, url, found):
    """Open a page in each view and gather what is wrong with it."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    response = page.goto(url)
    if response.status >= 400:
        found.append(f"{url}: {response.status}")
        return
    look_here(page, found)


def look_here(page, found):
    """Gather what is wrong with the page that is open, in each view."""
    url = page.url
    for (width, height), theme in VIEWS:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        report = Axe().run(page).response["violations"]
        found += [f"{url} {width} {theme}: {one['id']} at {one['nodes'][0]['html'][:120]}" for one in report]
        found += [f"{url} {width}: on one another: {pair}" for pair in page.evaluate(ON_ONE_ANOTHER)]
        for way in ("rtl", "ltr"):
            page.evaluate("way => document.documentElement.dir = way", way)
            if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
                found.append(f"{url} {width} {way}: wider than the window")


@pytest.mark.parametrize("whose", pages.OF)
def test_axe_finds_nothing(whose, page, complaints, live_server, market, signed_in):
    names = pages.OF[whose]
    signed_in(pages.reader(market, whose))
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


@pytest.mark.parametrize("whose", ["worker", "owner", "staff"])
def test_axe_finds_nothing_where_nothing_is_yet(
    whose, page, complaints, live_server, signed_in, make_worker, make_requester, make_user
):
    """Each list without a row, as on somebody's first day."""
    user, names = {
        "worker": (lambda: make_worker().user, pages.OF["worker"]),
        "owner": (lambda: make_requester(deposit="0").memberships.get().user, pages.OWNER),
        "staff": (lambda: make_user(is_staff=True, is_superuser=True), pages.STAFF),
    }[whose]
    signed_in(user())
    found: list[str] = []

    for name, where in names.items():
        if where is pages.nowhere:
            look(page, live_server.url + reverse(name), found)

    assert not found, "\n".join(found)
    assert not complaints


#: A form sent with something wrong in it: whose it is, its page, what to fill in, and the words of its button.
WRONG: dict[str, tuple[str, str, dict[str, str], str]] = {
    "sign in": ("anybody", "account_login", {"login": "a@example.org", "password": "no"}, "Sign in"),
    "sign up": ("anybody", "account_signup", {"email": "a@example.org", "password1": "short"}, "Create the account"),
    "payout": ("worker", "earnings", {"amount": "0.001"}, "Ask for"),
    "question": ("owner", "studio_project_edit", {"name": ""}, "Save and"),
    "price": ("owner", "studio_pay", {"reward": "a lot"}, "Save and"),
    "deposit": ("owner", "studio_money", {"amount": "none"}, "deposit"),
    "webhook": ("owner", "studio_webhooks", {"url": "http://inside"}, "Make the webhook"),
}


@pytest.mark.parametrize("form", WRONG)
def test_axe_finds_nothing_where_a_form_says_what_is_wrong(form, page, live_server, market, signed_in, settings):
    whose, name, said, button = WRONG[form]
    settings.PAYOUT_MINIMUM = 10_000
    approve(assignment=market.batch.assignments.filter(worker=market.worker, state="submitted")[0], by=market.owner.pk)
    signed_in({"anybody": None, "worker": market.worker.user, "owner": market.owner}[whose])
    where = {**pages.WORKER, **pages.OWNER}.get(name, pages.nowhere)
    page.goto(live_server.url + reverse(name, kwargs=where(market)))
    main = page.locator("main")
    for field, value in said.items():
        main.locator(f"[name={field}]").first.fill(value)
    main.locator("form").evaluate_all("forms => forms.forEach(form => (form.noValidate = true))")
    found: list[str] = []

    main.locator(f"form:has([name={list(said)[0]}])").get_by_role("button", name=button).first.click()
    page.locator(".error, .note.bad").first.wait_for()
    look_here(page, found)

    assert not found, "\n".join(found)


def test_axe_finds_nothing_when_the_work_is_done(page, complaints, live_server, market, signed_in):
    found: list[str] = []
    signed_in(market.worker.user)
    look(page, live_server.url + reverse("find_work") + "?done=1", found)
    signed_in(market.owner)
    for name in ("studio_batch", "studio_results", "studio_workers", "studio_proof"):
        look(page, live_server.url + reverse(name, args=[market.finished.public_id]), found)

    assert not found, "\n".join(found)
    assert not complaints


@pytest.mark.parametrize("code", [404, 403])
def test_axe_finds_nothing_on_the_pages_that_say_no(code, page, live_server, market, signed_in):
    signed_in(market.worker.user)
    found: list[str] = []
    if code == 404:
        response = page.goto(live_server.url + "/nowhere/")
    else:  # a form whose cookie is gone
        page.goto(live_server.url + reverse("my_data"))
        page.context.clear_cookies(name="csrftoken")
        with page.expect_navigation() as said:
            page.locator("main form").first.evaluate("form => { form.noValidate = true; form.requestSubmit() }")
        response = said.value

    look_here(page, found)

    assert response.status == code
    assert not found, "\n".join(found)


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
