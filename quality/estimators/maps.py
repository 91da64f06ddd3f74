"""Workers as points on a plane: near one another if they answer alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quality.estimators.em import STRENGTH


@dataclass(frozen=True)
class WorkerMap:
    """Places of W workers and of what one can compare them with.

    Attributes
    ----------
    places : ndarray, shape (W, 2)
    perfect, random, average : ndarray, shape (2,)
        Who is always right, who says anything, and the average worker.
    always : ndarray, shape (K, 2)
        Who says class k whatever is there.
    right : ndarray, shape (W,)
        Expected share of right answers, at equal classes.
    distance : ndarray, shape (W,)
        From the average worker, in all dimensions.
    kept : float
        Share of the workers' spread that the plane shows.
    """

    places: np.ndarray
    perfect: np.ndarray
    random: np.ndarray
    average: np.ndarray
    always: np.ndarray
    right: np.ndarray
    distance: np.ndarray
    kept: float


def worker_map(counts: np.ndarray, pooled: np.ndarray) -> WorkerMap:
    """Place workers by their confusions, drawn to the average worker's where they have said little.

    Parameters
    ----------
    counts : ndarray, shape (W, K, K)
        Soft counts, [w, truth, said].
    pooled : ndarray, shape (K, K)
        Confusion of the average worker.

    Notes
    -----
    Principal components of the square roots of the rows, in which straight distances are Hellinger's: a change from .99
    to .90 is as far as one from .3 to .15. The first axis is turned so that better workers are to the right.

    Examples
    --------
    >>> counts = np.array([[[90, 10], [10, 90]], [[80, 20], [20, 80]], [[50, 50], [50, 50]]])
    >>> found = worker_map(counts, np.array([[.8, .2], [.2, .8]]))
    >>> bool(found.places[0, 0] > found.places[1, 0] > found.places[2, 0])
    True
    """
    counts = np.asarray(counts, float)
    n_workers, n_classes, _ = counts.shape
    shape = counts + STRENGTH * pooled
    confusions = shape / shape.sum(axis=2, keepdims=True)
    points = np.sqrt(confusions).reshape(n_workers, -1)
    weight = np.sqrt(counts.sum(axis=(1, 2)) + 1)
    weight /= weight.sum()
    middle = weight @ points
    _, spread, axes = np.linalg.svd((points - middle) * np.sqrt(weight)[:, None], full_matrices=False)
    plane = np.zeros((2, points.shape[1]))
    plane[: min(2, len(axes))] = axes[:2]
    # Signs of a decomposition are free: the better are to the right, class 0 up, so that the map stays as it is.
    perfect = np.sqrt(np.eye(n_classes)).ravel()
    zero = np.sqrt(np.tile(np.eye(n_classes)[0], (n_classes, 1))).ravel()
    for axis, wanted in zip(plane, (perfect, zero), strict=True):
        if axis @ (wanted - middle) < 0:
            axis *= -1

    def place(rows: np.ndarray) -> np.ndarray:
        return (np.sqrt(rows).reshape(*rows.shape[:-2], -1) - middle) @ plane.T

    always = np.stack([np.tile(row, (n_classes, 1)) for row in np.eye(n_classes)])
    total = float((spread**2).sum())
    return WorkerMap(
        places=(points - middle) @ plane.T,
        perfect=place(np.eye(n_classes)),
        random=place(np.full((n_classes, n_classes), 1 / n_classes)),
        average=place(np.asarray(pooled, float)),
        always=place(always),
        right=np.einsum("wkk->w", confusions) / n_classes,
        distance=np.linalg.norm(points - np.sqrt(pooled).ravel(), axis=1),
        kept=float((spread[:2] ** 2).sum()) / total if total > 0 else 1.0,
    )
