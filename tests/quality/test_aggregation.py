"""Refits: what they read, what they write, and that they say the same again."""

import numpy as np
import pytest
from django.db import connection
from django.db.models import Min
from django.utils import timezone
from psycopg.conninfo import make_conninfo

from core.models import Operation
from lifecycle import refit as refitting
from lifecycle.close import close_batch
from lifecycle.digest import digest_hits
from lifecycle.operations import run_to_end
from lifecycle.refit import APART, refit_project, start_due_refits, start_refit
from marketplace.models import Batch, Hit
from quality.estimators import NumericError, SubtypeDawidSkene
from quality.estimators.confidence import Sureness
from quality.models import AggregationRun, Belief, CrowdModel, GoldQuestion, Judgment, WorkerReliability
from quality.services import aggregation
from quality.services.aggregation import changed_since, recompute

pytestmark = pytest.mark.django_db

LABELS = ["zero", "one"]


@pytest.fixture
def judged(make_batch, make_worker):
    """A batch with judgments of a crowd in its log: `said[worker][hit]` is a class, or None."""

    def make(said: np.ndarray, *, batch: Batch | None = None, **kwargs) -> tuple[Batch, list[Hit], list]:
        batch = batch or make_batch(hits=said.shape[1], **kwargs)
        hits = list(Hit.objects.filter(batch=batch).order_by("pk"))
        workers = [make_worker() for _ in said]
        Judgment.objects.bulk_create(
            Judgment(
                project_id=batch.project_id, batch=batch, hit=hit, worker=worker, assignment_id=0, question="digit",
                version=1, label=int(said[w, h]),
            )
            for h, hit in enumerate(hits)
            for w, worker in enumerate(workers)
            if said[w, h] >= 0
        )  # fmt: skip
        return batch, hits, workers

    return make


def a_crowd(*, items=60, workers=8, accuracy=0.8, seed=0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, items)
    right = rng.random((workers, items)) < accuracy
    return truth, np.where(right, truth, 1 - truth)


def beliefs_of(hits) -> list[Belief]:
    found = {belief.hit_id: belief for belief in Belief.objects.filter(hit__in=hits)}
    return [found[hit.pk] for hit in hits]


def test_a_refit_stores_what_the_estimator_says(judged):
    _, said = a_crowd()
    batch, hits, workers = judged(said)

    [run] = refit_project(project=batch.project)

    rows = [(h.pk, w.pk, said[n, m]) for m, h in enumerate(hits) for n, w in enumerate(workers)]
    item, worker, label = (list(map(int, column)) for column in zip(*rows, strict=True))
    model = SubtypeDawidSkene(seed=run.seed, gold_sample="balanced").fit(item, worker, label, classes=[0, 1])
    beliefs = beliefs_of(hits)
    assert [belief.label for belief in beliefs] == model.labels_.tolist()
    assert np.allclose([belief.posterior for belief in beliefs], model.posteriors_, atol=1e-12)
    assert np.allclose([belief.confidence for belief in beliefs], model.confidence_, atol=1e-12)
    crowd = CrowdModel.objects.get(project=batch.project)
    assert np.allclose(crowd.pooled, model.pooled_.ravel()) and np.allclose(crowd.prior, model.prior_)
    counts = [WorkerReliability.objects.get(worker=worker).counts for worker in workers]
    assert np.allclose(counts, model.counts_.reshape(len(workers), -1))
    assert (run.answers, run.items, run.workers) == (480, 60, 8)
    assert run.report["agreement"]["low"] < run.report["agreement"]["alpha"] < run.report["agreement"]["high"]


def test_a_run_is_computed_again_to_the_same_bytes(judged):
    batch, hits, _ = judged(a_crowd()[1])
    [run] = refit_project(project=batch.project)

    again, _ = recompute(AggregationRun.objects.get(pk=run.pk))

    assert again.digest() == run.result_hash
    assert changed_since(run) == []
    Belief.objects.filter(hit=hits[0]).update(confidence=0.123)
    assert [row["hit"] for row in changed_since(run)] == [hits[0].pk]


