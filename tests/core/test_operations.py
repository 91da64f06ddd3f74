"""Long work in turns: leases, kills, cancelling, giving up."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.errors import Conflict, Invalid
from core.models import Operation
from core.operations import (
    MOST_ATTEMPTS,
    MOST_FAILURES,
    LeaseLost,
    Turn,
    cancel_operation,
    start_operation,
    take,
    take_due,
    work_on,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def operation():
    return start_operation(kind="count", subject="thing:1")


def count_to_three(turn):
    n = turn.cursor.get("n", 0) + 1
    turn.save(cursor={"n": n}, done=n)
    if n == 3:
        turn.finish(result={"n": n})


def run(work, **more):
    operation = take_due({"count": work})
    return work_on(operation, work, **more) if operation else None


def test_work_goes_on_until_it_is_finished(operation):
    done = run(count_to_three)

    assert (done.state, done.done, done.result) == ("done", 3, {"n": 3})
    done.refresh_from_db()
    assert (done.state, done.cursor, done.lease_until) == ("done", {"n": 3}, None)
    assert run(count_to_three) is None


def test_a_turn_that_is_over_leaves_the_rest_to_the_next(operation):
    def once(turn):
        count_to_three(turn)
        turn.ends_at = 0

    for n in (1, 2):
        assert run(once).state == "waiting"
        operation.refresh_from_db()
        assert (operation.cursor, operation.lease_until) == ({"n": n}, None)
    assert run(once).state == "done"


def test_one_thing_is_not_done_twice_at_a_time(operation):
    with pytest.raises(Conflict) as caught:
        start_operation(kind="count", subject="thing:1")
    assert caught.value.code == "under_way"
    assert Operation.objects.count() == 1


def test_a_leased_operation_is_nobody_elses_until_the_lease_ends(operation):
    first = take(operation)
    assert take(operation) is None
    assert take_due({"count": count_to_three}) is None

    Operation.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert take(operation) is not None
    with pytest.raises(LeaseLost):
        Turn(first).save(cursor={"n": 99})
    operation.refresh_from_db()
    assert operation.cursor == {}


def test_cancelling_is_seen_by_the_work_and_is_refused_afterwards(operation):
    cancel_operation(operation=operation)

    def stop(turn):
        assert turn.cancel_is_asked()
        turn.finish(Operation.State.CANCELLED)

    assert run(stop).state == "cancelled"
    with pytest.raises(Conflict):
        cancel_operation(operation=operation)


def test_a_refusal_ends_the_work_with_its_sentence(operation):
    def refuse(turn):
        raise Invalid("The file has errors.", errors={"line 3": "Has 2 cells."})

    failed = run(refuse)
    assert (failed.state, failed.error, failed.result) == (
        "failed",
        "The file has errors.",
        {"errors": {"line 3": "Has 2 cells."}},
    )


@pytest.mark.logs_errors
def test_an_accident_is_tried_again_a_few_times_later_and_later(operation):
    def stumble(turn):
        turn.save(done=1)
        raise RuntimeError("no disk")

    for failures in range(1, MOST_FAILURES):
        operation = run(stumble)
        assert (operation.state, operation.failures) == ("waiting", failures)
        assert operation.due_at > timezone.now() + timedelta(seconds=2**failures - 1)
        assert run(stumble) is None
        Operation.objects.update(due_at=timezone.now())
    operation = run(stumble)
    assert (operation.state, operation.error) == (
        "failed",
        "Something broke on our side (RuntimeError). Staff can see why.",
    )


def test_work_that_kills_its_processes_is_given_up(operation):
    for _ in range(MOST_ATTEMPTS):
        assert take(operation) is not None
        Operation.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    assert run(count_to_three).state == "failed"
