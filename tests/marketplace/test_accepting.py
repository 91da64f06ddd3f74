"""What taking a place comes to, one worker at a time."""

import time

import pytest

from lifecycle.accept import accept, accept_ahead, keep, open_accepted
from lifecycle.expire import expire
from lifecycle.submit import submit
from marketplace.errors import AlreadyFinal, AlreadyHad, HitFull, NotYours, NoWork, TooManyOpen
from marketplace.models import Answer, Assignment, Hit, Participation
from marketplace.services import accepting
from marketplace.services.accepting import accept_hit
from tests.support.factories import body

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker(make_worker):
    return make_worker()


def held(place):
    return Assignment.objects.get(pk=place.assignment_id)


def overdue(assignment):
    Assignment.objects.filter(pk=assignment.pk).update(deadline="2020-01-01T00:00Z")


def test_who_holds_too_many_is_told_at_once(make_batch, worker, monkeypatch):
    """The further tries are for locked rows: made in vain, they would hold up everybody else in this process."""
    batch = make_batch(hits=3, rules={"max_open": 1})
    accept(worker=worker, batch=batch)
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("It waited."))

    with pytest.raises(TooManyOpen):
        accept(worker=worker, batch=batch)

    assert Assignment.objects.count() == 1


def test_the_highest_priority_comes_first(make_batch, worker):
    batch = make_batch(hits=9, rules={"max_open": 20})
    ids = list(Hit.objects.order_by("pk").values_list("pk", flat=True))
    Hit.objects.filter(pk__in=ids[:3]).update(priority=5)
    Hit.objects.filter(pk__in=ids[3:6]).update(priority=-5)
    batch.levels = [5, 0, -5]
    batch.save(update_fields=["levels"])

    order = [accept(worker=worker, batch=batch).hit_id for _ in range(9)]

    assert [set(order[i : i + 3]) for i in (0, 3, 6)] == [set(ids[:3]), set(ids[6:]), set(ids[3:6])]


def test_one_of_a_group_is_enough(make_batch, worker):
    batch = make_batch(hits=4)
    Hit.objects.update(group_key=1)

    accept(worker=worker, batch=batch)

    with pytest.raises(NoWork):
        accept(worker=worker, batch=batch)


def test_a_named_hit_is_taken_once_and_while_there_is_room(make_batch, worker, make_worker):
    hit = Hit.objects.get(batch=make_batch(places=1))
    accept_hit(worker=worker, hit=hit)

    with pytest.raises(AlreadyHad):
        accept_hit(worker=worker, hit=hit)
    with pytest.raises(HitFull):
        accept_hit(worker=make_worker(), hit=hit)


def test_a_place_taken_ahead_counts_only_once_it_is_opened(make_batch, worker):
    batch = make_batch(hits=2)
    ahead = held(accept_ahead(worker=worker, batch=batch))
    with pytest.raises(NotYours) as refusal:
        submit(assignment=ahead, raw=body(digit="one"))
    assert refusal.value.code == "not_opened"

    opened = open_accepted(assignment=ahead)

    assert (opened.is_ahead, opened.opened_at is not None) == (False, True)
    assert open_accepted(assignment=opened).opened_at == opened.opened_at
    assert submit(assignment=opened, raw=body(digit="one")).version == 1


def test_a_place_taken_ahead_lapses_without_a_trace(make_batch, worker):
    batch = make_batch(hits=1)
    ahead = held(accept_ahead(worker=worker, batch=batch))
    assert keep(assignment=ahead)
    overdue(ahead)
    assert not keep(assignment=ahead)

    expire(assignment_id=ahead.pk)

    counts = Participation.objects.values_list("open_places", "taken_in_all", "taken_today", "lane_opened").get()
    assert Assignment.objects.get().state == "lapsed"
    assert counts == (0, 0, 0, 0)
    assert accept(worker=worker, batch=batch).hit_id == ahead.hit_id  # it is offered again


def test_an_answer_can_be_changed_until_it_is_final(make_batch, worker):
    assignment = held(accept(worker=worker, batch=make_batch()))
    first = submit(assignment=assignment, raw=body(digit="one"), undo=8)

    second = submit(assignment=assignment, raw=body(digit="zero"), undo=8)
    assert (first.version, second.version) == (1, 2)
    assert submit(assignment=assignment, raw=body(digit="zero"), undo=8) == second  # the same again: the same receipt
    Answer.objects.update(final_at="2020-01-01T00:00Z")

    with pytest.raises(AlreadyFinal):
        submit(assignment=assignment, raw=body(digit="one"), undo=8)
    assert Answer.objects.count() == 2


def test_undo_ends_a_minute_after_the_first_version(make_batch, worker):
    assignment = held(accept(worker=worker, batch=make_batch()))
    first = submit(assignment=assignment, raw=body(digit="one"), undo=59)

    for label in ("zero", "one", "zero"):
        last = submit(assignment=assignment, raw=body(digit=label), undo=59)

    assert (last.final_at - first.received_at).total_seconds() <= 60


def test_a_late_answer_counts_while_its_place_is_free(make_batch, worker):
    batch = make_batch()
    assignment = held(accept(worker=worker, batch=batch))
    overdue(assignment)
    expire(assignment_id=assignment.pk)

    receipt = submit(assignment=assignment, raw=body(digit="one"))

    assert (receipt.is_late, receipt.has_place) == (True, True)
    assert Assignment.objects.get().state == "submitted"
    assert Hit.objects.get().taken == 1


def test_a_late_answer_whose_worker_has_another_of_the_group_is_kept_without_a_place(make_batch, worker):
    """Taking the place back would give one person two of a group: the database refuses that, we see it first."""
    batch = make_batch(hits=2)
    Hit.objects.update(group_key=1)
    assignment = held(accept(worker=worker, batch=batch))
    overdue(assignment)
    expire(assignment_id=assignment.pk)
    accept(worker=worker, batch=batch)

    receipt = submit(assignment=assignment, raw=body(digit="one"))

    assert (receipt.is_late, receipt.has_place) == (True, False)
    assert Assignment.objects.get(pk=assignment.pk).state == "expired"
    assert assignment.answers.count() == 1


def test_who_just_found_nothing_is_not_searched_for_again_at_once(make_batch, worker, monkeypatch):
    batch = make_batch(hits=1)
    accept(worker=worker, batch=batch)
    with pytest.raises(NoWork):
        accept(worker=worker, batch=batch)
    monkeypatch.setattr(accepting, "_anything_left", lambda *_: pytest.fail("It searched."))

    with pytest.raises(NoWork):
        accept(worker=worker, batch=batch)
