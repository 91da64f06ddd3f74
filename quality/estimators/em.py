"""The rounds of hierarchical Dawid-Skene."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.special import ndtri

from quality.estimators.encode import Answers, GoldRows
from quality.estimators.expectation import (
    evidence,
    normalise_in_place,
    pooled_confusion,
    row_normalise,
    shrunk_confusions,
    soft_counts,
)
from quality.estimators.intervals import wilson_interval
from quality.estimators.majority import clamped_shares, vote_shares

#: Pseudo-answers that draw a worker's row towards the pool's.
STRENGTH = 5.0
#: Pseudo-items that hold the class prior at the vote shares: a constant, so that large jobs learn theirs.
ANCHOR = 120.0
#: Random gold needed before it, rather than the votes, says how common the classes are; and before b is fitted.
ENOUGH_GOLD = 20
#: Rounds after which a fit that still moves is a failure.
MAX_ROUNDS = 300
#: Change of the log-likelihood for each judgment that counts as settled.
TOLERANCE = 1e-5


class NumericError(ArithmeticError):
    """The estimate is not finite or did not settle."""


@dataclass(frozen=True)
class Setup:
    """What stays fixed while a model is fitted.

    Attributes
    ----------
    pattern : ndarray, shape (K, K)
        A: pseudo-counts, times 5, of the pooled confusion.
    group : ndarray of int, shape (I,)
        Items of a group share class shares: one group, but for multilabel answers, where each label has its own.
    anchor : ndarray, shape (G, K)
        p0 of each group, with the weight of `anchor_weight` items.
    counts_for_prior : ndarray of bool, shape (I,)
        Items that teach class shares: class-balanced gold does not.
    own : ndarray of bool, shape (W,)
        Workers with a confusion of their own; the others are taken for the average worker.
    inverted : ndarray of bool, shape (W,)
        Workers whose gold answers confirm that they mean the opposite.
    """

    answers: Answers
    gold: GoldRows
    pattern: np.ndarray
    group: np.ndarray
    anchor: np.ndarray
    anchor_weight: float
    counts_for_prior: np.ndarray
    own: np.ndarray
    inverted: np.ndarray
    guard: bool = True
    strength: float = STRENGTH

    def on(self, answers: Answers) -> Setup:
        """The same for some of the judgments."""
        return replace(self, answers=answers)

    def pooled(self) -> Setup:
        """The same with every worker taken for the average worker."""
        return replace(self, own=np.zeros_like(self.own))

    def more_cautious(self) -> Setup:
        """After a collapse: ten times the anchor and no worker matrices."""
        return replace(self.pooled(), anchor_weight=10 * self.anchor_weight)


@dataclass(frozen=True)
class Fit:
    """What a run found.

    Attributes
    ----------
    posterior : ndarray, shape (I, K)
    prior : ndarray, shape (G, K)
    counts : ndarray, shape (W, K, K)
        Soft counts of `posterior`.
    confusions : ndarray, shape (W, K, K)
    pooled : ndarray, shape (K, K)
    adversary : ndarray of bool, shape (W,)
    n_iter : int
    objective : list of float
    likelihood : float
        Observed log-likelihood of the last round.
    """

    posterior: np.ndarray
    prior: np.ndarray
    counts: np.ndarray
    confusions: np.ndarray
    pooled: np.ndarray
    adversary: np.ndarray
    n_iter: int
    objective: list[float]
    likelihood: float


def prepare(
    answers: Answers, gold: GoldRows, pattern: np.ndarray, gold_sample: str | None, group: np.ndarray | None = None
) -> Setup:
    """Settle what stays fixed: the anchor of the prior, and who gets a confusion of their own."""
    n_items, _, n_classes = answers.shape
    group = np.zeros(n_items, np.intp) if group is None else group
    size = np.bincount(group)[:, None]
    use = np.ones(n_items, bool)
    anchor, weight = _grouped(vote_shares(answers, 0.5), group) / size, ANCHOR
    if gold_sample != "random":
        use[gold.rows] = False
    elif len(gold) >= ENOUGH_GOLD * len(size):
        known = np.zeros((n_items, n_classes))
        known[gold.rows] = gold.truth
        known = _grouped(known, group) + 1
        anchor, weight = known / known.sum(axis=1, keepdims=True), 0.3 * n_items / len(size)
    own, inverted = _well_connected(answers), _confirmed(answers, gold)
    return Setup(answers, gold, pattern, group, anchor, weight, use, own, inverted)


def run(
    setup: Setup, start: np.ndarray | None = None, pooled: np.ndarray | None = None, max_rounds: int = MAX_ROUNDS,
    must_settle: bool = True,
) -> Fit:  # fmt: skip
    """Rounds until the likelihood settles.

    Parameters
    ----------
    start : ndarray, shape (I, K), optional
        Initial posterior; default smoothed vote shares.
    pooled : ndarray, shape (K, K), optional
        Holds M fixed, so that the objective can be watched: updating M is empirical Bayes, not ascent.

    Raises
    ------
    NumericError
    """
    answers, gold = setup.answers, setup.gold
    posterior = clamped_shares(answers, gold, 0.5) if start is None else start
    frozen, previous = pooled, -np.inf
    sticky: np.ndarray | bool = False
    objective: list[float] = []
    enough = TOLERANCE * answers.weight.sum()
    for n_iter in range(1, max_rounds + 1):
        prior, _, confusions, pooled, adversary = parameters(setup, posterior, frozen, sticky)
        joint = evidence(answers, np.log(confusions))
        joint += np.log(prior) if len(prior) == 1 else np.log(prior)[setup.group]
        of_gold = _clamped_likelihood(setup, prior, joint)
        posterior, likelihood = normalise_in_place(joint)
        posterior[gold.rows], likelihood[gold.rows] = gold.truth, of_gold
        total = float(likelihood.sum())
        objective.append(total + _penalty(setup, prior, confusions, pooled))
        if abs(total - previous) < enough:
            break
        previous = total
        if n_iter >= 30:  # from here nobody is cleared, else somebody on the edge could go in and out for ever
            sticky = adversary
    else:
        if must_settle:
            raise NumericError(f"The estimate has not settled after {max_rounds} rounds.")
    prior, counts, confusions, pooled, adversary = parameters(setup, posterior, frozen, sticky)
    _check(posterior, confusions)
    return Fit(posterior, prior, counts, confusions, pooled, adversary, n_iter, objective, total)


def parameters(
    setup: Setup, posterior: np.ndarray, pooled: np.ndarray | None = None, sticky: np.ndarray | bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Prior (G, K), soft counts and confusions (W, K, K), pooled confusion (K, K) and adversaries (W,)."""
    counts = soft_counts(setup.answers, posterior)
    if pooled is None:
        pooled = pooled_confusion(counts.sum(axis=0), setup.pattern)
    confusions = shrunk_confusions(counts * setup.own[:, None, None], pooled, setup.strength)
    adversary = np.zeros(len(confusions), bool)
    if setup.guard:
        adversary = (is_adversary(counts, confusions, len(counts)) & ~setup.inverted & setup.own) | sticky
        confusions[adversary] = confusions[adversary].mean(axis=1, keepdims=True)
    seen = posterior if setup.counts_for_prior.all() else posterior * setup.counts_for_prior[:, None]
    prior = row_normalise(_grouped(seen, setup.group) + setup.anchor_weight * setup.anchor)
    return prior, counts, confusions, pooled, adversary


