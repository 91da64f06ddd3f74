"""Accuracy for the money: what fewer answers an item would have given, measured on a batch's own judgments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import connection

from core.freshness import fresh
from marketplace.models import Batch
from marketplace.schema import Question
from marketplace.selectors import design_of
from quality.estimators.intervals import wilson_interval
from quality.models import GoldQuestion

#: Fewer known items than this say too little: labels that are decided stand in, and the page says so.
ENOUGH_KNOWN = 20
MOST_JUDGMENTS = 50_000
MOST_ANSWERS = 9
#: Random choices of the answers of each item; more would not move the second digit.
DRAWS = 8
SEED = 8


@dataclass(frozen=True)
class Point:
    """So many answers an item: the share of items whose majority is right, its 95 % interval, and how many items."""

    answers: int
    share: float
    low: float
    high: float
    items: int


@dataclass(frozen=True)
class Curve:
    """`is_known`: against known answers; else only against what the batch decided in the end."""

    points: list[Point]
    is_known: bool
    items: int


# The newest judgment of each worker, in the order they came.
SAID = """
SELECT j.hit_id, j.label FROM quality_judgment j
JOIN marketplace_hit h ON h.id = j.hit_id
WHERE h.batch_id = %(batch)s AND j.question = %(question)s AND j.part = '' AND j.label IS NOT NULL AND j.weight > 0
  AND j.id = (SELECT max(k.id) FROM quality_judgment k WHERE k.hit_id = j.hit_id AND k.worker_id = j.worker_id
              AND k.question = j.question AND k.part = '')
ORDER BY j.id DESC LIMIT %(most)s
"""
DECIDED = """
SELECT b.hit_id, b.label FROM quality_belief b JOIN marketplace_hit h ON h.id = b.hit_id
WHERE h.batch_id = %(batch)s AND h.lane = 0 AND b.question = %(question)s AND b.part = '' AND b.label IS NOT NULL
  AND b.state IN ('settled', 'overruled')
"""


def curve_of(batch: Batch) -> Curve | None:
    """For the first question with classes; None while there is too little to say."""
    question = next((q for q in design_of(batch).schema if q.classes and q.kind in ("categorical", "ordinal")), None)
    if question is None:
        return None
    return fresh(f"curve:{batch.pk}", lambda: _measure(batch, question), least=20)


def _measure(batch: Batch, question: Question) -> Curve | None:
    arguments: dict[str, Any] = {"batch": batch.pk, "question": question.name, "most": MOST_JUDGMENTS}
    with connection.cursor() as cursor:
        cursor.execute(SAID, arguments)
        said: dict[int, list[int]] = {}
        for hit_id, label in cursor.fetchall():
            said.setdefault(hit_id, []).append(label)
        truth = _known(batch, question, said)
        is_known = len(truth) >= ENOUGH_KNOWN
        if not is_known:
            cursor.execute(DECIDED, arguments)
            truth = {hit_id: {label} for hit_id, label in cursor.fetchall()}
    points = majority_by_answers(said, truth, len(question.classes))
    return Curve(points, is_known, len(truth.keys() & said.keys())) if len(points) > 1 else None


def _known(batch: Batch, question: Question, said: Mapping[int, list[int]]) -> dict[int, set[int]]:
    golds = GoldQuestion.objects.filter(hit__batch=batch, is_soft=False).exclude(state="suspended")
    found = {}
    for hit_id, keys in golds.values_list("hit_id", "keys"):
        accepted = (keys.get(question.name) or {}).get("accept") if hit_id in said else None
        classes = {question.index[one] for one in accepted or [] if isinstance(one, str) and one in question.index}
        if classes:
            found[hit_id] = classes
    return found


def majority_by_answers(
    said: Mapping[int, list[int]], truth: Mapping[int, set[int]], n_classes: int, draws: int = DRAWS
) -> list[Point]:
    """The share of items that the majority of r random answers gets right, for r = 1, 2, ...; a tie counts in part.

    Each point stands on the items that have r answers or more; it ends where those are fewer than ten.
    """
    rng = np.random.default_rng(SEED)
    items = [(np.array(said[hit]), truth[hit]) for hit in sorted(truth.keys() & said.keys())]
    points = []
    for r in range(1, MOST_ANSWERS + 1):
        able = [one for one in items if len(one[0]) >= r]
        if len(able) < 10:
            break
        right = np.zeros(len(able))
        for index, (labels, accepted) in enumerate(able):
            for _draw in range(draws):
                votes = np.bincount(rng.choice(labels, r, replace=False), minlength=n_classes)
                best = np.flatnonzero(votes == votes.max())
                right[index] += sum(one in accepted for one in best.tolist()) / len(best) / draws
        share = float(right.mean())
        low, high = wilson_interval(share * len(able), len(able))
        points.append(Point(r, share, low, high, len(able)))
    return points
