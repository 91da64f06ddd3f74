"""How right a delivered data set is: an exact interval from a random audit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scipy.stats import hypergeom


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
