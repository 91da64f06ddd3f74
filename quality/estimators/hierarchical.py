"""Hierarchical Dawid-Skene: workers drawn towards the average worker, with guards and calibrated confidence."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from quality.estimators import guards
from quality.estimators.confidence import calibrate
from quality.estimators.em import Fit, Setup, prepare, run
from quality.estimators.encode import Answers, Gold, Ids, encode, encode_gold
from quality.estimators.expectation import default_pattern
from quality.estimators.majority import clamped_shares, most_likely

GOLD_SAMPLES = ("random", "balanced", None)


class HierarchicalDawidSkene:
    """Labels, calibrated confidence and worker confusions from redundant categorical answers ("HDS").

    Parameters
    ----------
    seed : int
        For the folds of the held-out guard and the subsets of gold answers used to calibrate.
    gold_sample : {"random", "balanced", None}
        How gold items were drawn. Only "random" (uniformly, at least 20 of them) teaches class shares.

    Attributes
    ----------
    items_, workers_, classes_ : ndarray, shapes (I,), (W,), (K,)
        Sorted unique ids.
    posteriors_ : ndarray, shape (I, K)
        P(class | answers) if errors were independent (b = 1): too sure on hard items. Gold rows are clamped.
    labels_ : ndarray, shape (I,)
        Argmax of `posteriors_`, ties to the larger prior.
    confidence_ : ndarray, shape (I,)
        Calibrated probability that the label is right: this is what to show and to stop on.
    confusions_ : ndarray, shape (W, K, K)
        [w, truth, said].
    counts_ : ndarray, shape (W, K, K)
        Soft counts C_w behind them, as `quality.estimators.live` continues from.
    pooled_ : ndarray, shape (K, K)
        Confusion M of the average worker.
    calibration_ : Calibration
        b, n_gold, calibrated.
    prior_ : ndarray, shape (K,)
    n_iter_ : int
    objective_ : list of float
        Penalised log-likelihood of each round.
    adversaries_ : ndarray
        Ids of workers who are wrong more often than chance; their answers count for nothing.
    guards_ : dict
        What each guard measured.
    status_ : str
        "ok", or the guard that changed or doubts the result: "degenerate" and "fallback" (majority vote is
        delivered), "collapse" and "held-out" (pooled confusion used), "flips" (audit advised), "adversary".

    Notes
    -----
    Rounds of ``M = rownorm(sum_w C_w + 5 A)``, ``th_w = rownorm(C_w + 5 M)``, ``pi ~ sum_i T_i + c p0`` and
    ``log T_ik = log pi_k + sum_n log th_w(n)[k, y_n] - log-sum-exp``, until the log-likelihood moves by less
    than 1e-5 a judgment.

    References
    ----------
    S. Paun et al. (2018). Comparing Bayesian models of annotation. TACL 6, 571-585.

    Examples
    --------
    >>> items = np.repeat(np.arange(40), 3)
    >>> workers = np.tile([0, 1, 2], 40)
    >>> labels = np.where(workers == 2, 0, items % 2)
    >>> model = HierarchicalDawidSkene(seed=0).fit(items, workers, labels)
    >>> (model.labels_ == model.items_ % 2).all(), model.confusions_[2].round(1).tolist()
    (np.True_, [[1.0, 0.0], [0.9, 0.1]])
    """

    def __init__(self, seed: int = 0, gold_sample: str | None = None) -> None:
        if gold_sample not in GOLD_SAMPLES:
            raise ValueError(f"gold_sample must be one of {GOLD_SAMPLES}, not {gold_sample!r}.")
        self.seed, self.gold_sample = seed, gold_sample

    def fit(
        self, items: Ids, workers: Ids, labels: Ids, gold: Gold | None = None, weights: Ids | None = None,
        classes: Any = None,
    ) -> Self:  # fmt: skip
        """Estimate labels and workers from N judgments, in any order; every row counts.

        Parameters
        ----------
        items, workers, labels : sequences of str or int, length N
        gold : mapping, optional
            Item to its true label, or to a collection of accepted labels. Items that nobody judged are ignored.
        weights : sequence of positive float, length N, optional
            1/c for the judgments of a cluster of c colluders.
        classes : collection, optional
            All classes, if some may never have been said.

        Raises
        ------
        ValueError
            Names the argument that is wrong.
        NumericError
            If the estimate is not finite or does not settle; keep the previous result.
        """
        answers = encode(items, workers, labels, weights, classes)
        known = encode_gold(gold, answers)
        setup = prepare(answers, known, self._pattern(len(answers.classes)), self.gold_sample)
        fit, posterior, winner, status = self._guarded(setup)
        self._publish(answers, fit, posterior, winner)
        self.calibration_, self.confidence_ = calibrate(
            setup, fit, winner, seed=self.seed, by_votes=status in guards.MAJORITY
        )
        self.status_ = status
        return self

    def reached(self, tau: float) -> np.ndarray:
        """Labels that are as sure as `tau`, where gold proves that labels that sure hold it, shape (I,), bool."""
        return (self.confidence_ >= tau) & self.calibration_.proves(tau)

    def _pattern(self, n_classes: int) -> np.ndarray:
        return default_pattern(n_classes)

    def _guarded(self, setup: Setup) -> tuple[Fit, np.ndarray, np.ndarray, str]:
        """The fit, the posterior and columns that are delivered, and the status."""
        answers = setup.answers
        shares = clamped_shares(answers, setup.gold)
        fit, status = run(setup), "ok"
        self.guards_: dict[str, Any] = {}
        if guards.is_collapsed(fit.posterior, shares):
            setup, status = setup.more_cautious(), "collapse"
            fit = run(setup)
            if guards.is_collapsed(fit.posterior, shares):
                status = "degenerate"
        elif guards.loses_held_out(setup, self.seed, self.guards_):
            setup, status = setup.pooled(), "held-out"
            fit = run(setup)
        if status != "degenerate" and guards.loses_on_gold(setup, fit, self.guards_):
            status = "fallback"
        posterior = shares if status in guards.MAJORITY else fit.posterior
        winner = most_likely(posterior, fit.prior.mean(axis=0))
        if status == "ok" and guards.flips_too_much(answers, shares, winner, self.guards_):
            status = "flips"
        if status == "ok" and fit.adversary.any():
            status = "adversary"
        return fit, posterior, winner, status

    def _publish(self, answers: Answers, fit: Fit, posterior: np.ndarray, winner: np.ndarray) -> None:
        self.items_, self.workers_, self.classes_ = answers.items, answers.workers, answers.classes
        self.posteriors_ = posterior
        self.labels_ = answers.classes[winner]
        self.confusions_, self.counts_, self.pooled_ = fit.confusions, fit.counts, fit.pooled
        self.prior_, self.n_iter_, self.objective_ = fit.prior[0], fit.n_iter, fit.objective
        self.adversaries_ = answers.workers[fit.adversary]
