"""From a fit to the confidence that is shown and that stops."""

from __future__ import annotations

from dataclasses import replace

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
from quality.estimators.em import ENOUGH_GOLD, Fit, Setup
from quality.estimators.encode import Answers, GoldRows
from quality.estimators.expectation import evidence
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
    """

    gold, answers, log_prior = setup.gold, setup.answers, np.log(fit.prior)[setup.group]
    if len(gold) < ENOUGH_GOLD:
        joint = log_prior + UNCALIBRATED_B * evidence(answers, np.log(fit.confusions))
        confidence = label_share(joint, winner)
        calibration = Calibration(UNCALIBRATED_B, len(gold), False)
    else:
        calibration, confidence = _by_gold(setup, fit, winner, seed, by_votes)
    confidence[gold.rows] = fit.posterior[gold.rows, winner[gold.rows]]
    return calibration, confidence


def _by_gold(setup: Setup, fit: Fit, winner: np.ndarray, seed: int, by_votes: bool) -> tuple[Calibration, np.ndarray]:
    gold, answers, log_prior = setup.gold, setup.answers, np.log(fit.prior)[setup.group]
    kept = thinned_gold(answers, gold, np.random.default_rng(seed))
    gold_joint = (log_prior + held_out_evidence(setup, fit, kept))[gold.rows]
    joint = log_prior + held_out_evidence(setup, fit)
    return by_gold(answers, gold, kept, log_prior, gold_joint, joint, winner, by_votes)


def by_gold(
    answers: Answers, gold: GoldRows, kept: np.ndarray, log_prior: np.ndarray, gold_joint: np.ndarray,
    joint: np.ndarray, winner: np.ndarray, by_votes: bool = False,
) -> tuple[Calibration, np.ndarray]:  # fmt: skip
    """Confidence (I,) in each delivered label, learned on gold.

    Parameters
    ----------
    kept : ndarray of bool, shape (N,)
        From `thinned_gold`.
    log_prior : ndarray, shape (I, K)
    gold_joint, joint : ndarray, shapes (n, K), (I, K)
        log P(class, answers) that leaves the item out of what it was learned from; of gold, by the `kept` answers.
    """
    at_gold, gold_votes = log_prior[gold.rows], answers.subset(kept).votes[gold.rows]
    gold_evidence = gold_joint - at_gold
    likelihoods = np.array([gold_likelihood(at_gold + b * gold_evidence, gold.accepted) for b in GRID])
    weights = exponent_weights(likelihoods)
    calibration = Calibration(float(np.exp(weights @ np.log(GRID))), len(gold), True)
    verdict = gold_votes if by_votes else gold_joint  # by votes: the model has been found wanting
    gold_winner = verdict.argmax(axis=1)
    right = gold.accepted[np.arange(len(gold)), gold_winner]
    speaks = 0 if by_votes else 1
    model = Correctness.fit(right, *features(gold_joint * speaks, gold_votes, gold_winner), gold_votes.shape[1])
    if by_votes:
        return calibration, model.predict(*features(joint * 0, answers.votes, winner))

    def stated(prior: np.ndarray, votes: np.ndarray, joint: np.ndarray, winner: np.ndarray) -> np.ndarray:
        learned = model.predict(*features(joint, votes, winner))
        return expit((_safe_logit(tempered(prior, joint - prior, winner, weights)) + _safe_logit(learned)) / 2)

    of_gold = stated(at_gold, gold_votes, gold_joint, gold_winner)
    ceiling = Ceiling.fit(of_gold, right)
    shared = ceiling.under(stated(log_prior, answers.votes, joint, winner))
    # Where gold does not speak against the model's own word, that counts too.
    alone = independence(likelihoods, gold_likelihood(gold_joint, gold.accepted))
    most = alone + (1 - alone) * float(ceiling.expected[-1])
    return replace(calibration, most=most), alone * label_share(joint, winner) + (1 - alone) * shared


def _safe_logit(probability: np.ndarray) -> np.ndarray:
    return logit(np.clip(probability, 1e-12, 1 - 1e-12))
