"""Confidence that means what it says: fitted on gold, moderated where gold is scarce."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize
from scipy.special import betainc, expit, log_expit, logit, logsumexp

from quality.estimators.encode import Answers, GoldRows

#: Exponent used until 20 gold items are known.
UNCALIBRATED_B = 0.5
#: Grid of exponents, evenly spaced in log b.
GRID = np.exp(np.linspace(np.log(0.01), np.log(2.0), 81))


#: Grid of how often even the surest labels are wrong.
LAPSES = np.linspace(0.00125, 0.49875, 200)
#: P(errors are independent) before gold speaks: real crowds share difficulties.
INDEPENDENT = 0.2
#: Chance at most of a claim that does not hold, when gold proves one: it is looked at after every round of answers.
UNPROVEN = 0.01


@dataclass(frozen=True)
class Ceiling:
    """How sure labels may be at most, by what gold items thought that sure bear out.

    Attributes
    ----------
    stated, expected : ndarray, shape (202,)
        What a stated confidence is worth; linear in between.

    Notes
    -----
    ``P(right) = E min(c, 1 - e)``, e uniform before gold speaks: .95 takes about twenty gold items that sure and all
    right, or forty with one of them wrong. Fitted curves say more than that from a handful of gold items at their upper
    end; on dog and bluebirds, what they call .95 is right .85 to .90 of the time.
    """

    stated: np.ndarray
    expected: np.ndarray

    @classmethod
    def fit(cls, confidence: np.ndarray, right: np.ndarray, times: float = 1.0) -> Ceiling:
        """From the `confidence` (n,) of gold items, and whether they are `right` (n,); each counts `times`."""
        kept = np.minimum(confidence[:, None], 1 - LAPSES)
        score = np.where(right[:, None], np.log(kept), np.log1p(-kept)).sum(axis=0)
        weight = np.exp(times * (score - score.max()))
        stated = np.concatenate([[0.0], 1 - LAPSES[::-1], [1.0]])
        return cls(stated, np.minimum(stated[:, None], 1 - LAPSES) @ weight / weight.sum())

    def under(self, confidence: np.ndarray) -> np.ndarray:
        """What the `confidence` (I,) is worth."""
        return np.interp(confidence, self.stated, self.expected)


@dataclass(frozen=True)
class Calibration:
    """What one answer is worth: exponent b of the evidence, from n_gold gold items, and whether that was enough.

    Attributes
    ----------
    most : float
        The confidence that no label can go beyond.
    stated, right : ndarray, shape (n_gold L,)
        Confidence of gold items, each left out of what it taught, and whether their labels are right.
    per_item : int
        L, the verdicts on each gold item: one, or one a label. Whoever misjudges an item errs on several of its labels
        at once, so all of them together count as one gold item.
    """

    b: float
    n_gold: int
    calibrated: bool
    most: float = 1.0
    stated: np.ndarray = field(default_factory=lambda: np.zeros(0), repr=False, compare=False)
    right: np.ndarray = field(default_factory=lambda: np.zeros(0, bool), repr=False, compare=False)
    per_item: int = 1

    def proves(self, tau: float) -> bool:
        """Does gold prove that of labels as sure as `tau` at least that share is right?

        Confidence holds on average over the gold items that might have been drawn. A promise about this job has to
        hold with those that were: P(the share is below tau) is at most .01, uniform before gold speaks. With no label
        of n wrong that takes n = 20 at .8, 43 at .9, 89 at .95.

        Examples
        --------
        >>> [Calibration(1.0, n, True, 1.0, np.ones(n), np.ones(n, bool)).proves(0.9) for n in (42, 43)]
        [False, True]
        """
        n, n_right = self._as_sure_as(tau)
        return n > 0 and _is_proven(n, n_right, tau)

    def more_to_prove(self, tau: float) -> int:
        """Gold items as sure as `tau` and all right that it takes besides those there are; 0 where `tau` is proven.

        Examples
        --------
        >>> [Calibration(0.5, 0, False).more_to_prove(tau) for tau in (0.8, 0.9, 0.95)]
        [20, 43, 89]
        >>> Calibration(1.0, 40, True, 1.0, np.ones(40), np.arange(40) > 0).more_to_prove(0.9)
        23
        """
        n, n_right = self._as_sure_as(tau)
        low, high = -1, 1  # too few, and enough in the end: what is right adds up, what is wrong is there already
        while not _is_proven(n + high, n_right + high, tau):
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            is_enough = n + middle > 0 and _is_proven(n + middle, n_right + middle, tau)
            low, high = (low, middle) if is_enough else (middle, high)
        return high

    def _as_sure_as(self, tau: float) -> tuple[float, float]:
        """Gold items as sure as that, and how many of them are right."""
        sure = self.stated >= tau
        return sure.sum() / self.per_item, self.right[sure].sum() / self.per_item


def _is_proven(n: float, n_right: float, tau: float) -> bool:
    return float(betainc(n_right + 1, n - n_right + 1, tau)) <= UNPROVEN


def thinned_gold(answers: Answers, gold: GoldRows, rng: np.random.Generator) -> np.ndarray:
    """Judgments on gold, at most as many on each as an ordinary item drawn at random has, shape (N,), bool.

    Gold is answered by many; with all of its answers it looks easier than the items that b is for.
    """
    per_item = np.bincount(answers.item, minlength=len(answers.items))
    ordinary = np.ones(len(per_item), bool)
    ordinary[gold.rows] = False
    pool = np.sort(per_item[ordinary]) if ordinary.any() else per_item
    limit = np.zeros(len(per_item), int)
    limit[gold.rows] = rng.choice(pool, len(gold))
    order = np.lexsort((rng.random(len(answers.item)), answers.item))
    rank = np.empty(len(order), int)
    start = np.concatenate([[0], np.cumsum(per_item)[:-1]])
    rank[order] = np.arange(len(order)) - np.repeat(start, per_item)
    return rank < limit[answers.item]


def exponent_weights(likelihoods: np.ndarray) -> np.ndarray:
    """Posterior weight of each exponent of `GRID`, from the gold log-likelihood under each and the prior.

    The prior is -2 (log b - log .6)^2.
    """
    score = likelihoods - 2 * (np.log(GRID) - np.log(0.6)) ** 2
    return np.exp(score - logsumexp(score))


def independence(likelihoods: np.ndarray, at_one: float) -> float:
    """P(errors are independent given the truth, so that b = 1) against any b with its prior.

    From the gold log-likelihood under each exponent of `GRID`, and `at_one`; before gold `INDEPENDENT`.
    """
    prior = -2 * (np.log(GRID) - np.log(0.6)) ** 2
    return float(expit(at_one - logsumexp(likelihoods + prior) + logsumexp(prior) + logit(INDEPENDENT)))


def tempered(log_prior: np.ndarray, evidence: np.ndarray, winner: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """P_bay: probability of the label under softmax(log pi + b LL), averaged over b, shape (I,)."""
    heavy = weights > 1e-4
    if len(winner) == 1:  # a live belief: all exponents at once
        joint = log_prior[0] + GRID[heavy, None] * evidence[0]
        shares = label_share(joint, np.broadcast_to(winner, len(joint)))
        return np.array([weights[heavy] @ shares / weights[heavy].sum()])
    parts = [
        w * label_share(log_prior + b * evidence, winner) for b, w in zip(GRID[heavy], weights[heavy], strict=True)
    ]
    return np.sum(parts, axis=0) / weights[heavy].sum()


@dataclass(frozen=True)
class Correctness:
    """P_mc: logistic model of "the label is right" on the model's margin and the votes'.

    Notes
    -----
    ``z = a + e^u m + e^v v + c_label`` with priors a ~ N(0, .7), u ~ N(log .5, .5), v ~ N(log .2, .7) and
    c ~ N(0, .5); the MAP is moderated by the posterior variance: ``sigmoid(z / sqrt(1 + pi x'Sx / 8))``.
    """

    theta: np.ndarray
    covariance: np.ndarray

    @classmethod
    def fit(
        cls, right: np.ndarray, margin: np.ndarray, votes: np.ndarray, label: np.ndarray, k: int, times: float = 1.0
    ) -> Correctness:  # fmt: skip
        """Maximum a posteriori from gold items: were they `right` (n,), or what did they score, from 0 to 1?

        Each counts `times`: scores that spread less than coins say more than coins.
        """
        mean = np.concatenate([[0.0, np.log(0.5), np.log(0.2)], np.zeros(k)])
        precision = 1 / np.concatenate([[0.7, 0.5, 0.7], np.full(k, 0.5)]) ** 2
        right = np.asarray(right, float)

        def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
            z, slope = _score(theta, margin, votes, label)
            off = theta - mean
            gradient = times * slope.T @ (expit(z) - right) + precision * off
            fit = right * log_expit(z) + (1 - right) * log_expit(-z)
            return -times * fit.sum() + 0.5 * (precision * off * off).sum(), gradient

        theta = minimize(loss, mean, jac=True, method="BFGS", options={"gtol": 1e-8}).x
        z, slope = _score(theta, margin, votes, label)
        information = times * slope.T @ (slope * (expit(z) * expit(-z))[:, None]) + np.diag(precision)
        return cls(theta, np.linalg.inv(information))

    def predict(self, margin: np.ndarray, votes: np.ndarray, label: np.ndarray) -> np.ndarray:
        """Probability that the label is right, shape (I,)."""
        z, slope = _score(self.theta, margin, votes, label)
        variance = np.einsum("np,pq,nq->n", slope, self.covariance, slope, optimize=True)
        return expit(z / np.sqrt(1 + np.pi / 8 * variance))


def _score(
    theta: np.ndarray, margin: np.ndarray, votes: np.ndarray, label: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """z (n,) and its derivative by the parameters (n, 3 + K)."""
    slope = np.zeros((len(margin), len(theta)))
    slope[:, 0] = 1.0
    slope[:, 1] = np.exp(theta[1]) * margin
    slope[:, 2] = np.exp(theta[2]) * votes
    slope[np.arange(len(margin)), 3 + label] = 1.0
    return theta[0] + slope[:, 1] + slope[:, 2] + theta[3 + label], slope


def features(joint: np.ndarray, votes: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Margins of the label, in logits, by the model (clipped to +-12) and by the votes."""
    share = label_share(joint, label)
    with np.errstate(divide="ignore"):
        margin = np.clip(logit(share), -12, 12)
    return margin, logit((votes[np.arange(len(label)), label] + 0.5) / (votes.sum(axis=1) + 1)), label


def label_share(joint: np.ndarray, label: np.ndarray) -> np.ndarray:
    """softmax(joint)[i, label_i], shape (I,)."""
    own = joint[np.arange(len(label)), label]
    total = np.zeros(len(label))
    for column in joint.T:
        total += np.exp(np.minimum(column - own, 700))
    return 1 / total


def gold_likelihood(joint: np.ndarray, accepted: np.ndarray) -> float:
    top = logsumexp(np.where(accepted, joint, -np.inf), axis=1)
    return float((top - logsumexp(joint, axis=1)).sum())
