"""The two ways through the product, in a real browser: from a stranger to paid by keyboard, from a table to labels."""

from __future__ import annotations

import csv
import io
import re

import pytest
from django.core import mail
from django.urls import reverse

from lifecycle.operations import run_due_operations
from marketplace.models import Batch
from payments.models import Account
from payments.selectors import balance
from quality.models import Belief
from tests.look.conftest import answer, settle
from workers_app.models import Worker

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PASSWORD = "a-long-pass-phrase-1"


def tab_to(page, words, most=60):
    """Press Tab until the thing that is called `words` has the focus: nobody touches a mouse here."""
    for _press in range(most):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "(() => { const e = document.activeElement; const label = e.getAttribute('aria-label') || e.labels?.[0];"
            " return (label?.innerText ?? label ?? (e.innerText || e.name || '')).trim() })()"
        )
        if name.startswith(words):
            return
    raise AssertionError(f"Tab never came to {words!r} on {page.url}")


def press(page, words):
    """Go to a link or button by keyboard and follow it."""
    tab_to(page, words)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_a_worker_signs_up_works_by_keyboard_only_and_is_paid(page, complaints, live_server, make_project, make_batch):
    rules = {"undo_seconds": 0, "auto_approve_seconds": 0, "min_answers": 1, "max_answers": 1}
    batch = make_batch(project=make_project(name="Read old cards", rules=rules), hits=3)

    page.goto(live_server.url)
    press(page, "Find work")
    tab_to(page, "Email")
    page.keyboard.type("kim@example.org")
    tab_to(page, "Password")
    page.keyboard.type(PASSWORD)
    tab_to(page, "Password")
    page.keyboard.type(PASSWORD)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.locator("h1").inner_text() == "Open the link in your mail"
    page.goto(re.search(r"https?://\S+/confirm-email/\S+", mail.outbox[-1].body).group())
    press(page, "Yes, it is mine")
    page.wait_for_url("**/work/")  # the browser that signed up is signed in
    assert page.locator("h1").inner_text() == "Find work"

    press(page, "Start Read old cards")
    first = page.url
    for expected in ("€0.10", "€0.20", "€0.30"):
        page.wait_for_load_state("networkidle")
        page.keyboard.press("1")
        if expected == "€0.30":
            with page.expect_navigation():
                page.keyboard.press("Enter")
        else:
            before = page.url
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url, before=before: url != before)
            assert page.locator("[data-today] .money").inner_text() == expected
    assert "That was the last one" in page.locator("main").inner_text()
    assert first != page.url
    settle()

    worker = Worker.objects.get(user__email="kim@example.org")
    assert balance(Account.Kind.PAYABLE, worker.pk) == 300_000
    assert batch.hits.filter(taken=1).count() == 3
    press(page, "Earnings")
    main = page.locator("main").inner_text()
    assert "Read old cards, 3 answers approved" in main
    assert "+€0.30" in main
    assert not complaints


def test_a_worker_asks_for_a_payout_and_sees_staff_send_it(
    page, live_server, signed_in, make_worker, make_project, make_batch, make_user
):
    worker, staff = make_worker(), make_user(is_staff=True, is_superuser=True)
    batch = make_batch(project=make_project(rules={"reward": "2.50", "min_answers": 1, "max_answers": 1}))
    answer(worker, batch, {"digit": "zero"})
    settle()
    signed_in(worker.user)

    page.goto(live_server.url + reverse("earnings"))
    page.get_by_role("button", name="Ask for the payout").click()
    assert "Asked for" in page.get_by_role("group", name="Payouts table").inner_text()

    for act in ("send", "settle"):
        signed_in(staff)
        page.goto(live_server.url + reverse("admin:payments_payout_changelist"))
        page.locator("input.action-select").check()
        page.locator("select[name=action]").select_option(act)
        page.get_by_role("button", name="Go").click()
        page.locator(".messagelist .success").wait_for(timeout=5_000)
    signed_in(worker.user)
    page.goto(live_server.url + reverse("earnings_payouts"))
    row = page.get_by_role("group", name="Payouts table").inner_text()

    assert "€2.50" in row and "Paid" in row
    assert balance(Account.Kind.PAYABLE, worker.pk) == 0


