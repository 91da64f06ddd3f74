"""Whom a decision concerns hears of it with its cause, once, and with the way on."""

import json

import pytest
from django.urls import reverse
from django.utils import translation

from core import money
from lifecycle import bonus, decide, pay_out
from lifecycle.accept import accept
from lifecycle.close import close_batch
from lifecycle.digest import digest_due
from lifecycle.qualify import answer_request, grant
from lifecycle.submit import submit
from marketplace.models import Appeal, Assignment, Batch
from marketplace.services.appealing import file_appeal
from marketplace.services.posting import pause_batch
from payments.services.deposits import confirm_deposit, refuse_deposit, request_deposit
from quality.models import WorkerReliability
from quality.services.watching import keep_paused, reinstate_worker
from workers_app.services.granting import create_qualification
from workers_app.services.requesting import request_qualification

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(make_batch):
    return make_batch(hits=3, rules={"auto_approve_seconds": 86_400})


@pytest.fixture
def worker(make_worker):
    return make_worker()


@pytest.fixture
def owner(batch):
    return batch.project.requester.memberships.get().user


@pytest.fixture
def answer(batch, worker):
    place = accept(worker=worker, batch=batch)
    assignment = Assignment.objects.get(pk=place.assignment_id)
    submit(assignment=assignment, raw=json.dumps({"answers": {"digit": "one"}}).encode(), undo=0)
    digest_due()
    assignment.refresh_from_db()
    return assignment


def heard(user):
    return [(notice.kind, notice.title, notice.body) for notice in user.notices.order_by("pk")]


def test_a_rejection_says_why_and_where_to_appeal(answer, worker, owner):
    decide.reject(assignment=answer, by=owner.pk, reason="Two names were not marked")

    ((kind, title, body),) = heard(worker.user)
    assert (kind, title) == ("answer.rejected", "Rejected: Read digits")
    assert body.startswith("Reason: Two names were not marked. You may appeal for 7 days")
    assert worker.user.notices.get().url == reverse("earnings_rejected")


def test_a_rejection_that_is_undone_says_what_it_brings(answer, worker, owner):
    decide.reject(assignment=answer, by=owner.pk, reason="Wrong.")
    decide.approve(assignment=answer, by=owner.pk)

    assert heard(worker.user)[-1][0] == "answer.approved" and "€0.10" in heard(worker.user)[-1][2]


def test_an_appeal_is_heard_by_both_sides(answer, worker, owner, make_user):
    decide.reject(assignment=answer, by=owner.pk, reason="Wrong.")
    file_appeal(assignment=answer, reason="It was right")
    assert heard(owner)[-1][0] == "appeal.filed" and "It was right." in heard(owner)[-1][2]

    decide.rule(appeal=Appeal.objects.get(), is_upheld=False, ruling="It was not.", by=make_user(is_staff=True))

    assert heard(worker.user)[-1] == ("appeal.ruled", "Your appeal was dismissed: Read digits", "It was not.")


def test_sent_back_says_what_to_change(answer, worker, owner):
    decide.redo(assignment=answer, by=owner.pk, note="Mark both names")

    assert heard(worker.user)[-1][:2] == ("answer.returned", "Sent back for another version: Read digits")


def test_a_bonus_is_told_once_however_often_it_is_asked_for(answer, worker, owner):
    for _twice in range(2):
        bonus.pay_bonus(assignment=answer, amount=money.parse("0.50"), reason="Careful", key="k", by=owner)

    assert heard(worker.user) == [("answer.bonus", "A bonus of €0.50: Read digits", "Careful.")]


def test_money_that_comes_and_goes_is_told(worker, owner, answer, make_user):
    staff = make_user(is_staff=True)
    bonus.pay_bonus(assignment=answer, amount=money.parse("5.00"), reason="Careful", key="k", by=owner)
    worker.user.notices.all().delete()
    first = pay_out.request(worker=worker, amount=money.parse("2.00"))
    pay_out.settle(payout=pay_out.send(payout=first, by=staff), by=staff, reference="T 12")
    second = pay_out.request(worker=worker, amount=money.parse("1.00"))
    pay_out.fail(payout=pay_out.send(payout=second, by=staff), by=staff, reason="No such account.")
    refused = request_deposit(requester=answer.batch.project.requester, amount=money.parse("7.00"))
    refuse_deposit(deposit=refused, by=staff, reason="Nothing came.")

    assert heard(worker.user) == [
        ("payout.paid", "€2.00 were paid out", "T 12"),
        ("payout.failed", "A payout of €1.00 failed", "No such account. The money is yours again."),
    ]
    assert heard(owner)[0][:2] == ("deposit.confirmed", "€1,000.00 arrived")
    assert heard(owner)[-1] == ("deposit.refused", "The deposit of €7.00 did not arrive", "Nothing came.")


def test_a_batch_says_that_it_stopped_and_that_it_is_done(batch, owner, make_user):
    viewer = make_user()
    batch.project.requester.memberships.create(user=viewer, role="viewer")
    owner.notices.all().delete()
    pause_batch(batch=batch)
    assert heard(owner) == []  # the requester knows
    Batch.objects.filter(pk=batch.pk).update(state="open", paused_because="")
    pause_batch(batch=batch, reason=Batch.Pause.EXPIRED)
    close_batch(batch=batch)

    assert [kind for kind, _title, _body in heard(owner)] == ["batch.paused", "batch.finished"]
    assert heard(owner)[0][2].startswith("Its time is over. Extend it")
    assert heard(viewer) == []


def test_a_pause_of_a_worker_and_its_end_are_told(batch, worker, make_user):
    staff = make_user(is_staff=True)
    pair = {"project": batch.project, "worker": worker}
    WorkerReliability.objects.create(**pair, question="digit", state="paused", state_reason="Paused because.")

    keep_paused(**pair, by=staff, reason="Not yet.")
    reinstate_worker(**pair, by=staff, reason="It was the guideline.")

    assert [kind for kind, _title, _body in heard(worker.user)] == ["access.kept_paused", "access.reinstated"]


def test_a_qualification_is_told_and_a_list_is_not(batch, worker):
    requester = batch.project.requester
    open_one = create_qualification(requester=requester, name="Latin")
    listed = create_qualification(requester=requester, name="My people", kind="list")
    grant(qualification=open_one, worker=worker)
    grant(qualification=listed, worker=worker)
    asked = create_qualification(requester=requester, name="Greek", can_request=True)
    answer_request(
        request=request_qualification(worker=worker, qualification=asked), is_granted=False, answer="Not now."
    )

    assert heard(worker.user) == [
        ("qualification.granted", "You hold a qualification: Latin", ""),
        ("qualification.refused", "Not granted: Greek", "Not now."),
    ]


def test_an_amount_is_written_as_its_reader_writes_it_whoever_caused_it(answer, worker, owner, make_user):
    requester = answer.batch.project.requester
    deposit = request_deposit(requester=requester, amount=money.parse("1000.00"))
    confirm_deposit(deposit=deposit, by=make_user(is_staff=True))
    worker.user.language = "de"
    worker.user.save(update_fields=["language"])

    with translation.override("en"):
        bonus.pay_bonus(assignment=answer, amount=money.parse("1234.50"), reason="Careful", key="k", by=owner)

    assert "1.234,50\u202f€" in heard(worker.user)[-1][1]
