"""How the workers of a batch answer, for its requester: a map of who answers like whom, and what changes over time."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

import numpy as np
from django.db import connection
from django.utils import timezone
from scipy.special import ndtri

from core.freshness import fresh
from marketplace.models import Batch, Participation
from marketplace.schema import Question
from quality.agreement import Said, said_about, yes_and_no
from quality.estimators.expectation import pooled_confusion
from quality.estimators.intervals import wilson_interval
from quality.estimators.maps import WorkerMap, worker_map
from quality.models import CrowdModel, Flag, GoldScore, WorkerReliability

#: Workers on the map: those with the most answers.
MOST_WORKERS = 200
#: Fewer answers say nothing of a worker's own.
LEAST_ANSWERS = 5
LEAST_WORKERS = 3
STEPS = 10
#: A worker is compared with themselves from so many answers in each half on.
LEAST_HALF = 10


# --- the map ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Placed:
    """One worker on the map: answers given, expected share right, state, whether a flag is open."""

    worker_id: int
    answers: int
    right: float
    state: str
    is_flagged: bool
    x: float
    y: float
    distance: float


@dataclass(frozen=True)
class CrowdMap:
    """Workers by distance from the average one, the farthest first; `at` what they can be compared with."""

    workers: list[Placed]
    at: WorkerMap
    left_out: int


def map_of(batch: Batch, question: Question) -> CrowdMap | None:
    """Of a question with classes asked of whole items; None while fewer than three workers have answered enough."""
    if not question.classes or question.kind == "multilabel":
        return None
    return fresh(f"map:{batch.pk}:{question.name}", lambda: _map(batch, question), least=20)


def _map(batch: Batch, question: Question) -> CrowdMap | None:
    size = len(question.classes)
    here = Participation.objects.filter(batch=batch, taken_in_all__gt=0).values("worker_id")
    rows = WorkerReliability.objects.filter(
        project_id=batch.project_id, question=question.name, part="", worker__in=here, answered__gte=LEAST_ANSWERS
    ).order_by("-answered", "pk")
    total = rows.count()
    found = [row for row in rows[:MOST_WORKERS] if len(row.counts) == size * size]
    if len(found) < LEAST_WORKERS:
        return None
    counts = np.array([row.counts for row in found]).reshape(-1, size, size)
    crowd = CrowdModel.objects.filter(project_id=batch.project_id, question=question.name, part="").first()
    is_same = crowd is not None and len(crowd.pooled) == size * size
    pooled = np.array(crowd.pooled).reshape(size, size) if crowd and is_same else pooled_confusion(counts.sum(axis=0))
    at = worker_map(counts, pooled)
    flagged = set(
        Flag.objects.filter(
            project_id=batch.project_id, state=Flag.State.OPEN, worker_id__in=[row.worker_id for row in found]
        ).values_list("worker_id", flat=True)
    )
    placed = [
        Placed(row.worker_id, row.answered, float(right), row.state, row.worker_id in flagged, float(x), float(y),
               float(distance))
        for row, right, (x, y), distance in zip(found, at.right, at.places, at.distance, strict=True)
    ]  # fmt: skip
    return CrowdMap(sorted(placed, key=lambda one: (-one.distance, one.worker_id)), at, total - len(found))


# --- over time --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rate:
    """So many of `count`, as a share with its 95 % interval."""

    share: float
    low: float
    high: float
    count: int


def rate(right: float, count: int) -> Rate | None:
    if not count:
        return None
    low, high = wilson_interval(right, count)
    return Rate(right / count, max(float(low), 0.0), min(float(high), 1.0), count)


@dataclass(frozen=True)
class Step:
    """A stretch of time with a tenth of the answers: which agree with the label, and which known ones are right."""

    begins_at: dt.datetime
    answers: int
    agreeing: Rate | None
    known: Rate | None
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Change:
    """From the first half to the second; `low` and `high` bound the difference."""

    before: Rate
    after: Rate
    difference: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Changed:
    """A worker who agrees with the labels clearly less, or more, than before."""

    worker_id: int
    change: Change


@dataclass(frozen=True)
class Drift:
    steps: list[Step]
    agreeing: Change | None
    known: Change | None
    workers: list[Changed]
    compared: int
    words: tuple[str, ...]


def drift_of(batch: Batch, question: Question) -> Drift | None:
    """None while there are fewer than twenty answers, or for a kind without classes."""
    if not question.classes:
        return None
    return fresh(f"drift:{batch.pk}:{question.name}", lambda: _drift(batch, question), least=20)


def _drift(batch: Batch, question: Question) -> Drift | None:
    said = said_about(batch, question)
    said = said.only(said.label >= 0)
    if len(said) < 2 * STEPS:
        return None
    said = said.only(np.argsort(said.at, kind="stable"))
    agrees = _agrees(batch, question, said)
    words = tuple(yes_and_no(question))
    checks = _checks(batch, question)
    edges = np.linspace(0, len(said), STEPS + 1).round().astype(int)
    starts = said.at[edges[:-1]]
    # A check belongs to the stretch in which its answer fell.
    stretch = np.searchsorted(starts, [at for at, _ in checks], side="right") - 1 if checks else np.zeros(0, int)
    passed = np.array([one for _, one in checks], float)
    steps = []
    for index in range(STEPS):
        rows = slice(edges[index], edges[index + 1])
        label, counted = said.label[rows], agrees[rows] >= 0
        mine = passed[np.maximum(stretch, 0) == index]
        steps.append(
            Step(
                dt.datetime.fromtimestamp(float(starts[index]), dt.UTC).astimezone(timezone.get_current_timezone()),
                len(label),
                rate(float(agrees[rows][counted].sum()), int(counted.sum())),
                rate(float(mine.sum()), len(mine)),
                tuple((np.bincount(label, minlength=len(words))[: len(words)] / max(len(label), 1)).tolist()),
            )
        )
    counted = agrees >= 0
    middle = len(passed) // 2
    workers, compared = _workers(said.only(counted), agrees[counted])
    return Drift(
        steps, _halves(agrees[counted]), compare(passed[:middle], passed[middle:]), workers, compared, words
    )  # fmt: skip


AGREES = """
SELECT b.hit_id, b.part, b.label FROM quality_belief b JOIN marketplace_hit h ON h.id = b.hit_id
WHERE b.hit_id = ANY(%(hits)s) AND b.question = %(question)s AND b.label IS NOT NULL AND h.lane = 0
"""


def _agrees(batch: Batch, question: Question, said: Said) -> np.ndarray:
    """1 where an answer says the label that is believed, 0 where not, -1 where there is none or the item is a hidden
    check, shape (N,)."""
    hits = sorted(set(said.hit.tolist()))
    with connection.cursor() as cursor:
        cursor.execute(AGREES, {"hits": hits, "question": question.name})
        labels = {(hit, part): label for hit, part, label in cursor}
    believed = np.array([labels.get(key, -1) for key in zip(said.hit.tolist(), said.part.tolist(), strict=True)])
    return np.where(believed < 0, -1, believed == said.label).astype(int)


def _checks(batch: Batch, question: Question) -> list[tuple[float, bool]]:
    scores = GoldScore.objects.filter(assignment__batch=batch, question=question.name, counts=True)
    rows = scores.order_by("created_at").values_list("created_at", "passed")
    return [(at.timestamp(), passed) for at, passed in rows]


def _halves(agrees: np.ndarray) -> Change | None:
    middle = len(agrees) // 2
    return compare(agrees[:middle], agrees[middle:])


def compare(before: np.ndarray, after: np.ndarray, tail: float = 0.025) -> Change | None:
    """The difference of two rates with Newcombe's interval; None with fewer than ten on a side."""
    if min(len(before), len(after)) < LEAST_HALF:
        return None
    z = -float(ndtri(tail))
    (p, n), (q, m) = (float(before.mean()), len(before)), (float(after.mean()), len(after))
    (l1, u1), (l2, u2) = wilson_interval(p * n, n, z), wilson_interval(q * m, m, z)
    low = q - p - math.sqrt((q - l2) ** 2 + (u1 - p) ** 2)
    high = q - p + math.sqrt((u2 - q) ** 2 + (p - l1) ** 2)
    first, second = rate(p * n, n), rate(q * m, m)
    assert first is not None and second is not None
    return Change(first, second, q - p, low, high)


def _workers(said: Said, agrees: np.ndarray) -> tuple[list[Changed], int]:
    """Workers whose own second half differs clearly, at a level shared by all that are compared; and how many were."""
    rows = {worker: np.flatnonzero(said.worker == worker) for worker in np.unique(said.worker).tolist()}
    able = {worker: mine for worker, mine in rows.items() if len(mine) >= 2 * LEAST_HALF}
    found = []
    for worker, mine in able.items():
        middle = len(mine) // 2
        change = compare(agrees[mine[:middle]], agrees[mine[middle:]], 0.025 / len(able))
        if change is not None and change.is_clear:
            found.append(Changed(worker, change))
    return sorted(found, key=lambda one: one.change.difference), len(able)
