"""Preferences: a scale from comparisons of pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from scipy.sparse import csr_array

from quality.estimators.encode import Ids, check_lengths, encode_weights, factorise

OUTCOMES = ("left", "right", "tie")
#: Precision of the Gaussian prior of scores, side and tie rate.
PRECISION = 0.1
#: Prior of P(a worker means what they say): a Beta.
RELIABLE = (6.0, 2.0)


class BradleyTerry:
    """Scores of items from "left", "right" or "tie" answers about pairs.

    Parameters
    ----------
    worker_quality : bool
        Learn how often each worker means the opposite (CrowdBT): for crowds with careless or contrary people.

    Attributes
    ----------
    items_ : ndarray, shape (n,)
    scores_ : ndarray, shape (n,)
        On the logit scale, summing to zero: P(i beats j) = sigmoid(s_i - s_j) without ties.
    intervals_ : ndarray, shape (n, 2)
        95 %, clustered by worker.
    ranks_ : ndarray of int, shape (n,)
        1 is best.
    rank_intervals_ : ndarray of int, shape (n, 2)
        95 %, from draws of the scores.
    reliabilities_ : ndarray, shape (W,)
        P(a worker means what they say) of `workers_`; ones without `worker_quality`.
    side_ : float
        What being shown on the left is worth.
    tie_ : float
        Davidson's nu; 0 without ties.
    n_iter_ : int
    status_ : "ok", or "numeric" if Newton's steps had not settled.

    Notes
    -----
    Davidson's model with a Gaussian prior of precision .1, by Newton's method: with ``d = s_i - s_j + side``,
    ``P(left) ~ exp(d / 2)``, ``P(right) ~ exp(-d / 2)``, ``P(tie) ~ nu``. The covariance is the sandwich
    ``H^-1 (sum_w U_w U_w') H^-1 W / (W - 1)``: tastes differ, and answers of one worker are not independent (the
    plain Hessian then covers .84 instead of .95). With `worker_quality`, ``P(y) = eta_w p + (1 - eta_w)(1 - p)`` of
    "left" and "right", eta_w ~ Beta(6, 2), by EM: each comparison counts in part the other way round. Memory and time
    grow with n^2 and n^3 in the items.

    References
    ----------
    R. A. Bradley, M. E. Terry (1952). Rank analysis of incomplete block designs. Biometrika 39.
    R. R. Davidson (1970). On extending the Bradley-Terry model to accommodate ties. JASA 65.
    X. Chen et al. (2013). Pairwise ranking aggregation in a crowdsourced setting. WSDM.

    Examples
    --------
    >>> model = BradleyTerry().fit(["a", "a", "b"] * 4, ["b", "c", "c"] * 4, [1, 2, 3, 4] * 3, ["left"] * 12)
    >>> model.items_[model.ranks_.argsort()].tolist()
    ['a', 'b', 'c']
    """

    def __init__(
        self, seed: int = 0, gold_sample: str | None = None, n_iter: int = 100, worker_quality: bool = False
    ) -> None:
        self.seed, self.gold_sample, self.n_iter, self.worker_quality = seed, gold_sample, n_iter, worker_quality

    def fit(self, left: Ids, right: Ids, workers: Ids, outcomes: Ids, weights: Ids | None = None) -> Self:
        """Estimate from N comparisons: who was on the left, on the right, who judged, and what was said.

        Raises
        ------
        ValueError
            Names the argument that is wrong.
        """
        data = _compare(left, right, workers, outcomes, weights)
        self.items_, self.workers_ = data.items, factorise(workers, "workers")[0]
        self.reliabilities_ = np.ones(len(self.workers_))
        n = len(data.items)
        theta = self._newton(data, np.zeros(n + 2))
        if self.worker_quality:
            self.reliabilities_[:] = RELIABLE[0] / sum(RELIABLE)
            for _ in range(self.n_iter):
                data, meant = _both_ways(data, theta, self.reliabilities_)
                updated = (meant + RELIABLE[0] - 1) / (_answered(data) + sum(RELIABLE) - 2)
                moved, self.reliabilities_ = np.abs(updated - self.reliabilities_).max(), updated
                theta = self._newton(data, theta)
                if moved < 1e-4:
                    break
        covariance = _sandwich(data, theta)
        self.scores_, self.side_ = theta[:n], float(theta[n])
        self.tie_ = float(np.exp(theta[n + 1])) if data.has_ties else 0.0
        spread = np.sqrt(np.maximum(np.diagonal(covariance)[:n], 0))
        self.intervals_ = self.scores_[:, None] + np.array([-1.96, 1.96]) * spread[:, None]
        self.ranks_ = _ranks(self.scores_[None])[0]
        self.rank_intervals_ = self._rank_intervals(covariance[:n, :n])
        return self

    def _newton(self, data: _Comparisons, theta: np.ndarray) -> np.ndarray:
        self.status_ = "numeric"
        for self.n_iter_ in range(1, self.n_iter + 1):  # noqa: B020 - the attribute is the counter
            gradient, hessian = _derivatives(data, theta)
            step = np.linalg.solve(hessian, gradient)
            # A full step can overshoot from afar; half a unit of logit at most keeps Newton on the hill.
            theta = theta + step * min(1.0, 2.0 / max(np.abs(step).max(), 1e-12))
            if np.abs(step).max() < 1e-9:
                self.status_ = "ok"
                break
        return theta

    def _rank_intervals(self, covariance: np.ndarray) -> np.ndarray:
        rng = np.random.default_rng(self.seed)
        value, vector = np.linalg.eigh(covariance)
        root = vector * np.sqrt(np.maximum(value, 0))
        draws = self.scores_ + rng.standard_normal((500, len(self.scores_))) @ root.T
        quantiles = np.quantile(_ranks(draws), [0.025, 0.975], axis=0, method="closest_observation")
        return quantiles.T.astype(int)


@dataclass(frozen=True)
class _Comparisons:
    items: np.ndarray
    design: csr_array  # (N, n + 1): +1 left, -1 right, 1 for the side
    worker: np.ndarray
    outcome: np.ndarray  # 1 left, -1 right, 0 tie
    weight: np.ndarray
    has_ties: bool
    n_said: int | None = None  # of doubled rows: how many were said, and with which weight
    said_weight: np.ndarray | None = None


def _compare(left: Ids, right: Ids, workers: Ids, outcomes: Ids, weights: Ids | None) -> _Comparisons:
    left_ids, one = factorise(left, "left")
    right_ids, other = factorise(right, "right")
    _, worker = factorise(workers, "workers")
    said, code = factorise(outcomes, "outcomes")
    check_lengths(left=one, right=other, workers=worker, outcomes=code)
    unknown = [value for value in said.tolist() if value not in OUTCOMES]
    if unknown:
        raise ValueError(f"outcomes contains {unknown[0]!r}; it may hold {', '.join(OUTCOMES)}.")
    if left_ids.dtype.kind != right_ids.dtype.kind:
        raise ValueError("left and right must be both str or both int.")
    items = np.union1d(left_ids, right_ids)
    one, other = np.searchsorted(items, left_ids)[one], np.searchsorted(items, right_ids)[other]
    if (one == other).any():
        raise ValueError(f"left and right are both {items[one[one == other][0]].item()!r} in a comparison.")
    outcome = np.array([{"left": 1, "right": -1, "tie": 0}[value] for value in said.tolist()])[code]
    weight = encode_weights(weights, len(one))
    order = np.lexsort((weight, outcome, worker, other, one))
    one, other, worker, outcome, weight = (column[order] for column in (one, other, worker, outcome, weight))
    row = np.arange(len(one))
    design = csr_array(
        (np.repeat([1.0, -1.0, 1.0], len(one)), (np.tile(row, 3), np.concatenate([one, other, row * 0 + len(items)]))),
        shape=(len(one), len(items) + 1),
    )
    return _Comparisons(items, design, worker, outcome, weight, bool((outcome == 0).any()))


def _both_ways(data: _Comparisons, theta: np.ndarray, reliable: np.ndarray) -> tuple[_Comparisons, np.ndarray]:
    """Each comparison as said and the other way round, weighted by which is meant, and what each worker meant (W,).

    A second call finds the two halves again: they are the same rows, one after the other.
    """
    if data.n_said is None:
        twice = np.tile(np.arange(len(data.worker)), 2)
        data = replace(
            data, design=data.design[twice], worker=data.worker[twice], weight=data.weight[twice],
            outcome=np.concatenate([data.outcome, -data.outcome]), n_said=len(data.worker), said_weight=data.weight,
        )  # fmt: skip
    n, weight = data.n_said, data.said_weight
    worker, outcome = data.worker[:n], data.outcome[:n]
    odds = outcome * (data.design[:n] @ theta[:-1])
    as_said = reliable[worker] / (reliable[worker] + (1 - reliable[worker]) * np.exp(-np.clip(odds, -500, 500)))
    as_said = np.where(outcome == 0, 1.0, as_said)
    meant = np.bincount(worker, weight * as_said, len(reliable))
    return replace(data, weight=np.concatenate([weight * as_said, weight * (1 - as_said)])), meant


def _answered(data: _Comparisons) -> np.ndarray:
    return np.bincount(data.worker[: data.n_said], data.said_weight)


def _scores(data: _Comparisons, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Derivatives of each comparison's log-likelihood by d and by log nu, and P(left) - P(right), P(tie)."""
    d = data.design @ theta[:-1]
    win, lose = np.exp(d / 2), np.exp(-d / 2)
    draw = np.exp(theta[-1]) if data.has_ties else 0.0
    total = win + lose + draw
    lean, tie = (win - lose) / total, draw / total
    return data.weight * (data.outcome - lean) / 2, data.weight * ((data.outcome == 0) - tie), lean, tie


