"""One row that breaks the clock's work does not keep the others waiting."""

import pytest

from lifecycle import digest, expire
from lifecycle.accept import accept
from lifecycle.apart import apart
from lifecycle.submit import submit
from marketplace.models import Answer, Assignment
from quality.services import judgments
from tests.support.factories import body

pytestmark = [pytest.mark.django_db, pytest.mark.logs_errors]


def break_on(function, is_bad):
    def broken(*args, **kwargs):
        if is_bad(*args, **kwargs):
            raise ZeroDivisionError("planted")
        return function(*args, **kwargs)

    return broken


def test_the_others_are_done_and_the_broken_are_counted():
    def act(number):
        return 6 // number

    assert apart(act, [1, 0, 3], what="Dividing") == (8, 1)


def test_a_hit_that_cannot_be_digested_leaves_its_group_alone(make_batch, make_worker, monkeypatch):
    batch, worker = make_batch(hits=5), make_worker()
    for _ in range(5):
        place = accept(worker=worker, batch=batch)
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))
    bad = Assignment.objects.first()
    judge = judgments.judge
    monkeypatch.setattr(judgments, "judge", break_on(judge, lambda answer, *_: answer.assignment_id == bad.pk))

    assert digest.digest_due() == 4
    assert list(Answer.objects.filter(digested_at=None).values_list("assignment", flat=True)) == [bad.pk]

    monkeypatch.setattr(judgments, "judge", judge)
    assert digest.digest_due() == 1


def test_a_place_that_cannot_be_expired_is_tried_again(make_batch, make_worker, monkeypatch):
    batch = make_batch(hits=3)
    places = [accept(worker=make_worker(), batch=batch).assignment_id for _ in range(3)]
    Assignment.objects.update(deadline="2020-01-01T00:00Z")
    give_up_place = expire.give_up_place
    monkeypatch.setattr(expire, "give_up_place", break_on(give_up_place, lambda row, *_: row.pk == places[1]))

    assert expire.expire_due() == 2
    assert Assignment.objects.get(state="accepted").pk == places[1]

    monkeypatch.setattr(expire, "give_up_place", give_up_place)
    assert expire.expire_due() == 1
