"""Kinds without classes stop by their expected score, are fitted with it, and fitted again to the same bytes."""

import numpy as np
import pytest

from lifecycle.accept import accept
from lifecycle.digest import digest_due, digest_hits
from lifecycle.overrule import overrule
from lifecycle.refit import refit_project
from lifecycle.submit import submit
from marketplace.errors import NoWork
from marketplace.models import Assignment, Hit, Participation
from marketplace.schema import schema_of
from marketplace.selectors import design_of
from payments.models import Account
from payments.selectors import balance
from quality.models import AggregationRun, Belief, CrowdModel, GoldQuestion, WorkerReliability
from quality.services import scoring
from quality.services.aggregation import changed_since
from quality.services.beliefs import risk_of
from quality.services.routing import expected_gains
from tests.support.factories import body

WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "while",
    "seven",
    "geese",
    "fly",
    "south",
    "again",
]
SAID = {"name": "said", "kind": "text", "score": {"grader": "wer"}}
LENGTH = {"name": "length", "kind": "number", "score": {"relative": 0.05}}

pytestmark = pytest.mark.django_db


@pytest.fixture
def crowd(make_worker):
    return [make_worker() for _ in range(6)]


def truth_of(hit):
    """Ten words, others for each item."""
    return " ".join(np.random.default_rng(hit.pk).permutation(WORDS)[:10])


def garbled(text, rng, errors):
    words = text.split()
    for place in rng.choice(len(words), errors, replace=False):
        words[place] = f"x{rng.integers(1000)}"
    return " ".join(words)


def work(batch, workers, answer):
    """Everybody answers what they are offered, until nothing is; `answer(hit, worker)` gives the value."""
    name = batch.design["questions"][0]["name"]
    is_busy = True
    while is_busy:
        is_busy = False
        Participation.objects.update(dry_until=None)  # who found nothing does not wait here
        for worker in workers:
            try:
                place = accept(worker=worker, batch=batch)
            except NoWork:
                continue
            given = Assignment.objects.select_related("hit").get(pk=place.assignment_id)
            submit(assignment=given, raw=body(**{name: answer(given.hit, worker)}))
            is_busy = True
        digest_due()


@pytest.fixture
def texts(make_batch, make_project, crowd):
    """Ten items that all hear the same way, and four that nobody can make out."""

    def make(**rules):
        rules = {"target": 0.9, "min_answers": 2, "max_answers": 5, **rules}
        batch = make_batch(project=make_project(questions=[SAID], rules=rules), hits=14)
        hits = list(Hit.objects.filter(batch=batch).order_by("pk"))
        rng, hard = np.random.default_rng(1), {hit.pk for hit in hits[10:]}
        work(batch, crowd, lambda hit, _worker: garbled(truth_of(hit), rng, 6 if hit.pk in hard else 0))
        return batch, hits[:10], hits[10:]

    return make


def test_texts_that_agree_stop_early_and_give_back_what_they_saved(texts):
    batch, easy, hard = texts()

    for hit in easy:
        hit.refresh_from_db()
        belief = Belief.objects.get(hit=hit)
        # Nobody's answers have been looked at yet: a third one, and no more.
        assert (hit.state, hit.taken, hit.funded) == (Hit.State.RETIRED, 3, 3)
        assert (belief.state, belief.value, belief.confidence) == ("settled", truth_of(hit), 1.0)
        assert not belief.is_calibrated
    for hit in hard:
        hit.refresh_from_db()
        belief = Belief.objects.get(hit=hit)
        assert (hit.state, hit.taken) == (Hit.State.RETIRED, 5)
        assert belief.state == "disputed" and 0 < belief.confidence < 0.6
    paid = Assignment.objects.filter(batch=batch, state="approved").count()
    assert balance(Account.Kind.ESCROW, batch.pk) == (10 * 3 + 4 * 5 - paid) * batch.price


def test_those_who_have_answered_often_need_no_third(texts, crowd, make_batch):
    batch, _, _ = texts()
    assert {row.answered for row in WorkerReliability.objects.filter(question="said")} <= set(range(5, 12))
    WorkerReliability.objects.update(answered=20)
    more = make_batch(project=batch.project, hits=3)

    work(more, crowd, lambda hit, _worker: truth_of(hit))

    assert set(Hit.objects.filter(batch=more).values_list("taken", flat=True)) == {2}


