"""How far pairs of workers, and two halves of a crowd, say the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quality.estimators.encode import Ids, check_lengths, factorise
from quality.estimators.intervals import wilson_interval

#: Pairs are looked at among this many workers, those with the most answers.
MOST_WORKERS = 300


@dataclass(frozen=True)
class Pairs:
    """Pairs of workers with common items, each once, shapes (P,).

    Attributes
    ----------
    first, second : ndarray of int
        Indices into `workers`.
    common : ndarray of int
        Items that both answered.
    equal, low, high : ndarray of float
        Share of them with equal answers, and its 95 % Wilson interval.
    kappa, kappa_low, kappa_high : ndarray of float
        Cohen's kappa; NaN where both always say one same thing, and nothing is left to agree on.
    """

    workers: np.ndarray
    first: np.ndarray
    second: np.ndarray
    common: np.ndarray
    equal: np.ndarray
    low: np.ndarray
    high: np.ndarray
    kappa: np.ndarray
    kappa_low: np.ndarray
    kappa_high: np.ndarray


def worker_pairs(items: Ids, workers: Ids, labels: Ids, least: int = 5) -> Pairs:
    """Agreement of every two workers with at least `least` common items; one answer a worker and item.

    Notes
    -----
    ``kappa = (p_o - p_e) / (1 - p_e)`` with ``p_e = sum_k p_a(k) p_b(k)`` over the common items. Its interval is
    that of p_o carried over, p_e held.

    References
    ----------
    J. Cohen (1960). A coefficient of agreement for nominal scales.

    Examples
    --------
    >>> pairs = worker_pairs([1, 1, 2, 2, 3, 3, 4, 4], list("abababab"), [0, 0, 0, 0, 1, 1, 1, 0], least=1)
    >>> float(pairs.equal[0]), float(pairs.kappa[0])
    (0.75, 0.5)
    """
    ids, worker = factorise(workers, "workers")
    _, item = factorise(items, "items")
    classes, label = factorise(labels, "labels")
    check_lengths(items=item, workers=worker, labels=label)
    kept = np.sort(np.argsort(-np.bincount(worker), kind="stable")[:MOST_WORKERS])
    place = np.full(len(ids), -1)
    place[kept] = np.arange(len(kept))
    mine = place[worker] >= 0
    worker, item, label = place[worker[mine]], item[mine], label[mine]
    n_items = int(item.max()) + 1 if len(item) else 0
    answered = np.zeros((len(kept), n_items), np.float32)
    answered[worker, item] = 1
    common = answered @ answered.T
    equal, chance = np.zeros_like(common), np.zeros_like(common)
    for k in range(len(classes)):
        said = np.zeros_like(answered)
        said[worker[label == k], item[label == k]] = 1
        where = said @ answered.T  # [a, b]: items of both on which a says k
        equal += said @ said.T
        chance += where * where.T
    first, second = np.triu_indices(len(kept), 1)
    enough = common[first, second] >= max(least, 1)
    first, second = first[enough], second[enough]
    n = common[first, second].astype(float)
    share = equal[first, second] / n
    by_chance = chance[first, second] / n**2
    low, high = wilson_interval(share * n, n)
    with np.errstate(divide="ignore", invalid="ignore"):
        kappas = [np.where(by_chance < 1, (one - by_chance) / (1 - by_chance), np.nan) for one in (share, low, high)]
    return Pairs(ids[kept], first, second, n.astype(int), share, low, high, *kappas)


def gwet_ac1(items: Ids, labels: Ids) -> float:
    """Gwet's AC1, which does not collapse when one class dominates; NaN where nothing can be compared.

    Notes
    -----
    ``(p_a - p_e) / (1 - p_e)``, ``p_e = 1/(K-1) sum_k pi_k (1 - pi_k)``, with pi the mean share of each class.

    References
    ----------
    K. Gwet (2008). Computing inter-rater reliability and its variance in the presence of high agreement.

    Examples
    --------
    >>> round(gwet_ac1([1, 1, 2, 2, 3, 3, 4, 4], [0, 0, 0, 0, 0, 0, 0, 1]), 3)
    0.68
    """
    counts = _counts(items, labels)
    size = counts.sum(axis=1)
    n_classes = counts.shape[1]
    shared = counts[size >= 2]
    if not len(shared) or n_classes < 2:
        return float("nan")
    m = size[size >= 2]
    observed = float(((shared * (shared - 1)).sum(axis=1) / (m * (m - 1))).mean())
    pi = (counts / size[:, None]).mean(axis=0)
    expected = float((pi * (1 - pi)).sum() / (n_classes - 1))
    return (observed - expected) / (1 - expected) if expected < 1 else float("nan")


@dataclass(frozen=True)
class Halves:
    """How often two random halves of an item's answers have the same majority; of `items` with four answers or more."""

    share: float
    low: float
    high: float
    items: int


def split_half(items: Ids, labels: Ids, *, rng: np.random.Generator, draws: int = 10) -> Halves | None:
    """Reliability of the aggregate, which can be high where single answers agree little; a tie counts in part.

    None where fewer than ten items have four answers.
    """
    counts = _counts(items, labels)
    counts = counts[counts.sum(axis=1) >= 4].astype(int)
    if len(counts) < 10:
        return None
    share = 0.0
    half = counts.sum(axis=1) // 2
    for _ in range(draws):
        one = rng.multivariate_hypergeometric
        first = np.array([one(row, n) for row, n in zip(counts, half, strict=True)])
        second = counts - first
        tops = [side == side.max(axis=1, keepdims=True) for side in (first, second)]
        shares = [top / top.sum(axis=1, keepdims=True) for top in tops]
        share += float((shares[0] * shares[1]).sum(axis=1).mean()) / draws
    low, high = wilson_interval(share * len(counts), len(counts))
    return Halves(share, float(low), float(high), len(counts))


def _counts(items: Ids, labels: Ids) -> np.ndarray:
    """Answers of each class by item, shape (I, K)."""
    _, item = factorise(items, "items")
    classes, label = factorise(labels, "labels")
    check_lengths(items=item, labels=label)
    counts = np.zeros((int(item.max()) + 1, len(classes)))
    np.add.at(counts, (item, label), 1)
    return counts
