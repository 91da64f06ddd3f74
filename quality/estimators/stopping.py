"""When an item has enough answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations_with_replacement
from math import ceil, factorial, log
from typing import Literal

import numpy as np

#: Outcomes of asking ahead that are still worth enumerating for one decision.
MANY_OUTCOMES = 5_000


@dataclass(frozen=True)
class Verdict:
    """What to do with an item, and why.

    `action` is "ask" (for one more answer), "settled" (deliver) or "disputed" (deliver, and queue for experts).
    """

    action: Literal["ask", "settled", "disputed"]
    reason: Literal["minimum", "target", "maximum", "value", "futile", "below target", "person", "machine"]


@dataclass(frozen=True)
class Rule:
    """A batch's stopping rule.

    Attributes
    ----------
    tau : float
        Confidence of the label to stop at.
    r_min, r_max : int
    futility : float or None
        eps: price of an answer over the worth of a right label; None buys on to r_max.
    value : float or None
        Worth of a right label in prices of an answer, where the requester states it.
    """

    tau: float = 0.95
    r_min: int = 2
    r_max: int = 7
    futility: float | None = 0.005
    value: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.tau <= 1:
            raise ValueError("tau must lie in (0, 1].")
        if not 1 <= self.r_min <= self.r_max:
            raise ValueError("r_min must be at least 1 and at most r_max.")


def decide(
    confidence: np.ndarray, label: int, n_answers: int, rule: Rule | None = None, *, pooled: np.ndarray | None = None,
    b: float = 0.5, r_min: int | None = None,
) -> Verdict:  # fmt: skip
    """Stop, or ask once more?

    Parameters
    ----------
    confidence : ndarray, shape (K,)
        P = softmax(log pi + b L) of the item.
    label : int
        The label that would be delivered (argmax at b = 1).
    pooled : ndarray, shape (K, K), optional
        Confusion of the average worker: what the next answer is expected to be like. Without it there is no
        looking ahead.
    r_min : int, optional
        From `minimum_answers`.

    Examples
    --------
    >>> decide(np.array([.97, .03]), 0, 2)
    Verdict(action='settled', reason='target')
    >>> decide(np.array([.6, .4]), 0, 7)
    Verdict(action='disputed', reason='maximum')
    """
    rule = rule or Rule()
    if n_answers < min(r_min or rule.r_min, rule.r_max):
        return Verdict("ask", "minimum")
    if confidence[label] >= rule.tau:
        return Verdict("settled", "target")
    if n_answers >= rule.r_max:
        return Verdict("disputed", "maximum")
    if pooled is not None:
        left = rule.r_max - n_answers
        if rule.value is not None and not is_worth_asking(confidence, pooled, rule.value, b, most=left):
            return Verdict("settled", "value")
        if rule.futility is not None and is_futile(confidence, pooled, rule.futility, b, rule.tau, label):
            return Verdict("disputed", "futile")
    return Verdict("ask", "below target")


def decide_by_risk(
    risk: float | None, n_answers: int, rule: Rule | None = None, *, r_min: int | None = None
) -> Verdict:
    """Stop, or ask once more, about an item without classes.

    Parameters
    ----------
    risk : float or None
        1 - expected score of its consensus, from `risk.item_risks`; None where there is none yet.

    Examples
    --------
    >>> decide_by_risk(0.04, 3).action, decide_by_risk(0.2, 3).action, decide_by_risk(0.2, 7).action
    ('settled', 'ask', 'disputed')
    """
    rule = rule or Rule()
    if n_answers < min(r_min or rule.r_min, rule.r_max):
        return Verdict("ask", "minimum")
    if risk is not None and risk <= 1 - rule.tau + 1e-12:
        return Verdict("settled", "target")
    return Verdict("disputed", "maximum") if n_answers >= rule.r_max else Verdict("ask", "below target")


def minimum_answers(scored: Iterable[int], r_min: int = 2) -> int:
    """Answers to wait for: one more than two while an answerer has fewer than 10 scored answers.

    Examples
    --------
    >>> minimum_answers([40, 3]), minimum_answers([40, 30])
    (3, 2)
    """
    return max(r_min, 3) if any(n < 10 for n in scored) else r_min


def wald_statistic(says_one: np.ndarray, accuracies: np.ndarray) -> float:
    """Log-odds of class 1 against 0 from two-class answers of workers with known accuracies.

    Stop when its size reaches ``log(tau / (1 - tau))``.

    References
    ----------
    A. Wald (1945). Sequential tests of statistical hypotheses. Ann. Math. Stat. 16.

    Examples
    --------
    >>> round(wald_statistic(np.array([1, 1, 0]), np.array([.8, .8, .8])), 3)
    1.386
    """
    accuracies = np.asarray(accuracies, float)
    return float(np.where(says_one, 1, -1) @ np.log(accuracies / (1 - accuracies)))


def wald_threshold(tau: float) -> float:
    """log(tau / (1 - tau))."""
    return log(tau / (1 - tau))


def is_futile(
    confidence: np.ndarray, pooled: np.ndarray, eps: float = 0.005, b: float = 0.5, tau: float = 1.0,
    label: int | None = None,
) -> bool:  # fmt: skip
    """`are_futile` of one item with belief `confidence` (K,) and the `label` that would be delivered."""
    row = np.asarray(confidence, float)[None]
    chosen = row.argmax(axis=1) if label is None else np.array([label])
    return bool(are_futile(row, pooled, chosen, eps, b, tau)[0])


def are_futile(
    confidence: np.ndarray, pooled: np.ndarray, label: np.ndarray, eps: float = 0.005, b: float = 0.5,
    tau: float | np.ndarray = 1.0,
) -> np.ndarray:  # fmt: skip
    """Would even a few more answers of average workers neither change much nor reach the target? Shape (I,), bool.

    Parameters
    ----------
    confidence : ndarray, shape (I, K)
    label : ndarray of int, shape (I,)
    tau : float or ndarray, shape (I,)

    Notes
    -----
    ``max_{n <= 4 (3 if K > 4)} [E max_k P after n answers - max_k P] / n < eps``, and the label reaches tau within them
    with a chance below a half; answers are drawn, and read, by M^b with rows normalised. By the first condition
    alone a united HIT just below the target would be called disputed: nothing can flip it soon, so nothing is
    gained, and yet one more voice settles it.
    """
    answer, n_classes = tempered_rows(pooled, b), confidence.shape[1]
    idle = np.ones(len(confidence), bool)
    goal, top, rows = np.broadcast_to(tau, len(confidence)), confidence.max(axis=1), np.arange(len(confidence))
    with np.errstate(divide="ignore"):
        log_belief = np.log(np.maximum(confidence, 1e-300))
    for n in range(1, 4 if n_classes > 4 else 5):
        if not _is_countable(n_classes, n) or not idle.any():
            continue
        table, orders = _multisets(n_classes, n)
        left = np.flatnonzero(idle)
        joint = np.exp(log_belief[left, None, :] + (table @ np.log(answer).T)[None])
        gain = joint.max(axis=2) @ orders - top[left]
        total = joint.sum(axis=2)
        there = joint[rows[: len(left)], :, label[left]] >= goal[left, None] * total
        idle[left] = (gain / n < eps) & ((total * there) @ orders < 0.5)
    return idle


def is_worth_asking(
    confidence: np.ndarray, pooled: np.ndarray, value: float, b: float = 0.5, price: float = 1.0, most: int = 20
) -> bool:
    """Is a right label worth more than the answers that could correct it?

    Looks ahead as far as the smallest number of answers that can flip the label: one step ahead the gain is
    exactly nothing at any lead of one or more.

    Parameters
    ----------
    value, price : float
        Worth of a right label, and of an answer, in one currency.

    Examples
    --------
    >>> pooled = np.array([[.8, .2], [.2, .8]])
    >>> is_worth_asking(np.array([.8, .2]), pooled, value=100, b=1.0)
    True
    >>> is_worth_asking(np.array([.8, .2]), pooled, value=2, b=1.0)
    False
    """
    answer = tempered_rows(pooled, b)
    ahead = min(_answers_to_flip(confidence, answer), most)
    return any(
        value * (expected_top(confidence, answer, m) - confidence.max()) > m * price
        for m in range(1, ahead + 1)
        if _is_countable(len(confidence), m)
    )


def expected_top(confidence: np.ndarray, answer: np.ndarray, n: int) -> float:
    """Expected maximum of the posterior after n more answers distributed as `answer` (K, K).

    Sums over the multisets of answers, each as often as it has orders.
    """
    table, orders = _multisets(answer.shape[1], n)
    joint = np.exp(np.log(np.maximum(confidence, 1e-300)) + table @ np.log(answer).T)
    return float(orders @ joint.max(axis=1))


def expected_entropy_drop(confidence: np.ndarray, answer: np.ndarray) -> float:
    """How much this worker's answer is expected to lower the entropy of the belief, in nats: for routing.

    `answer` (K, K) is the worker's confusion, tempered by b as the belief is.
    """
    joint = confidence[:, None] * answer
    said = joint.sum(axis=0)
    return float(_entropy(confidence) - said @ _entropy((joint / said).T))


def tempered_rows(confusion: np.ndarray, b: float) -> np.ndarray:
    """Confusion^b with rows normalised: an answer that is worth b answers."""
    power = np.maximum(confusion, 1e-12) ** b
    return power / power.sum(axis=-1, keepdims=True)


def _answers_to_flip(confidence: np.ndarray, answer: np.ndarray) -> int:
    top = int(confidence.argmax())
    step = np.log(answer / answer[top]).max(axis=1)
    with np.errstate(divide="ignore"):
        lead = np.log(confidence[top]) - np.log(confidence)
    rivals = [ceil(lead[k] / step[k] + 1e-9) for k in range(len(lead)) if step[k] > 1e-9 and np.isfinite(lead[k])]
    return max(1, min(rivals, default=1))


def _entropy(p: np.ndarray) -> np.ndarray:
    return -(p * np.log(np.maximum(p, 1e-300))).sum(axis=-1)


def _is_countable(n_classes: int, n: int) -> bool:
    """Is the number of multisets, C(K + n - 1, n), small enough?"""
    return factorial(n_classes + n - 1) // (factorial(n) * factorial(n_classes - 1)) <= MANY_OUTCOMES


@lru_cache(maxsize=128)
def _multisets(n_classes: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each class is said (S, K) in each multiset of n answers, and its number of orders (S,)."""
    table = np.array(
        [np.bincount(said, minlength=n_classes) for said in combinations_with_replacement(range(n_classes), n)], float
    )
    orders = [factorial(n) / np.prod([factorial(int(m)) for m in row]) for row in table]
    return table, np.array(orders)
