"""Orders of things by several people: the order that disagrees least with them, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from quality.estimators.encode import Ids, check_lengths, encode_weights, factorise


class RankConsensus:
    """The order of each item's things, the best first.

    Attributes
    ----------
    items_, workers_ : ndarray, shapes (I,), (W,)
    estimates_ : list of tuple, length I
    confidence_ : ndarray, shape (I,)
        Weighted share of the pairs of things on which the answers agree with the order.
    agreement_ : ndarray, shape (W,)
        A worker's share of such pairs, drawn to .8 by five pseudo-pairs.
    status_ : "ok"

    Notes
    -----
    Kemeny's order: least weighted number of pairs put the other way round, from Borda's order by moving one thing at a
    time while that helps; exact for what two things can tell, a good local optimum beyond. A worker weighs
    ``log(a / (1 - a))``, a being the agreement.

    Examples
    --------
    >>> RankConsensus().fit([1, 1, 1], list("abc"), [["x", "y", "z"], ["x", "z", "y"], ["y", "x", "z"]]).estimates_
    [('x', 'y', 'z')]
    """

    def __init__(self, seed: int = 0, gold_sample: str | None = None, n_iter: int = 20) -> None:
        self.seed, self.gold_sample, self.n_iter = seed, gold_sample, n_iter

    def fit(
        self, items: Ids, workers: Ids, labels: Sequence[Sequence[Any]], gold: Any = None, weights: Ids | None = None
    ) -> Self:
        """Estimate from N answers, each a list of things, the best first; a part of an item's things may be missing.

        Raises
        ------
        ValueError
            Names the argument that is wrong.
        """
        self.items_, item = factorise(items, "items")
        self.workers_, worker = factorise(workers, "workers")
        check_lengths(items=item, workers=worker, labels=labels)
        weight = encode_weights(weights, len(item))
        for row, answer in enumerate(labels):
            if isinstance(answer, str) or not isinstance(answer, Sequence) or len(set(answer)) != len(answer):
                raise ValueError(f"labels must hold lists without repeats, not {answer!r} (row {row}).")
        place = {value: row for row, value in enumerate(self.items_.tolist())}
        known = {place[value]: tuple(order) for value, order in (gold or {}).items() if value in place}
        named: list[set] = [set(known.get(one, ())) for one in range(len(self.items_))]
        for row, answer in enumerate(labels):
            named[item[row]].update(answer)
        things = [sorted(each, key=str) for each in named]
        before = [_before(labels[row], things[item[row]]) for row in range(len(item))]
        pairs = np.bincount(worker, [table.sum() for table in before])
        self.agreement_ = np.full(len(self.workers_), 0.8)
        orders: list[list[int]] = []
        for _ in range(self.n_iter):
            power = weight * np.maximum(np.log(self.agreement_ / (1 - self.agreement_)), 1e-3)[worker]
            previous, orders = orders, []
            total = [np.zeros((len(each), len(each))) for each in things]
            for row, table in enumerate(before):
                total[item[row]] += power[row] * table
            for one, table in enumerate(total):
                fixed = [things[one].index(thing) for thing in known[one]] if one in known else None
                orders.append(fixed or _kemeny(table))
            agree = [_agreeing(before[row], orders[item[row]]) for row in range(len(item))]
            self.agreement_ = (np.bincount(worker, agree) + 4) / (pairs + 5)
            if orders == previous:
                break
        self.estimates_ = [tuple(things[one][n] for n in order) for one, order in enumerate(orders)]
        kept = [(_agreeing(table, order), table.sum()) for table, order in zip(total, orders, strict=True)]
        self.confidence_ = np.array([part / whole if whole else 1.0 for part, whole in kept])
        self.status_ = "ok"
        return self


def kendall_tau(one: Sequence[Any], other: Sequence[Any]) -> float:
    """1 for the same order, -1 for its reverse, over the things in both; 1 where fewer than two are.

    Examples
    --------
    >>> kendall_tau("abc", "acb")
    0.3333333333333333
    """
    place = {thing: n for n, thing in enumerate(other)}
    order = [place[thing] for thing in one if thing in place]
    signs = [np.sign(b - a) for n, a in enumerate(order) for b in order[n + 1 :]]
    return float(np.mean(signs)) if signs else 1.0


def _before(answer: Sequence[Any], things: list[Any]) -> np.ndarray:
    """1 where the answer puts a before b, shape (n, n)."""
    place = np.array([answer.index(thing) if thing in answer else -1 for thing in things])
    ranked = place >= 0
    return ((place[:, None] < place[None]) & ranked[:, None] & ranked[None]).astype(float)


def _agreeing(table: np.ndarray, order: Sequence[int]) -> float:
    """Sum of the pairs that stand in the order's direction."""
    return float(np.triu(table[np.ix_(order, order)], 1).sum())


def _kemeny(before: np.ndarray) -> list[int]:
    """Order of the columns: Borda's, then moves of one thing while they help."""
    lead = before - before.T
    order = np.argsort(-lead.sum(axis=1), kind="stable").tolist()
    improved = True
    while improved:
        improved = False
        for thing in list(order):
            rest = [other for other in order if other != thing]
            # Standing at position p gains what the thing leads over all that come after it.
            gain = np.concatenate([[0.0], np.cumsum(-lead[thing, rest])])
            here, best = order.index(thing), int(gain.argmax())
            if gain[best] > gain[here] + 1e-9:
                rest.insert(best, thing)
                order, improved = rest, True
    return order
