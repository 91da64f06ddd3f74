"""From ids to indices: what every estimator does first."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_array

Ids = Sequence[Any] | np.ndarray
Gold = Mapping[Any, Any]


@dataclass(frozen=True)
class Answers:
    """Judgments as indices, in the one order (item, worker, label, weight) that makes sums repeatable.

    Attributes
    ----------
    items, workers, classes : ndarray, shapes (I,), (W,), (K,)
        Sorted unique ids.
    item, worker, label : ndarray of int32, shape (N,)
        Index of each judgment's item, worker and said class.
    weight : ndarray of float, shape (N,)
    """

    items: np.ndarray
    workers: np.ndarray
    classes: np.ndarray
    item: np.ndarray
    worker: np.ndarray
    label: np.ndarray
    weight: np.ndarray

    @property
    def shape(self) -> tuple[int, int, int]:
        """(I, W, K)."""
        return len(self.items), len(self.workers), len(self.classes)

    @cached_property
    def votes(self) -> np.ndarray:
        """Weight of the votes for each class, shape (I, K)."""
        n_items, _, n_classes = self.shape
        key = self.item.astype(np.int64) * n_classes + self.label
        return np.bincount(key, self.weight, n_items * n_classes).reshape(n_items, n_classes)

    @cached_property
    def matrix(self) -> csr_array:
        """Weights as a sparse table, shape (I, W*K), column w*K + l: both steps of EM are products with it."""
        n_items, n_workers, n_classes = self.shape
        start = np.concatenate([[0], np.cumsum(np.bincount(self.item, minlength=n_items))]).astype(np.int32)
        column = self.worker * np.int32(n_classes) + self.label
        return csr_array((self.weight, column, start), shape=(n_items, n_workers * n_classes))

    def subset(self, keep: np.ndarray) -> Answers:
        """The same items, workers and classes with the judgments where `keep` (N,) is true."""
        return Answers(
            self.items, self.workers, self.classes, self.item[keep], self.worker[keep], self.label[keep],
            self.weight[keep],
        )  # fmt: skip


@dataclass(frozen=True)
class GoldRows:
    """Items whose truth is known.

    Attributes
    ----------
    rows : ndarray of int, shape (n,)
        Their item indices, increasing.
    truth : ndarray of float, shape (n, K)
        Uniform over the accepted classes.
    """

    rows: np.ndarray
    truth: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def accepted(self) -> np.ndarray:
        """Which classes are right, shape (n, K), bool."""
        return self.truth > 0


def encode(
    items: Ids, workers: Ids, labels: Ids, weights: Ids | None = None, classes: Collection[Any] | None = None
) -> Answers:
    """Check the columns and turn ids into indices.

    Parameters
    ----------
    items, workers, labels : sequences of str or int, length N
    weights : sequence of float, length N, optional
        Positive; default 1.
    classes : collection, optional
        All classes, for when some were never said.

    Raises
    ------
    ValueError
        Names the argument that is empty, of another length, of mixed type or has missing values.
    """
    item_ids, item = factorise(items, "items")
    worker_ids, worker = factorise(workers, "workers")
    class_ids, label = factorise(labels, "labels")
    check_lengths(items=item, workers=worker, labels=label)
    if classes is not None:
        class_ids, label = _widen(class_ids, label, classes)
    weight = encode_weights(weights, len(item))
    order = _order(item, worker, label, len(worker_ids), len(class_ids), weight if weights is not None else None)
    return Answers(item_ids, worker_ids, class_ids, item[order], worker[order], label[order], weight[order])


def factorise(values: Ids, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Sorted unique ids and the index of each value among them (int32).

    Examples
    --------
    >>> factorise(["b", "a", "b"], "items")
    (array(['a', 'b'], dtype='<U1'), array([1, 0, 1], dtype=int32))
    """
    if isinstance(values, np.ndarray) and values.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, not of shape {values.shape}.")
    if isinstance(values, np.ndarray) and values.dtype.kind in "iub":
        if not len(values):
            raise ValueError(f"{name} is empty.")
        unique, codes = np.unique(values, return_inverse=True)
        return unique, codes.astype(np.int32)
    if isinstance(values, str | bytes | Mapping):
        raise ValueError(f"{name} must be a sequence of str or int, not {type(values).__name__}.")
    plain = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if not plain:
        raise ValueError(f"{name} is empty.")
    seen: dict[Any, int] = {}
    try:
        codes = np.fromiter((seen.setdefault(value, len(seen)) for value in plain), np.int32, len(plain))
    except TypeError as error:
        raise ValueError(f"{name} must hold str or int: {error}.") from None
    unique = _sorted_ids(list(seen), name)
    rank = np.empty(len(seen), np.int32)
    rank[[seen[value] for value in unique.tolist()]] = np.arange(len(seen), dtype=np.int32)
    return unique, rank[codes]


