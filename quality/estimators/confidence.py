"""From a fit to the confidence that is shown and that stops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit, logit

from quality.estimators.calibration import (
    GRID,
    UNCALIBRATED_B,
    Calibration,
    Ceiling,
    Correctness,
    exponent_weights,
    features,
    gold_likelihood,
    independence,
    label_share,
    tempered,
    thinned_gold,
)
from quality.estimators.em import ENOUGH_GOLD, Fit, Setup, prepare
from quality.estimators.encode import Answers, GoldRows
from quality.estimators.expectation import default_pattern, evidence
from quality.estimators.leave_out import held_out_evidence


def calibrate(
    setup: Setup, fit: Fit, winner: np.ndarray, seed: int, by_votes: bool = False
) -> tuple[Calibration, np.ndarray]:
    """Probability that each delivered label is right, shape (I,).

    Parameters
    ----------
    winner : ndarray of int, shape (I,)
        Column of the delivered label.
    by_votes : bool
        Majority vote is delivered, so a gold item counts as right by its votes.

    Notes
    -----
    With 20 gold items: the mean, in logits, of `tempered` and `Correctness`. Without: softmax(log pi + .5 L).
    Answers of gold items are thinned at random to as many as ordinary items get. Gold labels are certain.
    Where an item has a verdict on each label (`setup.group`), gold counts by items, not by verdicts.
    """

    gold, answers, log_prior = setup.gold, setup.answers, np.log(fit.prior)[setup.group]
    n_gold = len(gold) // len(fit.prior)
    if n_gold < ENOUGH_GOLD:
        joint = log_prior + UNCALIBRATED_B * evidence(answers, np.log(fit.confusions))
        confidence = label_share(joint, winner)
        calibration = Calibration(UNCALIBRATED_B, n_gold, False)
    else:
        calibration, confidence = _by_gold(setup, fit, winner, seed, by_votes)
    confidence[gold.rows] = fit.posterior[gold.rows, winner[gold.rows]]
    return calibration, confidence


def _by_gold(setup: Setup, fit: Fit, winner: np.ndarray, seed: int, by_votes: bool) -> tuple[Calibration, np.ndarray]:
    gold, answers, log_prior = setup.gold, setup.answers, np.log(fit.prior)[setup.group]
    kept = thinned_gold(answers, gold, np.random.default_rng(seed))
    gold_joint = (log_prior + held_out_evidence(setup, fit, kept))[gold.rows]
    joint = log_prior + held_out_evidence(setup, fit)
    return by_gold(answers, gold, kept, log_prior, gold_joint, joint, winner, by_votes, len(fit.prior))


@dataclass(frozen=True)
class Sureness:
    """What gold teaches about confidence, to be applied to any item of the job, now or later.

    Attributes
    ----------
    weights : ndarray, shape (81,)
        Of each exponent of `calibration.GRID`.
    correctness : Correctness
    ceiling : Ceiling
    alone : float
        How far gold speaks for independent errors: so far the model's own word counts.
    by_votes : bool
        The model has been found wanting: only the votes speak.
    """

    weights: np.ndarray
    correctness: Correctness
    ceiling: Ceiling
    alone: float
    by_votes: bool = False

    def of(self, log_prior: np.ndarray, votes: np.ndarray, joint: np.ndarray, winner: np.ndarray) -> np.ndarray:
        """Probability that each delivered label is right, shape (I,).

        Parameters
        ----------
        log_prior, votes, joint : ndarray, shape (I, K)
            `joint`: log P(class, answers) but for a constant of the item, left out of what it was learned from.
        winner : ndarray of int, shape (I,)
        """
        if self.by_votes:
            return self.correctness.predict(*features(joint * 0, votes, winner))
        shared = self.ceiling.under(_stated(self.weights, self.correctness, log_prior, votes, joint, winner))
        # Where gold does not speak against the model's own word, that counts too.
        return self.alone * label_share(joint, winner) + (1 - self.alone) * shared

    @property
    def most(self) -> float:
        """The confidence that no label can go beyond."""
        return 1.0 if self.by_votes else self.alone + (1 - self.alone) * float(self.ceiling.expected[-1])

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers, for `from_json`."""
        return {
            "weights": self.weights.tolist(),
            "theta": self.correctness.theta.tolist(),
            "covariance": self.correctness.covariance.tolist(),
            "stated": self.ceiling.stated.tolist(),
            "expected": self.ceiling.expected.tolist(),
            "alone": self.alone,
            "by_votes": self.by_votes,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Sureness:
        """The same again."""
        taken = {
            name: np.array(stored[name], float) for name in ("weights", "theta", "covariance", "stated", "expected")
        }
        correctness = Correctness(taken["theta"], taken["covariance"])
        ceiling = Ceiling(taken["stated"], taken["expected"])
        return cls(taken["weights"], correctness, ceiling, float(stored["alone"]), bool(stored["by_votes"]))


def by_gold(
    answers: Answers, gold: GoldRows, kept: np.ndarray, log_prior: np.ndarray, gold_joint: np.ndarray,
    joint: np.ndarray, winner: np.ndarray, by_votes: bool = False, per_item: int = 1,
) -> tuple[Calibration, np.ndarray]:  # fmt: skip
    """Confidence (I,) in each delivered label, learned on gold.

    Parameters
    ----------
    kept : ndarray of bool, shape (N,)
        From `thinned_gold`.
    log_prior : ndarray, shape (I, K)
    gold_joint, joint : ndarray, shapes (n, K), (I, K)
        log P(class, answers) that leaves the item out of what it was learned from; of gold, by the `kept` answers.
    per_item : int
        Verdicts on each gold item: what a ceiling takes is items.
    """
    calibration, sureness = learn_sureness(answers, gold, kept, log_prior, gold_joint, by_votes, per_item)
    return calibration, sureness.of(log_prior, answers.votes, joint, winner)


def learn_sureness(
    answers: Answers, gold: GoldRows, kept: np.ndarray, log_prior: np.ndarray, gold_joint: np.ndarray,
    by_votes: bool = False, per_item: int = 1,
) -> tuple[Calibration, Sureness]:  # fmt: skip
    """What gold items teach; the arguments are those of `by_gold`."""
    at_gold, gold_votes = log_prior[gold.rows], answers.subset(kept).votes[gold.rows]
    gold_evidence = gold_joint - at_gold
    likelihoods = np.array([gold_likelihood(at_gold + b * gold_evidence, gold.accepted) for b in GRID])
    weights = exponent_weights(likelihoods)
    verdict = gold_votes if by_votes else gold_joint
    gold_winner = verdict.argmax(axis=1)
    right = gold.accepted[np.arange(len(gold)), gold_winner]
    speaks = 0 if by_votes else 1
    model = Correctness.fit(right, *features(gold_joint * speaks, gold_votes, gold_winner), gold_votes.shape[1])
    of_gold = _stated(weights, model, at_gold, gold_votes, gold_joint, gold_winner)
    times = 1 / per_item
    alone = independence(times * likelihoods, times * gold_likelihood(gold_joint, gold.accepted))
    sureness = Sureness(weights, model, Ceiling.fit(of_gold, right, times), alone, by_votes)
    stated = sureness.of(at_gold, gold_votes, gold_joint, gold_winner)
    b = float(np.exp(weights @ np.log(GRID)))
    return Calibration(b, len(gold) // per_item, True, sureness.most, stated, right, per_item), sureness


def live_sureness(
    answers: Answers, gold: GoldRows, posterior: np.ndarray, counts: np.ndarray, pooled: np.ndarray,
    prior: np.ndarray, seed: int = 0,
) -> Sureness | None:  # fmt: skip
    """Sureness of `live.update_item`, from gold; None where there is too little.

    What is delivered weighs several models; between fits there is one, which goes on from the delivered `posterior`
    (I, K), `counts` (W, K, K), `pooled` (K, K) and `prior` (K,), and gold says how far its word is good.
    """
    if len(gold) < ENOUGH_GOLD:
        return None
    setup = prepare(answers, gold, default_pattern(len(prior)), None)
    fit = Fit(posterior, prior[None], counts, counts, pooled, np.zeros(len(counts), bool), 0, [], 0.0)
    kept = thinned_gold(answers, gold, np.random.default_rng(seed))
    log_prior = np.broadcast_to(np.log(prior), posterior.shape)
    gold_joint = (log_prior + held_out_evidence(setup, fit, kept))[gold.rows]
    return learn_sureness(answers, gold, kept, log_prior, gold_joint)[1]


def _stated(
    weights: np.ndarray, correctness: Correctness, log_prior: np.ndarray, votes: np.ndarray, joint: np.ndarray,
    winner: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """The mean, in logits, of `tempered` and `Correctness`, before any ceiling."""
    learned = correctness.predict(*features(joint, votes, winner))
    believed = tempered(log_prior, joint - log_prior, winner, weights)
    return expit((_safe_logit(believed) + _safe_logit(learned)) / 2)


def _safe_logit(probability: np.ndarray) -> np.ndarray:
    return logit(np.clip(probability, 1e-12, 1 - 1e-12))
