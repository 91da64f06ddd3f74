"""Risk of answers without classes: what the consensus of an item is expected to lose under the grader of its kind."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from scipy.special import logit

from quality.estimators.calibration import Correctness
from quality.estimators.em import ENOUGH_GOLD
from quality.estimators.encode import Ids, check_lengths, factorise

#: Why an item has no risk.
ONE_ANSWER = "It has one answer, and nothing to compare it with."
#: Answers of an item that are left out in turn, the others being as many at most.
MOST_LEFT_OUT = 12
#: Answers that are put together at once, those of an item counting once for each that is left out.
CHUNK = 50_000


@dataclass(frozen=True)
class RiskModel:
    """What gold teaches about expected scores, to be applied to any item of the job, now or later."""

    correctness: Correctness

    def expected(self, agreement: np.ndarray, many: np.ndarray) -> np.ndarray:
        """Expected score of the consensus of items with that `agreement` of so many answers, each (I,)."""
        label = np.zeros(len(agreement), int)
        return self.correctness.predict(logit(np.clip(agreement, 0.01, 0.99)), np.log(many), label)

    def to_json(self) -> dict[str, Any]:
        """Plain lists, for `from_json`."""
        return {"theta": self.correctness.theta.tolist(), "covariance": self.correctness.covariance.tolist()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The same again."""
        return cls(Correctness(np.array(stored["theta"], float), np.array(stored["covariance"], float)))


@dataclass(frozen=True)
class Risks:
    """Of each item 1 - expected score of its consensus, in [0, 1]; items without a figure say why.

    Attributes
    ----------
    risk : dict
        Item to risk: stop where it is at most 1 - tau (`stopping.decide_by_risk`).
    undefined : dict
        Item to the reason why it has none.
    agreement : dict
        Item to the mean score of its answers, each against the consensus of the others.
    n_gold : int
        Gold items that taught.
    calibrated : bool
        Without 20 gold items the risk is 1 - agreement: mostly too high, as a single answer errs more than all do.
    model : RiskModel or None
        What gold taught.
    """

    risk: dict[Any, float]
    undefined: dict[Any, str]
    agreement: dict[Any, float] = field(repr=False)
    n_gold: int = 0
    calibrated: bool = False
    model: RiskModel | None = field(default=None, repr=False)


def item_risks(
    items: Ids, workers: Ids, labels: Sequence[Any], *, consensus: Callable[[Ids, Ids, Sequence[Any]], Any],
    score: Callable[[Any, Any], float], gold: Mapping[Any, Any] | None = None,
) -> Risks:  # fmt: skip
    """Risk of each item's consensus, from answers that are left out one at a time, calibrated on gold.

    Parameters
    ----------
    consensus : callable
        `(items, workers, labels)` to a fitted estimator with `items_` and `estimates_`, such as ``BoxConsensus().fit``.
    score : callable
        `(answer, key)` to a score in [0, 1], such as ``lambda a, k: grade("boxes", a, k).score``.
    gold : mapping, optional
        Item to its key. It is not clamped, so that what it shows holds for other items.

    Raises
    ------
    ValueError
        Names the argument that is wrong.

    Notes
    -----
    Every answer is scored against the consensus of the others about its item: s_i is the mean over the item's n_i
    answers. From 20 gold items on, ``E score = sigmoid(a + e^u logit s_i + e^v log n_i)`` with the priors of
    `Correctness`, fitted to the scores of gold items' consensus by quasi-likelihood: each counts 1/phi times, phi being
    their variance over that of coins. Leaving out costs about n_i fits at once; of an item with more than 12 answers,
    12 that lie evenly among them take part.

    Examples
    --------
    >>> from quality.estimators import TextConsensus
    >>> from quality.estimators.grading import grade
    >>> said = ["Main St", "Main St", "Maine St", "Elm"]
    >>> score = lambda answer, key: grade("text", answer, key).score
    >>> found = item_risks([1, 1, 1, 2], list("abca"), said, consensus=TextConsensus().fit, score=score)
    >>> {item: round(risk, 2) for item, risk in found.risk.items()}, found.undefined
    ({1: 0.17}, {2: 'It has one answer, and nothing to compare it with.'})
    """
    ids, item = factorise(items, "items")
    who, worker = factorise(workers, "workers")
    check_lengths(items=item, workers=worker, labels=labels)
    names = ids.tolist()
    groups = np.split(np.argsort(item, kind="stable"), np.cumsum(np.bincount(item))[:-1])
    agreement = _agreement(groups, who[worker], labels, consensus, score)
    undefined = {name: ONE_ANSWER for name, rows in zip(names, groups, strict=True) if len(rows) < 2}
    known = {name: key for name, key in (gold or {}).items() if name in set(names) and name not in undefined}
    stated = {name: value for name, value in zip(names, agreement.tolist(), strict=True) if name not in undefined}
    if len(known) < ENOUGH_GOLD:
        return Risks({name: 1 - value for name, value in stated.items()}, undefined, stated, len(known), False)
    scores = _scores_of_gold(consensus(items, workers, labels), known, score)
    place = {name: row for row, name in enumerate(names)}
    taught = np.array([place[name] for name in scores])
    many = np.array([max(len(rows), 1) for rows in groups])
    model = _learned(np.array(list(scores.values())), agreement[taught], many[taught])
    expected = model.expected(agreement, many)
    risk = {name: float(1 - expected[place[name]]) for name in stated}
    return Risks(risk, undefined, stated, len(known), True, model)


