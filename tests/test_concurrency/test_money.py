"""Deciding, paying and closing at the same moment: one outcome, and the ledger agrees with it."""

import time
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from django.utils import timezone

from core import money
from core.errors import IllegalMove, InsufficientFunds
from core.models import Operation
from lifecycle import decide
from lifecycle.accept import accept
from lifecycle.close import close_batch
from lifecycle.digest import digest_due
from lifecycle.invariants import check_invariants
from lifecycle.submit import submit
from marketplace.models import Appeal, Assignment, Batch, Hit
from marketplace.services.appealing import file_appeal
from marketplace.services.judging import purse_of
from marketplace.services.submitting import Receipt
from payments.models import Account, Entry, Payout
from payments.selectors import balance
from payments.services import payouts
from payments.services.escrow import put_aside
from payments.services.ledger import account, post_transfer
from quality.models import Judgment
from tests.support.factories import body
from tests.support.together import run_together, slowly

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("storm")]

LATER = {"auto_approve_seconds": 86_400}


def kinds(results):
    return Counter(type(result) for result in results)


def nothing_is_broken():
    return {finding.name: finding.broken for finding in check_invariants() if finding.broken} == {}


@pytest.fixture
def make_answered(make_batch, make_crowd):
    """A batch with `count` answers of as many workers, digested, waiting for a decision."""

    def make(count: int = 1, **kwargs) -> list[Assignment]:
        batch = make_batch(hits=count, places=1, rules={**LATER, "mode": "fixed", "answers": 1}, **kwargs)
        for worker in make_crowd(count):
            place = accept(worker=worker, batch=batch)
            submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))
        digest_due()
        return list(Assignment.objects.filter(batch=batch).order_by("pk"))

    return make


def pay(worker, amount: str) -> None:
    amounts = {
        account(Account.Kind.OUTSIDE): -money.parse(amount),
        account("worker:payable", worker.pk): money.parse(amount),
    }
    post_transfer(key=f"test:{worker.pk}", kind="test", amounts=amounts)


@pytest.mark.parametrize("attempt", range(20))
def test_of_approve_and_reject_exactly_one_wins_and_the_ledger_knows_which(attempt, make_answered):
    (assignment,) = make_answered()

    results = run_together(
        partial(decide.approve, assignment=Assignment.objects.get(pk=assignment.pk)),
        partial(decide.reject, assignment=Assignment.objects.get(pk=assignment.pk), by=None, reason="Wrong."),
    )

    assert kinds(results) == {Assignment: 1, IllegalMove: 1}
    state = Assignment.objects.get(pk=assignment.pk).state
    assert balance(Account.Kind.PAYABLE, assignment.worker_id) == (100_000 if state == "approved" else 0)
    assert nothing_is_broken()


def test_a_rejection_between_the_look_and_the_approval_is_not_approved_unpaid(make_answered, monkeypatch):
    """The caller's row still says submitted: approving must not then go through as the end of a rejection."""
    (assignment,) = make_answered()
    stale = Assignment.objects.get(pk=assignment.pk)
    decide.reject(assignment=assignment, by=None, reason="Wrong.")

    with pytest.raises(IllegalMove):
        decide.approve(assignment=stale)

    assert Assignment.objects.get().state == "rejected"
    assert balance(Account.Kind.PAYABLE, assignment.worker_id) == 0


def test_sixteen_approvals_of_one_answer_pay_it_once(make_answered):
    (assignment,) = make_answered()

    results = run_together(
        *[partial(decide.approve, assignment=Assignment.objects.get(pk=assignment.pk)) for _ in range(16)]
    )

    assert kinds(results) == {Assignment: 1, IllegalMove: 15}
    assert Entry.objects.filter(transfer__kind="reward", account__kind="worker:payable").count() == 1
    assert nothing_is_broken()


def test_deciders_side_by_side_pay_each_answer_once(make_answered):
    answered = make_answered(60)
    Assignment.objects.update(decide_at=timezone.now() - timedelta(seconds=1))

    def until_done():
        while Assignment.objects.filter(state="submitted").exists():
            decide.decide_due()

    results = run_together(*[until_done] * 6)

    assert results == [None] * 6
    assert Entry.objects.filter(transfer__kind="reward", account__kind="worker:payable").count() == len(answered)
    assert nothing_is_broken()


def test_digests_side_by_side_learn_from_each_answer_once(make_batch, make_crowd):
    batch = make_batch(hits=30, rules={"mode": "fixed", "answers": 3, **LATER})
    for worker in make_crowd(3):
        for _ in range(10):
            place = accept(worker=worker, batch=batch)
            submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))

    results = run_together(*[digest_due] * 6)

    assert not [r for r in results if isinstance(r, Exception)]
    assert sum(results) == 30
    assert Judgment.objects.count() == 30
    assert nothing_is_broken()