def is_adversary(counts: np.ndarray, confusions: np.ndarray, n_workers: int) -> np.ndarray:
    """Who is right less often than chance on average over the classes, and not by chance; shape (...,).

    The mean of the diagonal, not one cell of it: a worker with a bias is informative.

    Parameters
    ----------
    counts, confusions : ndarray, shape (..., K, K)
        Soft counts, and the shrunken rows they give.
    n_workers : int
        Workers who are looked at, so that in all of them together one is called so by chance 1 time in 1000.

    Notes
    -----
    ``mean_k th[k, k] < 1/K`` and a score test of ``mean_k C[k, k] / n_k = 1/K`` at level .001 / W. The first rule
    alone takes the answers of slightly unlucky people away: 4 of 39 workers on bluebirds.
    """
    n_classes = confusions.shape[-1]
    if n_classes == 1:
        return np.zeros(counts.shape[:-2], bool)
    chance = 1 / n_classes
    seen = counts.sum(axis=-1) + 1
    rate = (np.diagonal(counts, axis1=-2, axis2=-1) + chance) / seen
    spread = np.sqrt((chance * (1 - chance) / seen).sum(axis=-1)) / n_classes
    doubt = (chance - rate.mean(axis=-1)) / spread
    below = np.trace(confusions, axis1=-2, axis2=-1) < 1 - 1e-12
    return below & (doubt > ndtri(1 - 0.001 / n_workers))


