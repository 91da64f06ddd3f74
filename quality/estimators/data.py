"""A small table to try things on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: For each patient: observer 1 three times, then observers 2 to 5.
_RATINGS = """
1111111 3334334 1122122 2223121 2223222 2223322 1222111 3333433 2222223 2322223 4444444 2223343 1111111 2223212
1211111 1112111 1111111 1111111 2222221 2221322 2222222 2222221 2223222 2212222 1111111 1111111 2322222 1111111
1111111 1121121 1111111 3333233 1111111 2222222 2223232 4334343 2212232 2323233 3333432 1111111 1111111 1212111
2322222 1211111 2222222
"""


class Judgments(NamedTuple):
    """Columns of judgments, as every `fit` takes them, each of shape (N,)."""

    items: np.ndarray
    workers: np.ndarray
    labels: np.ndarray


def anaesthetists() -> Judgments:
    """Fitness for a general anaesthetic, 1 (fit) to 4, of 45 patients by 5 observers: 315 judgments.

    Observer 1 judged every patient three times.

    References
    ----------
    A. P. Dawid, A. M. Skene (1979). Maximum likelihood estimation of observer error-rates using the EM
    algorithm. Applied Statistics 28(1), 20-28, table 1.

    Examples
    --------
    >>> items, workers, labels = anaesthetists()
    >>> len(items), len(set(items.tolist())), np.bincount(labels).tolist()
    (315, 45, [0, 127, 125, 48, 15])
    """
    rows = _RATINGS.split()
    labels = np.array([[int(rating) for rating in row] for row in rows])
    items = np.repeat(np.arange(1, len(rows) + 1), labels.shape[1])
    workers = np.tile([1, 1, 1, 2, 3, 4, 5], len(rows))
    return Judgments(items, workers, labels.ravel())