def test_the_end_of_an_appeal_and_its_ruling_pay_once(make_answered):
    (assignment,) = make_answered()
    rejected = decide.reject(assignment=assignment, by=None, reason="Wrong.")
    appeal = file_appeal(assignment=rejected, reason="It is right.")
    Assignment.objects.update(decide_at=timezone.now() - timedelta(seconds=1))

    results = run_together(
        decide.decide_due,
        partial(decide.rule, appeal=Appeal.objects.get(pk=appeal.pk), is_upheld=True, ruling="Right.", by=None),
        partial(decide.approve, assignment=Assignment.objects.get(pk=assignment.pk)),
    )

    assert not [r for r in results if isinstance(r, Exception) and not isinstance(r, IllegalMove)]
    assert Assignment.objects.get().state == "approved"
    assert balance(Account.Kind.PAYABLE, assignment.worker_id) == 100_000
    assert Appeal.objects.get().state == "upheld"
    assert nothing_is_broken()


def test_publishing_two_hundred_times_with_money_for_fifty_publishes_fifty(make_requester, make_batch, make_project):
    requester = make_requester(deposit="50.00")
    batch = make_batch(hits=0, project=make_project(requester=requester))

    results = run_together(
        *[partial(put_aside, purse=purse_of(batch), amount=1_000_000, key=f"part:{n}") for n in range(200)],
        connections=20,
    )

    assert kinds(results) == {bool: 50, InsufficientFunds: 150}
    assert balance(Account.Kind.AVAILABLE, requester.pk) == 0
    assert balance(Account.Kind.ESCROW, batch.pk) == 50_000_000


def test_payouts_side_by_side_never_take_more_than_there_is(make_worker):
    worker = make_worker()
    pay(worker, "10.00")

    results = run_together(*[partial(payouts.request_payout, worker=worker, amount=2_000_000) for _ in range(20)])

    assert kinds(results) == {Payout: 5, InsufficientFunds: 15}
    assert Payout.objects.count() == 5
    assert balance(Account.Kind.PAYABLE, worker.pk) == 0
    assert balance(Account.Kind.CLEARING) == 10_000_000


def test_a_payout_is_settled_or_failed_but_not_both(make_worker):
    worker = make_worker()
    pay(worker, "10.00")
    payout = payouts.send_payout(payout=payouts.request_payout(worker=worker, amount=10_000_000))

    results = run_together(
        *[partial(payouts.settle_payout, payout=Payout.objects.get()) for _ in range(4)],
        *[partial(payouts.fail_payout, payout=Payout.objects.get(), reason="No such account.") for _ in range(4)],
    )

    assert kinds(results) == {Payout: 1, IllegalMove: 7}
    payout.refresh_from_db()
    assert balance(Account.Kind.PAYABLE, worker.pk) == (0 if payout.state == "paid" else 10_000_000)
    assert balance(Account.Kind.CLEARING) == 0


@pytest.mark.parametrize("attempt", range(5))
def test_what_is_submitted_while_the_batch_closes_is_paid(attempt, make_batch, make_crowd):
    batch = make_batch(hits=8, places=1)
    places = [accept(worker=worker, batch=batch) for worker in make_crowd(8)]
    held = list(Assignment.objects.filter(pk__in=[place.assignment_id for place in places]))

    results = run_together(
        partial(close_batch, batch=Batch.objects.get(pk=batch.pk)),
        *[partial(submit, assignment=assignment, raw=body(digit="one")) for assignment in held],
    )
    digest_due()
    decide.decide_due()

    assert kinds(results) == {Operation: 1, Receipt: 8}
    assert [balance(Account.Kind.PAYABLE, a.worker_id) for a in held] == [100_000] * 8
    assert balance(Account.Kind.ESCROW, batch.pk) == 0
    assert nothing_is_broken()


def test_a_hit_does_not_open_again_in_a_batch_that_closes(make_answered, monkeypatch):
    """Closing waits for a digest that is about to open a HIT again, and then ends that HIT too."""
    (assignment,) = make_answered()
    batch = assignment.batch
    put_aside(purse=purse_of(batch), amount=0, repair=110_000, key="repair")
    Hit.objects.filter(pk=assignment.hit_id).update(state=Hit.State.RETIRED)
    monkeypatch.setattr(decide, "digest_hits", slowly(decide.digest_hits, 0.3))

    results = run_together(
        partial(decide.disregard, assignment=assignment, by=None, reason="Spam."),
        slowly_started(partial(close_batch, batch=Batch.objects.get(pk=batch.pk)), 0.1),
    )

    assert kinds(results) == {Assignment: 1, Operation: 1}
    hit = Hit.objects.get(pk=assignment.hit_id)
    assert (hit.state, hit.max_assignments) == (Hit.State.RETIRED, 2)  # it was opened for one more, and ended
    assert nothing_is_broken()


def slowly_started(call, seconds):
    def late():
        time.sleep(seconds)
        return call()

    return late
