"""Simulated crowds whose truth is known ("twins")."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from quality.estimators.em import Setup, prepare
from quality.estimators.encode import encode, encode_gold
from quality.estimators.expectation import default_pattern


class Twin(NamedTuple):
    """Judgments as columns, and the true class of items 0..I-1."""

    items: np.ndarray
    workers: np.ndarray
    labels: np.ndarray
    truth: np.ndarray

    def accuracy(self, model) -> float:
        return float((model.labels_ == self.truth[model.items_]).mean())


def twin(name: str, redundancy: int, seed: int, n_items: int = 1500, n_workers: int = 100) -> Twin:
    """Draw a twin: "A" spammers, "B" skewed, "C" opposite biases, "D" hard items with a lure."""
    rng = np.random.default_rng([ord(name), redundancy, seed])
    n_classes = 4 if name in "AD" else 2
    truth = (rng.random(n_items) < 0.1).astype(int) if name == "B" else rng.integers(0, n_classes, n_items)
    confusions = {"A": spammers, "B": skewed, "C": opposite, "D": spammers}[name](n_workers, rng)
    items = np.repeat(np.arange(n_items), redundancy)
    workers = np.concatenate([rng.choice(n_workers, redundancy, replace=False) for _ in range(n_items)])
    labels = say(confusions, workers, truth[items], rng)
    if name == "D":
        lure = (truth + rng.integers(1, n_classes, n_items)) % n_classes
        hard = rng.random(n_items) < 0.25
        lured = hard[items] & (rng.random(len(items)) < 0.65)
        labels = np.where(lured, lure[items], labels)
    return Twin(items, workers, labels, truth)


def spammers(n_workers: int, rng: np.random.Generator) -> np.ndarray:
    """K = 4: 15 % answer at random, the others with accuracy Beta(8, 2)."""
    right = np.where(rng.random(n_workers) < 0.15, 0.25, rng.beta(8, 2, n_workers))
    return one_coin(right, 4)


def skewed(n_workers: int, rng: np.random.Generator) -> np.ndarray:
    """K = 2: 15 % nearly always say class 0, the others have Beta(9, 1.5) on class 0, Beta(5, 2) on class 1."""
    lazy = rng.random(n_workers) < 0.15
    zero = np.where(lazy, 0.95, rng.beta(9, 1.5, n_workers))
    one = np.where(lazy, 0.05, rng.beta(5, 2, n_workers))
    return two_coin(zero, one)


def opposite(n_workers: int, rng: np.random.Generator) -> np.ndarray:
    """K = 2: half are good on class 0 and poor on class 1, the others the reverse."""
    good, poor = rng.beta(9, 2, n_workers), rng.beta(4, 4, n_workers)
    first = np.arange(n_workers) < n_workers // 2
    return two_coin(np.where(first, good, poor), np.where(first, poor, good))


def one_coin(right: np.ndarray, n_classes: int) -> np.ndarray:
    """Confusions (W, K, K) of workers who err evenly."""
    wrong = (1 - right) / (n_classes - 1)
    return np.where(np.eye(n_classes, dtype=bool), right[:, None, None], wrong[:, None, None])


def two_coin(zero: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Confusions (W, 2, 2) from the rates of being right on each class."""
    return np.stack([np.stack([zero, 1 - zero], axis=1), np.stack([1 - one, one], axis=1)], axis=1)


def say(confusions: np.ndarray, workers: np.ndarray, truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one label for each (worker, truth)."""
    ladder = confusions.cumsum(axis=2)[workers, truth]
    return np.minimum((rng.random(len(workers))[:, None] > ladder).sum(axis=1), confusions.shape[2] - 1)


def uniform_gold(truth: np.ndarray, n: int, seed: int) -> dict[int, int]:
    """`n` items drawn at random, with their truth."""
    chosen = np.random.default_rng(seed).choice(len(truth), n, replace=False)
    return {int(item): int(truth[item]) for item in chosen}


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
