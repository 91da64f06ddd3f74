"""What gold answers say about a worker: gate, pause, monitor, gold share, exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, sqrt
from typing import Literal

import numpy as np

from quality.estimators.intervals import beta_interval

#: Both errors of the sequential test are 5 %: log(.95 / .05).
BOUND = 2.944
#: Gold answers after which the sequential test goes by the sign of its sum.
LAST = 60
#: Numbers of gold answers at which a pause is considered: who is a little below the bar shows late.
LOOKS = (20, 30, 40, 50, 60, 80, 100, 150, 200)
#: Largest part of a batch's workers that may be paused before the gold itself is suspect.
MOST_PAUSED = 0.30
#: Gold answers from which the monitor watches.
MONITOR_FROM = 30
#: Sums that raise the gold share, and that count towards a pause.
ALARM, PASSING = 3.0, 4.0


@dataclass(frozen=True)
class Bar:
    """Accuracies that the gate tells apart: good `p1` from bad `p0`. `warns_only` until the pool is known."""

    p1: float = 0.85
    p0: float = 0.60
    warns_only: bool = True


def bar_for(rates: Sequence[float], n_answered: int, n_classes: int | None = None) -> Bar:
    """The bar that suits a pool.

    Parameters
    ----------
    rates : sequence of float
        Gold accuracy of each worker of the pool.
    n_answered : int
        Gold answers of the whole pool.
    n_classes : int, optional
        None for kinds without classes.

    Notes
    -----
    ``p1 = min(.85, 75 % quantile)``, ``p0 = max(1/K + .1, p1 - .25)`` from 100 gold answers on.

    Examples
    --------
    >>> bar_for([.5, .6, .7, .8, .9], 200, n_classes=4)
    Bar(p1=0.8, p0=0.55, warns_only=False)
    >>> bar_for([.9], 12, n_classes=4)
    Bar(p1=0.85, p0=0.6, warns_only=True)
    """
    if n_answered < 100 or not len(rates):
        return Bar()
    p1 = min(0.85, float(np.quantile(rates, 0.75)))
    p0 = max((1 / n_classes if n_classes else 0.0) + 0.1, p1 - 0.25)
    if p1 - p0 < 0.1 - 1e-12:
        return Bar(p1, p0, warns_only=True) if 0 < p0 < p1 < 1 else Bar()
    return Bar(p1, round(p0, 12), warns_only=False)


def gate_sum(right: int, wrong: int, bar: Bar | None = None) -> float:
    """S = right ln(p1/p0) + wrong ln((1-p1)/(1-p0)).

    Examples
    --------
    >>> round(gate_sum(1, 0), 3), round(gate_sum(0, 1), 3)
    (0.348, -0.981)
    """
    bar = bar or Bar()
    return right * log(bar.p1 / bar.p0) + wrong * log((1 - bar.p1) / (1 - bar.p0))


def gate(right: int, wrong: int, bar: Bar | None = None) -> Literal["pass", "fail", "open"]:
    """Sequential test after `right` and `wrong` gold answers; the first "pass" or "fail" stands.

    References
    ----------
    A. Wald (1945). Sequential tests of statistical hypotheses. Ann. Math. Stat. 16.

    Examples
    --------
    >>> gate(9, 0), gate(8, 0), gate(0, 4)
    ('pass', 'open', 'fail')
    """
    total = gate_sum(right, wrong, bar)
    if total >= BOUND or (right + wrong >= LAST and total > 0):
        return "pass"
    if total <= -BOUND or right + wrong >= LAST:
        return "fail"
    return "open"


def quiz_outcome(right: int, asked: int = 10) -> Literal["enter", "again", "fail"]:
    """Quiz of ten: 7 right enter, 5 or 6 mean one more quiz, 4 or fewer fail. Other lengths in proportion.

    Examples
    --------
    >>> quiz_outcome(7), quiz_outcome(6), quiz_outcome(4)
    ('enter', 'again', 'fail')
    """
    if not 0 <= right <= asked or asked < 1:
        raise ValueError("right must lie between 0 and asked.")
    share = 10 * right / asked
    return "enter" if share >= 7 else "fail" if share <= 4 else "again"


def pause_verdict(
    right: int, wrong: int, pool_mean: float, bar: Bar, n_paused: int, n_workers: int
) -> Literal["keep", "pause", "suspect gold"]:
    """Should the worker be paused, for a person to look?

    Only when the 95 % upper bound of Beta(5m + right, 5(1-m) + wrong) is below p1 - .1, after `LOOKS` gold answers.
    Beyond 30 % of the batch's workers it is the gold or the guidelines that are suspect.

    Examples
    --------
    >>> pause_verdict(6, 14, 0.8, Bar(), n_paused=0, n_workers=20)
    'pause'
    >>> pause_verdict(6, 14, 0.8, Bar(), n_paused=6, n_workers=20)
    'suspect gold'
    >>> pause_verdict(6, 13, 0.8, Bar(), n_paused=0, n_workers=20)
    'keep'
    """
    if right + wrong not in LOOKS:
        return "keep"
    _, _, upper = beta_interval(right, wrong, pool_mean)
    if upper >= bar.p1 - 0.1:
        return "keep"
    return "pause" if n_paused + 1 <= MOST_PAUSED * n_workers else "suspect gold"


@dataclass(frozen=True)
class Monitor:
    """Page's cumulative sum of a worker's gold answers.

    Attributes
    ----------
    u : float
        The sum; zero while all is well.
    passed_at : int or None
        Number of gold answers at the last passing of 4.
    event : "raise", "pause" or None
        What the latest answer calls for.
    """

    u: float = 0.0
    passed_at: int | None = None
    event: Literal["raise", "pause"] | None = None


def monitor(state: Monitor, is_right: bool, right: int, wrong: int, pool_mean: float) -> Monitor:
    """The monitor after one more gold answer of a worker who before it had `right` and `wrong`.

    Notes
    -----
    ``U = max(0, U + ln(p_bad/p_good))`` for right answers, ``ln((1-p_bad)/(1-p_good))`` for wrong ones, with
    ``p_good = min(.90, own posterior mean)`` and ``p_bad = p_good - .25``. U > 3 raises the gold share. U > 4
    restarts U; the second time within 60 gold answers pauses.

    References
    ----------
    E. S. Page (1954). Continuous inspection schemes. Biometrika 41.

    Examples
    --------
    >>> state = Monitor()
    >>> for n in range(4):
    ...     state = monitor(state, False, 36, 4 + n, 0.9)
    ...     print(round(state.u, 2), state.event)
    1.25 None
    2.38 None
    3.41 raise
    0.0 raise
    """
    n = right + wrong
    if n < MONITOR_FROM:
        return Monitor(state.u, state.passed_at)
    p_good = min(0.90, (5 * pool_mean + right) / (5 + n))
    p_bad = max(p_good - 0.25, 0.01)
    p_good = max(p_good, p_bad + 0.01)
    step = log(p_bad / p_good) if is_right else log((1 - p_bad) / (1 - p_good))
    u = max(0.0, state.u + step)
    if u > PASSING:
        again = state.passed_at is not None and n + 1 - state.passed_at <= 60
        return Monitor(0.0, n + 1, "pause" if again else "raise")
    return Monitor(u, state.passed_at, "raise" if u > ALARM else None)


def gold_share(right: int, wrong: int, pool_mean: float, bar: Bar, *, is_raised: bool = False) -> float:
    """Part of a worker's items that should be gold.

    .25 for the first 20 gold answers, .03 from 50 on when the 5 % lower bound reaches p1 - .1, between .10 and
    .03 in proportion to the posterior's spread, .30 after an alarm.

    Examples
    --------
    >>> gold_share(3, 1, .8, Bar()), gold_share(48, 2, .8, Bar()), gold_share(3, 17, .8, Bar(), is_raised=True)
    (0.25, 0.03, 0.3)
    """
    n = right + wrong
    if is_raised:
        return 0.30
    if n < 20:
        return 0.25
    lower, _, _ = beta_interval(right, wrong, pool_mean)
    if n >= 50 and lower >= bar.p1 - 0.1:
        return 0.03
    # The spread of Beta(a, b) over its spread at 20 answers with the same mean.
    return max(0.03, 0.10 * sqrt(26 / (n + 6)))


def golds_needed(share: float, views: float, r: float) -> float:
    """Exposure law: gold questions that `views` openings need, if gold is to come back no oftener than other items.

    Examples
    --------
    >>> round(golds_needed(.10, 100_000, 3))
    3333
    """
    return share * views / r


def exposure_limit(answers_per_item: Sequence[int], rng: np.random.Generator) -> int:
    """Openings after which one gold question retires: drawn from what ordinary retired items had."""
    return int(rng.choice(np.sort(np.asarray(answers_per_item))))


def is_bad_gold(right: int, wrong: int) -> bool:
    """Do strong workers (lower bound >= .8) disagree with the key too often? At least 4 of them, 40 % wrong.

    Examples
    --------
    >>> is_bad_gold(3, 2), is_bad_gold(1, 2), is_bad_gold(7, 3)
    (True, False, False)
    """
    return right + wrong >= 4 and wrong >= 0.4 * (right + wrong)


def decay(golds_since: float, days_since: float) -> float:
    """What an old gold answer still counts: half after 200 newer ones or 90 days, whichever has gone further.

    Examples
    --------
    >>> decay(200, 3), decay(0, 180)
    (0.5, 0.25)
    """
    return 0.5 ** max(golds_since / 200, days_since / 90)