def encode_gold(gold: Gold | None, answers: Answers) -> GoldRows:
    """Known truths as rows of a posterior; items that nobody judged are left out.

    Raises
    ------
    ValueError
        If an accepted label is not a class, or a key accepts nothing.
    """
    if gold is None:
        gold = {}
    if not isinstance(gold, Mapping):
        raise ValueError(f"gold must map items to labels, not be a {type(gold).__name__}.")
    item_index = {value: row for row, value in enumerate(answers.items.tolist())} if gold else {}
    class_index = {value: k for k, value in enumerate(answers.classes.tolist())}
    found = {}
    for item, accepted in gold.items():
        known = _accepted(item, accepted, class_index)
        if item in item_index:
            found[item_index[item]] = known
    rows = np.array(sorted(found), np.intp)
    truth = np.zeros((len(rows), len(class_index)))
    for position, row in enumerate(rows):
        truth[position, found[row]] = 1 / len(found[row])
    return GoldRows(rows, truth)


def encode_weights(weights: Ids | None, length: int) -> np.ndarray:
    """Weights as floats, shape (N,); ones by default.

    Raises
    ------
    ValueError
        If a weight is not positive and finite, or their number differs.
    """
    if weights is None:
        return np.ones(length)
    try:
        weight = np.asarray(weights, float)
    except (TypeError, ValueError):
        raise ValueError("weights must be numbers.") from None
    if weight.shape != (length,):
        raise ValueError(f"weights has shape {weight.shape}, items has length {length}.")
    if not (np.isfinite(weight).all() and (weight > 0).all()):
        raise ValueError("weights must be positive and finite.")
    return weight


def encode_values(values: Ids, name: str) -> np.ndarray:
    """Numbers as floats, shape (N,).

    Raises
    ------
    ValueError
        If something is not a finite number.
    """
    try:
        numbers = np.asarray(values, float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers.") from None
    if numbers.ndim != 1 or not numbers.size:
        raise ValueError(f"{name} must be a non-empty sequence of numbers.")
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} contains NaN or infinity.")
    return numbers


def check_lengths(**columns: Any) -> None:
    """Refuse columns of different lengths, by name."""
    (first, length), *others = ((name, len(column)) for name, column in columns.items())
    for name, other in others:
        if other != length:
            raise ValueError(f"{name} has length {other}, {first} has length {length}.")


def _sorted_ids(values: list[Any], name: str) -> np.ndarray:
    if all(isinstance(value, str) for value in values):
        return np.array(sorted(values))
    if all(isinstance(value, int | np.integer) for value in values):
        return np.array(sorted(values))
    if any(value is None or value != value for value in values):
        raise ValueError(f"{name} contains a missing value (None or NaN).")
    kinds = sorted({type(value).__name__ for value in values})
    raise ValueError(f"{name} must be all str or all int, not {', '.join(kinds)}.")


def _widen(said: np.ndarray, label: np.ndarray, classes: Collection[Any]) -> tuple[np.ndarray, np.ndarray]:
    everything, _ = factorise(list(classes), "classes")
    unknown = sorted(set(said.tolist()) - set(everything.tolist()), key=str)
    if unknown:
        raise ValueError(f"labels contains {unknown[0]!r}, which is not among classes.")
    return everything, np.searchsorted(everything, said).astype(np.int32)[label]


def _accepted(item: Any, accepted: Any, class_index: dict[Any, int]) -> list[int]:
    if isinstance(accepted, str) or not isinstance(accepted, Collection):
        accepted = [accepted]
    if not len(accepted):
        raise ValueError(f"gold accepts no label for item {item!r}.")
    for label in accepted:
        if label not in class_index:
            raise ValueError(f"gold label {label!r} of item {item!r} is not a class.")
    return sorted({class_index[label] for label in accepted})


def _order(
    item: np.ndarray, worker: np.ndarray, label: np.ndarray, n_workers: int, n_classes: int, weight: np.ndarray | None
) -> np.ndarray:
    key = (item.astype(np.int64) * n_workers + worker) * n_classes + label
    if weight is None:
        return np.argsort(key, kind="stable")
    return np.lexsort((weight, key))
