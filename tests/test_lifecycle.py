"""One HIT from accept to paid."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.states import move
from lifecycle import submit as submitting
from lifecycle.accept import accept
from lifecycle.clock import STEPS
from lifecycle.close import close_batch
from lifecycle.submit import submit
from lifecycle.upkeep import pause_expired, raise_share_caps
from marketplace.errors import BatchNotOpen, CapReached, NoWork
from marketplace.models import Answer, Assignment, Batch, Hit
from marketplace.services.judging import purses_of
from marketplace.services.places import release_unneeded
from payments.models import Account
from payments.selectors import balance
from payments.services.goodwill import fill_goodwill
from quality.models import Belief, Flag
from tests.support.factories import body


def run_clock():
    while any(step() for _, step, _ in STEPS):
        pass


@pytest.mark.django_db
def test_a_hit_goes_from_accept_to_paid(make_batch, make_worker):
    batch = make_batch(hits=1, rules={"mode": "fixed", "answers": 3})
    requester = batch.project.requester
    workers = [make_worker() for _ in range(3)]

    for worker in workers:
        place = accept(worker=worker, batch=batch)
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))
        run_clock()

    hit = Hit.objects.get(batch=batch)
    belief = Belief.objects.get(hit=hit)
    assert (hit.state, hit.taken, hit.funded) == (Hit.State.RETIRED, 3, 0)
    assert (belief.label, belief.answers) == (1, 3)
    assert [balance(Account.Kind.PAYABLE, w.pk) for w in workers] == [100_000] * 3
    assert balance(Account.Kind.FEES) == 30_000
    assert balance(Account.Kind.ESCROW, batch.pk) == 0
    assert balance(Account.Kind.AVAILABLE, requester.pk) == 1_000_000_000 - 330_000


@pytest.mark.django_db
def test_a_worker_gets_each_hit_once(make_batch, make_worker):
    batch, worker = make_batch(hits=3, rules={"mode": "fixed", "answers": 2}), make_worker()

    places = [accept(worker=worker, batch=batch) for _ in range(3)]

    assert len({place.hit_id for place in places}) == 3
    with pytest.raises(NoWork):
        accept(worker=worker, batch=batch)


@pytest.mark.django_db
def test_a_batch_past_its_time_takes_no_new_work(make_batch, make_worker):
    batch, worker = make_batch(hits=2), make_worker()
    accept(worker=worker, batch=batch)
    Batch.objects.filter(pk=batch.pk).update(expires_at=timezone.now() - timedelta(seconds=1))

    pause_expired()

    batch.refresh_from_db()
    assert (batch.state, batch.paused_because) == ("paused", "expired")
    with pytest.raises(BatchNotOpen):
        accept(worker=worker, batch=batch)


@pytest.mark.django_db
def test_a_cap_rises_to_three_times_the_mean(make_batch, make_worker):
    batch = make_batch(hits=30, place_cap=5)
    busy, other = make_worker(), make_worker()
    for worker, number in ((busy, 5), (other, 3)):
        for _ in range(number):
            place = accept(worker=worker, batch=batch)
            submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))
    with pytest.raises(CapReached):
        accept(worker=busy, batch=batch)

    raise_share_caps()

    batch.refresh_from_db()
    assert batch.place_cap == 12
    accept(worker=busy, batch=batch)


@pytest.mark.django_db
def test_in_budget_mode_what_one_hit_saves_is_kept_for_the_others_until_close(make_batch, make_worker):
    batch = make_batch(hits=1, rules={"mode": "budget", "budget": "5.00"})
    hit = Hit.objects.get(batch=batch)
    move(hit, Hit.State.RETIRED)

    release_unneeded(hit_ids=[hit.pk], purses=purses_of([batch]))

    assert balance(Account.Kind.REPAIR, batch.pk) == 7 * 110_000

    close_batch(batch=Batch.objects.get(pk=batch.pk))

    assert balance(Account.Kind.ESCROW, batch.pk) == 0
    assert balance(Account.Kind.REPAIR, batch.pk) == 0
    assert balance(Account.Kind.AVAILABLE, batch.project.requester_id) == 1_000_000_000


@pytest.mark.django_db
def test_two_of_three_who_cannot_answer_park_the_hit_and_are_paid(make_batch, make_worker):
    batch = make_batch(hits=1)
    workers = [make_worker(), make_worker()]
    for worker in workers:
        place = accept(worker=worker, batch=batch)
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=b'{"cannot_answer": "it is blank"}')

    run_clock()

    assert Hit.objects.get(batch=batch).state == Hit.State.PARKED
    assert [balance(Account.Kind.PAYABLE, w.pk) for w in workers] == [100_000] * 2
    assert balance(Account.Kind.ESCROW, batch.pk) == 0


@pytest.mark.django_db(transaction=True)
def test_a_late_answer_is_stored_with_its_goodwill_or_not_at_all(make_batch, make_worker, make_user, monkeypatch):
    batch, late = make_batch(rules={"mode": "fixed", "answers": 1}), make_worker()
    place = accept(worker=late, batch=batch)
    Assignment.objects.filter(worker=late).update(deadline=timezone.now() - timedelta(seconds=1), reward=5_000)
    run_clock()
    other = accept(worker=make_worker(), batch=batch)
    submit(assignment=Assignment.objects.get(pk=other.assignment_id), raw=body(digit="one"))
    run_clock()
    fill_goodwill(amount=5_000, by=make_user(is_staff=True), key="1")
    real = submitting.pay_late

    def killed(**kwargs):
        real(**kwargs)
        raise SystemExit

    monkeypatch.setattr(submitting, "pay_late", killed)
    with pytest.raises(SystemExit):
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="zero"))
    assert not Answer.objects.filter(assignment=place.assignment_id).exists()
    assert balance(Account.Kind.PAYABLE, late.pk) == 0

    monkeypatch.setattr(submitting, "pay_late", real)
    receipts = [
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="zero")) for _ in range(2)
    ]

    assert receipts[0].sha256 == receipts[1].sha256
    assert Answer.objects.filter(assignment=place.assignment_id).count() == 1
    assert balance(Account.Kind.PAYABLE, late.pk) == 5_000
    assert balance(Account.Kind.GOODWILL) == 0


@pytest.mark.django_db
def test_a_late_answer_without_a_place_is_kept_and_paid_by_goodwill_once_a_day(make_batch, make_worker, make_user):
    batch, late = make_batch(hits=2, rules={"mode": "fixed", "answers": 1}), make_worker()
    places = [accept(worker=late, batch=batch) for _ in range(2)]
    Assignment.objects.filter(worker=late).update(deadline=timezone.now() - timedelta(seconds=1))
    run_clock()
    for _ in range(2):
        other = make_worker()
        for place in (accept(worker=other, batch=batch) for _ in range(1)):
            submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))
    run_clock()
    fill_goodwill(amount=20_000, by=make_user(is_staff=True), key="1")
    Assignment.objects.filter(worker=late).update(reward=5_000)

    receipts = [
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="zero")) for place in places
    ]

    assert [receipt.has_place for receipt in receipts] == [False, False]
    assert balance(Account.Kind.PAYABLE, late.pk) == 5_000
    assert balance(Account.Kind.GOODWILL) == 15_000
    assert Flag.objects.filter(kind="late").count() == 1
