"""Majority vote: the baseline that every other method has to beat."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from quality.estimators.calibration import Calibration
from quality.estimators.encode import Answers, Gold, GoldRows, Ids, encode, encode_gold
from quality.estimators.expectation import smoothed_confusions, soft_counts


class MajorityVote:
    """The class with the most votes.

    Attributes
    ----------
    items_, workers_, classes_ : ndarray, shapes (I,), (W,), (K,)
    posteriors_ : ndarray, shape (I, K)
        Vote shares.
    labels_ : ndarray, shape (I,)
        Most votes; ties go to the class with the larger share overall.
    confidence_ : ndarray, shape (I,)
        Share of the winner: how united the crowd is, not how likely it is right.
    confusions_ : ndarray, shape (W, K, K)
        Agreement of each worker with the shares, [w, truth, said], drawn towards the crowd's.

    Examples
    --------
    >>> model = MajorityVote().fit([1, 1, 1, 2], ["ann", "bob", "cy", "ann"], ["x", "x", "y", "y"])
    >>> model.labels_.tolist(), model.confidence_.round(2).tolist()
    (['x', 'y'], [0.67, 1.0])
    """

    def __init__(self, seed: int = 0, gold_sample: str | None = None) -> None:
        self.seed, self.gold_sample = seed, gold_sample

    def fit(
        self, items: Ids, workers: Ids, labels: Ids, gold: Gold | None = None, weights: Ids | None = None,
        classes: Any = None,
    ) -> Self:  # fmt: skip
        """Count. See `HierarchicalDawidSkene.fit` for the arguments and errors."""
        answers = encode(items, workers, labels, weights, classes)
        known = encode_gold(gold, answers)
        posterior = vote_shares(answers)
        posterior[known.rows] = known.truth
        self.items_, self.workers_, self.classes_ = answers.items, answers.workers, answers.classes
        self.prior_ = posterior.mean(axis=0)
        self.posteriors_ = posterior
        winner = most_likely(posterior, self.prior_)
        self.labels_ = answers.classes[winner]
        self.confidence_ = posterior[np.arange(len(posterior)), winner]
        self.confusions_ = smoothed_confusions(soft_counts(answers, posterior))
        self.calibration_ = Calibration(b=1.0, n_gold=len(known), calibrated=False)
        self.n_iter_, self.status_ = 0, "ok"
        self.objective_: list[float] = []
        return self


def vote_shares(answers: Answers, smoothing: float = 0.0) -> np.ndarray:
    """Share of each class in an item's votes, shape (I, K): (votes_ik + a/K) / (votes_i + a)."""
    votes = answers.votes + smoothing / len(answers.classes)
    return votes / votes.sum(axis=1, keepdims=True)


def clamped_shares(answers: Answers, gold: GoldRows, smoothing: float = 0.0) -> np.ndarray:
    """Vote shares with the gold rows set to what is known."""
    shares = vote_shares(answers, smoothing)
    shares[gold.rows] = gold.truth
    return shares


def most_likely(posterior: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Column of each row's maximum, ties to the larger prior, shape (I,).

    Values within 1e-9 count as equal, so that a tie is not settled by the order in which floats were added.

    Examples
    --------
    >>> most_likely(np.array([[0.5, 0.5], [0.9, 0.1]]), np.array([0.4, 0.6]))
    array([1, 0])
    """
    by_prior = np.argsort(-prior, kind="stable")
    ranked = posterior[:, by_prior]
    return by_prior[np.argmax(ranked >= ranked.max(axis=1, keepdims=True) - 1e-9, axis=1)]
