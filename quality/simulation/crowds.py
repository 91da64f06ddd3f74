"""Simulated crowds whose truth is known ("twins"), with as much spam, collusion, drift and difficulty as one likes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

TWINS = ("A", "B", "C", "D")
#: What a twin has by itself: share of spammers, share of hard items.
SPAM = {"A": 0.15, "B": 0.15, "C": 0.0, "D": 0.15}
DIFFICULTY = {"A": 0.0, "B": 0.0, "C": 0.0, "D": 0.25}
#: An answer to a hard item goes to its lure so often.
LURED = 0.65
#: A copycat's answer differs from the shared key so often.
SLIPS = 0.05
#: Accuracy of the honest workers of twins A and D: Beta(8, 2).
SKILL, SPREAD = 0.8, 10.0


@dataclass(frozen=True)
class Recipe:
    """What a simulated crowd is made of.

    Attributes
    ----------
    twin : str
        "A" workers of mixed accuracy, "B" a skewed two-class job with lazy workers, "C" opposite biases, "D" hard
        items with a lure.
    answers : int
        Answers an item.
    spam : float or None
        Share of workers whose answers say nothing; None: as the twin has it.
    collusion : float
        Share of workers who copy one random key, with 5 % slips.
    drift : float
        Share of honest answers that are guesses at the end; it grows from none at the beginning.
    difficulty : float or None
        Share of items with a lure; None: as the twin has it.
    skill : float or None
        Mean accuracy of honest workers; twins A and D only.
    classes : int or None
        Number of classes; twins A and D only (4).

    Raises
    ------
    ValueError
        Names the field that is out of range.
    """

    twin: str = "A"
    items: int = 1500
    workers: int = 100
    answers: int = 3
    spam: float | None = None
    collusion: float = 0.0
    drift: float = 0.0
    difficulty: float | None = None
    skill: float | None = None
    classes: int | None = None

    def __post_init__(self) -> None:
        if self.twin not in TWINS:
            raise ValueError(f"twin must be one of {', '.join(TWINS)}, not {self.twin!r}.")
        if not 1 <= self.items <= 1_000_000:
            raise ValueError("items must lie between 1 and 1000000.")
        if not 1 <= self.answers <= self.workers:
            raise ValueError("answers must be at least 1, and at most as many as there are workers.")
        for name in ("spam", "collusion", "drift", "difficulty"):
            share = getattr(self, name)
            if share is not None and not 0 <= share <= 1:
                raise ValueError(f"{name} must be a share, 0 to 1.")
        if self.twin in "BC" and (self.skill is not None or self.classes is not None):
            raise ValueError("skill and classes belong to twins A and D; B and C have two classes and fixed skill.")
        if self.skill is not None and not 0 < self.skill < 1:
            raise ValueError("skill must lie between 0 and 1.")
        if self.classes is not None and not 2 <= self.classes <= 50:
            raise ValueError("classes must lie between 2 and 50.")

    @property
    def n_classes(self) -> int:
        return self.classes or (4 if self.twin in "AD" else 2)


@dataclass(frozen=True)
class Twin:
    """Judgments as columns, in the order in which they came; the truth they are about, and who is who.

    Attributes
    ----------
    items, workers, labels : ndarray of int, shape (N,)
    truth : ndarray of int, shape (I,)
        True class of items 0..I-1.
    spammers, copycats : ndarray of bool, shape (W,)
    hard : ndarray of bool, shape (I,)
        Empty, as the two before, where nobody kept account of it.
    """

    items: np.ndarray
    workers: np.ndarray
    labels: np.ndarray
    truth: np.ndarray
    spammers: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    copycats: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))
    hard: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def columns(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Items, workers and labels (N,), and the truth (I,)."""
        return self.items, self.workers, self.labels, self.truth

    def accuracy(self, model: Any, but: Any = ()) -> float:
        """Share of a fitted model's labels that are right; items in `but` are not scored."""
        scored = ~np.isin(model.items_, list(but))
        return float((model.labels_ == self.truth[model.items_])[scored].mean())

    def first(self, answers: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Items, workers and labels of the first so many answers of each item."""
        keep = np.tile(np.arange(len(self.items) // len(self.truth)) < answers, len(self.truth))
        return self.items[keep], self.workers[keep], self.labels[keep]


def twin(name: str, redundancy: int, seed: int, n_items: int = 1500, n_workers: int = 100) -> Twin:
    """Draw a twin as it is by itself."""
    return draw(Recipe(name, n_items, n_workers, redundancy), seed)


def draw(recipe: Recipe, seed: int) -> Twin:
    """Draw a crowd and its answers. What a recipe leaves at its default changes nothing in what is drawn."""
    rng = np.random.default_rng([ord(recipe.twin), recipe.answers, seed])
    n_items, n_workers, n_classes = recipe.items, recipe.workers, recipe.n_classes
    truth = (rng.random(n_items) < 0.1).astype(int) if recipe.twin == "B" else rng.integers(0, n_classes, n_items)
    spam = SPAM[recipe.twin] if recipe.spam is None else recipe.spam
    confusions, spammers = _crowd(recipe, spam, rng)
    items = np.repeat(np.arange(n_items), recipe.answers)
    workers = np.concatenate([rng.choice(n_workers, recipe.answers, replace=False) for _ in range(n_items)])
    labels = say(confusions, workers, truth[items], rng)
    share = DIFFICULTY[recipe.twin] if recipe.difficulty is None else recipe.difficulty
    hard = np.zeros(n_items, bool)
    if share:
        lure = (truth + rng.integers(1, n_classes, n_items)) % n_classes
        hard = rng.random(n_items) < share
        lured = hard[items] & (rng.random(len(items)) < LURED)
        labels = np.where(lured, lure[items], labels)
    # From a stream of their own: what they do leaves the crowd beneath as it was.
    rng = np.random.default_rng([ord(recipe.twin), recipe.answers, seed, 1])
    copycats = np.zeros(n_workers, bool)
    copycats[rng.permutation(n_workers)[: round(recipe.collusion * n_workers)]] = True
    if recipe.drift:
        late = rng.random(len(items)) < recipe.drift * items / max(n_items - 1, 1)
        labels = np.where(late & ~spammers[workers], rng.integers(0, n_classes, len(items)), labels)
    if copycats.any():
        key = rng.integers(0, n_classes, n_items)[items]
        slip = rng.random(len(items)) < SLIPS
        key = np.where(slip, (key + rng.integers(1, n_classes, len(items))) % n_classes, key)
        labels = np.where(copycats[workers], key, labels)
    return Twin(items, workers, labels, truth, spammers & ~copycats, copycats, hard)


def _crowd(recipe: Recipe, spam: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Confusions (W, K, K), and who is a spammer (W,)."""
    if recipe.twin == "B":
        return skewed(recipe.workers, rng, spam)
    if recipe.twin == "C":
        confusions = opposite(recipe.workers, rng)
        random = np.zeros(recipe.workers, bool)
        if spam:
            random = rng.random(recipe.workers) < spam
            confusions[random] = 0.5
        return confusions, random
    return spammers_among(recipe.workers, rng, spam, recipe.skill or SKILL, recipe.n_classes)


def spammers_among(
    n_workers: int, rng: np.random.Generator, spam: float = 0.15, skill: float = SKILL, n_classes: int = 4
) -> tuple[np.ndarray, np.ndarray]:
    """A share answers at random, the others with accuracy Beta(10 skill, 10 (1 - skill)): Beta(8, 2)."""
    random = rng.random(n_workers) < spam
    able = rng.beta(SPREAD * skill, SPREAD - SPREAD * skill, n_workers)
    return one_coin(np.where(random, 1 / n_classes, able), n_classes), random


def skewed(n_workers: int, rng: np.random.Generator, spam: float = 0.15) -> tuple[np.ndarray, np.ndarray]:
    """K = 2: a share nearly always says class 0, the others have Beta(9, 1.5) on class 0, Beta(5, 2) on class 1."""
    lazy = rng.random(n_workers) < spam
    zero = np.where(lazy, 0.95, rng.beta(9, 1.5, n_workers))
    one = np.where(lazy, 0.05, rng.beta(5, 2, n_workers))
    return two_coin(zero, one), lazy


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
