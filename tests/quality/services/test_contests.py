"""Disputes: on any answer, so that one says nothing about the HIT; upheld, they restore what a key cost."""

import pytest

from core.errors import Conflict, IllegalMove, Invalid
from lifecycle import gold as people
from lifecycle.accept import accept_named
from lifecycle.submit import submit
from marketplace.models import Assignment, Hit
from quality.models import Belief, Contest, GoldQuestion, GoldScore, WorkerReliability
from quality.selectors import believed_keys, gold_candidates, gold_of_project, open_contests, worker_accuracy
from quality.services import contesting
from quality.services.contesting import open_contest
from quality.services.gold import mark_as_gold
from tests.support.factories import body
from tests.test_lifecycle import run_clock


def answer(worker, hit, value):
    place = accept_named(worker=worker, hit=hit)
    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit=value))
    run_clock()
    return Assignment.objects.get(pk=place.assignment_id)


@pytest.fixture
def answered(make_batch, make_worker):
    """A worker's wrong answer to a gold HIT, and their answer to an ordinary one."""
    batch = make_batch(hits=3, rules={"mode": "fixed", "answers": 3})
    first, second, _ = batch.hits.order_by("pk")
    mark_as_gold(hit=first, keys={"gold": "zero"})
    worker = make_worker()
    return answer(worker, first, "one"), answer(worker, second, "one")


@pytest.mark.django_db
def test_any_answer_can_be_disputed_once(answered):
    for assignment in answered:
        contest = open_contest(assignment=assignment, reason="It is a one with a foot.")
        assert open_contest(assignment=assignment, reason="Again.") == contest

    assert Contest.objects.count() == 2
    assert list(open_contests(answered[0].batch.project)) == list(Contest.objects.order_by("created_at"))


@pytest.mark.django_db
def test_a_dispute_needs_a_reason_and_an_answer(answered, make_worker):
    with pytest.raises(Invalid) as refusal:
        open_contest(assignment=answered[0], reason="  ")
    assert list(refusal.value.errors) == ["reason"]
    place = accept_named(worker=make_worker(), hit=answered[0].hit)
    with pytest.raises(Conflict) as refusal:
        open_contest(assignment=Assignment.objects.get(pk=place.assignment_id), reason="Why?")

    assert (refusal.value.code, Contest.objects.count()) == ("not_submitted", 0)


@pytest.mark.django_db
def test_disputes_that_wait_are_limited(answered, monkeypatch):
    monkeypatch.setattr(contesting, "MOST_OPEN", 1)
    open_contest(assignment=answered[0], reason="It is a one.")

    with pytest.raises(Conflict) as refusal:
        open_contest(assignment=answered[1], reason="It is a one.")

    assert (refusal.value.code, Contest.objects.count()) == ("too_many_contests", 1)


@pytest.mark.django_db
def test_an_upheld_dispute_corrects_the_key_and_restores_the_scores(answered, make_user):
    gold_answer, _ = answered
    contest = open_contest(assignment=gold_answer, reason="It is a one.")
    assert WorkerReliability.objects.get(question="digit").wrong == 1

    people.rule(contest=contest, is_upheld=True, ruling="It is.", by=make_user(), keys={"digit": "one"})

    contest.refresh_from_db()
    row = WorkerReliability.objects.get(question="digit")
    assert (contest.state, row.right, row.wrong) == ("upheld", 1, 0)
    assert GoldQuestion.objects.get().key_version == 2
    belief = Belief.objects.get(hit=gold_answer.hit)
    assert (belief.posterior, belief.label) == ([0, 1], 1)


@pytest.mark.django_db
def test_upheld_without_a_key_the_hit_goes_on_as_an_ordinary_one(answered, make_user, make_worker):
    gold_answer, _ = answered
    contest = open_contest(assignment=gold_answer, reason="Nobody can tell.")

    people.rule(contest=contest, is_upheld=True, ruling="True.", by=make_user())

    hit = Hit.objects.get(pk=gold_answer.hit_id)
    assert (hit.lane, GoldQuestion.objects.get().state, GoldScore.objects.get().counts) == (0, "suspended", False)
    assert WorkerReliability.objects.get(question="digit").wrong == 0
    answer(make_worker(), hit, "one")
    answer(make_worker(), hit, "one")
    assert Belief.objects.get(hit=hit).answers == 3
    assert Hit.objects.get(pk=hit.pk).state == Hit.State.RETIRED


