"""Opinions about each item, and the one they add up to: without gold by fixed weights, with gold by learned ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from quality.estimators.calibration import UNCALIBRATED_B, gold_likelihood, thinned_gold
from quality.estimators.em import ENOUGH_GOLD, Setup
from quality.estimators.encode import Answers
from quality.estimators.expectation import normalise_in_place
from quality.estimators.leave_out import held_out_joint
from quality.estimators.majority import clamped_shares
from quality.estimators.subtype_em import SubtypeFit, choose_kinds, log_joint, taught_by

#: Who speaks: the votes, votes weighed by each worker's accuracy, one kind of items a class, several kinds.
MEMBERS = ("votes", "weighted", "plain", "subtypes")
#: Prior of a member's weight: normal with this mean and standard deviation, within 0 and 2.
MEAN, SPREAD, MOST = 0.2, 0.3, 2.0
#: Rounds of the one-coin model.
ROUNDS = 20


@dataclass(frozen=True)
class Opinion:
    """What all members say together.

    Attributes
    ----------
    joint : ndarray, shape (I, K)
        log P(class | answers) but for a constant of the item, at b = 1.
    plain, best : SubtypeFit
        With one kind of items a class, and with as many as the answers speak for.
    weights : dict
        Weight of each member as learned from gold; empty where there is too little.
    kept : ndarray of bool, shape (N,), optional
        Judgments on gold that speak in `gold_joint`.
    gold_joint : ndarray, shape (n, K), optional
        `held_out` of the gold items by those.
    held_out : ndarray, shape (I, K), optional
        `joint` that leaves each item out of what was learned from it.
    """

    joint: np.ndarray
    plain: SubtypeFit
    best: SubtypeFit
    weights: dict[str, float] = field(default_factory=dict)
    kept: np.ndarray | None = None
    gold_joint: np.ndarray | None = None
    held_out: np.ndarray | None = None


def consider(setup: Setup, seed: int) -> Opinion:
    """Fit the models and weigh what they say: by gold, given 20 or more gold items.

    Raises
    ------
    NumericError
    """
    plain, best = choose_kinds(setup)
    if len(setup.gold) < ENOUGH_GOLD:
        return Opinion(by_rule(setup, plain, best), plain, best)
    kept = thinned_gold(setup.answers, setup.gold, np.random.default_rng(seed))
    return _by_gold(setup, plain, best, kept)


def by_rule(setup: Setup, plain: SubtypeFit, best: SubtypeFit) -> np.ndarray:
    """log P(class | answers) but for a constant of the item, shape (I, K).

    Notes
    -----
    ``2 log(sqrt(p_1) + sqrt(p_G)) + log v``: each item's mean of the two models' joint probabilities, tempered by the
    b = .5 that uncalibrated confidence has, times the smoothed vote share. A model that explains an item's answers
    better speaks louder about it; the votes temper models that are too sure of whom to believe. Items with one
    answer keep their vote.
    """
    models = log_joint(setup, plain)
    if best is not plain:
        models = _mean_of([models, log_joint(setup, best)], [plain, best])
    models[~taught_by(setup)] = 0.0
    return models + _log_shares(setup.answers)


def _by_gold(setup: Setup, plain: SubtypeFit, best: SubtypeFit, kept: np.ndarray) -> Opinion:
    """The same by weights that gold teaches.

    Notes
    -----
    ``log P = sum_m b_m log P_m`` over `MEMBERS`, each leaving the item out of what it learned from, so that gold,
    clamped in the fits, and other items are exchangeable. b maximises the gold log-likelihood with prior
    N(.2, .3^2) on [0, 2]. The result is divided by the largest weight (of votes, weighted votes, models), so that this
    member counts in full, as the models do without gold; how sure that may be is for `calibration` to say.

    References
    ----------
    T. Heskes (1998). Selecting weighting factors in logarithmic opinion pools. NIPS.
    """
    gold = setup.gold
    accuracy = _one_coin(setup)
    at_gold = _members(setup, plain, best, accuracy, held_out_joint, kept)[:, gold.rows]
    weights = _weights(at_gold, gold.accepted)
    scaled = weights / max(weights[0], weights[1], weights[2:].sum(), 1e-6)
    joint, held_out = (
        np.tensordot(scaled, _members(setup, plain, best, accuracy, of), 1) for of in (log_joint, held_out_joint)
    )
    named = dict(zip(MEMBERS, weights.tolist(), strict=True))
    return Opinion(joint, plain, best, named, kept, np.tensordot(scaled, at_gold, 1), held_out)


def _members(
    setup: Setup, plain: SubtypeFit, best: SubtypeFit, accuracy: _Accuracy, joint_of: Callable[..., np.ndarray],
    keep: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Each member's log P(class | answers kept), shape (M, I, K); `joint_of` a fit with the item in or left out."""
    answers = setup.answers if keep is None else setup.answers.subset(keep)
    more = () if keep is None else (keep,)
    one = _normalised(joint_of(setup, plain, *more))
    several = one if best is plain else _normalised(joint_of(setup, best, *more))
    weighted = _normalised(_weighted_votes(setup.answers, accuracy, joint_of is held_out_joint, keep))
    return np.stack([_log_shares(answers), weighted, one, several])


