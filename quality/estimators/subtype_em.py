"""The rounds of subtype Dawid-Skene: classes whose items come in kinds of their own, workers with an ability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit, logit, logsumexp

from quality.estimators.em import MAX_ROUNDS, TOLERANCE, NumericError, Setup, is_adversary
from quality.estimators.expectation import normalise_in_place, pooled_confusion, row_normalise
from quality.estimators.majority import clamped_shares, vote_shares

#: Kinds of items within a class that are tried at most.
MOST_SUBTYPES = 4
#: Standard deviation of workers' abilities, in logits.
ABILITY_SPREAD = 0.5
#: Judgments beyond which the number of kinds is chosen on every so-manieth item.
MANY = 100_000
#: From here nobody is cleared of being an adversary, else somebody on the edge could go in and out for ever.
STICKY_FROM = 30


@dataclass(frozen=True)
class Parameters:
    """What an M-step gives; z = (k, g) is a class and a kind of items within it.

    Attributes
    ----------
    prior, share : ndarray, shapes (K,), (K, G)
        P(k) and P(g | k).
    counts, confusions : ndarray, shape (W, K, K)
        [w, truth, said].
    average : ndarray, shape (W, K, K)
        M_w: the average worker, moved to this worker's ability; what a worker's rows are drawn to.
    pooled : ndarray, shape (K, K)
    lift : ndarray, shape (K, G, K)
        M[z, l] / M[k, l]: how a kind changes what is said.
    by_kind : ndarray, shape (W, K, K * G)
        th_w[said, z].
    ability : ndarray, shape (W,)
        In logits; 0 is the average.
    adversary : ndarray of bool, shape (W,)
    """

    prior: np.ndarray
    share: np.ndarray
    counts: np.ndarray
    confusions: np.ndarray
    average: np.ndarray
    pooled: np.ndarray
    lift: np.ndarray
    by_kind: np.ndarray
    ability: np.ndarray
    adversary: np.ndarray

    @property
    def log_shares(self) -> np.ndarray:
        """log P(z), shape (K * G,)."""
        return np.log(self.prior[:, None] * self.share).ravel()


@dataclass(frozen=True)
class SubtypeFit:
    """What a run found.

    Attributes
    ----------
    kinds : ndarray, shape (I, K, G)
        P(z | answers).
    n_iter : int
    objective : list of float
        Observed log-likelihood of each round.
    score : float
        The last of them, less what G costs: the G with the largest is the one to use.
    penalty : float
        What G costs: half of K K G log I.
    """

    kinds: np.ndarray
    parameters: Parameters
    n_iter: int
    objective: list[float]
    score: float
    penalty: float

    @property
    def posterior(self) -> np.ndarray:
        """P(class | answers), shape (I, K)."""
        return self.kinds.sum(axis=2)

    @property
    def n_kinds(self) -> int:
        """G."""
        return self.kinds.shape[2]


def choose_kinds(setup: Setup) -> tuple[SubtypeFit, SubtypeFit]:
    """The fit with one kind of items a class, and the fit with as many as the answers speak for (often the same).

    Raises
    ------
    NumericError
        If not even the fit with one kind settles.
    """
    plain = run_kinds(setup, 1)
    if len(setup.answers.classes) < 2:
        return plain, plain
    small = _every_so_manieth(setup)
    best = best_kinds(small, plain if small is setup else None)
    if best.n_kinds == 1:
        return plain, plain
    return plain, best if small is setup else run_kinds(setup, best.n_kinds)


def best_kinds(setup: Setup, plain: SubtypeFit | None = None) -> SubtypeFit:
    """The fit with the best score; `plain` is the one with one kind, where it is known."""
    tried = [plain or run_kinds(setup, 1)]
    for n_kinds in range(2, MOST_SUBTYPES + 1):
        try:
            tried.append(run_kinds(setup, n_kinds))
        except NumericError:
            continue
    return max(tried, key=lambda fit: fit.score)


def run_kinds(setup: Setup, n_kinds: int, max_rounds: int = MAX_ROUNDS, must_settle: bool = True) -> SubtypeFit:
    """Rounds with `n_kinds` kinds of items a class, until the likelihood settles; the start is deterministic.

    Raises
    ------
    NumericError
        If it does not settle.
    """
    part = Part(setup, n_kinds)
    found, n_iter, objective = settle(
        setup, part.statistics(), part.step, float(setup.answers.weight.sum()), max_rounds, must_settle
    )
    if not (np.isfinite(part.kinds).all() and np.isfinite(found.by_kind).all()):
        raise NumericError("A posterior or confusion is not finite.")
    costs = penalty_of(len(setup.answers.classes), n_kinds, int(part.taught.sum()))
    return SubtypeFit(part.kinds, found, n_iter, objective, objective[-1] - costs, costs)


def settle(
    setup: Setup, said: Statistics, step: Callable[[Parameters], tuple[Statistics, float]], weight: float,
    max_rounds: int = MAX_ROUNDS, must_settle: bool = True,
) -> tuple[Parameters, int, list[float]]:  # fmt: skip
    """Rounds from what the items say at first; `step` asks them again. Parameters, rounds, log-likelihoods.

    Of `setup` only what belongs to workers and classes is used, so the items may be anywhere.
    """
    ability, sticky = np.zeros(len(setup.own)), np.zeros(len(setup.own), bool)
    objective = [-np.inf]
    for n_iter in range(1, max_rounds + 1):
        found = m_step(setup, said, ability, sticky)
        said, likelihood = step(found)
        objective.append(likelihood)
        if abs(objective[-1] - objective[-2]) < TOLERANCE * weight:
            break
        ability, sticky = found.ability, found.adversary if n_iter >= STICKY_FROM else sticky
    else:
        if must_settle:
            raise NumericError(f"The estimate has not settled after {max_rounds} rounds.")
    return m_step(setup, said, found.ability, sticky), n_iter, objective[1:]


def penalty_of(n_classes: int, n_kinds: int, n_taught: int) -> float:
    """What G costs in log-likelihood: half of K K G log I."""
    return 0.5 * n_classes**2 * n_kinds * float(np.log(max(n_taught, 2)))


@dataclass(frozen=True)
class Statistics:
    """What items say together; those of parts add up.

    Attributes
    ----------
    said_of : ndarray, shape (W, K, K, G)
        [w, said, k, g].
    everything : ndarray, shape (K, G)
        Sum of P(z | answers).
    seen : ndarray, shape (K, G)
        The same of the items that teach class shares.
    """

    said_of: np.ndarray
    everything: np.ndarray
    seen: np.ndarray

    def __add__(self, other: Statistics) -> Statistics:
        said_of, everything = self.said_of + other.said_of, self.everything + other.everything
        return Statistics(said_of, everything, self.seen + other.seen)


class Part:
    """Items and what is believed about them, `kinds` (I, K, G): all items of a fit, or those that one machine holds."""

    def __init__(self, setup: Setup, n_kinds: int) -> None:
        self.setup, self.taught = setup, taught_by(setup)
        answers = setup.answers
        self._matrix = answers.matrix if self.taught.all() else answers.subset(self.taught[answers.item]).matrix
        self._transposed = self._matrix.T.tocsr()
        self.kinds = _start(setup, n_kinds)
        self.kinds[~self.taught] = 0

    def statistics(self) -> Statistics:
        n_items, n_classes, n_kinds = self.kinds.shape
        said_of = (self._transposed @ self.kinds.reshape(n_items, -1)).reshape(-1, n_classes, n_classes, n_kinds)
        everything, use = self.kinds.sum(axis=0), self.setup.counts_for_prior
        return Statistics(said_of, everything, everything if use.all() else self.kinds[use].sum(axis=0))

    def step(self, found: Parameters) -> tuple[Statistics, float]:
        """E-step: what the items say now, and their log-likelihood."""
        self.kinds, likelihood = _e_step(self.setup, found, self._matrix, self.kinds.shape[2])
        self.kinds[~self.taught] = 0
        return self.statistics(), float(likelihood[self.taught].sum())


def log_joint(setup: Setup, fit: SubtypeFit) -> np.ndarray:
    """log P(class, answers of the item), shape (I, K), of all items."""
    by_kind = fit.parameters.by_kind
    joint = setup.answers.matrix @ np.log(by_kind).reshape(-1, by_kind.shape[2])
    joint += fit.parameters.log_shares
    return logsumexp(joint.reshape(fit.kinds.shape), axis=2)


def taught_by(setup: Setup) -> np.ndarray:
    """Items that teach, shape (I,), bool: not those with one answer, whose posterior would only echo it."""
    taught = np.bincount(setup.answers.item, minlength=len(setup.answers.items)) > 1
    taught[setup.gold.rows] = True
    return taught


def m_step(setup: Setup, said: Statistics, ability: np.ndarray, sticky: np.ndarray) -> Parameters:
    """Parameters from what the items say."""
    said_of, everything = said.said_of, said.everything
    n_classes, n_kinds = everything.shape
    counts = np.ascontiguousarray(said_of.sum(axis=3).transpose(0, 2, 1))
    pooled = pooled_confusion(counts.sum(axis=0), setup.pattern)
    of_kind = said_of.sum(axis=0).transpose(1, 2, 0)  # k, g, said
    lift = row_normalise(of_kind + 5 * (pooled + setup.pattern)[:, None, :]) / pooled[:, None, :]
    ability, average = _abilities(setup, counts, pooled, ability)
    confusions = row_normalise(counts * setup.own[:, None, None] + setup.strength * average)
    adversary = np.zeros(len(counts), bool)
    if setup.guard:
        adversary = (is_adversary(counts, confusions, len(counts)) & ~setup.inverted & setup.own) | sticky
        confusions[adversary] = confusions[adversary].mean(axis=1, keepdims=True)
    rates = row_normalise(confusions[:, :, None, :] * lift)
    rates[adversary] = confusions[adversary][:, :, None, :]
    by_kind = np.ascontiguousarray(rates.transpose(0, 3, 1, 2)).reshape(len(counts), n_classes, -1)
    prior = row_normalise(said.seen.sum(axis=1) + setup.anchor_weight * setup.anchor[0])
    share = (everything + 1) / (everything.sum(axis=1, keepdims=True) + n_kinds)
    return Parameters(prior, share, counts, confusions, average, pooled, lift, by_kind, ability, adversary)


def _abilities(
    setup: Setup, counts: np.ndarray, pooled: np.ndarray, ability: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Three Newton steps on each worker's ability (W,), and M_w (W, K, K)."""
    n_classes = len(pooled)
    if n_classes == 1:
        return ability, np.broadcast_to(pooled, counts.shape)
    diagonal = np.arange(n_classes)
    ease = logit(pooled[diagonal, diagonal])
    met, right = counts.sum(axis=2), counts[:, diagonal, diagonal].sum(axis=1)
    doubt = ABILITY_SPREAD**-2
    for _ in range(3):
        chance = expit(ease + ability[:, None])
        slope = (met * chance * (1 - chance)).sum(axis=1) + doubt
        ability = np.clip(ability + (right - (met * chance).sum(axis=1) - doubt * ability) / slope, -8, 8)
    ability = ability * setup.own
    chance = expit(ease + ability[:, None])
    average = (1 - chance)[:, :, None] * (pooled / (1 - pooled[diagonal, diagonal])[:, None])
    average[:, diagonal, diagonal] = chance
    return ability, average


