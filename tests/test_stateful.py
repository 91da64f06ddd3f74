"""A market lived through at random: whatever people and clocks do, in any order, every cent is accounted for.

Hypothesis chooses the acts and shrinks a failing life to its shortest form. STATEFUL_LIVES=20000 for a long night.
"""

import os
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Sum
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.errors import FlakyStrategyDefinition
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from core import money
from core.errors import DomainError
from core.models import Watermark
from lifecycle import accept, close, decide, digest, expire, more, submit
from lifecycle.invariants import STATEMENTS, check_invariants
from marketplace.models import Answer, Appeal, Assignment, Batch, Hit, Participation
from marketplace.services.appealing import file_appeal
from marketplace.services.judging import purse_of
from payments.models import Account, Entry, Payout
from payments.selectors import balance
from payments.services import payouts
from payments.services.escrow import Reward, pay_from_available, put_aside
from quality.models import GoldQuestion
from tests.support.factories import body

LIVES = int(os.environ.get("STATEFUL_LIVES", "20"))
ACTS = int(os.environ.get("STATEFUL_ACTS", "40"))
DEPOSIT = 100 * money.MICROS
WORKERS = 5
EACH_STEP = ("M1", "M2", "M3", "M4", "M5", "M6", "M7", "M9", "W1", "W2", "W4", "W5", "W6")

#: Which of the rows in question an act is about, counted round.
which = st.integers(0, 7)
ANSWERS = {
    "one": body(digit="one"),
    "zero": body(digit="zero"),
    "blank": b'{"cannot_answer": "it is blank"}',
}
answers = st.sampled_from(list(ANSWERS))


#: Moves that lives went through, and what they did: so that the test can tell that they were lives.
SEEN: Counter[tuple[str, str]] = Counter()
DID: Counter[str] = Counter()


def reachable(state):
    """Where one act may bring an assignment: one move, or two."""
    once = Assignment.MOVES.get(state, set())
    return {state, *once, *(twice for one in once for twice in Assignment.MOVES.get(one, set()))}


def some(*states, **facts):
    """The act is about an assignment in one of these states: without one it is not chosen."""
    return precondition(lambda self: self.looked_at(states, facts))