def test_judgments_after_the_cutoff_do_not_change_what_a_run_says(judged, make_worker):
    batch, hits, _ = judged(a_crowd()[1])
    [run] = refit_project(project=batch.project)

    judged(a_crowd(workers=2, seed=1)[1], batch=batch)

    assert recompute(run)[0].digest() == run.result_hash


def test_the_newest_word_of_a_worker_counts_and_words_without_weight_do_not(judged):
    said = np.array([[0, 0, 1], [1, 0, 1], [1, 0, 1]])
    batch, hits, workers = judged(said)
    first = Judgment.objects.filter(hit=hits[0], worker=workers[0]).get()
    first.pk, first.label = None, 1  # thought better of it
    first.save(force_insert=True)
    gone = Judgment.objects.filter(hit=hits[1], worker=workers[1]).get()
    gone.pk, gone.weight = None, 0
    gone.save(force_insert=True)

    refit_project(project=batch.project)

    assert [(b.label, b.answers) for b in beliefs_of(hits)] == [(1, 3), (0, 2), (1, 3)]
    assert [b.seen for b in beliefs_of(hits)][:2] == [first.pk, gone.pk]


def test_known_answers_are_clamped(judged):
    _, said = a_crowd()
    batch, hits, _ = judged(said)
    wrong = int(round(1 - said[:, 0].mean()))  # the opposite of what the crowd says
    GoldQuestion.objects.create(project=batch.project, hit=hits[0], keys={"digit": {"accept": [LABELS[wrong]]}})

    [run] = refit_project(project=batch.project)

    assert (beliefs_of(hits)[0].label, beliefs_of(hits)[0].confidence) == (wrong, 1.0)
    assert run.parameters["keys"] == {str(hits[0].pk): [wrong]}


def test_a_label_that_a_person_overruled_stays(judged):
    batch, hits, _ = judged(np.ones((5, 4), int))
    refit_project(project=batch.project)
    Belief.objects.filter(hit=hits[0]).update(state="overruled", label=0)

    refit_project(project=batch.project)

    assert [(b.state, b.label) for b in beliefs_of(hits)][0] == ("overruled", 0)


def test_the_digest_leaves_what_a_refit_wrote_until_there_is_news(judged, make_worker):
    batch, hits, _ = judged(a_crowd()[1])
    refit_project(project=batch.project)
    before = beliefs_of(hits)[0]
    digest_hits(project_id=batch.project_id, hit_ids=[hits[0].pk])
    assert beliefs_of(hits)[0].posterior == before.posterior

    Judgment.objects.create(
        project_id=batch.project_id, batch=batch, hit=hits[0], worker=make_worker(), assignment_id=0,
        question="digit", version=1, label=before.label,
    )  # fmt: skip
    digest_hits(project_id=batch.project_id, hit_ids=[hits[0].pk])
    after = beliefs_of(hits)[0]
    assert (after.answers, after.run) == (9, None)
    assert max(after.posterior) > max(before.posterior)


def test_counts_written_by_a_refit_are_those_that_the_digest_goes_on_from(judged):
    """Take one answer's weight back after a refit: its worker's counts fall by exactly that answer."""
    batch, hits, workers = judged(a_crowd()[1])
    refit_project(project=batch.project)
    before = np.array(WorkerReliability.objects.get(worker=workers[0]).counts)
    row = Judgment.objects.filter(hit=hits[0], worker=workers[0]).get()
    row.pk, row.weight = None, 0
    row.save(force_insert=True)
    digest_hits(project_id=batch.project_id, hit_ids=[hits[0].pk])

    after = WorkerReliability.objects.get(worker=workers[0])
    assert np.isclose(before.sum() - np.sum(after.counts), 1)
    assert after.answered == 59


