"""What keeps a fit from being delivered when it is worse than something simpler."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from quality.estimators.em import STRENGTH, Fit, Setup, run
from quality.estimators.encode import Answers, GoldRows
from quality.estimators.leave_out import held_out_evidence

#: Statuses under which the votes are delivered.
MAJORITY = frozenset({"degenerate", "fallback"})
#: Judgments beyond which one fold of the five settles the held-out mean.
MANY = 100_000


def is_collapsed(posterior: np.ndarray, shares: np.ndarray) -> bool:
    """Has a class that people vote for vanished from the labels?

    Parameters
    ----------
    posterior, shares : ndarray, shape (I, K)
        Of the model and of the votes.
    """
    top = shares >= shares.max(axis=1, keepdims=True) - 1e-9
    by_votes = (top / top.sum(axis=1, keepdims=True)).sum(axis=0)
    by_model = np.bincount(posterior.argmax(axis=1), minlength=posterior.shape[1])
    vanished = (by_model == 0) & (by_votes > 0.02 * len(posterior))
    return bool((vanished | (posterior.sum(axis=0) < 0.25 * by_votes)).any())


def loses_held_out(setup: Setup, seed: int, found: dict[str, Any]) -> bool:
    """Do the workers' own confusions predict held-out answers worse than the average worker's?

    Notes
    -----
    Five folds over judgments, ``p(y) = sum_k T_ik th_w[k, y]``, mean log-loss against ``th = M``. Own confusions
    are drawn to M four times as strongly as usual and have to lose by three standard errors: log-loss punishes
    noise that labels don't feel, and the plain comparison costs weather_cf .03 and twin A (r = 2) .05.
    """
    answers = setup.answers
    if not setup.own.any():
        return False
    fold = np.random.default_rng(seed).permutation(len(answers.item)) % 5
    n_folds = 1 if len(fold) > MANY else 5
    excess = np.concatenate([_excess_loss(setup, fold == held) for held in range(n_folds)])
    found["held_out_excess"] = float(excess.mean())
    return bool(excess.mean() > 3 * excess.std() / len(excess) ** 0.5)


def loses_on_gold(setup: Setup, fit: Fit, found: dict[str, Any]) -> bool:
    """Is the model worse than the votes on gold, by more than two standard errors?

    Each gold item is judged by evidence that leaves it out, as if it were not clamped.
    """
    if len(setup.gold) < 30:
        return False
    mask = np.isin(setup.answers.item, setup.gold.rows)
    joint = np.log(fit.prior)[setup.group] + held_out_evidence(setup, fit, mask)
    return trails_on_gold(setup.answers, setup.gold, joint[setup.gold.rows], found)


def trails_on_gold(answers: Answers, gold: GoldRows, joint: np.ndarray, found: dict[str, Any]) -> bool:
    """The same for a `joint` (n, K) of the gold items."""
    if len(gold) < 30:
        return False
    model = gold.accepted[np.arange(len(gold)), joint.argmax(axis=1)].astype(float)
    votes = answers.votes[gold.rows]
    top = votes >= votes.max(axis=1, keepdims=True) - 1e-9
    majority = (top & gold.accepted).sum(axis=1) / top.sum(axis=1)
    gain = model - majority
    found["gold_model"], found["gold_majority"] = float(model.mean()), float(majority.mean())
    return bool(gain.mean() < -2 * gain.std(ddof=1) / len(gold) ** 0.5)


def flips_too_much(answers: Answers, shares: np.ndarray, winner: np.ndarray, found: dict[str, Any]) -> bool:
    """Do more labels differ from the majority's than is normal at this redundancy?"""
    rows = np.arange(len(winner))
    flipped = float((shares[rows, winner] < shares.max(axis=1) - 1e-9).mean())
    found["flips"] = flipped
    return flipped > (0.35 if answers.weight.sum() / len(rows) < 2.5 else 0.25)


def _excess_loss(setup: Setup, held: np.ndarray) -> np.ndarray:
    """Log-loss of own over that of pooled confusions for each of the `held` judgments, weighted."""
    answers = setup.answers
    item, worker, label = answers.item[held], answers.worker[held], answers.label[held]
    chances = []
    for variant in (replace(setup, strength=4 * STRENGTH), setup.pooled()):
        fit = run(variant.on(answers.subset(~held)), max_rounds=10, must_settle=False)
        chances.append(np.einsum("nk,nk->n", fit.posterior[item], fit.confusions[worker, :, label]))
    return answers.weight[held] * np.log(chances[1] / chances[0])
