"""What a machine's word is worth, from checks against known answers (QUALITY.md section 10).

A machine is one noisy worker: it speaks through the confusion that checks found, and never louder than the lower bound
of its accuracy allows. What its own score says may make it quieter, or let it answer alone: past a threshold that the
checks, and not the score, have shown to be good enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import betaincinv

#: Fewer checks say nothing about a machine.
LEAST_CHECKS = 50
#: Groups of checks by score, each of at least LEAST_CHECKS.
GROUPS = 3
#: Thresholds that are tried; the error of 5 % is shared among them.
THRESHOLDS = 10
ERROR = 0.05
STRENGTH = 5.0


@dataclass(frozen=True)
class Grade:
    """Checks whose score is at least `score`: how many, how many right, and the lower bound of the share."""

    score: float
    checked: int
    right: int
    lower: float


@dataclass(frozen=True)
class Trust:
    """What checks found of a machine on one question.

    Attributes
    ----------
    checked, right : int
    lower, upper : float
        5 % and 95 % bounds of the accuracy (Clopper-Pearson).
    confusion : list of K lists of K
        P(it says l | truth k), shrunk to its mean.
    groups : list of Grade
        By score, the lowest first; each reaches to the next. They say how loud a word may be.
    thresholds : list of Grade
        Nested: everything from that score on. They say from where it may answer alone.
    """

    checked: int
    right: int
    lower: float
    upper: float
    confusion: list[list[float]]
    groups: list[Grade]
    thresholds: list[Grade]

    @property
    def is_checked(self) -> bool:
        return self.checked >= LEAST_CHECKS

    def threshold_for(self, target: float) -> Grade | None:
        """The widest set of predictions that the checks have shown to be right often enough.

        Examples
        --------
        >>> every = assess(np.zeros(100, int), np.zeros(100, int), None, 2)
        >>> round(every.threshold_for(.95).lower, 3), every.threshold_for(.99)
        (0.97, None)
        """
        if not self.is_checked:
            return None
        return next((grade for grade in self.thresholds if grade.lower >= target), None)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Trust:
        nested = {name: [Grade(**one) for one in found[name]] for name in ("groups", "thresholds")}
        return cls(**{**found, **nested})


def lower_bound(right: float, wrong: float, error: float = ERROR) -> float:
    """One-sided Clopper-Pearson bound.

    Examples
    --------
    >>> round(lower_bound(59, 0), 3)
    0.95
    """
    return float(betaincinv(right, wrong + 1, error)) if right > 0 else 0.0


def assess(truth: np.ndarray, said: np.ndarray, score: np.ndarray | None, n_classes: int) -> Trust:
    """Check a machine's words against known answers.

    Parameters
    ----------
    truth, said : ndarray of int, shape (n,)
        Where several classes are accepted and it says one of them, that one is its truth.
    score : ndarray, shape (n,), optional
        Its own certainty, 0 to 1.
    n_classes : int

    Raises
    ------
    ValueError
        If the lengths differ.
    """
    truth, said = np.asarray(truth, np.intp), np.asarray(said, np.intp)
    score = np.zeros(len(truth)) if score is None else np.nan_to_num(np.asarray(score, float), nan=0.0)
    if not len(truth) == len(said) == len(score):
        raise ValueError("truth, said and score must have the same length.")
    right = truth == said
    hits, n = int(right.sum()), len(truth)
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (truth, said), 1.0)
    mean = (hits + 1) / (n + 2)
    pooled = np.full((n_classes, n_classes), (1 - mean) / max(n_classes - 1, 1))
    np.fill_diagonal(pooled, mean)
    confusion = (counts + STRENGTH * pooled) / (counts.sum(axis=1, keepdims=True) + STRENGTH)
    upper = float(betaincinv(hits + 1, n - hits, 1 - ERROR)) if hits < n else 1.0
    return Trust(
        checked=n,
        right=hits,
        lower=lower_bound(hits, n - hits),
        upper=upper,
        confusion=confusion.tolist(),
        groups=_groups(score, right),
        thresholds=_thresholds(score, right),
    )


def _groups(score: np.ndarray, right: np.ndarray) -> list[Grade]:
    if not len(score):
        return []
    many = min(GROUPS, len(score) // LEAST_CHECKS)
    edges = np.unique(np.quantile(score, np.arange(1, max(many, 1)) / max(many, 1)))
    edges = edges[edges > score.min()]  # where many scores are alike, nothing lies below the first
    group = np.searchsorted(edges, score, side="right")
    if np.bincount(group, minlength=len(edges) + 1).min() < LEAST_CHECKS:
        edges, group = np.zeros(0), np.zeros(len(score), np.intp)
    grades = []
    for place, edge in enumerate([0.0, *edges.tolist()]):
        mine = right[group == place]
        grades.append(Grade(edge, len(mine), int(mine.sum()), lower_bound(mine.sum(), (~mine).sum())))
    return grades


def _thresholds(score: np.ndarray, right: np.ndarray) -> list[Grade]:
    if not len(score):
        return []
    tried = np.unique(np.r_[0.0, np.quantile(score, np.arange(1, THRESHOLDS) / THRESHOLDS)])
    grades = []
    for edge in tried.tolist():
        mine = right[score >= edge]
        bound = lower_bound(mine.sum(), (~mine).sum(), ERROR / len(tried))
        grades.append(Grade(edge, len(mine), int(mine.sum()), bound))
    return grades


def evidence(trust: Trust, said: np.ndarray, score: np.ndarray | None = None) -> np.ndarray:
    """Log-likelihoods of the classes in a machine's words, shape (N, K), the largest of a row 0.

    They come from the confusion that checks found, and are scaled down so that no two classes lie further apart than
    the lower bound of its accuracy allows (of its accuracy at that score, where there are checks enough). A machine
    that was not checked, or not shown to be better than guessing, says nothing.

    Notes
    -----
    ``cap = log(a (K - 1) / (1 - a))``, a the lower bound.

    Examples
    --------
    >>> sure = assess(np.arange(200) % 2, np.arange(200) % 2, None, 2)
    >>> evidence(sure, np.array([1])).round(2)
    array([[-4.19,  0.  ]])
    >>> evidence(assess(np.zeros(20, int), np.zeros(20, int), None, 2), np.array([0]))
    array([[0., 0.]])
    """
    said = np.asarray(said, np.intp)
    confusion = np.asarray(trust.confusion, float)
    n_classes = len(confusion)
    if not trust.is_checked or not len(said):
        return np.zeros((len(said), n_classes))
    words = np.log(confusion[:, said].T)
    words -= words.max(axis=1, keepdims=True)
    score = np.zeros(len(said)) if score is None else np.nan_to_num(np.asarray(score, float), nan=0.0)
    edges = np.array([grade.score for grade in trust.groups])
    place = np.maximum(np.searchsorted(edges, score, side="right") - 1, 0)
    lower = np.array([grade.lower for grade in trust.groups])[place]
    lower = np.clip(lower, 0.0, 1 - 1e-9)
    with np.errstate(divide="ignore"):
        cap = np.maximum(np.log(lower * max(n_classes - 1, 1)) - np.log1p(-lower), 0.0)
    reach = -words.min(axis=1)
    scale = np.where(reach > 0, np.minimum(cap / np.maximum(reach, 1e-12), 1.0), 0.0)
    return words * scale[:, None] + 0.0


def together(words: np.ndarray) -> np.ndarray:
    """Several machines about one item, (M, K) to (K,): their sum, no louder than the loudest of them.

    Machines learn from the same data and err together; what two of them say is not twice the evidence.

    Examples
    --------
    >>> together(np.array([[-2.0, 0.0], [-1.0, 0.0]]))
    array([-2.,  0.])
    """
    words = np.asarray(words, float)
    total = words.sum(axis=0)
    total = total - total.max()
    reach, most = -total.min(), float(np.max(words.max(axis=1) - words.min(axis=1), initial=0.0))
    return total * (min(most / reach, 1.0) if reach > 0 else 0.0) + 0.0
