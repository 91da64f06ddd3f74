"""Who agrees with one worker more often than two who work alone, and on which mistakes (QUALITY.md section 6)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from django.db import connection

from marketplace.models import Project
from marketplace.schema import Question
from quality.estimators.copying import MIN_COMMON, agreement_alone, poisson_binomial
from quality.models import WorkerReliability
from workers_app.models import Worker

#: The worker's newest items that are looked at, and pairs that are shown.
MOST_ITEMS, MOST_PAIRS = 2000, 12
#: After allowing for all pairs of the project: below the first it is evidence, below the second worth a look.
EVIDENCE, LOOK = 0.01, 0.2
#: Answers that the project's mean matrix weighs in a worker's own.
PRIOR = 4.0
#: Workers whose answers make the project's mean matrix: the newest.
MOST_POOLED = 500

# What this worker and others said about the same items, each in their newest version that carries weight or once did.
COMMON = """
WITH mine AS (
    SELECT DISTINCT ON (j.hit_id) j.hit_id, j.label, j.assignment_id FROM quality_judgment j
    WHERE j.worker_id = %(worker)s AND j.project_id = %(project)s AND j.question = %(question)s AND j.part = ''
      AND j.label IS NOT NULL
    ORDER BY j.hit_id DESC, j.id DESC LIMIT %(most)s
), theirs AS (
    SELECT DISTINCT ON (j.hit_id, j.worker_id) j.hit_id, j.worker_id, j.label, j.assignment_id
    FROM mine m JOIN quality_judgment j ON j.hit_id = m.hit_id
    WHERE j.worker_id <> %(worker)s AND j.question = %(question)s AND j.part = '' AND j.label IS NOT NULL
    ORDER BY j.hit_id, j.worker_id, j.id DESC
)
SELECT t.worker_id, m.hit_id, m.label, t.label, b.posterior, b.label, m.assignment_id, t.assignment_id
FROM mine m JOIN theirs t ON t.hit_id = m.hit_id
LEFT JOIN quality_belief b ON b.hit_id = m.hit_id AND b.question = %(question)s AND b.part = ''
"""
TOGETHER = """
SELECT a.id, h.public_id, coalesce(h.external_id, ''), a.submitted_at, o.submitted_at
FROM unnest(%s::bigint[], %s::bigint[]) AS p(first, second)
JOIN marketplace_assignment a ON a.id = p.first JOIN marketplace_assignment o ON o.id = p.second
JOIN marketplace_hitdata h ON h.hit_id = a.hit_id
"""


@dataclass(frozen=True)
class Mistake:
    """An item on which both said the same, and not what is delivered. `after`: seconds until the other's answer."""

    item: str
    said: str
    label: str
    after: float | None


@dataclass(frozen=True)
class Pair:
    """Another worker: equal answers of `common`, how many two alone would have (`chance`: its distribution)."""

    worker: Worker
    common: int
    equal: int
    expected: float
    tail: float
    corrected: float
    chance: np.ndarray
    wrong: list[tuple[int, int, int, int]]

    @property
    def is_evidence(self) -> bool:
        return self.corrected < EVIDENCE

    @property
    def is_worth_a_look(self) -> bool:
        return self.corrected < LOOK

    @property
    def excess(self) -> float:
        """The share of what was left to agree on that they did agree on."""
        room = self.common - self.expected
        return max(0.0, (self.equal - self.expected) / room) if room > 0 else 0.0


def pairs_of(worker: Worker, project: Project, question: Question) -> tuple[list[Pair], int]:
    """Pairs with at least 15 common items, the least likely first; and how many pairs the tail is corrected for."""
    size = len(question.classes)
    if size < 2:
        return [], 0
    with connection.cursor() as cursor:
        cursor.execute(
            COMMON,
            {"worker": worker.pk, "project": project.pk, "question": question.name, "most": MOST_ITEMS},
        )
        rows = [row for row in cursor.fetchall() if max(row[2], row[3]) < size]
    by_other: dict[int, list[tuple]] = {}
    for row in rows:
        by_other.setdefault(row[0], []).append(row)
    by_other = {other: found for other, found in by_other.items() if len(found) >= MIN_COMMON}
    matrices, crowd = _confusions(project, question, [worker.pk, *by_other])
    tested = max(1, crowd * (crowd - 1) // 2)
    workers = Worker.objects.in_bulk(list(by_other))
    found = [
        _pair(workers[other], common, matrices[worker.pk], matrices[other], tested)
        for other, common in by_other.items()
    ]
    found.sort(key=lambda one: (one.tail, -one.excess, one.worker.pk))
    return found[:MOST_PAIRS], tested


def _pair(other: Worker, common: list[tuple], mine: np.ndarray, theirs: np.ndarray, tested: int) -> Pair:
    size = len(mine)
    first, second = np.array([row[2] for row in common]), np.array([row[3] for row in common])
    flat = np.full(size, 1 / size)
    posteriors = np.array([row[4] if row[4] and len(row[4]) == size else flat for row in common])
    alone = agreement_alone(first, second, posteriors, mine, theirs)
    chance = poisson_binomial(alone)
    equal = int((first == second).sum())
    tail = float(min(1.0, chance[equal:].sum()))
    wrong = [(row[6], row[7], row[2], row[5]) for row in common if row[2] == row[3] and row[5] not in (None, row[2])]
    return Pair(
        worker=other,
        common=len(common),
        equal=equal,
        expected=float(alone.sum()),
        tail=tail,
        corrected=min(1.0, tail * tested),
        chance=chance,
        wrong=wrong,
    )


def _confusions(project: Project, question: Question, ids: list[int]) -> tuple[dict[int, np.ndarray], int]:
    """Rows of each worker's matrix, drawn towards the project's mean; and how many workers the project has."""
    size = len(question.classes)
    rows = WorkerReliability.objects.filter(project=project, question=question.name, part="")
    counts = {pk: np.zeros((size, size)) for pk in ids}
    known = rows.count()
    pooled = np.eye(size) + 0.5 / size
    for flat in rows.order_by("-pk").values_list("counts", flat=True)[:MOST_POOLED]:
        if len(flat) == size * size:
            pooled += np.array(flat).reshape(size, size)
    for pk, flat in rows.filter(worker__in=ids).values_list("worker_id", "counts"):
        if len(flat) == size * size:
            counts[pk] = np.array(flat).reshape(size, size)
    pooled /= pooled.sum(axis=1, keepdims=True)
    found = {}
    for pk, own in counts.items():
        drawn = own + PRIOR * pooled
        found[pk] = drawn / drawn.sum(axis=1, keepdims=True)
    return found, max(known, len(ids))


def mistakes_of(pair: Pair, question: Question, most: int = 12) -> list[Mistake]:
    """The wrong answers that both gave, with how long after this worker the other one gave theirs."""
    shown = pair.wrong[:most]
    with connection.cursor() as cursor:
        cursor.execute(TOGETHER, [[row[0] for row in shown], [row[1] for row in shown]])
        found = {row[0]: row[1:] for row in cursor.fetchall()}
    mistakes = []
    for first, _second, said, label in shown:
        public_id, name, mine, theirs = found[first]
        mistakes.append(
            Mistake(
                item=name or str(public_id)[:8].upper(),
                said=question.classes[said],
                label=question.classes[label] if label < len(question.classes) else "",
                after=_seconds(mine, theirs),
            )
        )
    return mistakes


def _seconds(mine: dt.datetime | None, theirs: dt.datetime | None) -> float | None:
    return (theirs - mine).total_seconds() if mine and theirs else None