def _learned(scores: np.ndarray, agreement: np.ndarray, many: np.ndarray) -> RiskModel:
    """From the scores, agreements and numbers of answers of gold items, each (n,)."""
    margin, logs, label, times = logit(np.clip(agreement, 0.01, 0.99)), np.log(many), np.zeros(len(many), int), 1.0
    for _ in range(3):
        model = Correctness.fit(scores, margin, logs, label, 1, times)
        expected = model.predict(margin, logs, label)
        # Five pseudo-items that spread like coins, so that gold which is all right does not count for ever.
        phi = (((scores - expected) ** 2 / (expected * (1 - expected))).sum() + 5) / (len(scores) + 5)
        times = 1 / min(phi, 1.0)
    return RiskModel(model)


def _agreement(
    groups: Sequence[np.ndarray], workers: np.ndarray, labels: Sequence[Any], consensus: Callable[..., Any],
    score: Callable[[Any, Any], float],
) -> np.ndarray:  # fmt: skip
    """Mean score of each item's answers against the consensus of the others, shape (I,); 0 of a single one."""
    agreement = np.zeros(len(groups))
    for places in _chunks(groups):
        parts = [_some(groups[place]) for place in places]
        left_out = [row for rows in parts for row in rows]
        others = [rows[rows != row] for rows in parts for row in rows]
        copies = np.repeat(np.arange(len(others)), [len(rows) for rows in others])
        kept = np.concatenate(others)
        model = consensus(copies, workers[kept], [labels[row] for row in kept])
        found = [score(labels[row], estimate) for row, estimate in zip(left_out, model.estimates_, strict=True)]
        start = np.cumsum([0, *(len(rows) for rows in parts[:-1])])
        agreement[places] = np.add.reduceat(np.array(found, float), start) / [len(rows) for rows in parts]
    return agreement


def _some(rows: np.ndarray) -> np.ndarray:
    """At most `MOST_LEFT_OUT` of an item's answers, evenly among them."""
    if len(rows) <= MOST_LEFT_OUT:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MOST_LEFT_OUT).round().astype(int)]


def _chunks(groups: Sequence[np.ndarray]) -> Iterator[list[int]]:
    """Items with two answers or more, so many at a time as are put together at once."""
    chunk: list[int] = []
    size = 0
    for place, rows in enumerate(groups):
        if len(rows) < 2:
            continue
        taken = min(len(rows), MOST_LEFT_OUT)
        if chunk and size + taken * (taken - 1) > CHUNK:
            yield chunk
            chunk, size = [], 0
        chunk.append(place)
        size += taken * (taken - 1)
    if chunk:
        yield chunk


def _scores_of_gold(
    model: Any, known: Mapping[Hashable, Any], score: Callable[[Any, Any], float]
) -> dict[Hashable, float]:
    estimates = dict(zip(model.items_.tolist(), model.estimates_, strict=True))
    found = {}
    for name, key in known.items():
        found[name] = float(score(estimates[name], key))
        if not 0 <= found[name] <= 1:
            raise ValueError(f"score gives {found[name]} for item {name!r}, which is not within 0 and 1.")
    return found
