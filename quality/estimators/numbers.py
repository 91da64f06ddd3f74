"""Numbers: a mean that outliers, careless and biased workers can't pull far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from quality.estimators.encode import Ids, check_lengths, encode_values, encode_weights, factorise

#: Degrees of freedom of the errors: heavy tails, so that a slip of the finger counts little.
NU = 4.0
#: Pseudo-answers at zero that a worker's bias is drawn by.
BIAS_STRENGTH = 5.0


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
    n_iter_ : int
    status_ : "ok", or "numeric" if it had not settled after `n_iter` rounds.

    Notes
    -----
    ``y = x_i + b_w + e`` with e of Student's t, nu = 4: answers weigh ``(nu + 1) / (nu + e^2 / v_w) / v_w``. v_w has
    an inverse-gamma(2, pooled) prior and b_w is drawn to 0, because weights that do not shrink lose to the plain
    mean. Where answers pile up on one value (many zeros) and the truth is the mean of all, the plain mean wins.

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
        self._rounds(item, worker, y, weight, fixed)
        return self

    def _rounds(
        self, item: np.ndarray, worker: np.ndarray, y: np.ndarray, weight: np.ndarray, fixed: np.ndarray
    ) -> None:
        is_known, n_items = ~np.isnan(fixed), len(self.items_)
        x = np.where(is_known, fixed, np.bincount(item, weight * y) / np.bincount(item, weight))
        bias, answered = np.zeros(len(self.workers_)), np.bincount(worker, weight)
        floor = max(1e-12 * float(np.var(y)), 1e-300)
        spare = max(len(y) - n_items, 1)
        pooled = max(float((weight * (y - x[item]) ** 2).sum() / spare), floor)
        variance, doubt = np.full(len(bias), pooled), np.zeros(n_items)
        self.status_ = "numeric"
        for self.n_iter_ in range(1, self.n_iter + 1):  # noqa: B020 - the attribute is the counter
            square = (y - x[item] - bias[worker]) ** 2 + doubt[item]
            tail = weight * (NU + 1) / (NU + square / variance[worker])
            pooled = max(float((tail * square).sum() / answered.sum()), floor)
            variance = (pooled + np.bincount(worker, tail * square) / 2) / (1 + answered / 2)
            precision = tail / variance[worker]
            pull = np.bincount(worker, precision * (y - x[item]))
            bias = pull / (np.bincount(worker, precision) + BIAS_STRENGTH / pooled)
            on_item = np.bincount(item, precision)
            moved = np.where(is_known, fixed, np.bincount(item, precision * (y - bias[worker])) / on_item)
            # Without the doubt about x, a worker who happens to lie near it would be taken for ever more exact.
            doubt = np.where(is_known, 0.0, 1 / on_item)
            step, x = np.abs(moved - x).max(), moved
            if step <= self.tol * np.sqrt(pooled):
                self.status_ = "ok"
                break
        self.estimates_, self.biases_, self.spreads_ = x, bias, np.sqrt(variance)
        information = np.bincount(item, weight * (NU + 1) / (NU + 3) / variance[worker])
        half = np.where(is_known, 0.0, 1.96 / np.sqrt(information))
        self.intervals_ = np.stack([x - half, x + half], axis=1)


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
