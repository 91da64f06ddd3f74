"""A batch that asks one answer at a time, on simulated workers, with live beliefs and the stopping rule."""

from __future__ import annotations

import numpy as np

from quality.estimators import HierarchicalDawidSkene
from quality.estimators.live import class_prior, pooled_confusion, update_item
from quality.estimators.stopping import Rule, decide


def collect(crowd, rule: Rule, b: float, rng: np.random.Generator) -> tuple[float, float]:
    """Answers asked for each item, and accuracy of the labels of a full fit at the end.

    Each item's answers come in the order of the twin; items take turns, so beliefs about workers grow with the batch.
    """
    n_items, n_workers = len(crowd.truth), int(crowd.workers.max()) + 1
    n_classes = int(crowd.labels.max()) + 1
    worker, label = crowd.workers.reshape(n_items, -1), crowd.labels.reshape(n_items, -1)
    counts, total = np.zeros((n_workers, n_classes, n_classes)), np.zeros(n_classes)
    summed = np.zeros((n_classes, n_classes))
    asked, posterior = np.zeros(n_items, int), {}
    waiting = list(range(n_items))
    while waiting:
        still = []
        for i in rng.permutation(waiting):
            asked[i] += 1
            who, said = worker[i, : asked[i]], label[i, : asked[i]]
            belief = update_item(
                said, counts[who], pooled_confusion(summed), class_prior(total), previous=posterior.get(i), b=b
            )
            for w, y, delta in zip(who, said, belief.deltas, strict=True):
                counts[w, :, y] += delta
                summed[:, y] += delta
            total += belief.prior_delta
            posterior[i] = belief.posterior
            if decide(belief.confidence, belief.label, int(asked[i]), rule).action == "ask":
                still.append(i)
        waiting = still
    keep = (np.arange(worker.shape[1]) < asked[:, None]).ravel()
    model = HierarchicalDawidSkene().fit(crowd.items[keep], crowd.workers[keep], crowd.labels[keep])
    return float(asked.mean()), crowd.accuracy(model)
