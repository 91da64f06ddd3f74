"""What disagreement comes from: items that have several true answers, or guidelines that are read in several ways.

Where an item is ambiguous, reliable workers scatter over its answers by chance: none of them leans the same way on all
such items. Where guidelines are unclear between two classes, each worker has settled on a reading of their own, and
leans the same way again and again. So the question is whether, among items that got both answers, who says which hangs
on the worker: a permutation test, item by item.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

#: Fewer contested items of a pair say nothing about it.
LEAST_ITEMS = 8
DRAWS = 499
#: Evidence that a pair's disagreement hangs on who answers.
LEVEL = 0.01


@dataclass(frozen=True)
class Pair:
    """Two classes that reliable workers give to the same items.

    Attributes
    ----------
    first, second : int
        Classes, the smaller first.
    items : int
        Items that got both of them from reliable workers.
    share : float
        Of the items that got either.
    verdict : "guidelines", "items" or "unknown"
    p_value : float
        Of workers who lean no more than chance has them.
    leaning_first, leaning_second : int
        Workers who lean to either on contested items, by two standard deviations.
    examples : ndarray of int
        The contested items, the most evenly split first.
    """

    first: int
    second: int
    items: int
    share: float
    verdict: Literal["guidelines", "items", "unknown"]
    p_value: float
    leaning_first: int
    leaning_second: int
    examples: np.ndarray


def confused_pairs(
    items: np.ndarray, workers: np.ndarray, labels: np.ndarray, n_classes: int, *, rng: np.random.Generator
) -> list[Pair]:
    """Pairs of classes that workers confuse, the most contested first; one label a worker and item.

    Parameters
    ----------
    items, workers, labels : ndarray of int, shape (N,)
        Of reliable workers only: what careless ones say is no disagreement.

    Raises
    ------
    ValueError
        If the lengths differ.

    Notes
    -----
    Statistic: ``sum_w U_w^2 / V_w`` with ``U_w = sum_i (x_wi - p_i)``, x = 1 where worker w gave item i the second
    class, ``p_i`` that class's share of the item's answers of the pair, ``V_w = sum_i p_i (1 - p_i)``. Under "it is
    the item" the answers of an item may be dealt to its workers in any order, which gives the p-value.

    Examples
    --------
    Each of four workers has a reading of their own:

    >>> item = np.repeat(np.arange(20), 4); worker = np.tile(np.arange(4), 20)
    >>> [pair] = confused_pairs(item, worker, worker % 2, 2, rng=np.random.default_rng(0))
    >>> pair.verdict, pair.leaning_first, pair.leaning_second
    ('guidelines', 2, 2)
    """
    items, workers, labels = (np.asarray(column, np.int64) for column in (items, workers, labels))
    if not len(items) == len(workers) == len(labels):
        raise ValueError("items, workers and labels must have the same length.")
    if not len(items):
        return []
    names, item = np.unique(items, return_inverse=True)
    votes = np.zeros((len(names), n_classes))
    np.add.at(votes, (item, labels), 1.0)
    pairs = []
    for first in range(n_classes):
        for second in range(first + 1, n_classes):
            both = (votes[:, first] > 0) & (votes[:, second] > 0)
            if both.sum() >= LEAST_ITEMS:
                keep = both[item] & ((labels == first) | (labels == second))
                either = ((votes[:, first] > 0) | (votes[:, second] > 0)).sum()
                pairs.append(
                    _pair(first, second, names, item[keep], workers[keep], labels[keep] == second, either, votes, rng)
                )
    return sorted(pairs, key=lambda pair: (-pair.items, pair.first, pair.second))


def _pair(
    first: int,
    second: int,
    names: np.ndarray,
    item: np.ndarray,
    worker: np.ndarray,
    is_second: np.ndarray,
    either: int,
    votes: np.ndarray,
    rng: np.random.Generator,
) -> Pair:
    order = np.argsort(item, kind="stable")
    item, worker, said = item[order], worker[order], is_second[order].astype(float)
    contested, place, size = np.unique(item, return_inverse=True, return_counts=True)
    share = np.bincount(place, said) / size
    people, who = np.unique(worker, return_inverse=True)
    spread = np.bincount(who, (share * (1 - share))[place])

    def leaning(said: np.ndarray) -> np.ndarray:
        lean: np.ndarray = np.bincount(who, said - share[place], minlength=len(people))
        return lean

    lean = leaning(said)
    found = float((lean**2 / spread).sum())
    # Deal the answers of each item anew: sorting by item and a random number shuffles within items.
    as_large = 1
    for _ in range(DRAWS):
        dealt = said[np.lexsort((rng.random(len(item)), item))]
        as_large += float((leaning(dealt) ** 2 / spread).sum()) >= found - 1e-9
    p_value = as_large / (DRAWS + 1)
    # Workers with one answer each can lean nowhere: then nothing can be told.
    can_tell = (np.bincount(who) >= 3).sum() >= 2
    verdict: Literal["guidelines", "items", "unknown"] = "unknown"
    if can_tell:
        verdict = "guidelines" if p_value <= LEVEL else "items"
    score = lean / np.sqrt(spread)
    even = np.argsort(np.abs(share - 0.5) - 1e-6 * size, kind="stable")
    return Pair(
        first=first,
        second=second,
        items=len(contested),
        share=len(contested) / max(int(either), 1),
        verdict=verdict,
        p_value=p_value,
        leaning_first=int((score <= -2).sum()),
        leaning_second=int((score >= 2).sum()),
        examples=names[contested[even]],
    )


def shares_of(
    votes: np.ndarray, weights: np.ndarray, labels: np.ndarray, n_classes: int, prior: float = 0.0
) -> np.ndarray:
    """Weighted shares of the classes by item, shape (I, K); `votes` (N,) indexes items, rows without weight are even.

    Examples
    --------
    >>> shares_of(np.array([0, 0, 1]), np.array([1.0, 0.5, 0.0]), np.array([0, 1, 1]), 2).round(2)
    array([[0.67, 0.33],
           [0.5 , 0.5 ]])
    """
    n_items = int(votes.max()) + 1 if len(votes) else 0
    total = np.full((n_items, n_classes), float(prior))
    np.add.at(total, (votes, labels), weights)
    sums = total.sum(axis=1, keepdims=True)
    return np.where(sums > 0, total / np.where(sums > 0, sums, 1.0), 1 / n_classes)


def entropy(shares: np.ndarray) -> np.ndarray:
    """In units of the largest: 0 where all say the same, 1 where all classes are said as often.

    Examples
    --------
    >>> entropy(np.array([[1.0, 0.0], [0.5, 0.5]]))
    array([0., 1.])
    """
    shares = np.asarray(shares, float)
    logs = np.log(np.where(shares > 0, shares, 1.0))
    return -(shares * logs).sum(axis=-1) / np.log(max(shares.shape[-1], 2)) + 0.0
