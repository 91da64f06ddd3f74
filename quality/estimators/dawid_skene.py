"""Dawid and Skene's maximum-likelihood estimate of observer error rates, as published."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from quality.estimators.calibration import Calibration
from quality.estimators.encode import Answers, Gold, GoldRows, Ids, encode, encode_gold
from quality.estimators.expectation import evidence, normalise_in_place, soft_counts
from quality.estimators.majority import clamped_shares, most_likely

#: Floor of a count or a share, so that an answer never makes the true class impossible by rounding.
TINY = 1e-10


class DawidSkene:
    """Labels and each worker's confusion matrix by expectation maximisation, started from vote shares.

    For comparison and teaching: it over-fits new workers and is far too sure of itself; `HierarchicalDawidSkene`
    is the one to use.

    Parameters
    ----------
    n_iter : int
        Rounds at most.
    tol : float
        Stop when the log-likelihood for each judgment gains less; 0 runs all rounds.

    Attributes
    ----------
    items_, workers_, classes_ : ndarray, shapes (I,), (W,), (K,)
    posteriors_ : ndarray, shape (I, K)
    labels_, confidence_ : ndarray, shape (I,)
    confusions_ : ndarray, shape (W, K, K)
        [w, truth, said]. Uniform where a worker never met the class.
    prior_ : ndarray, shape (K,)
    objective_ : list of float
        Log-likelihood before each round's update.
    status_ : "ok", or "numeric" if `n_iter` rounds were not enough.

    Notes
    -----
    Rounds of ``pi_k = mean_i T_ik``, ``th_w[k, l] = C_w[k, l] / sum_l C_w[k, l]`` and
    ``T_ik ~ pi_k prod_n th_w(n)[k, y_n]``.

    References
    ----------
    A. P. Dawid, A. M. Skene (1979). Maximum likelihood estimation of observer error-rates using the EM
    algorithm. Applied Statistics 28(1), 20-28.

    Examples
    --------
    >>> model = DawidSkene().fit([1, 1, 1, 2, 2, 2], list("abcabc"), ["x", "x", "y", "y", "y", "x"])
    >>> model.labels_.tolist()
    ['x', 'y']
    """

    def __init__(self, n_iter: int = 100, tol: float = 1e-5) -> None:
        if not n_iter >= 1:
            raise ValueError("n_iter must be at least 1.")
        if not tol >= 0:
            raise ValueError("tol must not be negative.")
        self.n_iter, self.tol = n_iter, tol

    def fit(
        self, items: Ids, workers: Ids, labels: Ids, gold: Gold | None = None, weights: Ids | None = None,
        classes: Any = None,
    ) -> Self:  # fmt: skip
        """Estimate. See `HierarchicalDawidSkene.fit` for the arguments and errors."""
        answers = encode(items, workers, labels, weights, classes)
        known = encode_gold(gold, answers)
        posterior, converged = self._rounds(answers, known)
        self.items_, self.workers_, self.classes_ = answers.items, answers.workers, answers.classes
        self.posteriors_ = posterior
        self.prior_ = posterior.mean(axis=0)
        self.confusions_ = _confusions(answers, posterior)
        winner = most_likely(posterior, self.prior_)
        self.labels_ = answers.classes[winner]
        self.confidence_ = posterior[np.arange(len(posterior)), winner]
        self.calibration_ = Calibration(b=1.0, n_gold=len(known), calibrated=False)
        self.status_ = "ok" if converged or not self.tol else "numeric"
        return self

    def _rounds(self, answers: Answers, known: GoldRows) -> tuple[np.ndarray, bool]:
        posterior = clamped_shares(answers, known)
        self.objective_, self.n_iter_ = [], 0
        total = answers.weight.sum()
        for _ in range(self.n_iter):
            posterior, likelihood = _round(answers, posterior)
            posterior[known.rows] = known.truth
            self.objective_.append(float(likelihood))
            self.n_iter_ += 1
            if self.tol and self.n_iter_ > 1 and self.objective_[-1] - self.objective_[-2] < self.tol * total:
                return posterior, True
        return posterior, False


def _round(answers: Answers, posterior: np.ndarray) -> tuple[np.ndarray, float]:
    prior = np.maximum(posterior.mean(axis=0), TINY)
    with np.errstate(divide="ignore"):
        log_confusions = np.log(_observed_rates(answers, posterior))
    log_confusions[np.isneginf(log_confusions)] = 0.0  # a label that the worker never used meets no judgment
    joint = evidence(answers, log_confusions)
    joint += np.log(prior)
    updated, likelihood = normalise_in_place(joint)
    return updated, likelihood.sum()


def _observed_rates(answers: Answers, posterior: np.ndarray) -> np.ndarray:
    _, n_workers, n_classes = answers.shape
    used = np.bincount(answers.worker.astype(np.int64) * n_classes + answers.label, minlength=n_workers * n_classes) > 0
    counts = np.maximum(soft_counts(answers, posterior), TINY) * used.reshape(n_workers, 1, n_classes)
    return counts / counts.sum(axis=2, keepdims=True)


def _confusions(answers: Answers, posterior: np.ndarray) -> np.ndarray:
    counts = soft_counts(answers, posterior)
    met = counts.sum(axis=2, keepdims=True)
    return np.where(met > TINY, counts / np.maximum(met, TINY), 1 / len(answers.classes))
