"""How far the workers of a batch agree: over all, class by class, two by two. Read only; the newest answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from django.db import connection
from django.utils.translation import gettext_lazy

from core.freshness import fresh
from marketplace.models import Batch
from marketplace.schema import Question
from marketplace.selectors import design_of
from quality.estimators.agreement import MANY_VALUES, Level, krippendorff_alpha, krippendorff_interval
from quality.estimators.intervals import wilson_interval
from quality.estimators.pairs import Halves, Pairs, gwet_ac1, split_half, worker_pairs
from quality.models import GoldQuestion

#: Agreement is computed on this many of the newest judgments; more would not move its second digit.
MOST_JUDGMENTS = 20_000
#: Answers of an item that count for alpha: later ones were asked because of doubt, and would bend it.
FIRST = 2
LEAST_ITEMS = 5
DRAWS = 400
SEED = 12
LEVELS: dict[str, Level] = {"ordinal": "ordinal", "number": "interval"}

TOO_FEW = gettext_lazy("fewer than five items have two answers")
ONE_VALUE = gettext_lazy("every answer says the same")
NO_SCALE = gettext_lazy("answers of this kind have no common scale to agree on")
MANY = gettext_lazy("the numbers take too many values")

# The newest by the project's index, so that a batch of 10^6 answers costs no more than one of 10^4.
NEWEST = """
SELECT n.hit_id, n.part, n.worker_id, n.label, n.number, n.created_at, n.weight FROM (
    SELECT id, hit_id, part, worker_id, label, number, weight, created_at FROM quality_judgment
    WHERE project_id = %(project)s AND question = %(question)s AND batch_id = %(batch)s ORDER BY id DESC LIMIT %(most)s
) n ORDER BY n.id
"""


@dataclass(frozen=True)
class Said:
    """Judgments of one question of a batch that count, in the order they came.

    Attributes
    ----------
    item : ndarray of int, shape (N,)
        One number for each HIT and part.
    hit, worker, label : ndarray of int, shape (N,)
        A label of -1: the kind has no classes.
    part : ndarray of str, shape (N,)
    number : ndarray of float, shape (N,)
    at : ndarray of float, shape (N,)
        Seconds since 1970.
    """

    item: np.ndarray
    hit: np.ndarray
    part: np.ndarray
    worker: np.ndarray
    label: np.ndarray
    number: np.ndarray
    at: np.ndarray

    def __len__(self) -> int:
        return len(self.item)

    def only(self, keep: np.ndarray) -> Said:
        return Said(**{one.name: getattr(self, one.name)[keep] for one in fields(self)})

    @property
    def rank(self) -> np.ndarray:
        """The place of each answer among those of its item, from 0."""
        order = np.argsort(self.item, kind="stable")
        item = self.item[order]
        start = np.flatnonzero(np.r_[True, item[1:] != item[:-1]]) if len(item) else np.zeros(0, int)
        rank = np.empty(len(item), int)
        rank[order] = np.arange(len(item)) - np.repeat(start, np.diff(np.r_[start, len(item)]))
        return rank


def said_about(batch: Batch, question: Question) -> Said:
    """The newest word of each worker on each item; one whose weight is gone says nothing."""
    asked: dict[str, Any] = {
        "project": batch.project_id,
        "question": question.name,
        "batch": batch.pk,
        "most": MOST_JUDGMENTS,
    }
    with connection.cursor() as cursor:
        cursor.execute(NEWEST, asked)
        newest: dict[tuple[int, str, int], tuple[Any, ...]] = {}
        for hit, part, worker, label, number, at, weight in cursor:
            newest.pop((hit, part, worker), None)
            newest[hit, part, worker] = (label, number, at, weight)
    kept = [(key, row) for key, row in newest.items() if row[3] > 0]
    items: dict[tuple[int, str], int] = {}
    item = [items.setdefault((hit, part), len(items)) for (hit, part, _worker), _row in kept]
    return Said(
        np.array(item, int),
        np.array([key[0] for key, _ in kept], int),
        np.array([key[1] for key, _ in kept], object),
        np.array([key[2] for key, _ in kept], int),
        np.array([-1 if row[0] is None else row[0] for _, row in kept], int),
        np.array([math.nan if row[1] is None else row[1] for _, row in kept], float),
        np.array([row[2].timestamp() for _, row in kept], float),
    )


@dataclass(frozen=True)
class Alpha:
    """Krippendorff's alpha with its 95 % interval, from `answers` on `items`; where there is none, `why`."""

    value: float | None
    low: float = 0.0
    high: float = 0.0
    items: int = 0
    answers: int = 0
    why: Any = ""


@dataclass(frozen=True)
class ClassAgreement:
    """One class against all others: alpha, and the share of first answers that say it."""

    words: str
    alpha: Alpha
    share: float


@dataclass(frozen=True)
class Suite:
    """Everything about agreement on one question. `pairs` is None where equal answers mean nothing."""

    question: str
    kind: str
    level: str
    alpha: Alpha
    ac1: float | None = None
    halves: Halves | None = None
    classes: list[ClassAgreement] = field(default_factory=list)
    pairs: Pairs | None = None
    is_cut: bool = False


def suite_of(batch: Batch, question: Question) -> Suite:
    return fresh(f"agreement:{batch.pk}:{question.name}", lambda: measure(batch, question), least=20)


def alpha_of(batch: Batch) -> float | None:
    """Alpha of the first question with classes; None while too little has been said."""
    question = next((q for q in design_of(batch).schema if q.labels and q.kind != "multilabel"), None)
    if question is None:
        return None

    def compute() -> float | None:
        said = said_about(batch, question)
        said = said.only(said.label >= 0)
        first = said.only(said.rank < FIRST)
        if (np.bincount(first.item, minlength=1) >= 2).sum() < LEAST_ITEMS:
            return None
        value = krippendorff_alpha(first.item, first.worker, first.label)
        return None if math.isnan(value) else value

    return fresh(f"alpha:{batch.pk}", compute, least=5)


