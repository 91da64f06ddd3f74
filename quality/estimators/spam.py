"""How much a worker's answers say about the truth: measures with intervals, to look at before anyone is judged."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quality.estimators.em import STRENGTH

#: Draws behind an interval.
DRAWS = 500


@dataclass(frozen=True)
class Measure:
    """A measure of each worker with its 95 % interval, shapes (W,). Act only when `upper` is below the bar."""

    value: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


def raykar_yu(confusions: np.ndarray) -> np.ndarray:
    """Spammer score of confusions (..., K, K): 0 where answers carry no information, 1 where they tell all.

    Notes
    -----
    ``S = 1/(K(K-1)) sum_{a<b} sum_l (th[a, l] - th[b, l])^2``; for two classes ``(sensitivity + specificity - 1)^2``.

    References
    ----------
    V. Raykar, S. Yu (2012). Eliminating spammers and ranking annotators for crowdsourced labeling tasks. JMLR 13.

    Examples
    --------
    >>> float(raykar_yu(np.array([[0.9, 0.1], [0.4, 0.6]])).round(3)), float(raykar_yu(np.full((2, 2), 0.5)))
    (0.25, 0.0)
    """
    n_classes = confusions.shape[-1]
    if n_classes < 2:
        return np.zeros(confusions.shape[:-2])
    # The sum over pairs of rows is K times the spread of each column about its mean.
    spread = ((confusions - confusions.mean(axis=-2, keepdims=True)) ** 2).sum(axis=(-2, -1))
    return spread / (n_classes - 1)


def information(confusions: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Mutual information of answer and truth over the entropy of the truth, in [0, 1]; shape (...,)."""
    joint = prior[:, None] * confusions
    said = joint.sum(axis=-2, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(joint > 0, joint * np.log(joint / (prior[:, None] * said)), 0.0)
    entropy = -float((prior * np.log(np.maximum(prior, 1e-300))).sum())
    return terms.sum(axis=(-2, -1)) / entropy if entropy > 0 else np.zeros(confusions.shape[:-2])


def expected_cost(confusions: np.ndarray, prior: np.ndarray, cost: np.ndarray | None = None) -> np.ndarray:
    """Cost of a soft label over that of knowing the shares alone: 0 perfect, 1 worthless; shape (...,).

    Label l means ``q_l[k] ~ pi_k th[k, l]`` and costs ``sum_jk q_l[j] q_l[k] c_jk``; c is 1 off the diagonal.

    References
    ----------
    P. Ipeirotis, F. Provost, J. Wang (2010). Quality management on Amazon Mechanical Turk. HCOMP.
    """
    cost = 1 - np.eye(len(prior)) if cost is None else cost
    joint = np.swapaxes(prior[:, None] * confusions, -1, -2)  # said, truth
    chance = np.maximum(joint.sum(axis=-1, keepdims=True), 1e-300)
    spent = np.einsum("...lj,...lk,jk->...", joint / chance, joint, cost)
    return spent / max(float(prior @ cost @ prior), 1e-300)


def measured(counts: np.ndarray, pooled: np.ndarray, prior: np.ndarray, b: float, seed: int) -> dict[str, Measure]:
    """The three measures of each worker with intervals from 500 draws of ``Dirichlet(b C_w + s M)``.

    Parameters
    ----------
    counts : ndarray, shape (W, K, K)
        Soft counts, [w, truth, said].
    b : float
        What an answer is worth: the calibration exponent.
    """
    rng = np.random.default_rng(seed)
    kinds = {
        "spammer score": raykar_yu,
        "information": lambda rows: information(rows, prior),
        "cost": lambda rows: expected_cost(rows, prior),
    }
    shape = b * np.asarray(counts, float) + STRENGTH * pooled
    mean = shape / shape.sum(axis=-1, keepdims=True)
    edges = {name: np.empty((2, len(shape))) for name in kinds}
    for worker, rows in enumerate(shape):
        gamma = np.maximum(rng.standard_gamma(rows, (DRAWS, *rows.shape)), 1e-300)
        drawn = gamma / gamma.sum(axis=-1, keepdims=True)
        for name, measure in kinds.items():
            edges[name][:, worker] = np.quantile(measure(drawn), [0.025, 0.975])
    return {name: Measure(measure(mean), *edges[name]) for name, measure in kinds.items()}
