"""What a model that learned from the labels says of them: which look wrong, and which items to ask about next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Doubt:
    """Labels that look wrong, the most doubtful first.

    Attributes
    ----------
    rows : ndarray of int
        Places in what was given.
    suggested : ndarray of int
        The class that the model holds for right.
    margins : ndarray
        Probability of the suggested class less that of the given one, each against what is usual for its class.
    """

    rows: np.ndarray
    suggested: np.ndarray
    margins: np.ndarray


def doubtful_labels(labels: np.ndarray, probabilities: np.ndarray) -> Doubt:
    """Labels that confident learning counts as errors.

    Parameters
    ----------
    labels : ndarray of int, shape (N,)
    probabilities : ndarray, shape (N, K)
        From models that did not see the label of the row they speak of (cross-validation), else each row agrees with
        itself.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    Notes
    -----
    A class's threshold is the mean probability that the model gives it on items labelled so; an item belongs to the
    class with the largest probability among those past their thresholds. Where that is another than its label, the
    label is doubtful.

    References
    ----------
    C. Northcutt, L. Jiang, I. Chuang (2021). Confident learning: estimating uncertainty in dataset labels. JAIR 70.

    Examples
    --------
    >>> p = np.array([[.9, .1], [.8, .2], [.1, .9], [.2, .8], [.95, .05]])
    >>> doubtful_labels(np.array([0, 0, 1, 1, 1]), p).rows
    array([4])
    """
    labels, probabilities = np.asarray(labels, np.intp), np.asarray(probabilities, float)
    if probabilities.shape[0] != len(labels) or probabilities.ndim != 2:
        raise ValueError("probabilities needs a row for each label.")
    n_classes = probabilities.shape[1]
    thresholds = np.full(n_classes, np.inf)
    for label in range(n_classes):
        own = probabilities[labels == label, label]
        if len(own):
            thresholds[label] = own.mean()
    past = probabilities >= thresholds - 1e-12
    best = np.where(past, probabilities, -1.0).argmax(axis=1)
    wrong = past.any(axis=1) & (best != labels)
    usual = np.where(np.isfinite(thresholds), thresholds, 0.0)
    every = np.arange(len(labels))
    margins = (probabilities[every, best] - usual[best]) - (probabilities[every, labels] - usual[labels])
    rows = np.flatnonzero(wrong)
    rows = rows[np.argsort(-margins[rows], kind="stable")]
    return Doubt(rows, best[rows], margins[rows])


def ask_next(probabilities: np.ndarray, features: np.ndarray | None = None, *, most: int = 500) -> np.ndarray:
    """Items to ask about next, the most useful first: those that the model is least sure of, and not all alike.

    Parameters
    ----------
    probabilities : ndarray, shape (N, K)
    features : ndarray, shape (N, D), optional
        Rows of length 1; an item that is like one already chosen comes later.

    Notes
    -----
    Uncertainty is one less the margin of the two likeliest classes. Among the `4 most` least sure items, each next one
    maximises uncertainty times its distance to what is chosen already.

    Examples
    --------
    >>> ask_next(np.array([[.9, .1], [.5, .5], [.7, .3]]))
    array([1, 2, 0])
    """
    probabilities = np.asarray(probabilities, float)
    ordered = np.sort(probabilities, axis=1)
    unsure = 1 - (ordered[:, -1] - (ordered[:, -2] if ordered.shape[1] > 1 else 0.0))
    order = np.argsort(-unsure, kind="stable")
    if features is None:
        return order[:most]
    pool = order[: 4 * most]
    near = np.zeros(len(pool))
    chosen: list[int] = []
    left = np.ones(len(pool), bool)
    for _ in range(min(most, len(pool))):
        worth = np.where(left, unsure[pool] * (1 - 0.9 * np.maximum(near, 0)), -1.0)
        place = int(worth.argmax())
        chosen.append(place)
        left[place] = False
        near = np.maximum(near, features[pool] @ features[pool[place]])
    return pool[np.array(chosen, np.intp)]
