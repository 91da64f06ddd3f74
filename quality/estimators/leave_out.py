"""Evidence for an item that does not lean on the item itself."""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from quality.estimators.em import Fit, Setup
from quality.estimators.subtype_em import SubtypeFit

#: Judgments worked on at once, to bound the memory.
CHUNK = 1 << 17


def held_out_evidence(setup: Setup, fit: Fit, keep: np.ndarray | None = None) -> np.ndarray:
    """Leave-one-item-out evidence, shape (I, K).

    It makes gold items, clamped in the fit, and ordinary items exchangeable, so that no folds are needed.

    Parameters
    ----------
    keep : ndarray of bool, shape (N,), optional
        Judgments that speak; default all.

    Notes
    -----
    ``LL_ik = sum_{n of i} log((C_w[k, y] - T_ik + s M[k, y]) / (sum_l C_w[k, l] - T_ik + s))``; a worker who
    without this item is right less often than chance says nothing, unless gold confirmed the inversion.
    """
    answers = setup.answers
    total = np.zeros(fit.posterior.shape)
    positions = np.arange(len(answers.item)) if keep is None else np.flatnonzero(keep)
    for part in _whole_items(answers.item[positions]):
        chosen = positions[part]
        item = answers.item[chosen]
        first = item[0]
        rows = answers.weight[chosen, None] * _log_rates(setup, fit, chosen)
        for k, column in enumerate(rows.T):
            summed = np.bincount(item - first, column)
            total[first : first + len(summed), k] = summed
    return total


def held_out_joint(setup: Setup, fit: SubtypeFit, keep: np.ndarray | None = None) -> np.ndarray:
    """log P(class, answers of the item) by what the other items teach, shape (I, K).

    As `held_out_evidence`, with the prior, summed over the kinds of items within a class. What an item teaches about
    its kind is left in: it is one of many there, where in the row of a worker it can be the only one.
    """
    answers, found = setup.answers, fit.parameters
    n_classes, n_kinds = found.share.shape
    base = found.counts * setup.own[:, None, None] + setup.strength * found.average
    row = np.einsum("wkl,kgl->wkg", base, found.lift)
    posterior = fit.posterior
    total = np.tile(found.log_shares, (len(posterior), 1))
    positions = np.arange(len(answers.item)) if keep is None else np.flatnonzero(keep)
    for part in _whole_items(answers.item[positions]):
        chosen = positions[part]
        item, worker, label = answers.item[chosen], answers.worker[chosen], answers.label[chosen]
        group, gave = _given(item, worker, label, answers.weight[chosen], n_classes)
        taught = posterior[item] * setup.own[worker, None]
        mine = np.maximum(base[worker, :, label] - gave[group, label][:, None] * taught, 1e-9)
        left = row[worker] - np.einsum("nl,kgl->nkg", gave, found.lift)[group] * taught[:, :, None]
        rates = mine[:, :, None] * found.lift[:, :, label].transpose(2, 0, 1) / np.maximum(left, 1e-9)
        rates[found.adversary[worker]] = 1.0
        spoken = answers.weight[chosen, None] * np.log(rates).reshape(len(chosen), -1)
        first = item[0]
        for z, column in enumerate(spoken.T):
            summed = np.bincount(item - first, column)
            total[first : first + len(summed), z] += summed
    return logsumexp(total.reshape(-1, n_classes, n_kinds), axis=2)


def _log_rates(setup: Setup, fit: Fit, chosen: np.ndarray) -> np.ndarray:
    """log th_w[., y] of the chosen judgments without what their own item taught, shape (n, K)."""
    answers = setup.answers
    worker, label = answers.worker[chosen], answers.label[chosen]
    prior_counts = setup.strength * fit.pooled
    own = setup.own[worker, None]
    group, gave = _given(answers.item[chosen], worker, label, answers.weight[chosen], fit.prior.shape[1])
    posterior = fit.posterior[answers.item[chosen]]
    others = fit.counts.sum(axis=2)[worker] - gave.sum(axis=1)[group, None] * posterior
    row = np.maximum(others, 0) * own + setup.strength
    mine = gave[group, label][:, None] * posterior
    rates = (np.maximum(fit.counts[worker, :, label] - mine, 0) * own + prior_counts[:, label].T) / row
    if setup.guard:
        diagonal = np.maximum(np.diagonal(fit.counts, axis1=1, axis2=2)[worker] - gave[group] * posterior, 0) * own
        right = ((diagonal + np.diagonal(prior_counts)) / row).sum(axis=1)
        rates[(right < 1 - 1e-12) & ~setup.inverted[worker]] = 1.0
    return np.log(rates)


def _given(
    item: np.ndarray, worker: np.ndarray, label: np.ndarray, weight: np.ndarray, n_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Group of each judgment by (item, worker), and the weight that each group gave to each class, shape (G, K)."""
    new = np.ones(len(item), bool)
    new[1:] = (item[1:] != item[:-1]) | (worker[1:] != worker[:-1])
    group = np.cumsum(new) - 1
    gave = np.bincount(group * n_classes + label, weight, (group[-1] + 1) * n_classes)
    return group, gave.reshape(-1, n_classes)


def _whole_items(item: np.ndarray) -> list[slice]:
    """Cut sorted judgments into chunks that end where an item ends."""
    edges, start = [], 0
    while start < len(item):
        end = start + CHUNK
        end = len(item) if end >= len(item) else max(int(np.searchsorted(item, item[end])), start + 1)
        edges.append(slice(start, end))
        start = end
    return edges
