"""How sure we are of a rate: intervals for workers' accuracy."""

from __future__ import annotations

import numpy as np
from scipy.special import betaincinv

from quality.estimators.expectation import row_normalise


def wilson_interval(right: np.ndarray | float, n: np.ndarray | float, z: float = 1.96) -> tuple:
    """Wilson's score interval of a plain rate, (lower, upper); (0, 1) for n = 0.

    References
    ----------
    E. B. Wilson (1927). Probable inference, the law of succession, and statistical inference. JASA 22.

    Examples
    --------
    >>> [round(wilson_interval(right, n)[0], 3) for right, n in [(5, 5), (8, 10), (16, 20), (38, 50)]]
    [0.566, 0.49, 0.584, 0.626]
    >>> wilson_interval(0, 0)
    (0.0, 1.0)
    """
    if np.ndim(n) == 0 and n == 0:
        return 0.0, 1.0
    rate = right / n
    centre = rate + z * z / (2 * n)
    spread = z * (rate * (1 - rate) / n + z * z / (4 * n * n)) ** 0.5
    scale = 1 + z * z / n
    return (centre - spread) / scale, (centre + spread) / scale


def beta_interval(
    right: float, wrong: float, pool_mean: float, level: float = 0.9, strength: float = 5.0
) -> tuple[float, float, float]:
    """Accuracy from gold answers: (lower, mean, upper) of Beta(5m + right, 5(1-m) + wrong).

    Rank, gate and pay on the lower bound. The mean of the pool is kept inside (.01, .99), where the prior is proper.

    Examples
    --------
    >>> [round(bound, 3) for bound in beta_interval(18, 2, pool_mean=0.8)]
    [0.76, 0.88, 0.965]
    """
    mean = min(max(pool_mean, 0.01), 0.99)
    a, b = strength * mean + right, strength * (1 - mean) + wrong
    tail = (1 - level) / 2
    return float(betaincinv(a, b, tail)), a / (a + b), float(betaincinv(a, b, 1 - tail))


def consensus_interval(
    counts: np.ndarray, pooled: np.ndarray, prior: np.ndarray, b: float, rng: np.random.Generator,
    level: float = 0.9, strength: float = 5.0, draws: int = 500,
) -> tuple[float, float, float]:  # fmt: skip
    """Accuracy of one worker with the evidence of consensus: (lower, mean, upper) of sum_k pi_k th[k, k].

    Parameters
    ----------
    counts, pooled : ndarray, shape (K, K)
        The worker's soft counts; the average worker's confusion.
    prior : ndarray, shape (K,)
    b : float
        Calibration exponent: what one answer is worth where errors are shared.

    Notes
    -----
    Rows are drawn from Dirichlet(b C_w + s M); only their diagonal matters, and that is
    Beta(alpha_kk, sum_l alpha_kl - alpha_kk).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> counts, pooled = np.array([[40., 4.], [4., 40.]]), np.array([[.8, .2], [.2, .8]])
    >>> [round(bound, 1) for bound in consensus_interval(counts, pooled, np.array([.5, .5]), 0.5, rng)]
    [0.8, 0.9, 0.9]
    """
    alpha = b * counts + strength * pooled
    own = np.diagonal(alpha)
    right = rng.beta(own, np.maximum(alpha.sum(axis=1) - own, 1e-9), size=(draws, len(own))) @ prior
    lower, upper = np.quantile(right, [(1 - level) / 2, (1 + level) / 2])
    return float(lower), float(row_normalise(alpha).diagonal() @ prior), float(upper)
