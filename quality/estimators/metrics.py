"""How good labels and confidences are, against a truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Reliability:
    """Reliability diagram: for each of B equal bins of confidence, what was said and what was so.

    Attributes
    ----------
    edges : ndarray, shape (B + 1,)
    count : ndarray of int, shape (B,)
    confidence, accuracy : ndarray, shape (B,)
        Means; NaN in empty bins.
    """

    edges: np.ndarray
    count: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = 10) -> Reliability:
    """Bins of a reliability diagram.

    Parameters
    ----------
    confidence : ndarray, shape (n,)
        In [0, 1].
    right : ndarray of bool, shape (n,)

    Raises
    ------
    ValueError
        If the lengths differ or a confidence lies outside [0, 1].
    """
    confidence, right = _checked(confidence, right)
    where = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(where, minlength=bins)
    with np.errstate(invalid="ignore"):
        return Reliability(
            np.linspace(0, 1, bins + 1),
            count,
            np.bincount(where, confidence, bins) / count,
            np.bincount(where, right, bins) / count,
        )


def expected_calibration_error(
    confidence: np.ndarray, right: np.ndarray, bins: int = 10, *, debiased: bool = True
) -> float:
    """Mean gap between confidence and accuracy over the bins, by count ("ECE").

    Notes
    -----
    With few items a bin's gap is never zero even when confidence is perfect. The debiased form takes from each
    squared gap its sampling variance ``p(1-p)/(n-1)``, floored at zero, before the root.

    References
    ----------
    A. Kumar, P. Liang, T. Ma (2019). Verified uncertainty calibration. NeurIPS.

    Examples
    --------
    >>> expected_calibration_error(np.full(4, .75), np.array([1, 1, 1, 0], bool))
    0.0
    """
    bin_ = reliability(confidence, right, bins)
    full = bin_.count > 0
    n, accuracy = bin_.count[full], bin_.accuracy[full]
    square = (bin_.confidence[full] - accuracy) ** 2
    if debiased:
        square = np.maximum(square - accuracy * (1 - accuracy) / np.maximum(n - 1, 1), 0)
    return float((n * np.sqrt(square)).sum() / n.sum())


def brier_score(confidence: np.ndarray, right: np.ndarray) -> float:
    """Mean squared gap between confidence and being right.

    Examples
    --------
    >>> brier_score(np.array([1.0, 0.5]), np.array([True, False]))
    0.125
    """
    confidence, right = _checked(confidence, right)
    return float(np.mean((confidence - right) ** 2))


def log_loss(confidence: np.ndarray, right: np.ndarray) -> float:
    """Mean negative log-likelihood of being right, in nats; confidence is kept off 0 and 1 by 1e-12.

    Examples
    --------
    >>> round(log_loss(np.array([0.5, 0.5]), np.array([True, False])), 4)
    0.6931
    """
    confidence, right = _checked(confidence, right)
    kept = np.clip(confidence, 1e-12, 1 - 1e-12)
    return float(-np.mean(np.where(right, np.log(kept), np.log1p(-kept))))


def majority_accuracy(votes: np.ndarray, truth: np.ndarray) -> float:
    """Accuracy of majority vote in expectation over random ties.

    Parameters
    ----------
    votes : ndarray, shape (I, K)
    truth : ndarray of int, shape (I,)

    Examples
    --------
    >>> majority_accuracy(np.array([[2, 1], [1, 1]]), np.array([0, 1]))
    0.75
    """
    votes, truth = np.asarray(votes, float), np.asarray(truth)
    top = votes >= votes.max(axis=1, keepdims=True) - 1e-9
    return float((top[np.arange(len(truth)), truth] / top.sum(axis=1)).mean())


def _checked(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    confidence, right = np.asarray(confidence, float), np.asarray(right, bool)
    if confidence.ndim != 1 or confidence.shape != right.shape or not len(right):
        raise ValueError(f"confidence and right need one length above zero, not {confidence.shape} and {right.shape}.")
    if not ((confidence >= 0) & (confidence <= 1)).all():
        raise ValueError("confidence must lie in [0, 1].")
    return confidence, right
