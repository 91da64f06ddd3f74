"""Masks drawn by several people: STAPLE, with the pixels counted by who marked them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from scipy.special import expit

from quality.estimators.encode import Ids, check_lengths, encode_weights, factorise

#: Pseudo-pixels, as a part of all, that draw a worker's rates towards everybody's; and those towards the start.
SHRINK = 0.01
#: Sensitivity and specificity to start from.
START = (0.9, 0.98)


class MaskConsensus:
    """Which pixels belong to the thing, for each picture.

    Attributes
    ----------
    items_, workers_ : ndarray, shapes (I,), (W,)
    estimates_ : list of ndarray of bool, length I
    probabilities_ : list of ndarray, length I
        P(pixel belongs), in the shape of the masks.
    confidence_ : ndarray, shape (I,)
        Expected intersection over union of the mask.
    sensitivities_, specificities_ : ndarray, shape (W,)
    n_iter_ : int
    status_ : "ok", or "numeric" if it had not settled after `n_iter` rounds

    Notes
    -----
    Two rates a worker, over all pictures; a share of the thing for each picture. Pixels that the same workers marked
    are one row, so a round costs as many rows as there are patterns, not pixels.

    References
    ----------
    S. Warfield, K. Zou, W. Wells (2004). Simultaneous truth and performance level estimation (STAPLE). IEEE TMI 23.

    Examples
    --------
    >>> masks = [np.array([[1, 1], [0, 0]]), np.array([[1, 1], [0, 0]]), np.array([[1, 0], [0, 1]])]
    >>> MaskConsensus().fit([1, 1, 1], list("abc"), masks).estimates_[0].astype(int).tolist()
    [[1, 1], [0, 0]]
    """

    def __init__(self, seed: int = 0, gold_sample: str | None = None, n_iter: int = 200, tol: float = 1e-6) -> None:
        self.seed, self.gold_sample, self.n_iter, self.tol = seed, gold_sample, n_iter, tol

    def fit(
        self, items: Ids, workers: Ids, labels: Sequence[Any], gold: Mapping[Any, Any] | None = None,
        weights: Ids | None = None,
    ) -> Self:  # fmt: skip
        """Estimate from N masks, boolean arrays of one shape an item; `gold` maps items to true masks.

        Raises
        ------
        ValueError
            Names the argument that is wrong.
        """
        self.items_, item = factorise(items, "items")
        self.workers_, worker = factorise(workers, "workers")
        check_lengths(items=item, workers=worker, labels=labels)
        weight = encode_weights(weights, len(item))
        masks = [np.asarray(mask, bool) for mask in labels]
        order = np.lexsort((worker, item))
        patterns = []
        for place, value in enumerate(self.items_.tolist()):
            rows = order[item[order] == place]
            shape = masks[rows[0]].shape
            if any(masks[row].shape != shape for row in rows):
                raise ValueError(f"labels of item {value!r} differ in shape.")
            known = (gold or {}).get(value)
            if known is not None and np.asarray(known).shape != shape:
                raise ValueError(f"gold of item {value!r} has another shape than its answers.")
            patterns.append(_Patterns(masks, rows, worker, weight, known))
        self._rounds(patterns)
        return self

    def _rounds(self, patterns: list[_Patterns]) -> None:
        n_workers = len(self.workers_)
        rates = np.tile(START, (n_workers, 1))
        share = np.array([np.clip(one.mean_vote(), 1e-4, 1 - 1e-4) for one in patterns])
        self.status_ = "numeric"
        for self.n_iter_ in range(1, self.n_iter + 1):  # noqa: B020 - the attribute is the counter
            told, of = np.zeros((n_workers, 2)), np.zeros((n_workers, 2))
            for place, one in enumerate(patterns):
                belief = one.believe(rates, share[place])
                share[place] = np.clip(one.count @ belief / one.count.sum(), 1e-6, 1 - 1e-6)
                one.tell(belief, told, of)
            strength = SHRINK * of.mean(axis=0)
            crowd = (told.sum(axis=0) + strength * START) / (of.sum(axis=0) + strength)
            updated = np.clip((told + strength * crowd) / (of + strength), 1e-6, 1 - 1e-6)
            moved, rates = np.abs(updated - rates).max(), updated
            if moved < self.tol:
                self.status_ = "ok"
                break
        self.sensitivities_, self.specificities_ = rates.T
        self.probabilities_ = [one.spread(one.believe(rates, part)) for one, part in zip(patterns, share, strict=True)]
        self.estimates_ = [belief > 0.5 for belief in self.probabilities_]
        self.confidence_ = np.array([_expected_overlap(belief) for belief in self.probabilities_])


class _Patterns:
    """The pixels of one picture by who marked them: `marked` (P, R), how many pixels (`count`), and gold."""

    def __init__(
        self, masks: list[np.ndarray], rows: np.ndarray, worker: np.ndarray, weight: np.ndarray, known: Any
    ) -> None:
        self.shape, self.who, self.weight = masks[rows[0]].shape, worker[rows], weight[rows]
        stacked = np.stack([masks[row].ravel() for row in rows], axis=1)
        columns = stacked if known is None else np.column_stack([stacked, np.asarray(known, bool).ravel()])
        packed = np.packbits(columns, axis=1)
        _, first, self.place, self.count = np.unique(
            packed, axis=0, return_index=True, return_inverse=True, return_counts=True
        )
        self.marked = stacked[first].astype(float)
        self.truth = None if known is None else columns[first, -1].astype(float)

    def mean_vote(self) -> float:
        return float(self.count @ self.marked.mean(axis=1) / self.count.sum())

    def believe(self, rates: np.ndarray, share: float) -> np.ndarray:
        """P(belongs) of each pattern, shape (P,)."""
        if self.truth is not None:
            return self.truth
        sensitivity, specificity = rates[self.who].T
        yes, no = np.log(sensitivity / (1 - specificity)), np.log((1 - sensitivity) / specificity)
        return expit(np.log(share / (1 - share)) + (self.marked * yes + (1 - self.marked) * no) @ self.weight)

    def tell(self, belief: np.ndarray, told: np.ndarray, of: np.ndarray) -> None:
        """Add the expected right answers (W, 2), on the thing and off it, and what they are out of."""
        on, off = self.count * belief, self.count * (1 - belief)
        np.add.at(told, self.who, self.weight[:, None] * np.stack([on @ self.marked, off @ (1 - self.marked)], axis=1))
        np.add.at(of, self.who, self.weight[:, None] * np.array([on.sum(), off.sum()]))

    def spread(self, belief: np.ndarray) -> np.ndarray:
        return belief[self.place.ravel()].reshape(self.shape)


def _expected_overlap(belief: np.ndarray) -> float:
    """About E |A and B| / E |A or B| of the mask and the truth."""
    mask = belief > 0.5
    either = mask.sum() + belief[~mask].sum()
    return float(belief[mask].sum() / either) if either > 1e-9 else 1.0