def measure(batch: Batch, question: Question) -> Suite:
    level = LEVELS.get(question.kind, "nominal")
    said = said_about(batch, question)
    is_cut = len(said) >= MOST_JUDGMENTS
    said = said.only(~np.isnan(said.number) if level == "interval" else said.label >= 0)
    if not len(said):
        why = TOO_FEW if question.classes or level == "interval" else NO_SCALE
        return Suite(question.name, question.kind, level, Alpha(None, why=why))
    first = said.only(said.rank < FIRST)
    values = first.number if level == "interval" else first.label
    alpha = _alpha(first, values, level)
    if level == "interval":
        return Suite(question.name, question.kind, level, alpha, is_cut=is_cut)
    words = yes_and_no(question)
    classes = []
    if alpha.value is not None and len(words) > 2:
        for index, word in enumerate(words):
            says = first.label == index
            classes.append(ClassAgreement(word, _alpha(first, says.astype(int), "nominal"), float(says.mean())))
    ac1 = gwet_ac1(first.item, first.label)
    return Suite(
        question.name, question.kind, level, alpha, None if math.isnan(ac1) else ac1,
        split_half(said.item, said.label, rng=np.random.default_rng(SEED)), classes,
        worker_pairs(said.item, said.worker, said.label), is_cut,
    )  # fmt: skip


def yes_and_no(question: Question) -> Sequence[str]:
    """What class indices of judgments mean: a multilabel question is a yes or no for each label."""
    return ("no", "yes") if question.kind == "multilabel" else question.classes


def _alpha(said: Said, values: np.ndarray, level: Level) -> Alpha:
    counts = np.bincount(said.item)
    items, answers = int((counts >= 2).sum()), int(counts[counts >= 2].sum())
    if items < LEAST_ITEMS:
        return Alpha(None, items=items, answers=answers, why=TOO_FEW)
    if level == "interval" and len(np.unique(values)) > MANY_VALUES:
        return Alpha(None, items=items, answers=answers, why=MANY)
    value = krippendorff_alpha(said.item, said.worker, values, level=level)
    if math.isnan(value):
        return Alpha(None, items=items, answers=answers, why=ONE_VALUE)
    rng = np.random.default_rng(SEED)
    low, high = krippendorff_interval(said.item, said.worker, values, level=level, rng=rng, draws=DRAWS)
    return Alpha(value, low, high, items, answers)


# --- two by two -------------------------------------------------------------------------------------------------------

ORDERS = ("least", "most", "common")


def ordered_pairs(pairs: Pairs, order: str) -> np.ndarray:
    """Rows of the pairs: the least alike first, the most alike, or those with most in common."""
    by = {"least": pairs.equal, "most": -pairs.equal, "common": -pairs.common.astype(float)}[order]
    return np.lexsort((pairs.second, pairs.first, -pairs.common, by))


# --- mix-ups ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClassRates:
    """Of answers on items whose label is this class: the share that says so; of answers that say it, the share on items
    that are so. With 95 % intervals; None where there are no answers."""

    words: str
    found: tuple[float, float, float] | None
    meant: tuple[float, float, float] | None
    answers: int


def rates_of(counts: Sequence[Sequence[int]], words: Sequence[str]) -> list[ClassRates]:
    """By class, from counts [label, said]."""
    table = np.array(counts, float)
    return [
        ClassRates(
            word,
            _rate(table[index, index], table[index].sum()),
            _rate(table[index, index], table[:, index].sum()),
            int(table[index].sum()),
        )
        for index, word in enumerate(words)
    ]


def _rate(right: float, n: float) -> tuple[float, float, float] | None:
    if not n:
        return None
    low, high = wilson_interval(right, n)
    return max(float(low), 0.0), float(right / n), min(float(high), 1.0)


@dataclass(frozen=True)
class Mixup:
    """One label taken for another: the share of answers on it, and how many."""

    label: str
    said: str
    share: float
    low: float
    high: float
    count: int


def worst_mixups(counts: Sequence[Sequence[int]], words: Sequence[str], most: int = 5) -> list[Mixup]:
    """The most frequent ones by share of the label's answers, at least three of them."""
    found = []
    for index, row in enumerate(counts):
        total = sum(row)
        for said, count in enumerate(row):
            if said != index and count >= 3:
                low, high = wilson_interval(count, total)
                found.append(Mixup(words[index], words[said], count / total, float(low), float(high), count))
    return sorted(found, key=lambda one: -one.low)[:most]


def known_mixups(batch: Batch, question: Question) -> list[list[int]] | None:
    """Answers [truth, said] to hidden known items of the batch that have one right class; None while there are none."""

    def count() -> list[list[int]] | None:
        golds = GoldQuestion.objects.filter(hit__batch=batch, is_soft=False).exclude(state="suspended")
        truth = {}
        for hit_id, keys in golds.values_list("hit_id", "keys"):
            key = keys.get(question.name)
            accepted = key.get("accept") if isinstance(key, dict) else None
            if isinstance(accepted, list) and len(accepted) == 1 and accepted[0] in question.index:
                truth[hit_id] = question.index[accepted[0]]
        if not truth:
            return None
        counts = [[0] * len(question.classes) for _class in question.classes]
        said = said_about(batch, question)
        for hit, label in zip(said.hit.tolist(), said.label.tolist(), strict=True):
            if hit in truth and label >= 0:
                counts[truth[hit]][label] += 1
        return counts if any(map(any, counts)) else None

    return fresh(f"known-mixups:{batch.pk}:{question.name}", count, least=20)
