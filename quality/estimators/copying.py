"""Who copies from whom: pairs of workers that agree more often than two who work alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from quality.estimators.encode import Answers, Ids, encode

#: Common items that a pair needs: with fewer there is no power.
MIN_COMMON = 15
#: Meetings of two answers on an item that are looked at; a job with more has every so-manieth item looked at.
MOST_MEETINGS = 20_000_000


@dataclass(frozen=True)
class Copying:
    """Pairs that agree too often, and the clusters they form.

    Attributes
    ----------
    pairs : list of (worker, worker, p-value)
        Significant pairs, the surest first.
    clusters : list of tuple
        Workers connected by such pairs. They share one vote: weight 1/size. A person looks before anybody is paused.
    n_tested : int
    """

    pairs: list[tuple]
    clusters: list[tuple]
    n_tested: int


@dataclass(frozen=True)
class Meetings:
    """Pairs of workers with enough items in common, and the two answers wherever they met.

    Attributes
    ----------
    first, second : ndarray of int, shape (P,)
        Workers of each pair, first < second.
    pair : ndarray of int, shape (M,)
        Pair of each meeting, increasing.
    one, other : ndarray of int, shape (M,)
        The judgments of the first and of the second worker.
    """

    first: np.ndarray
    second: np.ndarray
    pair: np.ndarray
    one: np.ndarray
    other: np.ndarray

    @property
    def common(self) -> np.ndarray:
        """Items in common, shape (P,)."""
        return np.bincount(self.pair, minlength=len(self.first))

    def with_common(self, at_least: int) -> Meetings:
        """Only the pairs with so many items in common."""
        enough = self.common >= at_least
        kept, number = enough[self.pair], np.cumsum(enough) - 1
        return Meetings(
            self.first[enough], self.second[enough], number[self.pair[kept]], self.one[kept], self.other[kept]
        )

    def agreeing(self, label: np.ndarray) -> np.ndarray:
        """Items on which both said the same, shape (P,), given the `label` (N,) of each judgment."""
        return np.bincount(self.pair, label[self.one] == label[self.other], len(self.first)).astype(int)


def meetings_of(answers: Answers, at_least: int) -> Meetings:
    """All pairs of workers who have answered `at_least` items together."""
    per_item = np.bincount(answers.item, minlength=len(answers.items)).astype(np.int64)
    step = int(-(-(per_item * (per_item - 1) // 2).sum() // MOST_MEETINGS)) or 1
    start = np.cumsum(per_item) - per_item
    ones, others = [], []
    for size in np.unique(per_item[per_item > 1]):
        begins = start[(per_item == size) & (np.arange(len(per_item)) % step == 0)]
        a, b = np.triu_indices(size, 1)
        ones.append((begins[:, None] + a).ravel())
        others.append((begins[:, None] + b).ravel())
    one = np.concatenate(ones) if ones else np.zeros(0, np.int64)
    other = np.concatenate(others) if others else np.zeros(0, np.int64)
    apart = answers.worker[one] != answers.worker[other]
    one, other = one[apart], other[apart]
    key = answers.worker[one].astype(np.int64) * len(answers.workers) + answers.worker[other]
    order = np.argsort(key, kind="stable")
    found, pair = np.unique(key[order], return_inverse=True)
    first, second = np.divmod(found, len(answers.workers))
    return Meetings(first, second, pair, one[order], other[order]).with_common(at_least)


def find_copying(
    items: Ids, workers: Ids, labels: Ids, posteriors: np.ndarray, confusions: np.ndarray, alpha: float = 0.01
) -> Copying:
    """Test all pairs with enough common items.

    Parameters
    ----------
    items, workers, labels : sequences, length N
        One answer a worker and item.
    posteriors : ndarray, shape (I, K)
        Of the items in sorted order, as a fit gives them.
    confusions : ndarray, shape (W, K, K)
        Of the workers in sorted order.
    alpha : float
        Share of false pairs among those reported (Benjamini-Hochberg over all pairs tested).

    Notes
    -----
    Two who work alone agree on item i with ``p_i = sum_k T_ik sum_l th_a[k, l] th_b[k, l]``, T being what the others
    say; the number of equal
    answers is held against the exact Poisson-binomial tail (the normal approximation raises false alarms).

    References
    ----------
    Y. Benjamini, Y. Hochberg (1995). Controlling the false discovery rate. JRSS-B 57.
    """
    answers = encode(items, workers, labels)
    n_items, n_workers, n_classes = answers.shape
    if posteriors.shape != (n_items, n_classes) or confusions.shape != (n_workers, n_classes, n_classes):
        raise ValueError("posteriors and confusions must be those of a fit to the same answers.")
    met = meetings_of(answers, MIN_COMMON)
    tails, _ = pair_tails(answers, met, posteriors, confusions)
    ids = answers.workers.tolist()
    chosen = significant(tails, alpha)
    found = [(ids[met.first[n]], ids[met.second[n]], float(tails[n])) for n in chosen]
    parts = components(met.first[chosen], met.second[chosen], n_workers)
    return Copying(found, [tuple(ids[worker] for worker in part) for part in parts], len(tails))


def pair_tails(
    answers: Answers, met: Meetings, posteriors: np.ndarray, confusions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Exact tail of each pair's agreement (P,), and the share of the surprise: (A - E) / (n - E), shape (P,).

    `answers.weight` is what each answer weighed in `posteriors`: a pair's own are taken out again, else copies would
    vouch for each other.
    """
    item = answers.item[met.one]
    joint = np.log(np.maximum(posteriors[item], 1e-12))
    for judgment in (met.one, met.other):
        rates = confusions[answers.worker[judgment], :, answers.label[judgment]]
        joint -= answers.weight[judgment, None] * np.log(np.maximum(rates, 1e-12))
    alike = (confusions[met.first] * confusions[met.second]).sum(axis=2)
    others = np.exp(joint - joint.max(axis=1, keepdims=True))
    chance = ((others / others.sum(axis=1, keepdims=True)) * alike[met.pair]).sum(axis=1)
    return surprise(met.pair, np.clip(chance, 0, 1), met.agreeing(answers.label))


