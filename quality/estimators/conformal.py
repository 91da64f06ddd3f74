"""Sets of labels that hold the truth as often as promised."""

from __future__ import annotations

from math import ceil

import numpy as np


def conformal_threshold(truth_probability: np.ndarray, alpha: float = 0.1) -> float:
    """How improbable a label may be and still belong to the set.

    Parameters
    ----------
    truth_probability : ndarray, shape (n,)
        P of the true class on gold items that neither the fit nor b has seen.
    alpha : float
        Share of items whose set may miss the truth.

    Returns
    -------
    float
        The ceil((n+1)(1-alpha))/n quantile of 1 - P; 1 (every label) where n is too small for alpha.

    Notes
    -----
    Split conformal prediction: valid for items that are exchangeable with the gold, whatever the model.

    References
    ----------
    V. Vovk, A. Gammerman, G. Shafer (2005). Algorithmic learning in a random world.

    Examples
    --------
    >>> conformal_threshold(np.array([.9, .8, .95, .6]), alpha=.25)
    0.4
    """
    scores = np.sort(1 - np.asarray(truth_probability, float))
    if not 0 < alpha < 1:
        raise ValueError("alpha must lie between 0 and 1.")
    rank = ceil((len(scores) + 1) * (1 - alpha) - 1e-9)
    return 1.0 if rank > len(scores) else float(scores[rank - 1])


def conformal_sets(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Labels of each item's set, shape (I, K), bool: 1 - P_ik <= threshold.

    Examples
    --------
    >>> conformal_sets(np.array([[.7, .3], [.5, .5]]), 0.6)
    array([[ True, False],
           [ True,  True]])
    """
    return 1 - np.asarray(probabilities, float) <= threshold + 1e-12
