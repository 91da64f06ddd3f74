"""How far answers agree beyond chance: Krippendorff's alpha."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import csr_array

from quality.estimators.encode import Ids, check_lengths, encode_values, factorise

Level = Literal["nominal", "ordinal", "interval", "ratio"]
LEVELS = ("nominal", "ordinal", "interval", "ratio")
#: Distinct values beyond which the table of distances is not worth its memory.
MANY_VALUES = 3_000
#: Bootstrap draws worked on at once.
BATCH = 50


def krippendorff_alpha(items: Ids, workers: Ids, labels: Ids, level: Level = "nominal") -> float:
    """Krippendorff's alpha: 1 is perfect agreement, 0 is chance. Items with one answer do not count.

    Parameters
    ----------
    items, workers, labels : sequences, length N
        Labels are ids for "nominal"; ordered ids (sorted) for "ordinal"; numbers for "interval" and "ratio".

    Returns
    -------
    float
        NaN if nothing can be compared: no item with two answers, or one value throughout.

    Notes
    -----
    ``alpha = 1 - D_o / D_e`` from the coincidences ``o_ck = sum_u pairs_u(c, k) / (m_u - 1)``.

    References
    ----------
    K. Krippendorff (2011). Computing Krippendorff's alpha-reliability.

    Examples
    --------
    >>> round(krippendorff_alpha([1, 1, 2, 2, 3, 3], list("ababab"), [0, 0, 1, 1, 0, 1]), 3)
    0.444
    """
    table = _coincidences(items, workers, labels, level)
    return float(_alpha(table.cells.sum(axis=0)[None], table.values, level)[0])


def krippendorff_interval(
    items: Ids, workers: Ids, labels: Ids, level: Level = "nominal", *, rng: np.random.Generator,
    draws: int = 1000, confidence: float = 0.95,
) -> tuple[float, float]:  # fmt: skip
    """Bootstrap interval of alpha: items are drawn with replacement.

    Low alpha does not mean bad labels: many answers can make good labels from poor agreement.
    """
    table = _coincidences(items, workers, labels, level)
    n_items = table.cells.shape[0]
    found = []
    for start in range(0, draws, BATCH):
        size = min(BATCH, draws - start)
        drawn = rng.multinomial(n_items, np.full(n_items, 1 / n_items), size=size)
        found.append(_alpha((table.cells.T @ drawn.T.astype(float)).T, table.values, level))
    lower, upper = np.nanquantile(np.concatenate(found), [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(lower), float(upper)


@dataclass(frozen=True)
class _Coincidences:
    """Values (V,), and for each item with two answers or more its coincidences, flat: (I, V*V)."""

    values: np.ndarray
    cells: csr_array


def _coincidences(items: Ids, workers: Ids, labels: Ids, level: str) -> _Coincidences:
    if level not in LEVELS:
        raise ValueError(f"level must be one of {', '.join(LEVELS)}, not {level!r}.")
    _, item = factorise(items, "items")
    _, worker = factorise(workers, "workers")
    if level in ("interval", "ratio"):
        values, label = np.unique(encode_values(labels, "labels"), return_inverse=True)
    else:
        values, label = factorise(labels, "labels")
    check_lengths(items=item, workers=worker, labels=label)
    if level == "ratio" and (values < 0).any():
        raise ValueError("labels must not be negative for level 'ratio'.")
    n_values = len(values)
    if n_values > MANY_VALUES:
        raise ValueError(f"labels has {n_values} distinct values, more than {MANY_VALUES}: round them first.")
    counts = csr_array((np.ones(len(item)), (item, label)), shape=(item.max() + 1, n_values))
    counts.sum_duplicates()
    size = counts.sum(axis=1)
    counts = counts[size >= 2]
    row, left, right, pairs = _pairs(counts)
    weight = pairs / (size[size >= 2][row] - 1)
    return _Coincidences(
        values, csr_array((weight, (row, left * n_values + right)), shape=(counts.shape[0], n_values**2))
    )


def _pairs(counts: csr_array) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Item, two values, and the number of ordered pairs of answers with them."""
    width = np.diff(counts.indptr)
    row = np.repeat(np.arange(len(width)), width)
    first = np.repeat(np.arange(len(row)), width[row])
    offset = np.arange(len(first)) - np.repeat(np.cumsum(width[row]) - width[row], width[row])
    second = counts.indptr[row[first]] + offset
    n = counts.data
    return row[first], counts.indices[first].astype(np.int64), counts.indices[second], n[first] * (
        n[second] - (first == second)
    )  # fmt: skip


def _alpha(cells: np.ndarray, values: np.ndarray, level: str) -> np.ndarray:
    """Alpha of each of D flat coincidence tables (D, V*V), shape (D,)."""
    n_values = len(values)
    margin = cells.reshape(-1, n_values, n_values).sum(axis=2)
    total = margin.sum(axis=1)
    if level == "ordinal":
        distance = np.stack([_ordinal_distance(row) for row in margin])
        observed = np.einsum("dv,dv->d", cells, distance.reshape(len(cells), -1))
        expected = np.einsum("dc,dck,dk->d", margin, distance, margin, optimize=True)
    else:
        distance = _distance(values, level)
        observed = cells @ distance.ravel()
        expected = np.einsum("dc,dc->d", margin @ distance, margin)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(expected > 0, 1 - (total - 1) * observed / expected, np.nan)


def _distance(values: np.ndarray, level: str) -> np.ndarray:
    """Squared distances of the values, shape (V, V)."""
    if level == "nominal":
        return 1 - np.eye(len(values))
    gap = np.abs(values[:, None] - values[None])
    if level == "interval":
        return gap**2
    total = values[:, None] + values[None]
    return np.divide(gap, total, out=np.zeros_like(gap), where=total > 0) ** 2


def _ordinal_distance(margin: np.ndarray) -> np.ndarray:
    """Squared number of answers between two grades, half of the outer two: needs the margins."""
    middle = np.cumsum(margin) - margin / 2
    return (middle[:, None] - middle[None]) ** 2
