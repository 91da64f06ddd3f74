"""A batch that asks one answer at a time, and the labels of a full fit at its end."""

from __future__ import annotations

import numpy as np

from quality.estimators import HierarchicalDawidSkene
from quality.estimators.stopping import Rule
from quality.simulation.stopping import ask_until_settled
from tests.support.twins import Twin


def collect(crowd: Twin, rule: Rule, b: float, rng: np.random.Generator) -> tuple[float, float]:
    """Answers asked for each item, and accuracy of the labels of a full fit at the end."""
    asked = ask_until_settled(crowd, rule, b, rng)
    keep = (np.arange(len(crowd.items) // len(asked)) < asked[:, None]).ravel()
    model = HierarchicalDawidSkene().fit(crowd.items[keep], crowd.workers[keep], crowd.labels[keep])
    return float(asked.mean()), crowd.accuracy(model)