def test_live_labels_are_as_sure_as_gold_bears_out(judged, make_worker):
    """Workers who share errors agree and are wrong; the exponent alone would still have the next label certain."""
    truth, said = a_crowd(items=80, workers=8, accuracy=0.95)
    said[:, truth == 0] = np.where(np.arange(np.sum(truth == 0)) % 3 == 0, 1, said[:, truth == 0])
    batch, hits, _ = judged(said)
    for hit, label in list(zip(hits, truth, strict=True))[:40]:
        GoldQuestion.objects.create(project=batch.project, hit=hit, keys={"digit": {"accept": [LABELS[label]]}})
    [run] = refit_project(project=batch.project)
    crowd = CrowdModel.objects.get(project=batch.project)
    newcomer, hit = make_worker(), hits[40 + int(np.flatnonzero(truth[40:] == 1)[0])]

    def confidence_after_news():
        Judgment.objects.create(
            project_id=batch.project_id, batch=batch, hit=hit, worker=newcomer, assignment_id=0, question="digit",
            version=1, label=1,
        )  # fmt: skip
        digest_hits(project_id=batch.project_id, hit_ids=[hit.pk])
        return Belief.objects.get(hit=hit).confidence

    shown = confidence_after_news()
    CrowdModel.objects.update(sureness={})

    assert run.report["calibration"]["proven"] is None  # a sixth of forty are wrong, however sure
    assert 0.5 < shown <= Sureness.from_json(crowd.sureness).most < 0.99
    assert confidence_after_news() > shown + 0.02


def test_a_report_says_which_target_gold_proves(judged):
    """Forty that are all right prove .85, and three more would prove .9."""
    truth, said = a_crowd(items=80, workers=8, accuracy=0.95)
    batch, hits, _ = judged(said)
    for hit, label in list(zip(hits, truth, strict=True))[:40]:
        GoldQuestion.objects.create(project=batch.project, hit=hit, keys={"digit": {"accept": [LABELS[label]]}})

    [run] = refit_project(project=batch.project)

    assert run.report["calibration"] == {
        "b": run.report["calibration"]["b"],
        "gold": 40,
        "is_calibrated": True,
        "proven": 0.85,
        "targets": [{"target": 0.95, "more": 49}],  # 89 in all
    }


def test_live_verdicts_on_labels_are_as_sure_as_gold_bears_out(make_batch, make_project, make_worker):
    """The sea is often overlooked, by all alike; the sky never is."""
    question = {"name": "q", "kind": "multilabel", "labels": ["sea", "sky"]}
    batch = make_batch(project=make_project(questions=[question]), hits=80)
    hits = list(Hit.objects.filter(batch=batch).order_by("pk"))
    rng = np.random.default_rng(0)
    holds = rng.random((80, 2)) < 0.5
    seen = holds & ~(np.arange(80) % 4 == 0)[:, None] | holds & [False, True]
    for worker in [make_worker() for _ in range(6)]:
        for hit, row in zip(hits, seen, strict=True):
            said(batch, hit, worker, question="q", part="sea", label=int(row[0]))
            said(batch, hit, worker, question="q", part="sky", label=int(row[1]))
    for hit, row in list(zip(hits, holds, strict=True))[:40]:
        key = [label for label, is_there in zip(question["labels"], row, strict=True) if is_there]
        GoldQuestion.objects.create(project=batch.project, hit=hit, keys={"q": {"accept": [key]}})
    newcomer = make_worker()

    [run] = refit_project(project=batch.project)

    most = {c.part: Sureness.from_json(c.sureness).most for c in CrowdModel.objects.filter(project=batch.project)}
    assert most["sea"] < most["sky"] - 0.05
    assert run.report["calibration"]["gold"] == 40  # items, not verdicts
    assert run.report["calibration"]["proven"] is not None
    assert changed_since(run) == []

    def after_news(hit):
        for part in ("sea", "sky"):
            said(batch, hit, newcomer, question="q", part=part, label=0)
        digest_hits(project_id=batch.project_id, hit_ids=[hit.pk])
        return {belief.part: belief.confidence for belief in Belief.objects.filter(hit=hit)}

    nowhere = [hit for hit, row in zip(hits, seen, strict=True) if not row.any()][-2:]
    shown = after_news(nowhere[0])
    CrowdModel.objects.update(sureness={})
    unbounded = after_news(nowhere[1])

    assert all(shown[part] <= most[part] for part in most)
    assert unbounded["sea"] > shown["sea"] + 0.02


