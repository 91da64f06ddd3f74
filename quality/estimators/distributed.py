"""The fit without gold over the workers of a Dask cluster, for answers that do not fit into one machine's memory.

Dask is no dependency of the library: `pip install dask distributed` where this is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from quality.estimators.em import ANCHOR, NumericError, Setup, connected_parts, in_large_parts
from quality.estimators.encode import Answers, GoldRows, Ids, encode
from quality.estimators.expectation import default_pattern, normalise_in_place
from quality.estimators.majority import vote_shares
from quality.estimators.opinions import by_rule
from quality.estimators.subtype_em import (
    MANY,
    Parameters,
    Part,
    Statistics,
    SubtypeFit,
    best_kinds,
    penalty_of,
    settle,
)

Columns = tuple[Ids, Ids, Ids]


@dataclass(frozen=True)
class Distributed:
    """What a fit over a cluster found. Beliefs stay where the answers are.

    Attributes
    ----------
    workers, classes : ndarray, shapes (W,), (K,)
    plain, best : Parameters
        With one kind of items a class, and with as many as the answers speak for.
    n_kinds, n_iter : int
    objective : list of float
    """

    workers: np.ndarray
    classes: np.ndarray
    plain: Parameters
    best: Parameters
    n_kinds: int
    n_iter: int
    objective: list[float]
    _shards: list[Any]

    def part(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Item ids (I_p,) of a part, counted from that with the lowest items, and their posteriors (I_p, K)."""
        return self._shards[number].believed().result()

    @property
    def n_parts(self) -> int:
        return len(self._shards)