def _weights(opinions: np.ndarray, accepted: np.ndarray) -> np.ndarray:
    """Weights (M,) of the `opinions` (M, n, K) about gold items whose `accepted` classes (n, K) are known."""

    def loss(b: np.ndarray) -> tuple[float, np.ndarray]:
        joint = np.tensordot(b, opinions, 1)
        believed = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        right = believed * accepted
        right /= np.maximum(right.sum(axis=1, keepdims=True), 1e-300)
        gradient = ((right - believed) * opinions).sum(axis=(1, 2))
        off = (b - MEAN) / SPREAD
        return float(0.5 * off @ off) - gold_likelihood(joint, accepted), off / SPREAD - gradient

    start = np.full(len(opinions), MEAN)
    return minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, MOST)] * len(start)).x


@dataclass(frozen=True)
class _Accuracy:
    """The one-coin model: P(class) (I, K), and how much each worker has answered, and that rightly (W,)."""

    posterior: np.ndarray
    answered: np.ndarray
    right: np.ndarray


def _one_coin(setup: Setup) -> _Accuracy:
    """Rounds of ``s_w = (right_w + 4) / (n_w + 5)`` and votes weighed by ``log((K - 1) s_w / (1 - s_w))``."""
    answers, gold = setup.answers, setup.gold
    posterior = clamped_shares(answers, gold, 0.5)
    answered = np.bincount(answers.worker, answers.weight, len(answers.workers))
    for _ in range(ROUNDS):
        of_said = answers.weight * posterior[answers.item, answers.label]
        right = np.bincount(answers.worker, of_said, len(answered))
        odds = _log_odds((right + 4) / (answered + 5), answers)
        updated, _ = normalise_in_place(_tally(answers, odds[answers.worker] * answers.weight))
        updated[gold.rows] = gold.truth
        moved, posterior = np.abs(updated - posterior).max(), updated
        if moved < 1e-4:
            break
    return _Accuracy(posterior, answered, right)


def _weighted_votes(answers: Answers, found: _Accuracy, elsewhere: bool, keep: np.ndarray | None = None) -> np.ndarray:
    """Votes weighed by each worker's accuracy, shape (I, K); `elsewhere` leaves out what the item taught of it."""
    worker, weight = answers.worker, answers.weight
    own = weight * found.posterior[answers.item, answers.label] if elsewhere else 0.0
    answered = found.answered[worker] - (weight if elsewhere else 0.0)
    odds = _log_odds((found.right[worker] - own + 4) / (answered + 5), answers)
    return _tally(answers, odds * weight if keep is None else odds * weight * keep)


def _log_odds(right: np.ndarray, answers: Answers) -> np.ndarray:
    right = np.clip(right, 1e-6, 1 - 1e-6)
    return np.log(right / (1 - right) * max(len(answers.classes) - 1, 1))


def _tally(answers: Answers, score: np.ndarray) -> np.ndarray:
    n_items, _, n_classes = answers.shape
    key = answers.item.astype(np.int64) * n_classes + answers.label
    return np.bincount(key, score, n_items * n_classes).reshape(n_items, n_classes)


def _mean_of(joints: Sequence[np.ndarray], fits: Sequence[SubtypeFit]) -> np.ndarray:
    """Tempered mean of the models for each item, each charged the item's part of what its size costs."""
    n_items = len(joints[0])
    charged = np.stack([joint - fit.penalty / n_items for joint, fit in zip(joints, fits, strict=True)])
    return logsumexp(UNCALIBRATED_B * charged, axis=0) / UNCALIBRATED_B


def _log_shares(answers: Answers) -> np.ndarray:
    votes = answers.votes + 0.5 / len(answers.classes)
    return np.log(votes / votes.sum(axis=1, keepdims=True))


def _normalised(joint: np.ndarray) -> np.ndarray:
    return joint - logsumexp(joint, axis=1, keepdims=True)
