"""One-coin Dawid-Skene: one accuracy a worker, for many classes or few answers."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from quality.estimators.calibration import Calibration
from quality.estimators.em import MAX_ROUNDS, TOLERANCE
from quality.estimators.encode import Gold, Ids, encode, encode_gold
from quality.estimators.expectation import normalise_in_place, smoothed_confusions, soft_counts
from quality.estimators.majority import clamped_shares, most_likely


class OneCoin:
    """Labels from workers who are right with one probability each and err evenly.

    Loses where errors depend on the class; `SubtypeDawidSkene` hears it as one opinion of four.

    Attributes
    ----------
    items_, workers_, classes_, posteriors_, labels_, confidence_, confusions_, prior_, n_iter_, objective_, status_
        As of `HierarchicalDawidSkene`; `confidence_` is the posterior, not calibrated.
    accuracies_ : ndarray, shape (W,)

    Notes
    -----
    ``s_w = (sum_n T_{i(n), y_n} + 4) / (n_w + 5)``, ``th_w[k, k] = s_w``, the rest of a row even.

    References
    ----------
    Y. Zhang et al. (2016). Spectral methods meet EM: a provably optimal algorithm for crowdsourcing. JMLR 17.

    Examples
    --------
    >>> OneCoin().fit([1, 1, 1, 2, 2, 2], list("abcabc"), ["x", "x", "y", "y", "y", "x"]).labels_.tolist()
    ['x', 'y']
    """

    def __init__(self, seed: int = 0, gold_sample: str | None = None) -> None:
        self.seed, self.gold_sample = seed, gold_sample

    def fit(
        self, items: Ids, workers: Ids, labels: Ids, gold: Gold | None = None, weights: Ids | None = None,
        classes: Any = None,
    ) -> Self:  # fmt: skip
        """Estimate. See `HierarchicalDawidSkene.fit` for the arguments and errors."""
        answers = encode(items, workers, labels, weights, classes)
        known = encode_gold(gold, answers)
        n_items, n_workers, n_classes = answers.shape
        posterior = clamped_shares(answers, known, 0.5)
        answered = np.bincount(answers.worker, answers.weight)
        key = answers.item.astype(np.int64) * n_classes + answers.label
        self.objective_, self.status_ = [], "numeric"
        for self.n_iter_ in range(1, MAX_ROUNDS + 1):  # noqa: B020 - the attribute is the counter
            agreed = np.bincount(answers.worker, answers.weight * posterior[answers.item, answers.label])
            right = (agreed + 4) / (answered + 5)
            wrong = (1 - right) / max(n_classes - 1, 1)
            odds = (np.log(right / wrong) if n_classes > 1 else np.zeros(n_workers))[answers.worker] * answers.weight
            joint = np.bincount(key, odds, n_items * n_classes).reshape(n_items, n_classes)
            posterior, likelihood = normalise_in_place(joint)
            missed = np.log(wrong)[answers.worker] if n_classes > 1 else np.zeros(len(key))
            self.objective_.append(float(likelihood.sum() + answers.weight @ missed))
            posterior[known.rows] = known.truth
            if self.n_iter_ > 1 and abs(self.objective_[-1] - self.objective_[-2]) < TOLERANCE * answered.sum():
                self.status_ = "ok"
                break
        self.items_, self.workers_, self.classes_ = answers.items, answers.workers, answers.classes
        self.accuracies_, self.posteriors_, self.prior_ = right, posterior, posterior.mean(axis=0)
        winner = most_likely(posterior, self.prior_)
        self.labels_ = answers.classes[winner]
        self.confidence_ = posterior[np.arange(n_items), winner]
        self.confusions_ = smoothed_confusions(soft_counts(answers, posterior))
        self.calibration_ = Calibration(b=1.0, n_gold=len(known), calibrated=False)
        return self