def test_a_requester_watches_a_batch_move_and_exports(
    page, complaints, live_server, make_requester, make_worker, signed_in
):
    requester = make_requester(deposit="100.00")
    signed_in(requester.memberships.get().user)

    page.goto(live_server.url + reverse("studio_project_new"))
    page.get_by_role("button", name="From nothing").click()
    page.get_by_role("link", name="Question", exact=True).click()
    page.get_by_label("Name", exact=True).fill("Old cards")
    page.get_by_label("What a worker sees of a row").fill("**{{text}}**")
    page.get_by_label("Question", exact=True).fill("Which digit is this?")
    page.get_by_label("Column of the result").fill("digit")
    page.get_by_label("Choices").fill("zero\none")
    preview = page.frame_locator("iframe")
    preview.get_by_role("heading", name="Which digit is this?").wait_for(timeout=10_000)
    page.get_by_role("button", name="Save and try it").click()
    page.get_by_role("link", name="Go on to pay and quality").click()
    page.get_by_label("Approve").select_option("0")
    page.get_by_label("Pay for one answer").fill("0.25")
    page.get_by_text("€30.00 an hour").wait_for(timeout=10_000)
    page.get_by_role("button", name="Save and go on to publish").click()
    assert page.locator("h1").inner_text() == "Data"

    rows = "external_id,text\n" + "".join(f"card-{n},item {n}\n" for n in range(6))
    page.get_by_label("Table", exact=True).set_input_files(
        {"name": "cards.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    )
    page.get_by_role("button", name="Upload and check").click()
    page.wait_for_url("**/studio/batches/**")
    run_due_operations(limit=5)
    publish = page.get_by_role("button", name="Publish")
    publish.wait_for(timeout=10_000)  # the page came to know of the check by itself
    assert "6 items" in page.locator("main").inner_text()
    publish.click()
    run_due_operations(limit=5)
    page.get_by_role("heading", name="Answers", exact=True).wait_for(timeout=10_000)  # and of the opening

    page.evaluate("window.sameWindow = true")
    batch = Batch.objects.get(project__requester=requester)
    assert "0 of 6 items" in page.locator("#now").inner_text()
    workers = [make_worker() for _worker in range(4)]
    for worker in workers:
        for _hit in range(6):
            if batch.hits.filter(room=True).exclude(assignments__worker=worker).exists():
                answer(worker, batch, {"digit": "one"})
                settle()
    done = Belief.objects.filter(hit__batch=batch, state__in=["settled", "disputed"]).count()
    assert done > 0
    page.get_by_text(f"{done} of 6 items").wait_for(timeout=10_000)
    assert page.evaluate("window.sameWindow") is True, "the page was loaded again instead of renewing a part"

    page.get_by_role("link", name="Results").click()
    page.get_by_role("button", name="Export").click()
    run_due_operations(limit=5)
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile(r"labels-.*\.csv")).click(timeout=10_000)
    table = list(csv.DictReader(io.StringIO(download.value.path().read_text())))

    assert [row["external_id"] for row in table] == [f"card-{n}" for n in range(6)]
    assert {row["digit"] for row in table if row["digit.state"] in {"settled", "disputed"}} == {"one"}
    assert sum(row["digit.state"] in {"settled", "disputed"} for row in table) == done
    assert not complaints


def test_a_bad_table_is_told_by_line_and_column_and_nothing_is_published(
    page, live_server, make_project, make_requester, signed_in
):
    requester = make_requester()
    project = make_project(requester=requester)
    signed_in(requester.memberships.get().user)

    page.goto(live_server.url + reverse("studio_data", args=[project.public_id]))
    rows = "text,gold\nfirst,zero\nsecond,seven\n"
    page.get_by_label("Table", exact=True).set_input_files(
        {"name": "t.csv", "mimeType": "text/csv", "buffer": rows.encode()}
    )
    page.get_by_role("button", name="Upload and check").click()
    page.wait_for_url("**/studio/batches/**")
    run_due_operations(limit=5)
    page.get_by_role("alert").wait_for(timeout=10_000)

    main = page.locator("main").inner_text()
    assert "1 row cannot be used. Nothing was published." in main
    cells = page.locator("tbody tr").first.inner_text()
    assert "3" in cells and "gold" in cells
    assert page.get_by_role("button", name="Publish").count() == 0
    assert Batch.objects.get(project=project).state == "draft"
