"""Simulated crowds whose truth is known ("twins")."""

from __future__ import annotations

import numpy as np

from quality.estimators.em import Setup, prepare
from quality.estimators.encode import encode, encode_gold
from quality.estimators.expectation import default_pattern
from quality.simulation.crowds import Twin, one_coin, say, twin, two_coin, uniform_gold

__all__ = ["Twin", "crowd", "inverted_crowd", "one_coin", "say", "setup_of", "twin", "two_coin", "uniform_gold"]


def crowd(n_items: int = 300, n_workers: int = 9, redundancy: int = 4, n_classes: int = 3, seed: int = 2) -> Twin:
    """A small crowd of one-coin workers."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_classes, n_items)
    items = np.repeat(np.arange(n_items), redundancy)
    workers = np.concatenate([rng.choice(n_workers, redundancy, replace=False) for _ in range(n_items)])
    confusions = one_coin(rng.uniform(0.55, 0.95, n_workers), n_classes)
    return Twin(items, workers, say(confusions, workers, truth[items], rng), truth)


def inverted_crowd(seed: int = 0, n_items: int = 600, share: float = 0.15) -> Twin:
    """Two classes and 40 workers, of whom the first `share` say the other class 92 times in 100."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n_items)
    right = np.where(np.arange(40) < share * 40, 0.08, rng.beta(8, 2, 40))
    items = np.repeat(np.arange(n_items), 5)
    workers = np.concatenate([rng.choice(40, 5, replace=False) for _ in range(n_items)])
    return Twin(items, workers, say(one_coin(right, 2), workers, truth[items], rng), truth)


def setup_of(items, workers, labels, gold=None, gold_sample=None) -> Setup:
    """What EM starts from."""
    answers = encode(items, workers, labels)
    return prepare(answers, encode_gold(gold, answers), default_pattern(len(answers.classes)), gold_sample)
