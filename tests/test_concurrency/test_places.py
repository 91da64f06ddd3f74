"""Accepting at the same moment: no place is given twice, and nobody is sent away from a free one."""

from collections import Counter
from functools import partial

import pytest

from lifecycle.accept import accept, accept_ahead, open_accepted
from lifecycle.expire import expire, return_place
from lifecycle.invariants import check_invariants
from lifecycle.submit import submit
from marketplace.errors import HitFull, NotYours, NoWork, TooManyOpen
from marketplace.models import Assignment, Hit, Participation
from marketplace.services import accepting
from marketplace.services.accepting import Place, accept_hit, check_in
from tests.support.factories import body
from tests.support.together import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("storm")]


def kinds(results):
    return Counter(type(result) for result in results)


def nothing_is_broken():
    return {finding.name: finding.broken for finding in check_invariants() if finding.broken} == {}


def storm(batch, workers):
    """Each worker accepts once, over 100 connections."""
    for worker in workers:
        check_in(worker=worker, batch=batch)  # so that the storm is one of claims, not of checks
    return run_together(*[partial(accept, worker=worker, batch=batch) for worker in workers], connections=100)


@pytest.mark.parametrize("places", [1, 100])
def test_a_thousand_accepts_of_the_last_places_give_exactly_those(places, make_batch, make_crowd):
    batch = make_batch(hits=1, places=places)

    results = storm(batch, make_crowd(1000))

    assert kinds(results) == {Place: places, NoWork: 1000 - places}
    assert Hit.objects.get(batch=batch).taken == Assignment.objects.count() == places
    assert nothing_is_broken()


# What the claim would be without its lock: look for room, and take it a moment later.
UNGUARDED = accepting.CLAIM_NAMED.replace("FOR NO KEY UPDATE OF h", "")
UNGUARDED = UNGUARDED.replace("h.room AND", "h.room AND pg_sleep(.05) IS NOT NULL AND")


def test_without_the_lock_the_last_place_would_be_given_to_many(make_batch, make_crowd, monkeypatch, without_check):
    """The storm proves something: with the lock and the CHECK out of the way, the same storm oversells."""
    without_check("marketplace_hit", "hit_never_overfull")
    batch, crowd = make_batch(hits=1, places=1), make_crowd(20)
    hit = Hit.objects.get(batch=batch)
    for worker in crowd:
        check_in(worker=worker, batch=batch)
    assert UNGUARDED != accepting.CLAIM_NAMED
    monkeypatch.setattr(accepting, "CLAIM_NAMED", UNGUARDED)

    results = run_together(*[partial(accept_hit, worker=worker, hit=hit) for worker in crowd])

    assert kinds(results)[Place] > 1


def test_the_last_place_of_a_named_hit_is_given_once(make_batch, make_crowd):
    batch, crowd = make_batch(hits=1, places=1), make_crowd(100)
    hit = Hit.objects.get(batch=batch)

    results = run_together(*[partial(accept_hit, worker=worker, hit=hit) for worker in crowd])

    assert kinds(results) == {Place: 1, HitFull: 99}


def test_as_many_workers_as_places_all_find_one(make_batch, make_crowd):
    """SKIP LOCKED says "none" of rows that are only being looked at; nobody may be told "no work" because of it."""
    batch = make_batch(hits=20, places=3)

    results = storm(batch, make_crowd(60))

    assert kinds(results) == {Place: 60}
    assert set(Hit.objects.values_list("taken", flat=True)) == {3}


def test_one_key_on_sixteen_connections_is_one_place(make_batch, make_worker):
    batch, worker = make_batch(hits=40), make_worker()

    results = run_together(*[partial(accept, worker=worker, batch=batch, key="once") for _ in range(16)])

    assert kinds(results) == {Place: 16}
    assert len({place.assignment_id for place in results}) == 1
    assert Hit.objects.filter(taken=1).count() == 1
    assert Participation.objects.get().open_places == 1


def test_a_worker_on_sixteen_connections_gets_sixteen_hits(make_batch, make_worker):
    batch, worker = make_batch(hits=40, rules={"max_open": 100}), make_worker()
    check_in(worker=worker, batch=batch)

    results = run_together(*[partial(accept, worker=worker, batch=batch) for _ in range(64)], connections=16)

    assert kinds(results) == {Place: 40, NoWork: 24}
    assert len({place.hit_id for place in results if isinstance(place, Place)}) == 40


def test_a_cap_holds_on_sixteen_connections(make_batch, make_worker):
    batch, worker = make_batch(hits=40, rules={"max_open": 5}), make_worker()

    results = run_together(*[partial(accept, worker=worker, batch=batch) for _ in range(16)])

    assert kinds(results) == {Place: 5, TooManyOpen: 11}
    assert Participation.objects.get().open_places == 5


def test_the_same_answer_sent_fifty_times_is_stored_once(make_batch, make_worker):
    batch, worker = make_batch(), make_worker()
    assignment = Assignment.objects.get(pk=accept(worker=worker, batch=batch).assignment_id)

    results = run_together(*[partial(submit, assignment=assignment, raw=body(digit="one")) for _ in range(50)])

    assert len({(r.version, r.sha256, r.received_at) for r in results}) == 1
    assert assignment.answers.count() == 1
    assert Participation.objects.get().open_places == 0


@pytest.mark.parametrize("attempt", range(10))
def test_of_a_submit_and_its_expiry_one_happens(attempt, make_batch, make_worker, make_overdue):
    batch, worker = make_batch(), make_worker()
    assignment = Assignment.objects.get(pk=accept(worker=worker, batch=batch).assignment_id)
    make_overdue(assignment)

    receipt, ended = run_together(
        partial(submit, assignment=assignment, raw=body(digit="one")), partial(expire, assignment_id=assignment.pk)
    )

    # Late, but nobody else wanted the place: it counts, whichever came first.
    assignment.refresh_from_db()
    assert assignment.state == "submitted"
    assert receipt.is_late and receipt.has_place
    assert Hit.objects.get().taken == 1
    assert Participation.objects.get().open_places == 0
    assert ended in (0, 1)


@pytest.mark.parametrize("attempt", range(10))
def test_of_a_submit_and_a_return_one_happens(attempt, make_batch, make_worker):
    batch, worker = make_batch(), make_worker()
    assignment = Assignment.objects.get(pk=accept(worker=worker, batch=batch).assignment_id)

    receipt, returned = run_together(
        partial(submit, assignment=assignment, raw=body(digit="one")),
        partial(return_place, assignment=Assignment.objects.get(pk=assignment.pk), reason="unclear"),
    )

    state = Assignment.objects.get().state
    assert (isinstance(receipt, NotYours), isinstance(returned, NotYours)).count(True) == 1
    assert state == ("returned" if isinstance(receipt, NotYours) else "submitted")
    assert Hit.objects.get().taken == (0 if state == "returned" else 1)
    assert Participation.objects.get().open_places == 0


@pytest.mark.parametrize("attempt", range(5))
def test_opening_a_place_while_it_expires_does_not_deadlock(attempt, make_batch, make_worker, make_overdue):
    batch, worker = make_batch(), make_worker()
    assignment = Assignment.objects.get(pk=accept_ahead(worker=worker, batch=batch).assignment_id)

    results = run_together(
        partial(open_accepted, assignment=assignment),
        partial(expire, assignment_id=assignment.pk),
        partial(return_place, assignment=Assignment.objects.get(pk=assignment.pk), reason="other"),
    )

    assert not [r for r in results if isinstance(r, Exception)]
    assert nothing_is_broken()
