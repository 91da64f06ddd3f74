"""Numbers: a mean that outliers, careless and biased workers can't pull far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from quality.estimators.encode import Ids, check_lengths, encode_values, encode_weights, factorise

#: Degrees of freedom of the errors: heavy tails, so that a slip of the finger counts little.
NU = 4.0
#: Pseudo-answers at zero that a worker's bias is drawn by.
BIAS_STRENGTH = 5.0
#: Parts of the answers that are held out in turn, to choose between this and the plain mean.
FOLDS = 5


class RobustMean:
    """A number for each item from numbers by workers who differ in bias and noise.

    Attributes
    ----------
    items_, workers_ : ndarray, shapes (I,), (W,)
    estimates_ : ndarray, shape (I,)
    intervals_ : ndarray, shape (I, 2)
        95 % interval of the estimate.
    medians_ : ndarray, shape (I,)
        Plain medians, to show beside.
    biases_, spreads_ : ndarray, shape (W,)
        Each worker's shift, and standard deviation, in the unit of the values.
    is_mean_ : bool
        Whether the plain mean is delivered.
    n_iter_ : int
    status_ : "ok", or "numeric" if it had not settled after `n_iter` rounds.

    Notes
    -----
    ``y = x_i + b_w + e`` with e of Student's t, nu = 4: answers weigh ``(nu + 1) / (nu + e^2 / v_w) / v_w``. v_w has
    an inverse-gamma(2, pooled) prior and b_w is drawn to 0, because weights that do not shrink lose to the plain
    mean. Where answers pile up on one value (many zeros) it loses all the same: they are no noise then. So
    the plain mean is delivered where it predicts held-out answers better, by three standard errors.

    References
    ----------
    Y. Zheng et al. (2017). Truth inference in crowdsourcing: is the problem solved? PVLDB 10(5).

    Examples
    --------
    >>> items, workers = np.repeat(np.arange(10), 4), np.tile(list("abcd"), 10)
    >>> values = 10.0 * items + np.tile([0, 1, 0, -1], 10)
    >>> values[3] = 99  # a slip of the finger
    >>> bool(abs(RobustMean().fit(items, workers, values).estimates_[0]) < 1)
    True
    """

    def __init__(self, seed: int = 0, gold_sample: str | None = None, n_iter: int = 500, tol: float = 1e-4) -> None:
        self.seed, self.gold_sample, self.n_iter, self.tol = seed, gold_sample, n_iter, tol

    def fit(
        self, items: Ids, workers: Ids, labels: Ids, gold: Mapping[Any, float] | None = None, weights: Ids | None = None
    ) -> Self:
        """Estimate from N numbers (`labels`).

        Parameters
        ----------
        gold : mapping, optional
            Item to its true value.

        Raises
        ------
        ValueError
            Names the argument that is wrong.
        """
        self.items_, item = factorise(items, "items")
        self.workers_, worker = factorise(workers, "workers")
        y = encode_values(labels, "labels")
        check_lengths(items=item, workers=worker, labels=y)
        weight = encode_weights(weights, len(y))
        order = np.lexsort((weight, y, worker, item))
        item, worker, y, weight = item[order], worker[order], y[order], weight[order]
        fixed = _known(gold, self.items_)
        self.medians_ = _medians(item, y)
        found = _robust(item, worker, y, weight, fixed, len(self.workers_), self.n_iter, self.tol)
        self.is_mean_ = self._mean_predicts_better(item, worker, y, weight)
        if self.is_mean_:
            found = _plain(item, worker, y, weight, fixed, len(self.workers_))
        self.estimates_, self.biases_, self.spreads_ = found.estimate, found.bias, np.sqrt(found.variance)
        half = 1.96 * found.doubt
        self.intervals_ = np.stack([found.estimate - half, found.estimate + half], axis=1)
        self.n_iter_, self.status_ = found.n_iter, "ok" if found.has_settled else "numeric"
        return self

    def _mean_predicts_better(self, item: np.ndarray, worker: np.ndarray, y: np.ndarray, weight: np.ndarray) -> bool:
        """Does the plain mean predict held-out answers better, by three standard errors?

        Squared error, cut off at three spreads: a slip of the finger counts only for how far it pulls an estimate.
        """
        fold = np.random.default_rng(self.seed).permutation(len(y)) % FOLDS
        gains, unknown = [np.zeros(0)], np.full(len(self.items_), np.nan)
        for held in range(FOLDS):
            kept = fold != held
            asked = np.flatnonzero(~kept & np.isin(item, item[kept]))
            if not len(asked):
                continue
            part = item[kept], worker[kept], y[kept], weight[kept], unknown, len(self.workers_)
            off = [y[asked] - found.estimate[item[asked]] for found in (_plain(*part), _robust(*part, 50, self.tol))]
            cut = 3 * float(np.sqrt(np.mean(off[0] ** 2)))
            by_mean, by_robust = (np.minimum(error**2, cut**2) for error in off)
            gains.append(by_robust - by_mean)
        gain = np.concatenate(gains)
        return len(gain) > 1 and bool(gain.mean() > 3 * gain.std(ddof=1) / np.sqrt(len(gain)))


@dataclass(frozen=True)
class _Found:
    """Estimate and its standard error (`doubt`) of each item (I,), bias and variance of each worker (W,)."""

    estimate: np.ndarray
    doubt: np.ndarray
    bias: np.ndarray
    variance: np.ndarray
    n_iter: int = 0
    has_settled: bool = True


def _plain(
    item: np.ndarray, worker: np.ndarray, y: np.ndarray, weight: np.ndarray, fixed: np.ndarray, n_workers: int
) -> _Found:
    """The weighted mean; each item's variance drawn to everybody's by five pseudo-answers."""
    n_items, is_known = len(fixed), ~np.isnan(fixed)
    total = np.bincount(item, weight, n_items)
    mean = np.bincount(item, weight * y, n_items) / np.where(total > 0, total, 1)
    x = np.where(is_known, fixed, mean)
    square = weight * (y - x[item]) ** 2
    pooled = float(square.sum() / max(len(y) - n_items, 1))
    spread = (np.bincount(item, square, n_items) + BIAS_STRENGTH * pooled) / (total + BIAS_STRENGTH)
    answered = np.bincount(worker, weight, n_workers)
    bias = np.bincount(worker, weight * (y - x[item]), n_workers) / (answered + BIAS_STRENGTH)
    variance = (np.bincount(worker, square, n_workers) + 2 * pooled) / (answered + 2)
    return _Found(x, np.where(is_known, 0.0, np.sqrt(spread / np.where(total > 0, total, 1))), bias, variance)


def _robust(
    item: np.ndarray, worker: np.ndarray, y: np.ndarray, weight: np.ndarray, fixed: np.ndarray, n_workers: int,
    most: int, tol: float,
) -> _Found:  # fmt: skip
    """Rounds of the model with heavy tails until the estimates settle."""
    is_known, n_items = ~np.isnan(fixed), len(fixed)
    total = np.bincount(item, weight, n_items)
    x = np.where(is_known, fixed, np.bincount(item, weight * y, n_items) / np.where(total > 0, total, 1))
    bias, answered = np.zeros(n_workers), np.bincount(worker, weight, n_workers)
    floor = max(1e-12 * float(np.var(y)), 1e-300)
    spare = max(len(y) - n_items, 1)
    pooled = max(float((weight * (y - x[item]) ** 2).sum() / spare), floor)
    variance, doubt, has_settled = np.full(n_workers, pooled), np.zeros(n_items), False
    for n_iter in range(1, most + 1):  # noqa: B007 - reported
        square = (y - x[item] - bias[worker]) ** 2 + doubt[item]
        tail = weight * (NU + 1) / (NU + square / variance[worker])
        pooled = max(float((tail * square).sum() / answered.sum()), floor)
        variance = (pooled + np.bincount(worker, tail * square, n_workers) / 2) / (1 + answered / 2)
        precision = tail / variance[worker]
        pull = np.bincount(worker, precision * (y - x[item]), n_workers)
        bias = pull / (np.bincount(worker, precision, n_workers) + BIAS_STRENGTH / pooled)
        on_item = np.bincount(item, precision, n_items)
        on_item = np.where(total > 0, on_item, 1 / pooled)
        moved = np.where(is_known, fixed, np.bincount(item, precision * (y - bias[worker]), n_items) / on_item)
        # Without the doubt about x, a worker who happens to lie near it would be taken for ever more exact.
        doubt = np.where(is_known, 0.0, 1 / on_item)
        step, x = np.abs(moved - x).max(), moved
        if step <= tol * np.sqrt(pooled):
            has_settled = True
            break
    information = np.bincount(item, weight * (NU + 1) / (NU + 3) / variance[worker], n_items)
    doubt = np.where(is_known, 0.0, 1 / np.sqrt(np.where(total > 0, information, 1 / pooled)))
    return _Found(x, doubt, bias, variance, n_iter, has_settled)


def _known(gold: Mapping[Any, float] | None, items: np.ndarray) -> np.ndarray:
    """True value of each item, NaN where unknown, shape (I,)."""
    place = {item: row for row, item in enumerate(items.tolist())}
    fixed = np.full(len(items), np.nan)
    for item, value in (gold or {}).items():
        if isinstance(value, str) or not np.isfinite(value):
            raise ValueError(f"gold value {value!r} of item {item!r} is not a number.")
        if item in place:
            fixed[place[item]] = value
    return fixed


def _medians(item: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Median of each item's values, shape (I,)."""
    y = y[np.lexsort((y, item))]
    count = np.bincount(item)
    start = np.cumsum(count) - count
    return (y[start + (count - 1) // 2] + y[start + count // 2]) / 2