@pytest.mark.django_db
def test_a_dismissed_dispute_changes_no_score_and_none_is_ruled_on_twice(answered, make_user):
    contest = open_contest(assignment=answered[0], reason="It is a one.")
    people.rule(contest=contest, is_upheld=False, ruling="It is a zero.", by=make_user())
    assert WorkerReliability.objects.get(question="digit").wrong == 1

    with pytest.raises(IllegalMove):
        people.rule(contest=contest, is_upheld=True, ruling="It is a one.", by=make_user())

    assert GoldQuestion.objects.get().state == "active"


@pytest.mark.django_db
def test_an_upheld_dispute_of_an_ordinary_answer_is_noted(answered, make_user):
    contest = open_contest(assignment=answered[1], reason="It is a one.")

    people.rule(contest=contest, is_upheld=True, ruling="Right.", by=make_user())

    assert Contest.objects.get().state == "upheld"


@pytest.mark.django_db
def test_released_gold_ends_like_any_other_hit_and_gives_its_money_back(answered, make_user):
    gold = GoldQuestion.objects.get()

    people.release(marked=gold, by=make_user(), reason="Known by now.")

    hit = Hit.objects.get(pk=gold.hit_id)
    assert (hit.state, hit.room, hit.funded) == (Hit.State.RETIRED, False, 0)
    gold.refresh_from_db()
    assert (gold.state, WorkerReliability.objects.get(question="digit").wrong) == ("retired", 1)


@pytest.mark.django_db
def test_a_consensus_of_strong_workers_is_a_candidate_and_a_person_confirms_it(make_batch, make_worker, make_user):
    batch = make_batch(hits=3, places=5, rules={"mode": "fixed", "answers": 5})
    hit = batch.hits.first()
    for _ in range(5):
        worker = make_worker()
        answer(worker, hit, "one")
        WorkerReliability.objects.filter(worker=worker).update(lower=0.85)
    assert gold_candidates(batch.project) == []  # not calibrated
    Belief.objects.filter(hit=hit).update(is_calibrated=True, confidence=0.995)

    (candidate,) = gold_candidates(batch.project)
    gold = people.promote(hit=hit, by=make_user())

    assert (candidate.hit_id, candidate.label, candidate.answers, candidate.strong) == (hit.pk, "one", 5, 5)
    assert believed_keys(hit) == gold.keys == {"digit": {"accept": ["one"]}}
    assert (gold.state, gold.scores.filter(passed=True).count()) == ("retired", 5)
    assert gold_candidates(batch.project) == []


@pytest.mark.django_db
@pytest.mark.parametrize(("changed", "value"), [("confidence", 0.98), ("answers", 4), ("is_calibrated", False)])
def test_a_weaker_consensus_is_no_candidate(make_batch, make_worker, changed, value):
    batch = make_batch(hits=3, places=5, rules={"mode": "fixed", "answers": 5})
    for _ in range(5):
        answer(make_worker(), batch.hits.first(), "one")
    WorkerReliability.objects.update(lower=0.85)
    Belief.objects.update(**{"is_calibrated": True, "confidence": 0.995, changed: value})

    assert gold_candidates(batch.project) == []


@pytest.mark.django_db
def test_promoting_without_a_consensus_is_refused(make_batch, make_user):
    batch = make_batch(hits=1)

    with pytest.raises(Conflict) as refusal:
        people.promote(hit=batch.hits.get(), by=make_user())

    assert (refusal.value.code, GoldQuestion.objects.count()) == ("no_consensus", 0)


@pytest.mark.django_db
def test_accuracy_lists_the_weakest_first(answered, make_worker):
    hit = answered[0].hit
    good = make_worker()
    answer(good, hit, "zero")

    weak, strong = worker_accuracy(answered[0].batch.project)

    assert (weak.worker_id, weak.right, weak.wrong) == (answered[0].worker_id, 0, 1)
    assert (strong.worker_id, strong.right, strong.checked) == (good.pk, 1, 1)
    assert weak.lower < weak.mean < weak.upper
    assert [(gold.right, gold.wrong) for gold in gold_of_project(hit.batch.project)] == [(1, 1)]
