"""Under a budget the next answer goes where it tells most, and what nobody can pay for ends."""

import pytest

from lifecycle import route
from lifecycle.accept import accept
from lifecycle.digest import digest_due
from lifecycle.invariants import check_invariants
from lifecycle.route import route_budgets
from lifecycle.submit import submit
from marketplace.models import Assignment, Batch, Hit
from marketplace.services.judging import purse_of
from payments.models import Account
from payments.selectors import balance
from payments.services.escrow import put_aside
from tests.support.factories import body
from tests.test_lifecycle import run_clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def shared(make_batch, make_worker, monkeypatch):
    """`shared(reserve)`: 24 HITs with the two answers that their budget paid for; on every second one they differ."""
    monkeypatch.setattr(route, "EXPLORED", 0.0)

    def make(reserve: int) -> tuple[Batch, set[int], set[int]]:
        rules = {"mode": "budget", "budget": "50.00", "min_answers": 2, "max_answers": 4, "target": 0.99}
        batch = make_batch(hits=24, places=2, rules=rules)
        put_aside(purse=purse_of(batch), amount=0, repair=reserve * batch.price, key="shared")
        ids = list(batch.hits.order_by("pk").values_list("pk", flat=True))
        split = set(ids[::2])
        for worker, word in ((make_worker(), "one"), (make_worker(), "zero")):
            for _hit in ids:
                place = accept(worker=worker, batch=batch)
                said = word if place.hit_id in split else "one"
                submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit=said), undo=0)
        digest_due()
        return batch, split, set(ids) - split

    return make


def run():
    run_clock()
    while route_budgets():
        run_clock()


def asked(batch):
    return set(batch.hits.filter(room=True).values_list("pk", flat=True))


def test_the_unsure_ones_are_asked_first(shared):
    batch, split, _alike = shared(reserve=40)
    assert asked(batch) == set()

    assert route_budgets() == route.FEWEST_OPEN

    assert len(asked(batch)) == route.FEWEST_OPEN and asked(batch) < split
    assert route_budgets() == 0  # there is enough to do


def test_one_in_ten_is_chosen_by_chance(shared, monkeypatch):
    batch, split, alike = shared(reserve=40)
    monkeypatch.setattr(route, "EXPLORED", 0.5)

    route_budgets()

    assert len(asked(batch) & split) >= 5 and asked(batch) & alike


def test_without_money_they_end_once_nobody_is_at_work(shared, make_worker):
    batch, split, _alike = shared(reserve=2)
    route_budgets()
    assert len(asked(batch)) == 2 and asked(batch) < split
    assert batch.hits.filter(state=Hit.State.RETIRED).count() == 8  # ten had their turn, and two could be paid
    worker = make_worker()
    places = [accept(worker=worker, batch=batch) for _hit in range(2)]
    assert route_budgets() == 0

    for place in places:
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"), undo=0)
    run()

    assert not batch.hits.filter(state=Hit.State.OPEN).exists()
    assert balance(Account.Kind.REPAIR, batch.pk) == 0
    assert [found.name for found in check_invariants() if found.broken] == []


def test_nothing_is_asked_beyond_the_most(shared, make_worker):
    batch, _split, _alike = shared(reserve=200)
    for _round in range(8):
        run()
        worker = make_worker()
        for _hit in asked(batch):
            place = accept(worker=worker, batch=batch)
            submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"), undo=0)

    run()

    assert max(batch.hits.values_list("taken", flat=True)) == 4
    assert not batch.hits.filter(state=Hit.State.OPEN).exists()


def test_a_batch_of_another_kind_is_left_alone(make_batch, make_worker):
    batch = make_batch(rules={"mode": "target", "min_answers": 2})
    Hit.objects.filter(batch=batch).update(taken=2)

    assert route_budgets() == 0
