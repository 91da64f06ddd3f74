"""The belief about one item, brought up to date at each answer: r*K work, no refit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from quality.estimators.confidence import Sureness
from quality.estimators.em import ANCHOR, STRENGTH, is_adversary
from quality.estimators.expectation import pooled_confusion, shrunk_confusions

__all__ = ["LiveBelief", "at_confidence", "class_prior", "pooled_confusion", "update_item"]


@dataclass(frozen=True)
class LiveBelief:
    """What is believed about an item after its latest answer, and what that teaches about its workers.

    Attributes
    ----------
    posterior : ndarray, shape (K,)
        At b = 1; keep it: the next update takes it back out of the workers' counts.
    confidence : ndarray, shape (K,)
        P at exponent b, or with the label as sure as gold bears out: `confidence[label]` is what is shown and what
        stops.
    label : int
        Argmax of `posterior`, ties to the larger prior.
    deltas : ndarray, shape (r, K)
        Row n is to be added to `counts[n][:, labels[n]]` of the worker who gave answer n.
    prior_delta : ndarray, shape (K,)
        To be added to the job's sum of posteriors.
    """

    posterior: np.ndarray
    confidence: np.ndarray
    label: int
    deltas: np.ndarray
    prior_delta: np.ndarray


def update_item(
    labels: np.ndarray, counts: np.ndarray, pooled: np.ndarray, prior: np.ndarray, *,
    previous: np.ndarray | None = None, counted: np.ndarray | None = None, weights: np.ndarray | None = None,
    votes: np.ndarray | None = None, truth: np.ndarray | None = None, b: float = 0.5, n_workers: int = 100,
    prior_counted: bool | None = None, sureness: Sureness | None = None,
) -> LiveBelief:  # fmt: skip
    """Recompute one item from all of its answers (incremental EM).

    Parameters
    ----------
    labels : ndarray of int, shape (r,)
        What each answer says, one answer a worker; r may be 0.
    counts : ndarray, shape (r, K, K)
        Soft counts C_w of the worker of each answer as stored, read under lock.
    pooled : ndarray, shape (K, K)
        Confusion M of the average worker, from `pooled_confusion`.
    prior : ndarray, shape (K,)
    previous : ndarray, shape (K,), optional
        The item's posterior that went into `counts` last time.
    counted : ndarray of bool, shape (r,), optional
        Answers that are in `counts`; default all but the last where `previous` is given, else none.
    weights : ndarray, shape (r,), optional
    votes : ndarray, shape (r,), optional
        Part of a vote that each answer has here: 1/c where c workers answer from one key. The workers' counts take
        the answers in whole.
    truth : ndarray, shape (K,), optional
        Clamps the posterior of a gold item: uniform over its accepted classes.
    b : float
        Calibration exponent of the job.
    n_workers : int
        Workers in the job, for the adversary guard.
    prior_counted : bool, optional
        Whether `previous` is in the job's sum of posteriors; default whether it is given.
    sureness : Sureness, optional
        What gold taught, from `confidence.live_sureness`: says how sure the label is.

    Raises
    ------
    ValueError
        If the shapes do not fit.

    References
    ----------
    R. Neal, G. Hinton (1998). A view of the EM algorithm that justifies incremental, sparse, and other variants.

    Examples
    --------
    >>> pooled, prior = pooled_confusion(np.zeros((2, 2))), np.array([.5, .5])
    >>> first = update_item(np.array([1]), np.zeros((1, 2, 2)), pooled, prior)
    >>> first.posterior, first.deltas
    (array([0.2, 0.8]), array([[0.2, 0.8]]))
    >>> counts = np.zeros((2, 2, 2))
    >>> counts[0, :, 1] += first.deltas[0]
    >>> second = update_item(np.array([1, 1]), counts, pooled, prior, previous=first.posterior)
    >>> second.posterior.round(3), second.label
    (array([0.059, 0.941]), 1)
    """
    labels, n_classes = np.asarray(labels, np.intp), len(prior)
    counts = np.asarray(counts, float).reshape(-1, n_classes, n_classes)
    rows = np.arange(len(labels))
    if len(counts) != len(labels):
        raise ValueError(f"counts has {len(counts)} workers, labels has {len(labels)} answers.")
    weight = np.ones(len(labels)) if weights is None else np.asarray(weights, float)
    if counted is None:
        counted = rows < (len(labels) - 1 if previous is not None else 0)
    old = np.zeros((len(labels), n_classes))
    if previous is not None:
        old[counted] = weight[counted, None] * previous
    without = counts.copy()
    without[rows, :, labels] = np.maximum(without[rows, :, labels] - old, 0)
    confusions = shrunk_confusions(without, pooled, STRENGTH)
    adversary = is_adversary(without, confusions, n_workers)
    confusions[adversary] = confusions[adversary].mean(axis=1, keepdims=True)
    voting = weight if votes is None else weight * votes
    evidence = voting @ np.log(confusions[rows, :, labels]) if len(labels) else np.zeros(n_classes)
    posterior = _softmax(np.log(prior) + evidence) if truth is None else np.asarray(truth, float)
    confidence = _softmax(np.log(prior) + b * evidence) if truth is None else posterior
    was = previous if previous is not None and prior_counted is not False else 0.0
    tied = posterior >= posterior.max() - 1e-9
    label = int(np.argmax(np.where(tied, prior, -1.0)))
    if sureness is not None and truth is None:
        log_prior, said = np.log(prior)[None], np.bincount(labels, voting, n_classes)[None]
        sure = sureness.of(log_prior, said, log_prior + evidence, np.array([label]))
        confidence = at_confidence(confidence, label, float(sure[0]))
    return LiveBelief(posterior, confidence, label, weight[:, None] * posterior - old, posterior - was)


def at_confidence(spread: np.ndarray, label: int, confidence: float) -> np.ndarray:
    """The `spread` (K,) with its `label` at a confidence, and the others in the proportions that they have.

    Examples
    --------
    >>> at_confidence(np.array([0.5, 0.3, 0.2]), 0, 0.9).round(2)
    array([0.9 , 0.06, 0.04])
    """
    others = np.where(np.arange(len(spread)) == label, 0.0, spread)
    found = others * ((1 - confidence) / max(others.sum(), 1e-300))
    found[label] = confidence
    return found


def class_prior(total: np.ndarray, anchor: np.ndarray | None = None, weight: float = ANCHOR) -> np.ndarray:
    """Class shares from the job's sum of posteriors `total` (K,), held at `anchor` (K,) by `weight` items.

    Examples
    --------
    >>> class_prior(np.array([60.0, 0.0]))
    array([0.66666667, 0.33333333])
    """
    total = np.maximum(np.asarray(total, float), 0)
    if anchor is None:
        anchor = np.full(len(total), 1 / len(total))
    share = total + weight * np.asarray(anchor, float)
    return share / share.sum()


def _softmax(joint: np.ndarray) -> np.ndarray:
    share = np.exp(joint - joint.max())
    return share / share.sum()