def test_it_does_not_stop_where_the_question_says_so_or_the_number_is_fixed(make_batch, make_project, crowd):
    silent = make_batch(project=make_project(questions=[{**SAID, "stops": False}], rules={"target": 0.9}), hits=2)
    fixed = make_batch(project=make_project(questions=[SAID], rules={"mode": "fixed", "answers": 4}), hits=2)

    for batch in (silent, fixed):
        work(batch, crowd, lambda hit, _worker: truth_of(hit))

    assert set(Hit.objects.filter(batch=silent).values_list("taken", flat=True)) == {2}
    assert set(Hit.objects.filter(batch=fixed).values_list("taken", flat=True)) == {4}


def test_every_question_that_decides_has_to_be_sure(make_batch, make_project, crowd):
    digit = {"name": "digit", "kind": "categorical", "labels": ["zero", "one"]}
    rules = {"target": 0.8, "max_answers": 4}
    batch = make_batch(project=make_project(questions=[{**SAID, "stops": True}, digit], rules=rules), hits=1)
    rng = np.random.default_rng(1)
    for worker in crowd[:4]:
        place = accept(worker=worker, batch=batch)
        given = Assignment.objects.select_related("hit").get(pk=place.assignment_id)
        submit(assignment=given, raw=body(said=garbled(truth_of(given.hit), rng, 6), digit="one"))
        digest_due()

    states = dict(Belief.objects.values_list("question", "state"))
    assert states == {"said": "disputed", "digit": "settled"}
    assert Hit.objects.get(batch=batch).taken == 4


def test_one_answer_has_no_score_and_says_why(make_batch, make_project, crowd):
    batch = make_batch(project=make_project(questions=[LENGTH], rules={"mode": "fixed", "answers": 1}), hits=1)

    work(batch, crowd, lambda hit, _worker: 12.5)
    refit_project(project=batch.project)

    belief = Belief.objects.get()
    assert (belief.value, belief.confidence, belief.state) == (12.5, 0.0, "disputed")
    assert "nothing to compare" in scoring.why_without(belief.answers)


def test_what_a_person_decided_is_settled(texts):
    _, _, hard = texts()
    hit = Hit.objects.get(pk=hard[0].pk)

    overrule(hit=hit, question="said", answer="so it is", by=hit.batch.project.requester.memberships.get().user)
    digest_hits(project_id=hit.batch.project_id, hit_ids=[hit.pk])

    belief = Belief.objects.get(hit=hit)
    assert (belief.state, belief.value) == ("overruled", "so it is")


def test_an_answer_that_changed_nothing_leaves_the_fit_alone(texts):
    batch, easy, _ = texts()
    [run] = refit_project(project=batch.project)

    digest_hits(project_id=batch.project_id, hit_ids=[easy[0].pk])

    assert Belief.objects.get(hit=easy[0]).run == run


def test_a_fit_scores_every_item_and_comes_out_the_same_again(texts):
    batch, easy, hard = texts()

    [run] = refit_project(project=batch.project)

    assert run.parameters["scores"]["grader"] == "wer"
    assert changed_since(run) == []
    assert {Belief.objects.get(hit=hit).state for hit in easy} == {"settled"}
    assert {Belief.objects.get(hit=hit).state for hit in hard} == {"disputed"}
    Belief.objects.filter(hit=easy[0]).update(confidence=0.5)
    assert [row["hit"] for row in changed_since(run)] == [easy[0].pk]


def test_a_fit_comes_out_the_same_when_newer_batches_are_graded_otherwise(texts, make_batch):
    batch, _, _ = texts()
    [run] = refit_project(project=batch.project)
    batch.project.questions = [{**SAID, "score": {"grader": "equal"}}]
    batch.project.save(update_fields=["questions"])
    make_batch(project=batch.project)

    assert changed_since(run) == []
    [again] = refit_project(project=batch.project)
    assert again.result_hash != run.result_hash


