"""A batch that asks one answer at a time, on simulated workers, with live beliefs and the stopping rule."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from quality.estimators.live import class_prior, pooled_confusion, update_item
from quality.estimators.stopping import Rule, decide


class Asked(Protocol):
    """Judgments by item, as many an item, and the truth: only the number of items and classes is read of it."""

    @property
    def workers(self) -> np.ndarray: ...
    @property
    def labels(self) -> np.ndarray: ...
    @property
    def truth(self) -> np.ndarray: ...


def ask_until_settled(
    crowd: Asked, rule: Rule, b: float, rng: np.random.Generator, *, known: dict[int, int] | None = None
) -> np.ndarray:
    """How many answers each item is asked, shape (I,).

    Each item's answers come in the order of the crowd; items take turns, so beliefs about workers grow with the batch.
    `known` items are clamped, and asked `rule.r_min` times: they teach, and are not what is bought.
    """
    n_items, n_workers = len(crowd.truth), int(crowd.workers.max()) + 1
    n_classes = max(int(crowd.labels.max()), int(crowd.truth.max())) + 1
    worker, label = crowd.workers.reshape(n_items, -1), crowd.labels.reshape(n_items, -1)
    counts, total = np.zeros((n_workers, n_classes, n_classes)), np.zeros(n_classes)
    summed = np.zeros((n_classes, n_classes))
    certain = np.eye(n_classes)
    known = known or {}
    asked = np.zeros(n_items, int)
    posterior: dict[int, np.ndarray] = {}
    waiting = list(range(n_items))
    while waiting:
        still = []
        for i in rng.permutation(waiting):
            asked[i] += 1
            who, said = worker[i, : asked[i]], label[i, : asked[i]]
            belief = update_item(
                said, counts[who], pooled_confusion(summed), class_prior(total), previous=posterior.get(i), b=b,
                truth=certain[known[i]] if i in known else None,
            )  # fmt: skip
            for w, y, delta in zip(who, said, belief.deltas, strict=True):
                counts[w, :, y] += delta
                summed[:, y] += delta
            total += belief.prior_delta
            posterior[i] = belief.posterior
            if i in known:
                goes_on = asked[i] < rule.r_min
            else:
                goes_on = decide(belief.confidence, belief.label, int(asked[i]), rule).action == "ask"
            if goes_on:
                still.append(i)
        waiting = still
    return asked