def fit_on_dask(client: Any, parts: Sequence[Columns | Callable[[], Columns]]) -> Distributed:
    """What `SubtypeDawidSkene` gives without gold, guards and the search for copycats.

    Parameters
    ----------
    client : distributed.Client
    parts : sequence
        Columns (items, workers, labels) or functions that return them, called on the machine that is to hold them. All
        answers about an item are in one part, and the parts are ranges of item ids.

    Raises
    ------
    ValueError
        If there are no parts, or the ranges of two overlap.
    NumericError
        If the fit does not settle.

    Notes
    -----
    EM in rounds: the parameters go out, what the items of each part say comes back, W K^2 G numbers each way; they add
    up to the sums of one process but for the order of adding. The number of kinds is chosen here, on every so-manieth
    item, as in one process.
    """
    if not len(parts):
        raise ValueError("parts is empty.")
    homes = list(client.scheduler_info(n_workers=-1)["workers"])
    actors = [
        client.submit(Shard, part, actor=True, workers=[homes[n % len(homes)]], allow_other_workers=False, pure=False)
        for n, part in enumerate(parts)
    ]
    shards = [actor.result() for actor in actors]
    sizes = _all(shards, "size")
    order = sorted(range(len(shards)), key=lambda n: sizes[n].first)
    shards, sizes = [shards[n] for n in order], [sizes[n] for n in order]
    for one, other in zip(sizes, sizes[1:], strict=False):
        if other.first <= one.last:
            raise ValueError(f"parts overlap: one ends at item {one.last!r}, another begins at {other.first!r}.")
    workers = np.unique(np.concatenate([size.workers for size in sizes]))
    classes = np.unique(np.concatenate([size.classes for size in sizes]))
    offsets = np.cumsum([0, *(size.n_items for size in sizes)])
    n_items, n_answers = int(offsets[-1]), sum(size.n_answers for size in sizes)
    drawn = _all(shards, "encode", workers, classes)
    shares = sum(share for share, _, _ in drawn) / n_items
    own = _well_connected([part for _, part, _ in drawn], [count for _, _, count in drawn])
    plan = _Plan(workers, classes, shares[None], own, n_items)

    sample = [shard.sample(int(offset), -(-n_answers // MANY)) for shard, offset in zip(shards, offsets, strict=False)]
    n_kinds = best_kinds(plan.setup(_joined([one.result() for one in sample], plan))).n_kinds if len(classes) > 1 else 1
    fits = [_fit(shards, plan, kinds, n_answers) for kinds in sorted({1, n_kinds})]
    for one in [
        shard.conclude([found for found, _, _, _ in fits], [cost for _, _, _, cost in fits]) for shard in shards
    ]:
        one.result()
    best, n_iter, objective, _ = fits[-1]
    return Distributed(workers, classes, fits[0][0], best, n_kinds, n_iter, objective, shards)


@dataclass(frozen=True)
class _Plan:
    """What all parts share before the first round."""

    workers: np.ndarray
    classes: np.ndarray
    anchor: np.ndarray
    own: np.ndarray
    n_items: int

    def setup(self, answers: Answers) -> Setup:
        n_items, n_workers, n_classes = answers.shape
        return Setup(
            answers, GoldRows(np.zeros(0, np.intp), np.zeros((0, n_classes))), default_pattern(n_classes),
            np.zeros(n_items, np.intp), self.anchor, ANCHOR, np.ones(n_items, bool), self.own,
            np.zeros(n_workers, bool),
        )  # fmt: skip


@dataclass(frozen=True)
class _Size:
    first: Any
    last: Any
    workers: np.ndarray
    classes: np.ndarray
    n_items: int
    n_answers: int


class Shard:
    """One part of the answers, on the machine that holds it: an actor of Dask."""

    def __init__(self, part: Columns | Callable[[], Columns]) -> None:
        self._answers = encode(*(part() if callable(part) else part))
        self._kinds: dict[int, np.ndarray] = {}

    def size(self) -> _Size:
        answers = self._answers
        first, last = answers.items[0].item(), answers.items[-1].item()
        return _Size(first, last, answers.workers, answers.classes, len(answers.items), len(answers.item))

    def encode(self, workers: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Count workers and classes as all parts do; sum of vote shares (K,), and the `connected_parts` here."""
        old = self._answers
        worker = np.searchsorted(workers, old.workers).astype(np.int32)[old.worker]
        label = np.searchsorted(classes, old.classes).astype(np.int32)[old.label]
        self._answers = Answers(old.items, workers, classes, old.item, worker, label, old.weight)
        return vote_shares(self._answers, 0.5).sum(axis=0), *connected_parts(self._answers)

    def sample(self, offset: int, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Items (as numbers from `offset`), workers and labels of every so-manieth item of all parts together."""
        answers = self._answers
        kept = ((offset + np.arange(len(answers.items))) % step == 0)[answers.item]
        return answers.item[kept] + np.int64(offset), answers.worker[kept], answers.label[kept]

    def begin(self, plan: _Plan, n_kinds: int) -> tuple[Statistics, int]:
        """What the items say before the first round, and how many of them teach."""
        self._setup = plan.setup(self._answers)
        self._part, self._n_items = Part(self._setup, n_kinds), plan.n_items
        return self._part.statistics(), int(self._part.taught.sum())

    def step(self, found: Parameters) -> tuple[Statistics, float]:
        return self._part.step(found)

    def finish(self) -> bool:
        """Keep the beliefs; are they numbers?"""
        kinds = self._part.kinds
        self._kinds[kinds.shape[2]] = kinds
        return bool(np.isfinite(kinds).all())

    def conclude(self, found: Sequence[Parameters], costs: Sequence[float]) -> None:
        """Weigh the models and the votes against each other, by the fits with few kinds and with many."""
        share = len(self._answers.items) / self._n_items
        fits = [
            SubtypeFit(self._kinds[one.share.shape[1]], one, 0, [], 0.0, cost * share)
            for one, cost in zip(found, costs, strict=True)
        ]
        self._posterior, _ = normalise_in_place(by_rule(self._setup, fits[0], fits[-1]))
        self._kinds.clear()
        del self._part

    def believed(self) -> tuple[np.ndarray, np.ndarray]:
        return self._answers.items, self._posterior


def _all(shards: Sequence[Any], verb: str, *arguments: Any) -> list[Any]:
    """Ask all parts at once."""
    asked = [getattr(shard, verb)(*arguments) for shard in shards]
    return [one.result() for one in asked]


def _fit(
    shards: Sequence[Any], plan: _Plan, n_kinds: int, n_answers: int
) -> tuple[Parameters, int, list[float], float]:
    """Rounds over all parts: parameters, rounds, log-likelihoods, and what the number of kinds costs."""
    begun = _all(shards, "begin", plan, n_kinds)
    said = reduce(add, [statistics for statistics, _ in begun])

    def step(found: Parameters) -> tuple[Statistics, float]:
        answered = _all(shards, "step", found)
        return reduce(add, [statistics for statistics, _ in answered]), sum(value for _, value in answered)

    nothing = np.zeros(0, np.int32)
    nobody = Answers(np.zeros(0, int), plan.workers, plan.classes, nothing, nothing, nothing, np.zeros(0))
    found, n_iter, objective = settle(plan.setup(nobody), said, step, float(n_answers))
    if not all(_all(shards, "finish")):
        raise NumericError("A posterior is not finite.")
    return found, n_iter, objective, penalty_of(len(plan.classes), n_kinds, sum(taught for _, taught in begun))


def _joined(samples: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]], plan: _Plan) -> Answers:
    item, worker, label = (np.concatenate(column) for column in zip(*samples, strict=True))
    items, row = np.unique(item, return_inverse=True)
    return Answers(items, plan.workers, plan.classes, row.astype(np.int32), worker, label, np.ones(len(item)))


def _well_connected(parts: Sequence[np.ndarray], n_items: Sequence[np.ndarray]) -> np.ndarray:
    """`in_large_parts` of the whole graph, from the connected parts of its pieces."""
    n_workers = len(parts[0])
    start = n_workers + np.cumsum([0, *(len(count) for count in n_items)])
    worker = np.tile(np.arange(n_workers), len(parts))
    piece = np.concatenate([part + first for part, first in zip(parts, start, strict=False)])
    edges = coo_array((np.ones(len(worker), np.int8), (worker, piece)), shape=(start[-1], start[-1]))
    n_parts, merged = connected_components(edges, directed=False)
    counts = np.bincount(merged[n_workers:], np.concatenate(n_items), n_parts)
    return in_large_parts(merged[:n_workers], counts)