def test_fits_from_before_there_were_scores_come_out_as_they_did(texts):
    batch, easy, _ = texts()
    [run] = refit_project(project=batch.project)
    AggregationRun.objects.filter(pk=run.pk).update(parameters={"gold_sample": "balanced", "keys": {}})
    run.refresh_from_db()

    # How united the words are was what stood there: 1 where all said the same.
    found = {row["hit"]: row["now"][1] for row in changed_since(run)}
    assert not set(found) & {hit.pk for hit in easy} and len(found) == 4


def test_twenty_known_answers_calibrate_and_live_answers_follow(make_batch, make_project, crowd):
    """Everybody errs in one word of ten, each in another: what they add up to is right, and gold shows it."""
    rules = {"target": 0.95, "min_answers": 3, "max_answers": 3, "gold_share": 0}
    batch = make_batch(project=make_project(questions=[SAID], rules=rules), hits=40)
    rng = np.random.default_rng(2)
    work(batch, crowd, lambda hit, _worker: garbled(truth_of(hit), rng, 1))
    hits = list(Hit.objects.filter(batch=batch).order_by("pk"))
    plain = {row.hit_id: row.confidence for row in Belief.objects.all()}
    for hit in hits[:30]:
        keys = {"said": {"accept": [truth_of(hit)]}}
        GoldQuestion.objects.create(project=batch.project, hit=hit, pool="test", state="retired", keys=keys, limit=0)

    [run] = refit_project(project=batch.project)

    assert run.report["calibration"]["is_calibrated"] and run.report["calibration"]["gold"] == 30
    assert changed_since(run) == []
    fitted = {row.hit_id: row.confidence for row in Belief.objects.filter(hit__in=hits[30:])}
    assert np.mean([fitted[pk] - plain[pk] for pk in fitted]) > 0.05  # one answer errs more than all do together
    model = risk_of(CrowdModel.objects.get(project=batch.project, question="said"))
    value, expected = scoring.live_value(schema_of([SAID])["said"], ["a b c d e f"] * 3, 0, model)
    assert (value, 0.9 < expected < 1) == ("a b c d e f", True)


def test_who_cannot_tell_agrees_with_nobody():
    question = schema_of([{**LENGTH, "na": True}])["length"]

    _, agreed = scoring.live_value(question, [10, 10, 10], 0, None)
    _, doubted = scoring.live_value(question, [10, 10, 10], 1, None)

    assert (agreed, doubted) == (1.0, 0.75)
    assert scoring.live_value(question, [10], 3, None) == (10.0, 0.0)
    assert scoring.live_value(question, [], 3, None) == (None, 0.0)


def test_a_pattern_does_not_make_two_texts_equal():
    plate = {"name": "p", "kind": "text", "score": {"grader": "pattern", "pattern": "[A-Z]{2}-[0-9]+"}}
    question = schema_of([plate])["p"]

    _, differ = scoring.live_value(question, ["AB-12", "CD-34", "EF-56"], 0, None)
    _, agree = scoring.live_value(question, ["AB-12"] * 3, 0, None)

    assert (differ, agree) == (scoring.LEAST, 1.0)


def test_a_long_text_of_many_is_read_within_bounds(monkeypatch):
    rng = np.random.default_rng(3)
    text = " ".join(f"w{n}" for n in rng.integers(0, 300, 2_000))
    said = [garbled(text, rng, 100) for _ in range(40)]
    compared = []
    monkeypatch.setattr(scoring, "score", lambda question, value, key: compared.append(value) or 1.0)

    value, _ = scoring.live_value(schema_of([SAID])["said"], said, 0, None)

    assert value in said
    assert len(compared) == scoring.LIVE_ANSWERS
    assert max(len(one.split()) for one in compared) == scoring.LIVE_WORDS


def test_under_a_budget_the_least_agreed_is_asked_first(texts):
    batch, easy, hard = texts(mode="budget", budget="100.00")
    Belief.objects.update(state="collecting")
    Belief.objects.filter(hit=hard[0]).update(confidence=0)

    asked = [hit.pk for hit in [*easy, *hard]]
    gains = expected_gains(project_id=batch.project_id, design=design_of(batch), hit_ids=asked)

    assert hard[0].pk not in gains  # nothing is known of it: before all others
    assert min(gains[hit.pk] for hit in hard[1:]) > max(gains[hit.pk] for hit in easy)
