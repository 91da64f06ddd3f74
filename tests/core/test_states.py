"""State machines over every pair of states: what `MOVES` lists succeeds, and nothing else does."""

import itertools
from datetime import timedelta

import pytest
from django.utils import timezone

from core.errors import IllegalMove
from core.models import Operation
from core.states import move, sources_of
from marketplace.models import Appeal, Assignment, Batch, Hit, Media
from payments.models import Deposit, Payout
from quality.models import Belief, Flag


def an_assignment(make_batch, make_worker, state):
    batch = make_batch()
    hit = Hit.objects.get(batch=batch)
    deadline = timezone.now() + timedelta(hours=1)
    return Assignment.objects.create(
        hit=hit, batch=batch, worker=make_worker(), reward=0, deadline=deadline, state=state
    )


def a_hit(make_batch, make_worker, state):
    Hit.objects.filter(batch=make_batch()).update(state=state)
    return Hit.objects.get()


def a_batch(make_batch, make_worker, state):
    batch = make_batch()
    Batch.objects.update(state=state, paused_because="staff" if state == "paused" else "")
    batch.refresh_from_db()
    return batch


def a_payout(make_batch, make_worker, state):
    return Payout.objects.create(worker=make_worker(), amount=1_000_000, currency="EUR", state=state)


def a_deposit(make_batch, make_worker, state):
    requester = make_batch().project.requester
    return Deposit.objects.create(requester=requester, amount=1, currency="EUR", state=state)


def an_appeal(make_batch, make_worker, state):
    assignment = an_assignment(make_batch, make_worker, "rejected")
    return Appeal.objects.create(assignment=assignment, reason="Right.", state=state, rule_by=timezone.now())


def an_operation(make_batch, make_worker, state):
    return Operation.objects.create(kind="test", subject="test:1", state=state)


def a_media(make_batch, make_worker, state):
    return Media.objects.create(requester=make_batch().project.requester, state=state)


def a_flag(make_batch, make_worker, state):
    return Flag.objects.create(kind="test", message="Look.", key="test", state=state, expires_at=timezone.now())


def a_belief(make_batch, make_worker, state):
    return Belief.objects.create(hit=a_hit(make_batch, make_worker, 0), question="digit", state=state)


MAKERS = {
    Assignment: an_assignment,
    Hit: a_hit,
    Batch: a_batch,
    Payout: a_payout,
    Deposit: a_deposit,
    Appeal: an_appeal,
    Operation: an_operation,
    Media: a_media,
    Flag: a_flag,
    Belief: a_belief,
}
PAIRS = [
    pytest.param(model, before, after, id=f"{model.__name__}-{before.label}-{after.label}")
    for model in MAKERS
    for before, after in itertools.product(model.State, model.State)
]


@pytest.mark.django_db
@pytest.mark.parametrize(("model", "before", "after"), PAIRS)
def test_a_move_happens_exactly_where_it_is_listed(model, before, after, make_batch, make_worker):
    row = MAKERS[model](make_batch, make_worker, before)
    changes = {"paused_because": "staff" if after == "paused" else ""} if model is Batch else {}

    if after in model.MOVES.get(before, ()):
        assert move(row, after, **changes).state == after
    else:
        with pytest.raises(IllegalMove):
            move(row, after, **changes)

    row.refresh_from_db()
    assert row.state == (after if after in model.MOVES.get(before, ()) else before)


@pytest.mark.parametrize("model", MAKERS)
def test_moves_name_states_that_exist(model):
    named = set(model.MOVES) | {after for targets in model.MOVES.values() for after in targets}

    assert named <= set(model.State)
    for after in model.State:
        assert set(sources_of(model, after)) == {b for b in model.State if after in model.MOVES.get(b, ())}


@pytest.mark.django_db
def test_of_two_rows_in_hand_the_later_move_is_refused(make_batch, make_worker):
    first = an_assignment(make_batch, make_worker, "submitted")
    second = Assignment.objects.get(pk=first.pk)

    move(first, Assignment.State.APPROVED)

    with pytest.raises(IllegalMove):
        move(second, Assignment.State.REJECTED)
    assert Assignment.objects.get().state == "approved"
