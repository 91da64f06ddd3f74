"""What a crowd leaves in dispute goes to experts; what publishing will likely give is told before."""

import pytest

from core.errors import Conflict, Invalid
from lifecycle.accept import accept
from lifecycle.close import close_batch
from lifecycle.digest import digest_due
from lifecycle.heal import disputed_hits, send_due_to_experts, send_to_experts
from lifecycle.refit import refit_project
from lifecycle.submit import submit
from marketplace.errors import NotEligible
from marketplace.models import Assignment, Batch
from marketplace.rules import Rules
from quality.models import Belief, Healing
from quality.prediction import prediction_of
from tests.support.factories import body
from users.models import Notice
from workers_app.services.granting import create_qualification, grant_qualification

pytestmark = pytest.mark.django_db


@pytest.fixture
def disputed(finished):
    """A closed batch in which some labels stayed in dispute, and who may settle them."""
    done = finished(items=40, accuracy=0.75)
    assert disputed_hits(done.batch)
    return done, create_qualification(requester=done.batch.project.requester, name="Reads old hands")


def test_disputed_items_go_to_experts_and_their_word_counts_in_the_first_batch(disputed, make_worker):
    done, expert = disputed
    hits = disputed_hits(done.batch)

    asks = send_to_experts(batch=done.batch, qualification=expert, reward=300_000, by=done.owner)

    assert asks.hits.count() == len(hits) and asks.reward == 300_000
    assert disputed_hits(done.batch) == []
    with pytest.raises(Conflict):
        send_to_experts(batch=done.batch, qualification=expert, by=done.owner)
    worker, stranger = make_worker(), make_worker()
    grant_qualification(qualification=expert, worker=worker)
    with pytest.raises(NotEligible):
        accept(worker=stranger, batch=asks)
    again = dict(Healing.objects.get(cause="experts").labels.values_list("repair_hit_id", "hit_id"))
    for _hit in hits:
        place = accept(worker=worker, batch=asks)
        word = done.word(again[place.hit_id])
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit=word), undo=0)
    digest_due()
    close_batch(batch=asks)
    refit_project(project=done.batch.project)

    assert {Belief.objects.get(hit=hit).answers for hit in hits} == {6}
    assert not Belief.objects.filter(hit__batch=asks, run__isnull=False).exists()


def test_rules_may_send_them_by_themselves_once_the_batch_has_closed(disputed):
    done, expert = disputed
    design = {**done.batch.design, "rules": {**done.batch.design["rules"], "experts": str(expert.public_id)}}
    Batch.objects.filter(pk=done.batch.pk).update(design=design)

    assert send_due_to_experts() == 1
    assert send_due_to_experts() == 0

    asks = Batch.objects.get(repairs=done.batch)
    assert asks.design["rules"]["requirements"][0]["subject"] == str(expert.public_id)


def test_without_money_the_requester_is_told_once(disputed):
    done, expert = disputed
    design = {**done.batch.design, "rules": {**done.batch.design["rules"], "experts": str(expert.public_id)}}
    Batch.objects.filter(pk=done.batch.pk).update(design=design, reward=900_000_000)

    assert send_due_to_experts() + send_due_to_experts() == 0

    assert Notice.objects.filter(kind="batch.experts", user=done.owner).count() == 1
    assert not Batch.objects.filter(repairs=done.batch).exists()
    assert not Healing.objects.exists()


def test_the_rule_names_a_qualification():
    with pytest.raises(Invalid) as refusal:
        Rules.from_json({"experts": "country"})

    assert list(refusal.value.errors) == ["rules.experts"]


def test_more_answers_and_higher_targets_are_predicted_to_be_righter(make_project):
    project = make_project()

    found = prediction_of(project, Rules.from_json({"target": 0.9, "max_answers": 7}))

    shares = [one.share for one in found.fixed]
    assert 0.7 < shares[0] < shares[2] < shares[-1] < 1
    assert [one.answers for one in found.adaptive] == sorted(one.answers for one in found.adaptive)
    assert found.adaptive[0].share < found.adaptive[-1].share
    assert 2 <= found.chosen.answers <= 7 and found.chosen.target == 0.9
    assert not found.is_measured
    once = prediction_of(project, Rules.from_json({"mode": "fixed", "answers": 1})).chosen
    assert once.answers == 1 and once.share == shares[0]


def test_a_crowd_that_is_known_is_what_is_predicted_with(finished):
    good, bad = (finished(items=60, accuracy=accuracy).batch.project for accuracy in (0.95, 0.6))
    rules = Rules.from_json({"mode": "fixed", "answers": 3})

    found = [prediction_of(project, rules) for project in (good, bad)]

    assert all(one.is_measured for one in found)
    assert found[0].chosen.share > found[1].chosen.share + 0.1