def test_a_refit_settles_the_hits_of_an_open_batch(judged):
    batch, hits, _ = judged(np.ones((6, 40), int), rules={"max_answers": 7})
    # Nobody digested these answers: the refit alone says that they are enough.
    [run] = refit_project(project=batch.project)

    states = set(Hit.objects.filter(batch=batch).values_list("state", flat=True))
    assert beliefs_of(hits)[0].state == "settled"
    assert states == {Hit.State.RETIRED}
    assert len(run.unsettled) == 40


# --- other kinds ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "rows", "expected"),
    [
        (
            {"name": "q", "kind": "number"},
            [{"number": 10.0}, {"number": 11.0}, {"number": 10.5}],
            lambda belief: 10 < belief.interval[0] < belief.value < belief.interval[1] < 11,
        ),
        (
            {"name": "q", "kind": "text"},
            [{"text": "Main St"}, {"text": "main  st"}, {"text": "Elm"}],
            lambda belief: belief.value == "Main St",
        ),
        (
            {"name": "q", "kind": "ordinal", "labels": ["poor", "fair", "good"]},
            [{"label": 2}, {"label": 2}, {"label": 1}],
            lambda belief: (belief.label, belief.value) == (2, "good"),
        ),
        (
            {"name": "q", "kind": "pairwise", "tie": True},
            [{"label": 0}, {"label": 0}, {"label": 1}],
            lambda belief: belief.label == 0 and len(belief.posterior) == 3,
        ),
    ],
    ids=["number", "text", "ordinal", "pairwise"],
)
def test_every_kind_has_a_consensus(make_batch, make_project, make_worker, question, rows, expected):
    batch = make_batch(project=make_project(questions=[question]), hits=6)
    workers = [make_worker() for _ in rows]
    for hit in Hit.objects.filter(batch=batch):
        for worker, row in zip(workers, rows, strict=True):
            said(batch, hit, worker, question="q", **row)

    [run] = refit_project(project=batch.project)

    assert all(expected(belief) for belief in Belief.objects.filter(run=run))
    assert Belief.objects.filter(run=run).count() == 6
    assert changed_since(run) == []


def said(batch, hit, worker, **fields):
    Judgment.objects.create(
        project_id=batch.project_id, batch=batch, hit=hit, worker=worker, assignment_id=0, version=1, **fields
    )


def test_a_set_of_labels_has_a_belief_a_label(make_batch, make_project, make_worker):
    question = {"name": "q", "kind": "multilabel", "labels": ["sea", "sky"]}
    batch = make_batch(project=make_project(questions=[question]), hits=5)
    for worker in [make_worker() for _ in range(4)]:
        for hit in Hit.objects.filter(batch=batch):
            said(batch, hit, worker, question="q", part="sea", label=1)
            said(batch, hit, worker, question="q", part="sky", label=0)

    [run] = refit_project(project=batch.project)

    found = set(Belief.objects.filter(run=run).values_list("part", "label"))
    assert (found, Belief.objects.filter(run=run).count()) == ({("sea", 1), ("sky", 0)}, 10)
    assert set(CrowdModel.objects.values_list("part", flat=True)) == {"sea", "sky"}
    assert changed_since(run) == []


def test_batches_with_other_classes_are_fitted_as_one(judged, make_batch, make_worker):
    batch, hits, workers = judged(np.zeros((4, 5), int))
    project = batch.project
    project.questions = [{**project.questions[0], "labels": ["one", "two", "zero"]}]
    project.save(update_fields=["questions"])
    other = make_batch(project=project, hits=5)
    for hit in Hit.objects.filter(batch=other):
        for worker in workers:
            said(other, hit, worker, question="digit", label=1)

    refit_project(project=project)

    labels = dict(Belief.objects.values_list("hit__batch").annotate(Min("label")))
    assert labels == {batch.pk: 0, other.pk: 1}  # "zero" in the one, "two" in the other
    assert {len(b.posterior) for b in beliefs_of(hits)} == {2}


# --- as an operation --------------------------------------------------------------------------------------------------


