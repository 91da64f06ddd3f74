"""Subtype Dawid-Skene, what the product delivers: kinds of items, able workers, and votes that may object."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Self

import numpy as np
from scipy.special import logsumexp

from quality.estimators import guards
from quality.estimators.calibration import UNCALIBRATED_B, Calibration, label_share
from quality.estimators.collusion import find_rings, shared_weights
from quality.estimators.confidence import by_gold
from quality.estimators.em import Setup, prepare
from quality.estimators.encode import Gold, Ids, encode, encode_gold
from quality.estimators.expectation import normalise_in_place, pooled_confusion, soft_counts
from quality.estimators.hierarchical import HierarchicalDawidSkene
from quality.estimators.majority import clamped_shares, most_likely
from quality.estimators.opinions import Opinion, consider


class SubtypeDawidSkene(HierarchicalDawidSkene):
    """Labels from several opinions: the default for categorical answers.

    Items of a class come in kinds (a grebe is not any "no duck"): every kind has a confusion of its own. Workers are
    drawn to the average worker *of their ability*. What this model says is weighed against a model without kinds
    and against the votes: by fixed weights without gold, by weights that gold teaches with 20 or more gold items.

    Attributes
    ----------
    n_kinds_ : int
        Kinds of items a class that the answers speak for, 1 to 4.
    opinions_ : dict
        Weight of each opinion ("votes", "weighted", "plain", "subtypes"); empty without enough gold.
    clusters_ : list of tuple
        Workers who answer from one key: they share one vote. A person looks before anybody is paused.
    abilities_ : ndarray, shape (W,)
        In logits above (below) the average worker.

    Notes
    -----
    All else as in `HierarchicalDawidSkene`; see `subtype_em` and `opinions` for the formulas. `confusions_` are the
    rows by class, without kinds.

    Examples
    --------
    >>> items = np.repeat(np.arange(40), 3)
    >>> workers = np.tile([0, 1, 2], 40)
    >>> labels = np.where(workers == 2, 0, items % 2)
    >>> model = SubtypeDawidSkene(seed=0).fit(items, workers, labels)
    >>> (model.labels_ == model.items_ % 2).all(), model.n_kinds_
    (np.True_, 1)
    """

    def fit(
        self, items: Ids, workers: Ids, labels: Ids, gold: Gold | None = None, weights: Ids | None = None,
        classes: Any = None,
    ) -> Self:  # fmt: skip
        """Estimate. See `HierarchicalDawidSkene.fit` for the arguments and errors."""
        answers = encode(items, workers, labels, weights, classes)
        known = encode_gold(gold, answers)
        setup = prepare(answers, known, self._pattern(len(answers.classes)), self.gold_sample)
        rings = find_rings(setup)
        self.clusters_ = [tuple(answers.workers[ring.members].tolist()) for ring in rings]
        if rings:
            answers = replace(answers, weight=answers.weight * shared_weights(answers, [r.members for r in rings]))
            setup = prepare(answers, known, self._pattern(len(answers.classes)), self.gold_sample)
        setup, opinion, posterior, status = self._considered(setup)
        winner = most_likely(posterior, opinion.best.parameters.prior)
        self._deliver(setup, opinion, posterior, winner)
        self.calibration_, self.confidence_ = self._calibrated(setup, opinion, posterior, winner, status)
        shares = clamped_shares(answers, known)
        if status == "ok" and guards.flips_too_much(answers, shares, winner, self.guards_):
            status = "flips"
        if status == "ok" and len(self.adversaries_):
            status = "adversary"
        self.status_ = status
        return self

    def _considered(self, setup: Setup) -> tuple[Setup, Opinion, np.ndarray, str]:
        """The setup that the guards leave, what it gives, the posterior (I, K) to deliver, and the status."""
        shares, status = clamped_shares(setup.answers, setup.gold), "ok"
        self.guards_: dict[str, Any] = {}
        if guards.loses_held_out(setup, self.seed, self.guards_):
            setup, status = setup.pooled(), "held-out"
        opinion = consider(setup, self.seed)
        posterior = _clamped(setup, opinion)
        if guards.is_collapsed(posterior, shares):
            setup, status = setup.more_cautious(), "collapse"
            opinion = consider(setup, self.seed)
            posterior = _clamped(setup, opinion)
            if guards.is_collapsed(posterior, shares):
                return setup, opinion, shares, "degenerate"
        if opinion.gold_joint is not None and guards.trails_on_gold(
            setup.answers, setup.gold, opinion.gold_joint, self.guards_
        ):
            return setup, opinion, shares, "fallback"
        return setup, opinion, posterior, status

    def _calibrated(
        self, setup: Setup, opinion: Opinion, posterior: np.ndarray, winner: np.ndarray, status: str
    ) -> tuple[Calibration, np.ndarray]:
        answers, gold, rows = setup.answers, setup.gold, np.arange(len(winner))
        log_prior = np.log(opinion.best.parameters.prior)
        if opinion.kept is None or opinion.gold_joint is None or opinion.held_out is None:
            calibration = Calibration(UNCALIBRATED_B, len(gold), False)
            evidence = _normalised(opinion.joint) - log_prior
            confidence = label_share(log_prior + UNCALIBRATED_B * evidence, winner)
        else:
            calibration, confidence = by_gold(
                answers, gold, opinion.kept, np.broadcast_to(log_prior, posterior.shape), opinion.gold_joint,
                opinion.held_out, winner,
                by_votes=status in guards.MAJORITY,
            )  # fmt: skip
        confidence[gold.rows] = posterior[rows, winner][gold.rows]
        return calibration, confidence

    def _deliver(self, setup: Setup, opinion: Opinion, posterior: np.ndarray, winner: np.ndarray) -> None:
        answers, found = setup.answers, opinion.best.parameters
        self.items_, self.workers_, self.classes_ = answers.items, answers.workers, answers.classes
        self.posteriors_, self.labels_ = posterior, answers.classes[winner]
        self.counts_ = soft_counts(answers, posterior)
        self.pooled_ = pooled_confusion(self.counts_.sum(axis=0), setup.pattern)
        self.confusions_, self.abilities_, self.prior_ = found.confusions, found.ability, found.prior
        self.adversaries_ = answers.workers[found.adversary]
        self.n_kinds_, self.opinions_ = opinion.best.n_kinds, opinion.weights
        self.n_iter_, self.objective_ = opinion.best.n_iter, opinion.best.objective


def _clamped(setup: Setup, opinion: Opinion) -> np.ndarray:
    posterior, _ = normalise_in_place(opinion.joint.copy())
    posterior[setup.gold.rows] = setup.gold.truth
    return posterior


def _normalised(joint: np.ndarray) -> np.ndarray:
    return joint - logsumexp(joint, axis=1, keepdims=True)
