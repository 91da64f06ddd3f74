"""The two steps of expectation maximisation that Dawid-Skene and its relatives share."""

from __future__ import annotations

import numpy as np

from quality.estimators.encode import Answers


def soft_counts(answers: Answers, posterior: np.ndarray) -> np.ndarray:
    """Expected number of times that a worker said l when the truth was k.

    Parameters
    ----------
    posterior : ndarray, shape (I, K)

    Returns
    -------
    ndarray, shape (W, K, K)
        C[w, k, l] = sum over judgments n of w with y_n = l of weight_n * posterior[i(n), k].
    """
    _, n_workers, n_classes = answers.shape
    counts = answers.matrix.T @ posterior
    return counts.reshape(n_workers, n_classes, n_classes).transpose(0, 2, 1)


def evidence(answers: Answers, log_confusions: np.ndarray) -> np.ndarray:
    """What the answers say about each item's class, shape (I, K).

    L[i, k] = sum over judgments n of i of weight_n * log th[w(n), k, y_n], from `log_confusions` (W, K, K).
    """
    _, n_workers, n_classes = answers.shape
    by_said = np.ascontiguousarray(log_confusions.transpose(0, 2, 1)).reshape(n_workers * n_classes, n_classes)
    return answers.matrix @ by_said


def normalise_in_place(joint: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `joint` (I, K) as probabilities, and the log-sum-exp of each row (I,).

    `joint` is overwritten with the probabilities: at 10^6 answers fresh memory costs more than the sums. By column,
    as K is small and numpy reduces a short last axis slowly.
    """
    top = joint[:, 0].copy()
    for column in joint.T[1:]:
        np.maximum(top, column, out=top)
    joint -= top[:, None]
    np.exp(joint, out=joint)
    total = joint[:, 0].copy()
    for column in joint.T[1:]:
        total += column
    joint /= total[:, None]
    return joint, top + np.log(total, out=total)


def row_normalise(table: np.ndarray) -> np.ndarray:
    """Divide by the sums of the last axis."""
    return table / table.sum(axis=-1, keepdims=True)


def default_pattern(n_classes: int) -> np.ndarray:
    """What is expected of a crowd before it was seen, shape (K, K): four right for each wrong.

    Examples
    --------
    >>> default_pattern(3)
    array([[4. , 0.5, 0.5],
           [0.5, 4. , 0.5],
           [0.5, 0.5, 4. ]])
    """
    if n_classes == 1:
        return np.full((1, 1), 5.0)
    pattern = np.full((n_classes, n_classes), 1 / (n_classes - 1))
    np.fill_diagonal(pattern, 4.0)
    return pattern


def pooled_confusion(total: np.ndarray, pattern: np.ndarray | None = None) -> np.ndarray:
    """Confusion of the average worker, shape (K, K): rownorm(total + 5 A).

    `total` (K, K) is the sum of all workers' soft counts.
    """
    return row_normalise(total + 5 * (default_pattern(len(total)) if pattern is None else pattern))


def shrunk_confusions(counts: np.ndarray, pooled: np.ndarray, strength: float = 5.0) -> np.ndarray:
    """Worker confusions drawn towards the average worker's, shape (..., K, K): rownorm(C_w + s M).

    A worker without answers *is* the average worker.
    """
    return row_normalise(counts + strength * pooled)


def smoothed_confusions(counts: np.ndarray) -> np.ndarray:
    """`shrunk_confusions` of `counts` (W, K, K) with the pool that they add up to."""
    return shrunk_confusions(counts, pooled_confusion(counts.sum(axis=0)))
