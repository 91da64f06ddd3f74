"""Nobody needs a mouse: whole journeys by the keys alone, and every page walked from end to end with Tab."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.urls import reverse
from playwright.sync_api import expect

from lifecycle.decide import approve
from lifecycle.operations import run_due_operations
from lifecycle.pay_out import request as request_payout
from marketplace.models import Assignment, Batch
from marketplace.services.appealing import file_appeal
from payments.models import Account, Deposit, Payout
from payments.selectors import balance
from payments.services.deposits import confirm_deposit
from tests.look import pages

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
#: More stops than any page has.
MOST = 300


class Keys:
    """Hands that have no mouse."""

    def __init__(self, page):
        self.page = page

    def to(self, target):
        """Go on with Tab until `target` has the focus."""
        target.wait_for(timeout=10_000)
        for _stop in range(MOST):
            if target.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab does not reach {target}.")

    def press(self, target, key="Enter"):
        self.to(target)
        self.page.keyboard.press(key)

    def type(self, target, words):
        self.to(target)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(words)

    def hand_in(self, target, file):
        """Open the chooser of a file field with a key; the chooser itself is the system's."""
        with self.page.expect_file_chooser() as chooser:
            self.press(target)
        chooser.value.set_files(file)


@pytest.fixture
def keys(page, complaints):
    """Hands on the keys, and at the end: a mouse was never pressed, and nothing was complained of."""
    page.add_init_script("addEventListener('pointerdown', () => console.error('a mouse was used'), true)")
    yield Keys(page)
    assert not complaints


# --- journeys ---------------------------------------------------------------------------------------------------------


def test_from_signing_up_to_a_published_batch(keys, page, live_server, make_user):
    page.goto(live_server.url)
    keys.press(page.get_by_role("link", name="Start a project").first)
    keys.type(page.get_by_label("Email"), "ada@example.org")
    for box in page.locator("input[type=password]").all():
        keys.type(box, "a-long-pass-phrase-1")
    keys.press(page.get_by_role("button", name="Create the account"))
    page.get_by_role("heading", name="Open the link in your mail").wait_for()
    page.goto(re.search(r"https?://\S+/confirm-email/\S+", mail.outbox[-1].body).group())
    keys.press(page.get_by_role("button", name="Yes, it is mine"))
    keys.press(page.get_by_role("button", name=re.compile("Texts into classes")))
    page.wait_for_url("**/data/")
    table = "\n".join(["id,message", *(f"m-{n},Where is parcel {n}?" for n in range(6))])
    file = {"name": "messages.csv", "mimeType": "text/csv", "buffer": table.encode()}
    keys.hand_in(page.get_by_label("Table", exact=True), file)
    keys.press(page.get_by_role("button", name="Upload and check"))
    keys.press(page.get_by_role("button", name="These are right, check every row"))
    page.wait_for_url("**/studio/batches/**")
    run_due_operations(limit=3)
    keys.press(page.get_by_role("button", name="Announce the deposit"))
    page.get_by_text("on its way").wait_for()
    confirm_deposit(deposit=Deposit.objects.get(), by=make_user(is_staff=True))
    with page.expect_navigation():
        keys.press(page.get_by_role("button", name="Publish, put"))
    run_due_operations(limit=3)
    page.get_by_role("heading", name="Workers", exact=True).wait_for(timeout=10_000)
    assert Batch.objects.get().state == "open"

    keys.press(page.get_by_role("button", name="Pause", exact=True))
    keys.press(page.get_by_role("button", name="Undo"))
    page.get_by_text("Open again.").wait_for()
    assert Batch.objects.get().state == "open"


def test_an_answer_is_sent_back_and_many_are_approved(keys, page, live_server, market, signed_in):
    signed_in(market.owner)
    page.goto(live_server.url + reverse("studio_review", args=[market.batch.public_id]) + "?order=waiting")

    keys.press(page.locator("summary", has_text="Act").first)
    keys.press(page.get_by_role("link", name=re.compile("Send back")).first)
    act = page.locator("#act")
    keys.type(act.locator("textarea"), "The second name is missing.")
    with page.expect_navigation():
        keys.press(act.get_by_role("button", name="Send back"))
    run_due_operations(limit=3)
    page.goto(live_server.url + reverse("review_bulk", args=[market.batch.public_id]))
    keys.to(page.get_by_label("With", exact=True))
    with page.expect_navigation():
        page.keyboard.press("Home")  # the first choice: all that wait
    waiting = market.batch.assignments.filter(state="submitted").count()
    with page.expect_navigation():
        keys.press(page.get_by_role("button", name=re.compile(f"Approve: {waiting} answer")))

    assert page.get_by_role("button", name=re.compile("Undo|Take it back")).first.is_visible()


