"""Acts of staff, and the pages that say what went wrong."""

from __future__ import annotations

import pytest
from django.urls import reverse

from core.models import AuditEntry
from lifecycle.decide import redo, reject
from marketplace.models import Appeal, Assignment
from marketplace.services.appealing import file_appeal
from payments.models import Account, Deposit
from payments.selectors import balance
from quality.models import Flag
from tests.look.conftest import answer, settle

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client, make_user):
    user = make_user(is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


def do(client, model, act, *rows, reason=""):
    url = reverse(f"admin:{model}_changelist")
    form = {"action": act, "_selected_action": [row.pk for row in rows], "reason": reason}
    return client.post(url, form, follow=True).content.decode()


def test_a_deposit_is_confirmed_once_and_the_second_time_is_said(client, staff, market):
    deposit = Deposit.objects.get(requester=market.requester, state="requested")
    before = balance(Account.Kind.AVAILABLE, market.requester.pk)

    assert "1 deposit confirmed" in do(client, "payments_deposit", "confirm", deposit)
    again = do(client, "payments_deposit", "confirm", deposit)

    assert "cannot become" in again and "1 deposit confirmed" not in again
    assert balance(Account.Kind.AVAILABLE, market.requester.pk) == before + 50_000_000


def test_a_deposit_is_not_refused_without_a_reason(client, staff, market):
    deposit = Deposit.objects.get(requester=market.requester, state="requested")

    assert "Say why" in do(client, "payments_deposit", "refuse", deposit)
    deposit.refresh_from_db()
    assert deposit.state == "requested"


@pytest.mark.parametrize(("act", "state", "earned"), [("uphold", "upheld", 100_000), ("dismiss", "dismissed", 0)])
def test_staff_rule_on_an_appeal_with_a_reason(act, state, earned, client, staff, market):
    earned_before = balance(Account.Kind.PAYABLE, market.worker.pk)
    appeal = file_appeal(assignment=market.rejected, reason="They were marked.")
    assert "Say why" in do(client, "marketplace_appeal", act, appeal)
    appeal.refresh_from_db()
    assert appeal.state == "open"

    do(client, "marketplace_appeal", act, appeal, reason="Looked at it.")

    appeal.refresh_from_db()
    assert (appeal.state, appeal.ruling) == (state, "Looked at it.")
    assert balance(Account.Kind.PAYABLE, market.worker.pk) == earned_before + earned
    assert AuditEntry.objects.get(act="appeal.rule").actor == staff


def test_the_ledger_cannot_be_edited_in_the_administration(client, staff, market):
    for model in ("payments_transfer", "payments_account", "core_auditentry", "marketplace_assignment"):
        assert client.get(reverse(f"admin:{model}_changelist")).status_code == 200
        assert client.get(reverse(f"admin:{model}_add")).status_code == 403


def test_a_pause_is_decided_with_a_reason_or_not_at_all(client, staff, market):
    rows = market.worker.reliabilities.filter(project=market.project)
    rows.update(state="paused", state_reason="Several answers differed.")
    url = reverse("staff_worker_decide", args=[market.worker.public_id])
    form = {"project": str(market.project.public_id), "act": "reinstate"}

    client.post(url, form)
    assert set(rows.values_list("state", flat=True)) == {"paused"}
    page = client.post(url, form | {"reason": "The key was doubtful."}, follow=True).content.decode()

    assert "paused" not in set(rows.values_list("state", flat=True))
    assert "Decided, and written down" in page and "The key was doubtful." in page
    assert client.post(url, form | {"act": "ban", "reason": "x"}).status_code == 404


def test_a_flag_is_closed_by_a_person_who_says_why(client, staff, market):
    url = reverse("staff_flag_decide", args=[market.flag.public_id])

    client.post(url, {"reason": " ", "decision": "dismissed"})
    assert Flag.objects.get().state == "open"
    client.post(url, {"reason": "Two people of one office.", "decision": "dismissed"})

    assert Flag.objects.get().closed_reason == "Two people of one office."


def test_a_worker_appeals_once_and_reads_where_it_stands(client, market):
    client.force_login(market.worker.user)
    url = reverse("appeal", args=[market.rejected.public_id])

    client.post(url, {"reason": ""})
    assert not Appeal.objects.exists()
    page = client.post(url, {"reason": "Both were marked."}, follow=True).content.decode()
    client.post(url, {"reason": "Again."})

    assert "Both were marked." in page and "If nobody does, you are paid." in page
    assert [appeal.reason for appeal in Appeal.objects.all()] == ["Both were marked."]


def test_an_answer_that_is_not_rejected_cannot_be_appealed(client, market):
    client.force_login(market.worker.user)

    client.post(reverse("appeal", args=[market.held.public_id]), {"reason": "Why not."})

    assert not Appeal.objects.exists()


def test_an_answer_that_came_back_is_shown_with_its_note_and_what_was_said(
    client, make_batch, make_worker, make_project
):

    batch, worker = make_batch(project=make_project(rules={"auto_approve_seconds": 600})), make_worker()
    answer(worker, batch, {"digit": "one"})
    settle()
    redo(assignment=Assignment.objects.get(), by=None, note="Look at the shape.")
    client.force_login(worker.user)

    assert "Look at the shape." in client.get(reverse("find_work")).content.decode()
    page = client.get(reverse("work_page", args=[Assignment.objects.get().public_id])).content.decode()

    assert "Look at the shape." in page
    assert 'value="one" data-key="2" checked' in page


@pytest.mark.parametrize(("amount", "asked"), [("0.50", 0), ("99.00", 0), ("abc", 0), ("1.005", 0), ("1.00", 1)])
def test_only_what_is_there_can_be_paid_out(amount, asked, client, make_batch, make_worker, make_project):
    batch, worker = make_batch(project=make_project(rules={"reward": "2.00"})), make_worker()
    answer(worker, batch, {"digit": "one"})
    settle()
    client.force_login(worker.user)

    response = client.post(reverse("ask_payout"), {"amount": amount}, follow=True)

    assert worker.payouts.count() == asked
    assert ('class="note bad"' in response.content.decode()) == (not asked)


def test_an_error_page_says_what_happened_and_where_to_go(client, market):
    found = client.get("/nothing/here/")

    assert found.status_code == 404
    assert "There is nothing here" in found.content.decode()
    assert 'href="/"' in found.content.decode()


@pytest.mark.parametrize("number", ["500", "503"])
def test_the_last_pages_need_neither_request_nor_database(number):
    from django.template.loader import render_to_string

    html = render_to_string(f"{number}.html")

    assert "<h1>" in html and 'href="/"' in html


def test_a_rejected_answer_that_may_be_appealed_is_withheld_from_exports(market):
    from lifecycle.export import start_export
    from lifecycle.operations import run_to_end

    done = run_to_end(start_export(batch=market.batch, what="answers", format="jsonl"))
    handed_in = market.batch.assignments.filter(submitted_at__isnull=False).count()
    assert done.result["rows"] == handed_in - 1

    reject(assignment=market.batch.assignments.filter(state="submitted").first(), by=None, reason="No.")
    assert run_to_end(start_export(batch=market.batch, what="answers")).result["rows"] == handed_in - 2


def test_what_a_worker_says_opens_work_at_once(client, make_batch, make_project, make_worker):
    wants = [{"subject": "language", "compare": "in", "value": ["de"], "name": "German"}]
    batch, worker = make_batch(project=make_project(rules={"requirements": wants})), make_worker()
    client.force_login(worker.user)
    start = reverse("start_work", args=[batch.public_id])
    assert client.post(start).url == reverse("find_work")

    wrong = client.post(reverse("my_data"), {"languages": "German!"})
    assert wrong.status_code == 400 and "is no language code" in wrong.content.decode()
    client.post(reverse("my_data"), {"country": "at", "languages": "de, en", "accepts_distressing": "on"})

    worker.refresh_from_db()
    assert (worker.country, worker.languages, worker.accepts_distressing) == ("AT", ["de", "en"], True)
    assert client.post(start).url.startswith("/work/") and Assignment.objects.count() == 1


def test_a_worker_can_take_all_their_data_along(client, market):
    client.force_login(market.worker.user)

    response = client.get(reverse("my_data_file"))

    assert "attachment" in response["Content-Disposition"]
    held = response.json()
    assert held["person"]["email"] == market.worker.user.email and held["assignments"]
