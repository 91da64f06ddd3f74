"""Grades on a scale: hierarchical Dawid-Skene that expects near misses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from quality.estimators.encode import Gold, Ids
from quality.estimators.hierarchical import HierarchicalDawidSkene


class OrdinalDawidSkene(HierarchicalDawidSkene):
    """`HierarchicalDawidSkene` whose average worker errs mostly to a neighbouring grade.

    Parameters
    ----------
    order : sequence, optional
        Grades from lowest to highest; default their sorted order.

    Attributes
    ----------
    estimates_ : ndarray, shape (I,)
        Posterior median, the best answer under absolute loss. `labels_` is the most likely grade.

    Notes
    -----
    The pooled confusion is drawn to ``A[k, l] ~ exp(-|k - l| / .7)``.

    Examples
    --------
    >>> items, workers = [1, 1, 1, 2, 2, 2], list("abcabc")
    >>> model = OrdinalDawidSkene(order=["poor", "fair", "good"])
    >>> model.fit(items, workers, ["poor", "poor", "fair", "good", "fair", "good"]).estimates_.tolist()
    ['poor', 'good']
    """

    def __init__(self, seed: int = 0, gold_sample: str | None = None, order: Sequence[Any] | None = None) -> None:
        super().__init__(seed, gold_sample)
        if order is not None and len(set(order)) != len(order):
            raise ValueError("order names a grade twice.")
        self.order = order

    def fit(
        self, items: Ids, workers: Ids, labels: Ids, gold: Gold | None = None, weights: Ids | None = None,
        classes: Any = None,
    ) -> Self:  # fmt: skip
        """Estimate. See `HierarchicalDawidSkene.fit`; with `order`, that is what `classes` is."""
        super().fit(items, workers, labels, gold, weights, self.order if self.order is not None else classes)
        by_grade = self._ranks(len(self.classes_)).argsort()
        below = self.posteriors_[:, by_grade].cumsum(axis=1)
        self.estimates_ = self.classes_[by_grade[np.argmax(below >= 0.5 - 1e-9, axis=1)]]
        return self

    def _pattern(self, n_classes: int) -> np.ndarray:
        rank = self._ranks(n_classes)
        pattern = np.exp(-np.abs(rank[:, None] - rank[None]) / 0.7)
        return 5 * pattern / pattern.sum(axis=1, keepdims=True)

    def _ranks(self, n_classes: int) -> np.ndarray:
        """Place on the scale of each of `classes_`, which are sorted by id."""
        if self.order is None:
            return np.arange(n_classes)
        return np.array([place for _, place in sorted(zip(self.order, range(n_classes), strict=True))])
