"""Everything at once, for some seconds: nobody waits for one who waits for them, and the books are right after."""

import os
import random
import threading
import time
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from core.errors import DomainError
from core.models import Watermark
from lifecycle import accept, close, decide, digest, expire, more, submit
from lifecycle.invariants import check_invariants
from marketplace.models import Appeal, Assignment, Batch, Hit
from marketplace.services import judging
from marketplace.services.appealing import file_appeal
from payments.models import Account
from payments.selectors import balance
from payments.services import payouts
from payments.services.escrow import Reward, pay_from_available, put_aside
from tests.support.factories import body
from tests.support.together import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("storm")]

SECONDS = float(os.environ.get("DEADLOCK_SECONDS", "6"))
THREADS = 8


def a_random(rows):
    """One of them, or None."""
    ids = list(rows.values_list("pk", flat=True)[:200])
    return rows.model.objects.get(pk=random.choice(ids)) if ids else None


class Market:
    """What people and clocks do to two small batches of one requester."""

    def __init__(self, batches, workers):
        self.batches, self.workers = batches, workers

    def take(self):
        accept.accept(worker=random.choice(self.workers), batch=random.choice(self.batches))

    def take_ahead(self):
        place = accept.accept_ahead(worker=random.choice(self.workers), batch=random.choice(self.batches))
        accept.open_accepted(assignment=Assignment.objects.get(pk=place.assignment_id))

    def hand_in(self):
        if held := a_random(Assignment.objects.filter(state="accepted")):
            answer = body(digit=random.choice(["one", "zero"]))
            submit.submit(assignment=held, raw=random.choice([answer, answer, answer, b'{"cannot_answer": "blank"}']))

    def give_back(self):
        if held := a_random(Assignment.objects.filter(state="accepted")):
            expire.return_place(assignment=held, reason="other")

    def time_out(self):
        if held := a_random(Assignment.objects.filter(state="accepted")):
            Assignment.objects.filter(pk=held.pk).update(deadline=timezone.now() - timedelta(seconds=1))
            Watermark.objects.filter(name="expire").update(at=timezone.now() - timedelta(seconds=30))
            expire.expire_due()

    def learn(self):
        digest.digest_due()

    def decide(self):
        with transaction.atomic():  # time passes, and takes no lock that the market does not take
            due = Assignment.objects.filter(state="submitted", decide_at__isnull=False)
            ids = [row.pk for row in due.select_for_update(skip_locked=True)]
            Assignment.objects.filter(pk__in=ids).update(decide_at=timezone.now())
        decide.decide_due()

    def approve(self):
        if done := a_random(Assignment.objects.filter(state__in=["submitted", "rejected"])):
            decide.approve(assignment=done)

    def reject(self):
        if done := a_random(Assignment.objects.filter(state="submitted")):
            decide.reject(assignment=done, by=None, reason="Wrong.")

    def send_back(self):
        if done := a_random(Assignment.objects.filter(state="submitted")):
            decide.redo(assignment=done, by=None, note="Look again.")

    def disregard(self):
        if done := a_random(Assignment.objects.filter(state="approved", counts=True)):
            decide.disregard(assignment=done, by=None, reason="Not used.")

    def appeal(self):
        if lost := a_random(Assignment.objects.filter(state="rejected")):
            file_appeal(assignment=lost, reason="It is right.")

    def rule(self):
        if appeal := a_random(Appeal.objects.filter(state="open")):
            decide.rule(appeal=appeal, is_upheld=random.random() < 0.5, ruling="So it is.", by=None)

    def fund(self):
        batch = random.choice(self.batches)
        with transaction.atomic():
            put_aside(purse=judging.purse_of(batch), amount=0, repair=batch.price, key=f"repair:{random.random()}")

    def ask_for_more(self):
        hit = a_random(Hit.objects.filter(state=0))
        if hit:
            more.ask_for_more(batch=hit.batch, answers=1, hit_ids=[hit.pk])

    def bonus(self):
        batch, worker = random.choice(self.batches), random.choice(self.workers)
        reward = Reward(assignment_id=0, worker_id=worker.pk, reward=1000, fee=100)
        pay_from_available(purse=judging.purse_of(batch), reward=reward, key=f"bonus:{random.random()}", kind="bonus")

    def pay_out(self):
        worker = random.choice(self.workers)
        if balance(Account.Kind.PAYABLE, worker.pk) >= 1_000_000:
            payouts.settle_payout(
                payout=payouts.send_payout(payout=payouts.request_payout(worker=worker, amount=1_000_000))
            )

    def acts(self):
        often = [self.take, self.take_ahead, self.hand_in, self.hand_in, self.learn, self.decide]
        return often * 3 + [
            self.give_back, self.time_out, self.approve, self.reject, self.send_back, self.disregard, self.appeal,
            self.rule, self.fund, self.ask_for_more, self.bonus, self.pay_out,
        ]  # fmt: skip


def storm(market):
    """Everybody does anything for SECONDS: how often each act came out how, and what broke that was no refusal."""
    end = time.monotonic() + SECONDS
    did: Counter[str] = Counter()
    broke: list[str] = []
    counting = threading.Lock()

    def live(seed):
        generator = random.Random(seed)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '5s'")
        while time.monotonic() < end:
            act = generator.choice(market.acts())
            try:
                act()
                outcome = act.__name__
            except DomainError as refusal:
                outcome = f"{act.__name__}: {refusal.code}"
            except Exception as error:
                outcome = f"{act.__name__}: {type(error).__name__}"
                broke.append(f"{act.__name__}: {type(error).__name__}: {str(error)[:300]}")
            with counting:
                did[outcome] += 1

    run_together(*[lambda seed=seed: live(seed) for seed in range(THREADS)])
    return did, broke


def test_all_of_it_at_once_never_deadlocks(make_project, make_requester, make_batch, make_crowd, settings):
    project = make_project(requester=make_requester(), rules={"max_open": 50, "auto_approve_seconds": 3600})
    batches = [make_batch(project=project, hits=150) for _ in range(2)]
    market = Market(batches, make_crowd(12))
    did, broke = storm(market)
    closing = run_together(
        *[lambda batch=batch: close.close_batch(batch=Batch.objects.get(pk=batch.pk)) for batch in batches],
        digest.digest_due,
        decide.decide_due,
        market.give_back,
    )

    assert broke == []
    assert not [result for result in closing if isinstance(result, Exception) and not isinstance(result, DomainError)]
    assert {finding.name: finding.broken for finding in check_invariants() if finding.broken} == {}
    # It was a market, not a row of refusals.
    for act in ("take", "hand_in", "learn", "decide", "reject", "appeal", "rule", "give_back", "time_out", "bonus"):
        assert did[act] > 0, f"{act} never happened: {did}"