def _e_step(setup: Setup, found: Parameters, matrix: csr_array, n_kinds: int) -> tuple[np.ndarray, np.ndarray]:
    """P(z | answers) with gold clamped to its class, shape (I, K, G), and each item's log-likelihood (I,)."""
    gold, n_classes = setup.gold, len(found.prior)
    joint = matrix @ np.log(found.by_kind).reshape(-1, n_classes * n_kinds)
    joint += found.log_shares
    of_gold = joint[gold.rows].reshape(len(gold), n_classes, n_kinds)
    flat, likelihood = normalise_in_place(joint)
    kinds = flat.reshape(-1, n_classes, n_kinds)
    if len(gold):
        of_class = logsumexp(of_gold, axis=2)
        kinds[gold.rows] = gold.truth[:, :, None] * np.exp(of_gold - of_class[:, :, None])
        likelihood[gold.rows] = np.where(gold.accepted, gold.truth * of_class, 0.0).sum(axis=1)
    return kinds, likelihood


def _start(setup: Setup, n_kinds: int) -> np.ndarray:
    """Smoothed vote shares, spread over kinds by how united the votes are, shape (I, K, G)."""
    shares = clamped_shares(setup.answers, setup.gold, 0.5)[:, :, None]
    if n_kinds == 1:
        return shares.copy()
    centre = 1 - np.arange(n_kinds) / (n_kinds - 1)
    votes = vote_shares(setup.answers, 0.5)[:, :, None]
    return shares * row_normalise(np.exp(-(((votes - centre) / 0.35) ** 2)) + 0.05)


def _every_so_manieth(setup: Setup) -> Setup:
    """The same for gold and for evenly spaced items that have about `MANY` judgments together."""
    answers, step = setup.answers, -(-len(setup.answers.item) // MANY)
    if step == 1:
        return setup
    kept = np.arange(len(answers.items)) % step == 0
    kept[setup.gold.rows] = True
    return setup.on(answers.subset(kept[answers.item]))
