"""Risk of answers without classes: what the consensus of an item is expected to lose under the grader of its kind."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import logit

from quality.estimators.calibration import Correctness
from quality.estimators.em import ENOUGH_GOLD
from quality.estimators.encode import Ids, check_lengths, factorise

#: Why an item has no risk.
ONE_ANSWER = "It has one answer, and nothing to compare it with."


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
    """

    risk: dict[Any, float]
    undefined: dict[Any, str]
    agreement: dict[Any, float] = field(repr=False)
    n_gold: int = 0
    calibrated: bool = False


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
    their variance over that of coins. Leaving out costs about n_i fits at once.

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
    margin, many = logit(np.clip(agreement, 0.01, 0.99)), np.log([max(len(rows), 1) for rows in groups])
    expected = _calibrated(np.array(list(scores.values())), taught, margin, many)
    risk = {name: float(1 - expected[place[name]]) for name in stated}
    return Risks(risk, undefined, stated, len(known), True)


def _calibrated(scores: np.ndarray, taught: np.ndarray, margin: np.ndarray, many: np.ndarray) -> np.ndarray:
    """Expected score of every item (I,), from those (n,) of gold items in the rows `taught`."""
    label, times = np.zeros(len(margin), int), 1.0
    for _ in range(3):
        model = Correctness.fit(scores, margin[taught], many[taught], label[taught], 1, times)
        expected = model.predict(margin, many, label)
        of_gold = expected[taught]
        # Five pseudo-items that spread like coins, so that gold which is all right does not count for ever.
        phi = (((scores - of_gold) ** 2 / (of_gold * (1 - of_gold))).sum() + 5) / (len(scores) + 5)
        times = 1 / min(phi, 1.0)
    return expected


def _agreement(
    groups: Sequence[np.ndarray], workers: np.ndarray, labels: Sequence[Any], consensus: Callable[..., Any],
    score: Callable[[Any, Any], float],
) -> np.ndarray:  # fmt: skip
    """Mean score of each item's answers against the consensus of the others, shape (I,); 0 of a single one."""
    left_out = [row for rows in groups if len(rows) > 1 for row in rows]
    others = [rows[rows != row] for rows in groups if len(rows) > 1 for row in rows]
    total = np.zeros(len(groups))
    if not left_out:
        return total
    copies = np.repeat(np.arange(len(others)), [len(rows) for rows in others])
    kept = np.concatenate(others)
    model = consensus(copies, workers[kept], [labels[row] for row in kept])
    found = [score(labels[row], estimate) for row, estimate in zip(left_out, model.estimates_, strict=True)]
    home = np.repeat(np.arange(len(groups)), [len(rows) if len(rows) > 1 else 0 for rows in groups])
    np.add.at(total, home, found)
    return total / np.array([max(len(rows), 1) for rows in groups])


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
