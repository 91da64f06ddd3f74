"""Making gold: in an upload, later, and by mistake."""

import pytest

from core.errors import Conflict, Invalid
from lifecycle.accept import accept_named
from lifecycle.submit import submit
from marketplace.models import Assignment, Hit
from marketplace.schema import schema_of
from quality.models import GoldQuestion, GoldScore
from quality.services.gold import correct_key, mark_as_gold, read_keys
from tests.support.factories import DIGIT, body
from tests.test_lifecycle import run_clock

PARTS = {"name": "ok", "kind": "categorical", "labels": ["yes", "no"], "for": "region"}


def answer(worker, hit, **answers):
    place = accept_named(worker=worker, hit=hit)
    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(**answers))
    run_clock()


def test_keys_are_read_from_cells_and_from_json():
    schema = schema_of([DIGIT, PARTS])

    assert read_keys(schema, {"digit": "one"}) == {"digit": {"accept": ["one"]}}
    assert read_keys(schema, {"digit": "one | zero"}) == {"digit": {"accept": ["one", "zero"]}}
    assert read_keys(schema, {"ok": '{"0": "yes", "1": "no"}'}) == {
        "ok": {"0": {"accept": ["yes"]}, "1": {"accept": ["no"]}}
    }
    assert read_keys(schema_of([DIGIT]), {"gold": "zero"}) == {"digit": {"accept": ["zero"]}}


def test_stored_keys_read_as_themselves():
    schema = schema_of([DIGIT, PARTS])
    keys = read_keys(schema, {"digit": "one | zero", "ok": {"a": "yes"}})

    assert read_keys(schema, keys) == keys


@pytest.mark.parametrize(
    ("raw", "column"),
    [({"gold": "two"}, "gold"), ({"digit": "two"}, "gold:digit"), ({"colour": "red"}, "gold:colour"), ({}, "gold")],
)
def test_a_wrong_key_names_its_column(raw, column):
    with pytest.raises(Invalid) as refusal:
        read_keys(schema_of([DIGIT]), raw)

    assert list(refusal.value.errors) == [column]


@pytest.mark.django_db
def test_marking_later_scores_the_answers_it_has(make_batch, make_worker):
    batch = make_batch(hits=1, places=3, rules={"mode": "fixed", "answers": 3})
    hit, good, bad = batch.hits.get(), make_worker(), make_worker()
    answer(good, hit, digit="one")
    answer(bad, hit, digit="zero")

    gold = mark_as_gold(hit=hit, keys={"gold": "one"})

    hit.refresh_from_db()
    assert (hit.lane, hit.max_assignments, gold.state) == (1, 3, "active")
    assert dict(GoldScore.objects.values_list("worker", "passed")) == {good.pk: True, bad.pk: False}


@pytest.mark.django_db
def test_a_finished_hit_becomes_gold_that_is_not_shown_again(make_batch, make_worker):
    batch = make_batch(hits=1, places=1, rules={"mode": "fixed", "answers": 1})
    hit = batch.hits.get()
    answer(make_worker(), hit, digit="one")

    gold = mark_as_gold(hit=hit, keys={"gold": "one"})

    hit.refresh_from_db()
    assert (hit.room, hit.state, gold.state, gold.limit) == (False, Hit.State.RETIRED, "retired", 1)


@pytest.mark.django_db
def test_a_hit_has_one_key(make_batch):
    batch = make_batch(hits=1)
    mark_as_gold(hit=batch.hits.get(), keys={"gold": "one"})

    with pytest.raises(Conflict) as refusal:
        mark_as_gold(hit=batch.hits.get(), keys={"gold": "zero"})

    assert refusal.value.code == "already_gold"
    assert GoldQuestion.objects.get().keys == {"digit": {"accept": ["one"]}}


@pytest.mark.django_db
def test_a_wrong_key_marks_nothing(make_batch):
    batch = make_batch(hits=1)

    with pytest.raises(Invalid):
        mark_as_gold(hit=batch.hits.get(), keys={"gold": "seven"})

    assert (batch.hits.get().lane, GoldQuestion.objects.count()) == (0, 0)


@pytest.mark.django_db
def test_a_corrected_key_scores_again(make_batch, make_worker):
    batch = make_batch(hits=1, places=3, rules={"mode": "fixed", "answers": 3})
    answer(make_worker(), batch.hits.get(), digit="one")
    gold = mark_as_gold(hit=batch.hits.get(), keys={"gold": "zero"})
    assert not GoldScore.objects.get().passed

    gold = correct_key(gold=gold, keys={"gold": "one"})

    score = GoldScore.objects.get()
    assert (gold.key_version, score.passed, score.counted_at) == (2, True, None)