def test_a_refit_is_due_after_fifty_judgments_and_again_after_a_quarter_more(judged):
    batch, hits, _ = judged(np.ones((1, 49), int))
    assert start_due_refits() == 0
    judged(np.array([[1] + [-1] * 48]), batch=batch)
    assert start_due_refits() == 1
    assert start_due_refits() == 0  # one is under way

    run_to_end(Operation.objects.get(kind="refit"))

    assert AggregationRun.objects.get().answers == 50
    judged(np.array([[1] * 12 + [-1] * 37]), batch=batch)
    AggregationRun.objects.update(created_at=timezone.now() - 2 * APART)
    assert start_due_refits() == 0
    judged(np.array([[1] + [-1] * 48]), batch=batch)
    assert start_due_refits() == 1


def test_a_project_that_grows_fast_is_fitted_at_most_once_a_minute(judged):
    batch, _, _ = judged(np.ones((1, 50), int))
    refit_project(project=batch.project)
    judged(np.ones((1, 50), int), batch=batch)
    assert start_due_refits() == 0
    AggregationRun.objects.update(created_at=timezone.now() - 2 * APART)
    assert start_due_refits() == 1


def test_a_refit_is_due_when_a_batch_has_closed(judged):
    batch, _, _ = judged(np.ones((2, 3), int))
    assert start_due_refits() == 0

    close_batch(batch=batch)

    assert start_due_refits() == 1
    assert run_to_end(Operation.objects.get(kind="refit")).state == "done"
    assert start_due_refits() == 0
    assert set(Belief.objects.values_list("state", flat=True)) == {"settled"}


def test_a_refit_that_dies_begins_again_from_its_cutoff(judged, monkeypatch):
    batch, _, _ = judged(np.ones((3, 20), int))
    operation = start_refit(project=batch.project)
    monkeypatch.setattr(refitting, "refit", died)
    with pytest.raises(Died):
        run_to_end(operation)
    operation.refresh_from_db()
    judged(np.ones((1, 20), int), batch=batch)
    Operation.objects.update(lease_until=timezone.now())
    monkeypatch.undo()

    run_to_end(operation)

    run = AggregationRun.objects.get()
    assert (run.answers, run.last_judgment) == (60, operation.cursor["cutoff"]["last"])


class Died(BaseException):
    """As if the process had been killed."""


def died(**_):
    raise Died


def test_an_estimate_that_does_not_settle_leaves_the_previous_result(judged, monkeypatch):
    batch, hits, _ = judged(a_crowd()[1])
    [run] = refit_project(project=batch.project)

    def never(*args, **kwargs):
        raise NumericError("The estimate has not settled after 300 rounds.")

    monkeypatch.setattr(aggregation, "fit", never)
    operation = run_to_end(start_refit(project=batch.project))

    assert (operation.state, "did not settle" in operation.error) == ("failed", True)
    assert {belief.run_id for belief in beliefs_of(hits)} == {run.pk}


# --- in a process of its own ------------------------------------------------------------------------------------------


@pytest.fixture
def children(monkeypatch):
    """Processes that the clock starts see the tests' database."""
    database = connection.settings_dict
    parts = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "dbname": "NAME"}
    url = make_conninfo(**{name: database[key] for name, key in parts.items() if database[key]})
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("OWNER_DATABASE_URL", url)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "config.settings.test")
    yield refitting.CHILDREN
    refitting.stop_children()


@pytest.mark.django_db(transaction=True)
def test_the_clock_does_a_refit_in_a_process_of_its_own_and_again_where_that_was_killed(judged, children):
    batch, hits, _ = judged(a_crowd()[1])
    operation = start_refit(project=batch.project)

    assert refitting.start_children() == 1
    assert refitting.start_children() == 0  # it has one
    killed = children[operation.pk]
    killed.kill()
    killed.wait()
    Operation.objects.filter(pk=operation.pk).update(lease_until=None, state="waiting")  # as once the lease is over
    assert refitting.start_children() == 1
    assert children[operation.pk].pid != killed.pid
    refitting.wait_for_children()

    operation.refresh_from_db()
    assert (operation.state, operation.error) == ("done", "")
    assert AggregationRun.objects.get().result_hash
    assert all(belief.run_id for belief in beliefs_of(hits))