def surprise(group: np.ndarray, chance: np.ndarray, successes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tail P(at least so many) of each group of trials (P,), exact where it could be small, and (A - E) / (n - E)."""
    n_groups = len(successes)
    count = np.bincount(group, minlength=n_groups)
    expected = np.bincount(group, chance, n_groups)
    spread = np.sqrt(np.bincount(group, chance * (1 - chance), n_groups))
    tails = np.ones(n_groups)
    start = np.cumsum(count) - count
    for one in np.flatnonzero(successes > expected + 1.5 * spread):  # below, no tail is small
        tails[one] = poisson_binomial_tail(chance[start[one] : start[one] + count[one]], int(successes[one]))
    return tails, (successes - expected) / np.maximum(count - expected, 1e-9)


def poisson_binomial_tail(probabilities: np.ndarray, at_least: int) -> float:
    """P(at least so many successes) of independent trials with these probabilities, exactly.

    Examples
    --------
    >>> round(poisson_binomial_tail(np.full(4, .5), 3), 4)
    0.3125
    """
    return float(min(1.0, poisson_binomial(probabilities)[at_least:].sum()))


def agreement_alone(
    first: np.ndarray, second: np.ndarray, posteriors: np.ndarray, confusion_a: np.ndarray, confusion_b: np.ndarray
) -> np.ndarray:
    """P(equal answers) of two who work alone, item by item.

    Parameters
    ----------
    first, second : ndarray of int, shape (n,)
        What either said about the items that both answered, from 0.
    posteriors : ndarray, shape (n, K)
    confusion_a, confusion_b : ndarray, shape (K, K)

    Returns
    -------
    ndarray, shape (n,)
    """
    # Without the pair's own answers, else copies would vouch for each other.
    joint = np.log(np.maximum(posteriors, 1e-12))
    joint -= np.log(np.maximum(confusion_a[:, first] * confusion_b[:, second], 1e-12)).T
    others = np.exp(joint - joint.max(axis=1, keepdims=True))
    return (others / others.sum(axis=1, keepdims=True)) @ (confusion_a * confusion_b).sum(axis=1)


def poisson_binomial(probabilities: np.ndarray) -> np.ndarray:
    """P(exactly so many successes) of independent trials, shape (n + 1,)."""
    chance = np.zeros(len(probabilities) + 1)
    chance[0] = 1.0
    for p in probabilities:
        chance[1:] = chance[1:] * (1 - p) + chance[:-1] * p
        chance[0] *= 1 - p
    return chance


def significant(tails: np.ndarray, alpha: float) -> np.ndarray:
    """Positions of the tails that Benjamini and Hochberg reject, smallest first."""
    order = np.argsort(tails, kind="stable")
    passes = np.flatnonzero(tails[order] <= alpha * np.arange(1, len(tails) + 1) / max(len(tails), 1))
    return order[: passes[-1] + 1] if len(passes) else order[:0]


def components(first: np.ndarray, second: np.ndarray, n_workers: int) -> list[np.ndarray]:
    """Workers connected by pairs, as increasing indices, for each connected part of two or more."""
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(n_workers, n_workers))
    _, part = connected_components(graph, directed=False)
    touched = np.unique(np.concatenate([first, second])).astype(int)
    return [touched[part[touched] == one] for one in dict.fromkeys(part[touched].tolist())]
