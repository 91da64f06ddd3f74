"""Who copies from whom: pairs of workers that agree more often than two who work alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from quality.estimators.encode import Ids, encode

#: Common items that a pair needs: with fewer there is no power.
MIN_COMMON = 15


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
    said = csr_array((answers.label + 1, (answers.worker, answers.item)), shape=(n_workers, n_items)).toarray()
    given = (said > 0).astype(np.float32)
    common = given @ given.T
    first, second = np.nonzero(np.triu(common >= MIN_COMMON, k=1))
    tails = np.array(
        [_tail(said, a, b, posteriors, confusions) for a, b in zip(first.tolist(), second.tolist(), strict=True)]
    )
    ids = answers.workers.tolist()
    found = [(ids[first[n]], ids[second[n]], float(tails[n])) for n in _significant(tails, alpha)]
    return Copying(found, _clusters(found, ids), len(tails))


def poisson_binomial_tail(probabilities: np.ndarray, at_least: int) -> float:
    """P(at least so many successes) of independent trials with these probabilities, exactly.

    Examples
    --------
    >>> round(poisson_binomial_tail(np.full(4, .5), 3), 4)
    0.3125
    """
    chance = np.zeros(len(probabilities) + 1)
    chance[0] = 1.0
    for p in probabilities:
        chance[1:] = chance[1:] * (1 - p) + chance[:-1] * p
        chance[0] *= 1 - p
    return float(min(1.0, chance[at_least:].sum()))


def _tail(said: np.ndarray, a: int, b: int, posteriors: np.ndarray, confusions: np.ndarray) -> float:
    both = np.flatnonzero((said[a] > 0) & (said[b] > 0))
    agree = int((said[a, both] == said[b, both]).sum())
    # Without the pair's own answers, else copies would vouch for each other.
    joint = np.log(np.maximum(posteriors[both], 1e-12))
    joint -= np.log(np.maximum(confusions[a][:, said[a, both] - 1] * confusions[b][:, said[b, both] - 1], 1e-12)).T
    others = np.exp(joint - joint.max(axis=1, keepdims=True))
    alone = (others / others.sum(axis=1, keepdims=True)) @ (confusions[a] * confusions[b]).sum(axis=1)
    if agree <= alone.sum():
        return 1.0
    return poisson_binomial_tail(alone, agree)


def _significant(tails: np.ndarray, alpha: float) -> np.ndarray:
    """Positions of the tails that Benjamini and Hochberg reject, smallest first."""
    order = np.argsort(tails, kind="stable")
    passes = np.flatnonzero(tails[order] <= alpha * np.arange(1, len(tails) + 1) / max(len(tails), 1))
    return order[: passes[-1] + 1] if len(passes) else order[:0]


def _clusters(pairs: list[tuple], ids: list) -> list[tuple]:
    place = {worker: row for row, worker in enumerate(ids)}
    rows, columns = [place[a] for a, _, _ in pairs], [place[b] for _, b, _ in pairs]
    graph = coo_array((np.ones(len(pairs)), (rows, columns)), shape=(len(ids), len(ids)))
    _, part = connected_components(graph, directed=False)
    groups: dict[int, list] = {}
    for row in sorted({*rows, *columns}):
        groups.setdefault(int(part[row]), []).append(ids[row])
    return [tuple(group) for group in groups.values()]
