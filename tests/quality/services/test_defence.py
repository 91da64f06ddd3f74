"""What a fit finds about spammers, copies and the upside down: in the labels at once, before a person as a flag."""

import numpy as np
import pytest

from lifecycle.digest import digest_hits
from lifecycle.refit import refit_project
from marketplace.models import Hit
from quality.models import Flag, Judgment, WorkerReliability
from quality.services.flagging import close_flag

pytestmark = pytest.mark.django_db


def judge(batch, hits, workers, said):
    Judgment.objects.bulk_create(
        Judgment(
            project_id=batch.project_id, batch=batch, hit=hit, worker=worker, assignment_id=0, question="digit",
            version=1, label=int(said[w, h]),
        )
        for h, hit in enumerate(hits)
        for w, worker in enumerate(workers)
    )  # fmt: skip


@pytest.fixture
def crowd(make_batch, make_worker):
    """`of(extra)`: eight honest workers, then those whose answers `extra(rng, truth)` gives; fitted."""

    def of(extra, items=120):
        rng = np.random.default_rng(1)
        truth = rng.integers(0, 2, items)
        honest = np.where(rng.random((8, items)) < 0.85, truth, 1 - truth)
        said = np.concatenate([honest, extra(rng, truth)])
        batch = make_batch(hits=items)
        hits = list(Hit.objects.filter(batch=batch).order_by("pk"))
        workers = [make_worker() for _ in said]
        judge(batch, hits, workers, said)
        [run] = refit_project(project=batch.project)
        return batch, hits, workers, run

    return of


def ring(rng, truth):
    key = rng.integers(0, 2, len(truth))
    return np.where(rng.random((4, len(truth))) < 0.03, 1 - key, key)


def test_copies_share_one_vote_and_come_before_a_person(crowd):
    batch, _hits, workers, run = crowd(ring)

    copies, honest = workers[8:], workers[:8]
    assert run.report["clusters"] == [len(copies)]
    rows = {row.worker_id: row for row in WorkerReliability.objects.filter(project=batch.project)}
    assert {rows[w.pk].cluster for w in copies} == {1} and {rows[w.pk].cluster for w in honest} == {None}
    assert rows[copies[0].pk].signs["vote"] == 0.25
    flags = Flag.objects.filter(kind="copying", project=batch.project)
    assert set(flags.values_list("worker_id", flat=True)) == {w.pk for w in copies}
    assert not WorkerReliability.objects.filter(state="paused").exists()  # a person decides


def test_between_fits_copies_share_one_vote_as_well(crowd, make_batch):
    batch, _hits, workers, _run = crowd(ring)
    more = make_batch(project=batch.project, hits=2)
    hits = list(Hit.objects.filter(batch=more).order_by("pk"))
    judge(more, hits[:1], [*workers[:2], *workers[8:]], np.array([[0], [0], [1], [1], [1], [1]]))
    judge(more, hits[1:], [*workers[:2], workers[8]], np.array([[0], [0], [1]]))

    digest_hits(project_id=batch.project_id, hit_ids=[hit.pk for hit in hits])

    four, one = (hit.beliefs.get() for hit in hits)
    assert (four.label, one.label) == (0, 0)
    assert four.posterior == pytest.approx(one.posterior, abs=0.05)


def test_who_says_nothing_of_the_truth_is_flagged_with_the_interval(crowd):
    batch, _hits, workers, _run = crowd(lambda rng, truth: rng.integers(0, 2, (1, len(truth))), items=300)

    [flag] = Flag.objects.filter(project=batch.project)
    assert (flag.kind, flag.worker_id) == ("spam", workers[8].pk)
    score, low, high = flag.evidence["score"]
    assert low <= score <= high < 0.04
    good = WorkerReliability.objects.get(worker=workers[0]).signs
    assert good["signs"] == [] and good["score"][1] > 0.1


def test_who_answers_upside_down_is_flagged_and_counts_for_nothing(crowd):
    batch, _hits, workers, run = crowd(lambda rng, truth: np.where(rng.random((1, len(truth))) < 0.9, 1 - truth, truth))

    [flag] = Flag.objects.filter(project=batch.project)
    assert (flag.kind, flag.worker_id) == ("inverted", workers[8].pk)
    assert run.report["inverted"] == 1


def test_a_flag_that_a_person_dismissed_is_not_raised_again_and_one_without_ground_closes(crowd, make_user):
    batch, hits, workers, _run = crowd(ring)
    first, *others = Flag.objects.filter(kind="copying").order_by("pk")
    close_flag(flag=first, by=make_user(), reason="Two people at one desk, I asked.")

    refit_project(project=batch.project)

    assert Flag.objects.filter(kind="copying", state="open").count() == len(others) == 3
    assert Flag.objects.get(pk=first.pk).state == "closed"

    rows = Judgment.objects.filter(worker__in=workers[8:])
    for row in rows:
        row.pk, row.weight, row._state.adding = None, 0.0, True
    Judgment.objects.bulk_create(rows)
    refit_project(project=batch.project)

    assert not Flag.objects.filter(kind="copying", state="open").exists()
    assert WorkerReliability.objects.filter(cluster__isnull=False).count() == 0
    assert {flag.closed_reason for flag in Flag.objects.filter(pk__in=[one.pk for one in others])} == {
        "A later fit no longer bears it out."
    }
