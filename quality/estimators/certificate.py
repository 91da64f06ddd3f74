"""How right a delivered data set is: an exact interval from a random audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

#: Fewer errors than this say too little of how confidence and errors go together.
PPI_ERRORS = 10
#: Means that are tried for the interval of a mean score.
BETS = 2001


@dataclass(frozen=True)
class AccuracyInterval:
    """Accuracy over all delivered labels: what the audit saw, and between which bounds the truth lies."""

    estimate: float
    lower: float
    upper: float


def audit_interval(n_delivered: int, n_audited: int, n_errors: int, level: float = 0.95) -> AccuracyInterval:
    """Accuracy of N delivered labels, from n of them drawn at random and judged by experts.

    The claim is about the labels as delivered, before the errors found are put right.

    Raises
    ------
    ValueError
        If the counts do not fit into one another.

    Notes
    -----
    The numbers of errors among N that a hypergeometric test at half of 1 - level a tail does not refuse. Exact at
    any part audited; with no errors the upper bound of the error rate is about 3.7 / n.

    References
    ----------
    C. Clopper, E. Pearson (1934). The use of confidence or fiducial limits. Biometrika 26.

    Examples
    --------
    >>> audit_interval(5000, 400, 24)
    AccuracyInterval(estimate=0.94, lower=0.9132, upper=0.9604)
    >>> audit_interval(400, 400, 24)
    AccuracyInterval(estimate=0.94, lower=0.94, upper=0.94)
    """
    if not 1 <= n_audited <= n_delivered:
        raise ValueError("n_audited must be at least 1 and at most n_delivered.")
    if not 0 <= n_errors <= n_audited:
        raise ValueError("n_errors must lie between 0 and n_audited.")
    from scipy.stats import hypergeom  # here: it takes a second that no start of a process should wait for

    tail = (1 - level) / 2
    least, most = n_errors, n_delivered - n_audited + n_errors
    # Both tails are monotone in the number of errors among N.
    most = _last(lambda total: hypergeom.cdf(n_errors, n_delivered, total, n_audited) >= tail, least, most)
    least = -_last(lambda total: hypergeom.sf(n_errors - 1, n_delivered, -total, n_audited) >= tail, -most, -least)
    return AccuracyInterval(1 - n_errors / n_audited, 1 - most / n_delivered, 1 - least / n_delivered)


def _last(holds: Callable[[int], bool], first: int, last: int) -> int:
    """Largest number from `first` to `last` for which `holds`, which is true up to somewhere, and at `first`."""
    while first < last:
        middle = (first + last + 1) // 2
        if holds(middle):
            first = middle
        else:
            last = middle - 1
    return first


def score_interval(scores: np.ndarray, n_delivered: int, level: float = 0.95) -> AccuracyInterval:
    """Mean score of N delivered answers, from the scores in [0, 1] of n of them, in the order that they were drawn in.

    For kinds whose answers are more or less right: "object F1 .93 (.91-.95)". Holds whatever scores look like, at any
    n; where all of them are 0 or 1 it is `audit_interval`.

    Raises
    ------
    ValueError
        If there are no scores or more than N, or one is not within 0 and 1.

    Notes
    -----
    A mean m is refused where somebody who bets against it, score by score, would have multiplied their money by
    ``1 / (1 - level)``: hedged capital, without replacement, bets sized by the variance so far.

    References
    ----------
    I. Waudby-Smith, A. Ramdas (2024). Estimating means of bounded random variables by betting. JRSS-B 86.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = score_interval(rng.beta(9, 1, 400), 5000)
    >>> round(found.estimate, 2), round(found.lower, 2), round(found.upper, 2)
    (0.9, 0.88, 0.91)
    """
    scores = np.asarray(scores, float)
    n = len(scores)
    if scores.ndim != 1 or not 1 <= n <= n_delivered:
        raise ValueError("scores must be at least one and at most n_delivered.")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("scores must lie within 0 and 1.")
    if np.isin(scores, (0.0, 1.0)).all():
        return audit_interval(n_delivered, n, int(n - scores.sum()), level)
    # What has been seen bounds the sum of all.
    means = np.linspace(scores.sum(), n_delivered - n + scores.sum(), BETS) / n_delivered
    possible = means[_capital(scores, means, n_delivered, 1 - level) < 1 / (1 - level)]
    estimate, step = float(scores.mean()), means[1] - means[0]
    lower, upper = (possible[0], possible[-1]) if len(possible) else (estimate, estimate)
    return AccuracyInterval(
        estimate, float(max(min(lower - step, estimate), means[0])), float(min(max(upper + step, estimate), means[-1]))
    )


def _capital(scores: np.ndarray, means: np.ndarray, n_delivered: int, alpha: float) -> np.ndarray:
    """The most that bets against each of the `means` (M,) ever had, from 1, shape (M,)."""
    n = len(scores)
    before = np.concatenate([[0.0], np.cumsum(scores)[:-1]])
    drawn = np.arange(1, n + 1)
    guess = (0.5 + np.cumsum(scores)) / (drawn + 1)
    spread = np.concatenate([[0.25], (0.25 + np.cumsum((scores - guess) ** 2))[:-1] / (drawn[:-1] + 1)])
    bet = np.sqrt(2 * np.log(2 / alpha) / (n * spread))
    up, down, most = np.zeros(len(means)), np.zeros(len(means)), np.zeros(len(means))
    for t in range(n):
        left = (n_delivered * means - before[t]) / (n_delivered - t)  # the mean of those not drawn yet, if m is true
        fair = np.clip(left, 1e-9, 1 - 1e-9)
        with np.errstate(divide="ignore"):
            up += np.log1p(np.minimum(bet[t], 0.5 / fair) * (scores[t] - fair))
            down += np.log1p(np.minimum(bet[t], 0.5 / (1 - fair)) * (fair - scores[t]))
        most = np.maximum(most, np.maximum(up, down) - np.log(2))
        most[(left < -1e-12) | (left > 1 + 1e-12)] = np.inf
    return np.exp(np.minimum(most, 700))


def ppi_interval(
    right: np.ndarray, stated: np.ndarray, population: np.ndarray, level: float = 0.95
) -> AccuracyInterval:
    """A tighter estimate of the same accuracy, helped by the confidence stated for every delivered label (PPI++).

    Parameters
    ----------
    right : ndarray of bool, shape (n,)
        What the audit found.
    stated : ndarray, shape (n,)
        Confidence of the audited labels.
    population : ndarray, shape (N,)
        Confidence of all delivered labels, the audited among them.

    Raises
    ------
    ValueError
        If the shapes do not fit, or with fewer than 10 errors: show the exact interval alone.

    Notes
    -----
    ``lam mean_N f + mean_n(y - lam f)`` with ``lam = Cov(y, f) / Var f`` in [0, 1], and variance
    ``(1 - n/N) Var(y - lam f) / n``: the claim is about the N labels delivered, all of whose f are known, and not about
    more that might come, for which PPI++ allows.

    References
    ----------
    A. Angelopoulos, J. Duchi, T. Zrnic (2023). PPI++: efficient prediction-powered inference. arXiv 2311.01453.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> stated = rng.beta(8, 1, 4000)
    >>> right = rng.random(4000) < stated
    >>> found = ppi_interval(right[:400], stated[:400], stated)
    >>> round(found.estimate, 2), bool(found.lower < right.mean() < found.upper)
    (0.89, True)
    """
    right, stated, population = np.asarray(right, float), np.asarray(stated, float), np.asarray(population, float)
    n, n_all = len(right), len(population)
    if right.shape != stated.shape or right.ndim != 1 or not 2 <= n <= n_all:
        raise ValueError("right and stated need one length, and population at least as much.")
    if n - right.sum() < PPI_ERRORS:
        raise ValueError(f"PPI++ needs at least {PPI_ERRORS} errors.")
    spread = population.var(ddof=1) if n_all > 1 else 0.0
    slope = np.cov(right, stated, ddof=1)[0, 1] / spread if spread > 0 else 0.0
    slope = float(min(max(slope, 0.0), 1.0))
    estimate = slope * population.mean() + (right - slope * stated).mean()
    error = ((1 - n / n_all) * (right - slope * stated).var(ddof=1) / n) ** 0.5
    away = ndtri((1 + level) / 2) * error
    return AccuracyInterval(float(estimate), float(max(estimate - away, 0)), float(min(estimate + away, 1)))


def weighted_share(right: np.ndarray, inclusion: np.ndarray) -> float:
    """Share of right labels from items that were not equally likely to be looked at (Hajek).

    Examples
    --------
    >>> weighted_share(np.array([True, False, False]), np.array([0.1, 1.0, 1.0]))
    0.8333333333333334
    """
    weight = 1 / np.asarray(inclusion, float)
    return float((weight * np.asarray(right, float)).sum() / weight.sum())


def draw_uniform(n_population: int, n_drawn: int, rng: np.random.Generator) -> np.ndarray:
    """Rows drawn without replacement, each subset as likely as any other, in random order; shape (n_drawn,)."""
    return rng.permutation(n_population)[:n_drawn]


def draw_weighted(weights: np.ndarray, n_drawn: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows drawn without replacement, those of more weight more often, and the inclusion probability of each.

    Returns
    -------
    rows : ndarray of int, shape (n_drawn,)
    inclusion : ndarray, shape (n_drawn,)
        ``min(1, w t)``, with t the threshold that the row passed: 1 / inclusion weighs it without bias.

    Raises
    ------
    ValueError
        If a weight is not above zero, or fewer are there than are to be drawn.

    Notes
    -----
    Priority sampling: row i has the priority w_i / u_i with u_i uniform; the highest are drawn, and the next one is
    the threshold 1 / t.

    References
    ----------
    N. Duffield, C. Lund, M. Thorup (2007). Priority sampling for estimation of arbitrary subset sums. J. ACM 54(6).

    Examples
    --------
    >>> rows, inclusion = draw_weighted(np.array([1.0, 1.0, 100.0]), 2, np.random.default_rng(1))
    >>> 2 in rows, float(inclusion[list(rows).index(2)])
    (True, 1.0)
    """
    weights = np.asarray(weights, float)
    if not (weights > 0).all() or not 0 < n_drawn <= len(weights):
        raise ValueError("Every weight must be above zero, and n_drawn between 1 and their number.")
    priority = weights / (1 - rng.random(len(weights)))
    order = np.argsort(-priority, kind="stable")
    rows = order[:n_drawn]
    if n_drawn == len(weights):
        return rows, np.ones(n_drawn)
    return rows, np.minimum(1.0, weights[rows] / priority[order[n_drawn]])
