"""From a fit to the confidence that is shown and that stops."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, logit

from quality.estimators.calibration import (
    GRID,
    UNCALIBRATED_B,
    Calibration,
    Correctness,
    exponent_weights,
    features,
    gold_likelihood,
    label_share,
    tempered,
    thinned_gold,
)
from quality.estimators.em import ENOUGH_GOLD, Fit, Setup
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
    gold_evidence = held_out_evidence(setup, fit, kept)[gold.rows]
    at_gold = log_prior[gold.rows]
    gold_votes = answers.subset(kept).votes[gold.rows]
    gold_winner = np.argmax(gold_votes if by_votes else at_gold + gold_evidence, axis=1)
    likelihoods = np.array([gold_likelihood(at_gold + b * gold_evidence, gold.accepted) for b in GRID])
    weights = exponent_weights(likelihoods)
    model = Correctness.fit(
        gold.accepted[np.arange(len(gold)), gold_winner],
        *features(at_gold + gold_evidence, gold_votes, gold_winner), at_gold.shape[1],
    )  # fmt: skip
    everything = held_out_evidence(setup, fit)
    bayes = tempered(log_prior, everything, winner, weights)
    learned = model.predict(*features(log_prior + everything, answers.votes, winner))
    confidence = expit((logit(np.clip(bayes, 1e-12, 1 - 1e-12)) + logit(np.clip(learned, 1e-12, 1 - 1e-12))) / 2)
    return Calibration(float(np.exp(weights @ np.log(GRID))), len(gold), True), confidence
