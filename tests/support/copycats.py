"""Real crowds with copycats put in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.support.datasets import Dataset


def with_copycats(data: Dataset, share: float, seed: int, noise: float = 0.05) -> tuple[Dataset, np.ndarray]:
    """`data` with the answers of randomly chosen workers replaced by one random key, and which rows those are.

    Workers are taken until they hold `share` of all answers; `noise` of their answers differ from the key.
    """
    rng = np.random.default_rng(seed)
    classes, items = np.unique(data.labels), np.unique(data.items)
    workers, count = np.unique(data.workers, return_counts=True)
    order = rng.permutation(len(workers))
    enough = int(np.searchsorted(np.cumsum(count[order]), share * len(data.labels))) + 1
    copied = np.isin(data.workers, workers[order[:enough]])
    key = rng.integers(0, len(classes), len(items))
    said = key[np.searchsorted(items, data.items[copied])]
    slip = rng.random(len(said)) < noise
    said = np.where(slip, (said + rng.integers(1, len(classes), len(said))) % len(classes), said)
    labels = data.labels.copy()
    labels[copied] = classes[said]
    return replace(data, labels=labels), copied