def _grouped(table: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Sums of the rows of each group, shape (G, K)."""
    n_groups = int(group.max()) + 1
    if n_groups == 1:
        return np.array([[column.sum() for column in table.T]])  # numpy sums a narrow table's rows one by one
    return np.stack([np.bincount(group, column, n_groups) for column in table.T], axis=1)


def _clamped_likelihood(setup: Setup, prior: np.ndarray, joint: np.ndarray) -> np.ndarray:
    """Log-likelihood of the gold rows given what is known, shape (n,); without the class where that teaches nothing."""
    rows = setup.gold.rows
    known = joint[rows] - np.where(setup.counts_for_prior[rows, None], 0.0, np.log(prior)[setup.group[rows]])
    return np.where(setup.gold.accepted, setup.gold.truth * known, 0.0).sum(axis=1)


def _penalty(setup: Setup, prior: np.ndarray, confusions: np.ndarray, pooled: np.ndarray) -> float:
    own = confusions[setup.own]
    return float(
        setup.strength * (pooled * np.log(own)).sum()
        + setup.anchor_weight * (setup.anchor * np.log(prior)).sum()
        + 5 * (setup.pattern * np.log(pooled)).sum()
    )


def _well_connected(answers: Answers) -> np.ndarray:
    """Workers in a part of the worker-item graph with at least 3 workers and 20 items, shape (W,), bool."""
    return in_large_parts(*connected_parts(answers))


def connected_parts(answers: Answers) -> tuple[np.ndarray, np.ndarray]:
    """The connected part of the worker-item graph that each worker is in (W,), and how many items each part has."""
    n_items, n_workers, _ = answers.shape
    edges = coo_array(
        (np.ones(len(answers.item), np.int8), (answers.worker, answers.item + np.int32(n_workers))),
        shape=(n_workers + n_items, n_workers + n_items),
    )
    n_parts, part = connected_components(edges, directed=False)
    return part[:n_workers], np.bincount(part[n_workers:], minlength=n_parts)


def in_large_parts(part: np.ndarray, n_items: np.ndarray) -> np.ndarray:
    """Workers whose part has 3 workers and 20 items, shape (W,), bool."""
    return ((np.bincount(part, minlength=len(n_items)) >= 3) & (n_items >= 20))[part]


def _confirmed(answers: Answers, gold: GoldRows) -> np.ndarray:
    """Workers whose 20 or more gold answers show them below chance, upper bound included, shape (W,), bool."""
    n_items, n_workers, n_classes = answers.shape
    position = np.full(n_items, -1)
    position[gold.rows] = np.arange(len(gold))
    on_gold = position[answers.item] >= 0
    worker = answers.worker[on_gold]
    right = gold.accepted[position[answers.item[on_gold]], answers.label[on_gold]]
    asked = np.bincount(worker, minlength=n_workers)
    _, upper = wilson_interval(np.bincount(worker, right, n_workers), np.maximum(asked, 1))
    return (asked >= ENOUGH_GOLD) & (upper < 1 / n_classes)


def _check(posterior: np.ndarray, confusions: np.ndarray) -> None:
    for name, table in (("posterior", posterior), ("confusion", confusions)):
        if not np.isfinite(table).all():
            raise NumericError(f"A {name} is not finite.")
        if abs(table.sum(axis=-1) - 1).max() > 1e-9:
            raise NumericError(f"A {name} does not sum to one.")