def test_staff_confirm_a_deposit_rule_on_an_appeal_and_pay_out(keys, page, live_server, market, signed_in, settings):
    settings.PAYOUT_MINIMUM = 10_000
    approve(assignment=market.batch.assignments.filter(worker=market.worker, state="submitted")[0], by=market.owner.pk)
    file_appeal(assignment=market.rejected, reason="Both names were marked.")
    request_payout(worker=market.worker, amount=balance(Account.Kind.PAYABLE, market.worker.pk))
    signed_in(market.staff)
    page.goto(live_server.url + reverse("staff_home"))

    keys.press(page.get_by_role("row").get_by_role("link", name="Appeals"))
    page.wait_for_url("**/staff/appeals/")
    keys.press(page.get_by_role("main").get_by_role("link", name=re.compile(market.project.name)).first)
    keys.type(page.get_by_label("Why; both sides read it"), "Both are there.")
    keys.press(page.get_by_role("button", name=re.compile("For the worker")))
    page.get_by_text("Ruled for the worker, who is paid.").wait_for()
    keys.press(page.get_by_role("navigation", name="Main").get_by_role("link", name="Money"))
    keys.press(page.get_by_role("button", name=re.compile("Confirm")))
    page.get_by_text("Confirmed. The organisation can spend it now.").wait_for()
    keys.press(page.get_by_role("main").get_by_role("link", name="Payouts"))
    keys.press(page.get_by_role("button", name=re.compile("^Send")))
    page.get_by_text("On its way.").wait_for()
    keys.press(page.get_by_role("link", name="On the way"))
    page.wait_for_url("**show=sending**")
    keys.type(page.get_by_label("Bank's reference"), "SEPA 77")
    page.keyboard.press("Enter")  # a form goes off from its field, too
    page.get_by_text("Paid. The worker is told.").wait_for()

    assert Assignment.objects.get(pk=market.rejected.pk).state == "approved"
    assert Deposit.objects.filter(requester=market.requester, state="requested").count() == 0
    assert Payout.objects.values_list("state", "reference").get() == ("paid", "SEPA 77")


# --- every page -------------------------------------------------------------------------------------------------------

# What Tab should stop at, and (from the events of the focus) where it did, and whether one sees that.
WATCH = """() => {
    const name = element => element.outerHTML.slice(0, 120).replace(/\\s+/g, ' ');
    const group = element => element.type === 'radio' && element.name
        ? `radio ${element.name} ${element.form ? element.form.action : ''}` : element;
    const shown = element => [element, element.closest('label, .choice, .check, .cell, figure')]
        .some(one => one && getComputedStyle(one).outlineStyle !== 'none'
            && parseFloat(getComputedStyle(one).outlineWidth) > 0);
    const wanted = new Map();
    for (const element of document.querySelectorAll(
            'a[href], button, input, select, textarea, summary, audio[controls], video[controls], [tabindex]')) {
        if (element.tabIndex < 0 || element.disabled || element.type === 'hidden') continue;
        if (!element.checkVisibility({visibilityProperty: true}) || element.closest('[inert]')) continue;
        wanted.set(group(element), name(element));
    }
    window.walk = {wanted, unseen: [], stops: 0};
    document.addEventListener('focusin', event => {
        wanted.delete(group(event.target));
        walk.stops += 1;
        const box = event.target.getBoundingClientRect();
        if (!shown(event.target) || box.right < 0 || box.left > innerWidth) walk.unseen.push(name(event.target));
    });
    return wanted.size;
}"""


def walk(page, url, found):
    """Tab from the top to the end; what was not reached, and where the focus could not be seen."""
    page.goto(url)
    page.evaluate("document.activeElement.blur()")
    count = page.evaluate(WATCH)
    frames = page.locator("iframe").count()
    dates = page.locator("input[type=date]").count()  # day, month, year and calendar are a stop each
    for _stop in range(count + 3 + 3 * dates + 40 * frames):
        page.keyboard.press("Tab")
    found += [f"{url}: Tab does not reach {one}" for one in page.evaluate("[...walk.wanted.values()]")]
    found += [f"{url}: no sign of the focus on {one}" for one in page.evaluate("[...new Set(walk.unseen)]")]


@pytest.mark.parametrize("whose", pages.OF)
def test_tab_reaches_all_that_can_be_done_on_every_page_and_is_seen(whose, page, live_server, market, signed_in):
    names = pages.OF[whose]
    signed_in(pages.reader(market, whose))
    page.set_viewport_size({"width": 1440, "height": 900})
    found: list[str] = []

    for name, where in names.items():
        walk(page, live_server.url + reverse(name, kwargs=where(market)), found)
    if whose == "anybody":
        for name in pages.ENTRANCE:
            walk(page, live_server.url + reverse(name), found)

    assert not found, "\n".join(found)


def test_a_page_that_hides_something_from_the_keys_is_found(page, live_server):
    """Else the test above would find nothing, whatever a page did."""
    found: list[str] = []
    page.route(
        "**/broken/",
        lambda route: route.fulfill(
            content_type="text/html",
            body="<style>#b { outline: none }</style><a href='/1'>one</a><button id=b>two</button>"
            "<textarea onkeydown='if (event.key === \"Tab\") event.preventDefault()'></textarea><a href='/3'>three</a>",
        ),
    )
    walk(page, live_server.url + "/broken/", found)

    assert len(found) == 2
    assert "no sign of the focus" in found[1] and "two" in found[1]
    assert "does not reach" in found[0] and "three" in found[0]


def test_dialogs_take_the_focus_keep_it_and_give_it_back(page, live_server, market, signed_in):
    signed_in(market.owner)
    page.goto(live_server.url + reverse("studio_batch", args=[market.batch.public_id]))
    keys = Keys(page)
    keys.press(page.locator("main details.menu > summary.btn"))
    opener = page.get_by_role("button", name="Until when it is open")
    keys.press(opener)

    dialog = page.locator("#extend")
    expect(dialog).to_be_visible()
    for _stop in range(12):
        page.keyboard.press("Tab")
        inside = page.evaluate("document.body === document.activeElement || !!document.activeElement.closest('dialog')")
        assert inside, "the focus left the dialog"
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