class Market(RuleBasedStateMachine):
    factories: dict = {}
    is_open = has_room = False

    # --- the world ---------------------------------------------------------------------------------------------------

    @initialize(
        mode=st.sampled_from(["target", "budget", "fixed", "sampled"]),
        reward=st.sampled_from(["0.10", "0.0001", "0"]),
        hits=st.integers(2, 4),
        delay=st.sampled_from([0, 3600]),
        repair=st.integers(0, 3),
        known=st.booleans(),
        grouped=st.sampled_from([False, False, True]),
        opening=st.lists(st.tuples(which, answers), min_size=2, max_size=8),
    )
    def publish(self, mode, reward, hits, delay, repair, known, grouped, opening):
        make = self.factories
        rules = {"mode": mode, "reward": reward, "auto_approve_seconds": delay, "min_answers": 2, "max_answers": 4}
        rules |= {"answers": 3, "budget": "5.00", "undo_seconds": 8}
        self.requester = make["requester"](deposit="100.00")
        project = make["project"](requester=self.requester, rules=rules)
        self.batch = make["batch"](project=project, hits=hits)
        put_aside(purse=purse_of(self.batch), amount=0, repair=repair * self.batch.price, key=f"repair:{self.batch.pk}")
        rows = Hit.objects.filter(batch=self.batch).order_by("pk")
        if grouped:
            rows.update(group_key=7)
        if known:
            gold = rows.last()
            rows.filter(pk=gold.pk).update(lane=1)
            GoldQuestion.objects.create(project=project, hit=gold, keys={"digit": {"accept": ["one"]}})
        self.workers = [make["worker"]() for _ in range(WORKERS)]
        self.acts = 0
        self.states: dict[int, str] = {}
        self.bonuses = Counter()
        self.bonus_fees = 0
        for (
            index,
            answer,
        ) in opening:  # hypothesis leaves rules out of most lives, and each life needs something to decide
            self.take_and_hand_in(index, answer, digests=False)
        digest.digest_due()

    # --- looking -----------------------------------------------------------------------------------------------------

    def looked_at(self, states, facts):
        return any(
            row.state in states and all(getattr(row, name) == value for name, value in facts.items())
            for row in getattr(self, "rows", ())
        )

    def pick(self, index, **where):
        rows = list(Assignment.objects.filter(batch=self.batch, **where).order_by("pk"))
        return rows[index % len(rows)] if rows else None

    def act(self, function, **arguments):
        """A refusal is an outcome like any other; anything else that is raised is a bug."""
        try:
            result = function(**arguments)
        except DomainError as refusal:
            DID[f"{function.__name__}: {refusal.code}"] += 1
            return None
        DID[function.__name__] += 1
        return result

    # --- workers -----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.has_room)
    @rule(index=which, ahead=st.booleans(), key=st.sampled_from([None, "a", "b"]))
    def take(self, index, ahead, key):
        Participation.objects.filter(batch=self.batch).update(dry_until=None, lane_share=0.3)
        function = accept.accept_ahead if ahead else accept.accept
        self.act(function, worker=self.workers[index % WORKERS], batch=self.batch, key=key)

    @precondition(lambda self: self.has_room)
    @rule(index=which, answer=answers, digests=st.booleans())
    def take_and_hand_in(self, index, answer, digests):
        """What happens most, so that lives have something to decide on."""
        self.take(index, ahead=False, key=None)
        if place := self.pick(index, state="accepted", is_ahead=False):
            self.act(submit.submit, assignment=place, raw=ANSWERS[answer], undo=0)
        if digests:
            digest.digest_due()

    @some("accepted", is_ahead=True)
    @rule(index=which)
    def open(self, index):
        if place := self.pick(index, state="accepted", is_ahead=True):
            accept.open_accepted(assignment=place)

    @some("accepted")
    @rule(index=which, answer=answers, undo=st.sampled_from([0, 8]))
    def hand_in(self, index, answer, undo):
        if place := self.pick(index, state="accepted"):
            self.act(submit.submit, assignment=place, raw=ANSWERS[answer], undo=undo)

    @some("submitted", "revising", "expired", "returned", "approved")
    @rule(index=which, answer=answers)
    def hand_in_again_or_late(self, index, answer):
        if place := self.pick(index, state__in=["submitted", "revising", "expired", "returned", "approved"]):
            self.act(submit.submit, assignment=place, raw=ANSWERS[answer])

    @some("accepted")
    @rule(index=which)
    def give_back(self, index):
        if place := self.pick(index, state="accepted"):
            self.act(expire.return_place, assignment=place, reason="unclear")

    @some("rejected")
    @rule(index=which)
    def appeal(self, index):
        if rejected := self.pick(index, state="rejected"):
            self.act(file_appeal, assignment=rejected, reason="It is right.")

    @some("approved")
    @rule(index=which)
    def pay_out(self, index):
        worker = self.workers[index % WORKERS]
        amount = money.whole_cents(balance(Account.Kind.PAYABLE, worker.pk))
        if payout := self.act(payouts.request_payout, worker=worker, amount=amount):
            if index % 3 == 2:
                payouts.cancel_payout(payout=payout)
                return
            payouts.send_payout(payout=payout)
            if index % 2:
                payouts.fail_payout(payout=payout, reason="No such account.")
            else:
                payouts.settle_payout(payout=payout)

    # --- requesters and staff ----------------------------------------------------------------------------------------

    @some("submitted", "rejected")
    @rule(index=which)
    def approve(self, index):
        if done := self.pick(index, state__in=["submitted", "rejected"]):
            self.act(decide.approve, assignment=done)

    @some("submitted")
    @rule(index=which)
    def reject(self, index):
        if done := self.pick(index, state="submitted"):
            self.act(decide.reject, assignment=done, by=None, reason="Wrong.")

    @some("submitted")
    @rule(index=which)
    def send_back(self, index):
        if done := self.pick(index, state="submitted"):
            self.act(decide.redo, assignment=done, by=None, note="Look again.")

    @some("submitted", "approved")
    @rule(index=which)
    def disregard(self, index):
        if done := self.pick(index, state__in=["submitted", "approved"]):
            self.act(decide.disregard, assignment=done, by=None, reason="Not used.")

    @some("rejected")
    @rule(upheld=st.booleans())
    def rule_on_appeal(self, upheld):
        if appeal := Appeal.objects.filter(assignment__batch=self.batch, state="open").first():
            self.act(decide.rule, appeal=appeal, is_upheld=upheld, ruling="So it is.", by=None)

    @rule(index=which)
    def give_bonus(self, index):
        worker = self.workers[index % WORKERS]
        reward = Reward(assignment_id=0, worker_id=worker.pk, reward=7000, fee=700)
        key = f"bonus:{self.batch.pk}:{index}"  # the same index again is a retry, and pays nothing
        before = Entry.objects.filter(transfer__key=key).exists()
        pay_from_available(purse=purse_of(self.batch), reward=reward, key=key, kind="bonus")
        if not before:
            self.bonuses[worker.pk] += 7000
            self.bonus_fees += 700

    @rule(index=which)
    def ask_for_more(self, index):
        hits = list(Hit.objects.filter(batch=self.batch, state=Hit.State.OPEN).order_by("pk"))
        if hits:
            hit = hits[index % len(hits)]
            self.act(more.ask_for_more, batch=hit.batch, answers=1, hit_ids=[hit.pk])

    @precondition(lambda self: self.acts > 25 and self.is_open)
    @rule()
    def close(self):
        self.act(close.close_batch, batch=Batch.objects.get(pk=self.batch.pk))

    # --- time --------------------------------------------------------------------------------------------------------

    @some("accepted")
    @rule(index=which)
    def a_place_runs_out(self, index):
        if place := self.pick(index, state="accepted"):
            Assignment.objects.filter(pk=place.pk).update(deadline=timezone.now() - timedelta(milliseconds=1))
            if index % 2:
                Watermark.objects.filter(name="expire").update(at=timezone.now() - timedelta(days=1))
                expire.expire_due()

    @some("submitted")
    @rule()
    def seconds_pass(self):
        due = Answer.objects.filter(assignment__batch=self.batch, digested_at=None)
        due.update(final_at=timezone.now() - timedelta(milliseconds=1))
        digest.digest_due()
        close.close_finished()

    @some("submitted", "revising", "rejected")
    @rule(index=which)
    def a_decision_falls_due(self, index):
        if waiting := self.pick(index, decide_at__isnull=False):
            Assignment.objects.filter(pk=waiting.pk).update(decide_at=timezone.now() - timedelta(milliseconds=1))
        decide.decide_due()

    # --- what always holds -------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_broken(self):
        if not hasattr(self, "batch"):
            return
        for name in EACH_STEP:
            with connection.cursor() as cursor:
                cursor.execute(STATEMENTS[name][1])
                assert cursor.fetchall() == [], name

    @invariant()
    def every_move_is_legal(self):
        if not hasattr(self, "batch"):
            return
        self.acts += 1
        DID["acts"] += 1
        self.rows = list(Assignment.objects.filter(batch=self.batch))
        self.is_open = Batch.objects.get(pk=self.batch.pk).state == Batch.State.OPEN
        self.has_room = self.is_open and Hit.objects.filter(batch=self.batch, room=True).exists()
        for assignment in self.rows:
            before = self.states.get(assignment.pk, "accepted")
            assert assignment.state in reachable(before), f"{before} -> {assignment.state}"
            if before != assignment.state:
                SEEN[before, assignment.state] += 1
            self.states[assignment.pk] = assignment.state

    @invariant()
    def every_cent_is_accounted_for(self):
        """Counted from what was decided, and not from the ledger that is looked at."""
        if not hasattr(self, "batch"):
            return
        batch = self.batch
        approved = Counter(Assignment.objects.filter(batch=batch, state="approved").values_list("worker_id", flat=True))
        for worker in self.workers:
            paid = Payout.objects.filter(worker=worker, state="paid").aggregate(sum=Sum("amount"))["sum"] or 0
            earned = approved[worker.pk] * batch.reward + self.bonuses[worker.pk]
            assert balance(Account.Kind.PAYABLE, worker.pk) == earned - paid
        spent = approved.total() * batch.price + self.bonuses.total() + self.bonus_fees
        kept = [balance(Account.Kind.ESCROW, batch.pk), balance(Account.Kind.REPAIR, batch.pk)]
        assert balance(Account.Kind.AVAILABLE, self.requester.pk) == DEPOSIT - spent - sum(kept)

    @invariant()
    def every_free_place_is_paid_for(self):
        """A place that a worker could take now, and each that is taken and open, has its money put aside."""
        if not hasattr(self, "batch"):
            return
        for hit in Hit.objects.filter(batch=self.batch, state=Hit.State.OPEN):
            standing = hit.assignments.filter(state__in=["accepted", "submitted", "revising"]).count()
            standing += hit.assignments.filter(state="rejected", decide_at__isnull=False).count()
            assert hit.funded >= standing + hit.max_assignments - hit.taken, hit

    def teardown(self):
        if hasattr(self, "batch"):
            broken = {finding.name: finding.broken for finding in check_invariants() if finding.broken}
            assert broken == {}


def live_some_lives(tries: int = 3) -> None:
    """What a rule may do can hang on the clock of the database; a life that could not be lived again is no finding."""
    for left in reversed(range(tries)):
        try:
            run_state_machine_as_test(
                Market,
                settings=settings(
                    max_examples=LIVES,
                    stateful_step_count=ACTS,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                    phases=[Phase.explicit, Phase.generate, Phase.shrink],
                    print_blob=True,
                ),
            )
            return
        except FlakyStrategyDefinition:
            if not left:
                raise


@pytest.mark.django_db(transaction=True)
def test_a_market_lived_through_at_random(make_requester, make_project, make_batch, make_worker):
    Market.factories = {
        "requester": make_requester,
        "project": make_project,
        "batch": make_batch,
        "worker": make_worker,
    }

    live_some_lives()

    for move in [
        ("accepted", "submitted"),
        ("submitted", "approved"),
        ("submitted", "rejected"),
        ("submitted", "revising"),
    ]:
        assert SEEN[move], f"No life went {move}: {SEEN}; {DID}"