def _derivatives(data: _Comparisons, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradient (p,) and negative Hessian (p, p) of the log-posterior."""
    by_d, by_nu, lean, tie = _scores(data, theta)
    by_nu = by_nu if data.has_ties else by_nu * 0
    gradient = np.append(data.design.T @ by_d, by_nu.sum()) - PRECISION * theta
    curve = data.weight * ((1 - tie) - lean**2) / 4
    cross = -data.weight * lean * tie / 2
    hessian = np.zeros((len(theta), len(theta)))
    hessian[:-1, :-1] = (data.design.T @ (data.design * curve[:, None])).toarray()
    hessian[:-1, -1] = hessian[-1, :-1] = data.design.T @ cross
    hessian[-1, -1] = (data.weight * tie * (1 - tie)).sum()
    return gradient, hessian + PRECISION * np.eye(len(theta))


def _sandwich(data: _Comparisons, theta: np.ndarray) -> np.ndarray:
    _, hessian = _derivatives(data, theta)
    bread = np.linalg.inv(hessian)
    n_workers = int(data.worker.max()) + 1
    if n_workers < 2:
        return bread
    by_d, by_nu, _, _ = _scores(data, theta)
    gather = csr_array((np.ones(len(by_d)), (data.worker, np.arange(len(by_d)))), shape=(n_workers, len(by_d)))
    score = np.column_stack([(gather @ (data.design * by_d[:, None])).toarray(), gather @ by_nu])
    if not data.has_ties:
        score[:, -1] = 0
    return bread @ (score.T @ score) @ bread * n_workers / (n_workers - 1)


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Rank of each score in its row, 1 the highest."""
    return np.argsort(np.argsort(-scores, axis=1, kind="stable"), axis=1) + 1
