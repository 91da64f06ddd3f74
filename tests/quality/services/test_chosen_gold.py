"""Known answers that a review of doubtful labels led to say nothing of those whose answers were in doubt."""

import pytest
from django.urls import reverse

from lifecycle.accept import accept_named
from lifecycle.gold import mark
from lifecycle.overrule import give_back, overrule
from lifecycle.submit import submit
from marketplace.models import Assignment, Hit
from quality.models import (
    Belief,
    GoldQuestion,
    GoldScore,
    Machine,
    MachineVersion,
    Prediction,
    Sample,
    WorkerReliability,
)
from quality.selectors import worker_accuracy
from quality.services.gold import correct_key
from quality.services.machines import check_version
from quality.services.sampling import answer_item, draw_sample
from tests.support.factories import body
from tests.test_lifecycle import run_clock

pytestmark = pytest.mark.django_db


def answer(worker, hit, **answers):
    place = accept_named(worker=worker, hit=hit)
    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(**answers))
    run_clock()


@pytest.fixture
def disputed(make_batch, make_worker):
    """An item with room for a third answer, of which two workers said this and that; and what they said."""
    batch = make_batch(hits=1, places=3, rules={"mode": "fixed", "answers": 3})
    hit, workers = batch.hits.get(), [make_worker(), make_worker()]
    for worker, word in zip(workers, ("one", "zero"), strict=True):
        answer(worker, hit, digit=word)
    Belief.objects.filter(hit=hit).update(state="disputed")
    return hit, workers


def test_answers_for_which_an_item_came_up_do_not_count_and_later_ones_do(disputed, make_worker):
    hit, _workers = disputed
    owner = hit.batch.project.requester.memberships.get().user

    marked = mark(hit=hit, keys={"digit": "one"}, by=owner, in_review=True)
    later = make_worker()
    answer(later, Hit.objects.get(pk=hit.pk), digit="zero")

    assert (marked.chosen, marked.inclusion) == ("disputed", 1.0)
    assert set(GoldScore.objects.values_list("passed", "counts")) == {(True, False), (False, False), (False, True)}
    checked = {row.worker_id: row.right + row.wrong for row in WorkerReliability.objects.filter(question="digit")}
    assert {pk: n for pk, n in checked.items() if n} == {later.pk: 1}
    told = {one.worker_id: one.checked for one in worker_accuracy(hit.batch.project) if one.checked}
    assert told == {later.pk: 1}


def test_a_key_that_somebody_knew_anyway_counts_in_dispute_or_not(disputed):
    hit, _workers = disputed

    marked = mark(hit=hit, keys={"digit": "one"}, by=hit.batch.project.requester.memberships.get().user)

    assert marked.chosen == ""
    assert GoldScore.objects.filter(counts=True).count() == 2


def test_the_review_page_says_whom_it_scores(disputed, client):
    hit, _workers = disputed
    client.force_login(hit.batch.project.requester.memberships.get().user)
    form = {"item": hit.data_row.public_id, "question": "digit", "label": "one"}

    page = client.post(reverse("review_gold", args=[hit.batch.public_id]), form, follow=True)

    assert GoldQuestion.objects.get().chosen == "disputed"
    assert "only those that are still to come count" in page.content.decode()


def test_a_corrected_key_does_not_make_them_count(disputed):
    hit, _workers = disputed
    marked = mark(hit=hit, keys={"digit": "one"}, by=hit.batch.project.requester.memberships.get().user, in_review=True)

    correct_key(gold=marked, keys={"digit": "zero"})
    run_clock()

    assert set(GoldScore.objects.values_list("counts", flat=True)) == {False}
    assert not sum(row.right + row.wrong for row in WorkerReliability.objects.all())


def test_what_a_person_decided_before_keeps_how_it_came_up(disputed):
    hit, _workers = disputed
    owner = hit.batch.project.requester.memberships.get().user
    [ruling] = overrule(hit=hit, question="digit", answer="one", by=owner)

    marked = mark(hit=Hit.objects.get(pk=hit.pk), keys={"digit": "one"}, by=owner)

    assert (marked.chosen, marked.inclusion) == (ruling.chosen, ruling.inclusion) == ("disputed", 1.0)
    assert not GoldScore.objects.filter(counts=True).exists()


def test_what_was_given_back_was_not_decided(disputed):
    hit, _workers = disputed
    owner = hit.batch.project.requester.memberships.get().user
    Belief.objects.update(state="settled")
    overrule(hit=hit, question="digit", answer="one", by=owner)
    give_back(hit=hit, question="digit", by=owner)

    marked = mark(hit=Hit.objects.get(pk=hit.pk), keys={"digit": "one"}, by=owner)

    assert (marked.chosen, marked.inclusion) == ("", None)
    assert GoldScore.objects.filter(counts=True).count() == 2


def test_a_label_drawn_for_review_keeps_its_probability(finished):
    done = finished(items=40)
    sample = draw_sample(batch=done.batch, size=10, by=done.owner, purpose=Sample.Purpose.REVIEW)
    item = sample.items.order_by("confidence").first()

    marked = mark(hit=item.hit, keys={"digit": done.word(item.hit_id)}, by=done.owner, in_review=True)

    assert (marked.chosen, marked.inclusion) == ("drawn", item.inclusion)
    assert 10 / 40 < item.inclusion <= 1  # doubtful ones come more often than by a uniform draw
    assert set(GoldScore.objects.filter(gold=marked).values_list("counts", flat=True)) == {False}


def test_an_item_of_a_random_audit_counts(finished):
    done = finished(items=40, accuracy=1.0)
    Belief.objects.update(state="settled")
    sample = draw_sample(batch=done.batch, size=20, by=done.owner)
    item = sample.items.first()
    answer_item(item=item, answer=done.word(item.hit_id), by=done.owner)

    marked = mark(hit=item.hit, keys={"digit": done.word(item.hit_id)}, by=done.owner, in_review=True)

    assert marked.chosen == ""
    assert GoldScore.objects.filter(gold=marked, counts=True).count() == 5


def test_machines_are_not_checked_against_them(disputed):
    hit, _workers = disputed
    marked = mark(hit=hit, keys={"digit": "one"}, by=hit.batch.project.requester.memberships.get().user, in_review=True)
    version = MachineVersion.objects.create(machine=Machine.objects.create(project=marked.project, name="a model"))
    Prediction.objects.create(version=version, hit=hit, question="digit", label=1, score=0.9)

    assert check_version(version) == []
    GoldQuestion.objects.update(chosen="")
    assert [trust.question for trust in check_version(version)] == ["digit"]
