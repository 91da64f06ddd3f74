"""Real crowd answers, where `DATASETS_DIR` (default: ../shared/datasets beside the project) has them."""

from __future__ import annotations

import csv
import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import pytest

ROOT = Path(os.environ.get("DATASETS_DIR") or Path(__file__).resolve().parents[2] / "../shared/datasets")

CATEGORICAL = (
    "barzan", "bluebirds", "d_product", "dog", "ducks", "face", "music_genre", "rte", "temporal", "weather_amt",
    "weather_cf", "web", "zencrowd_in", "zencrowd_us",
)  # fmt: skip


@dataclass(frozen=True)
class Dataset:
    """Columns of one data set, as strings, and what is true: item to label."""

    name: str
    items: np.ndarray
    workers: np.ndarray
    labels: np.ndarray
    truth: dict[str, str]

    def accuracy(self, items: np.ndarray, labels: np.ndarray) -> float:
        """Share of right labels over the items with a truth."""
        scored = [self.truth[item] == label for item, label in zip(items, labels, strict=True) if item in self.truth]
        return float(np.mean(scored))

    def first(self, redundancy: int, rng: np.random.Generator) -> Dataset:
        """The same with `redundancy` answers of each item at most, drawn at random."""
        _, item = np.unique(self.items, return_inverse=True)
        order = np.lexsort((rng.random(len(item)), item))
        count = np.bincount(item)
        rank = np.arange(len(item)) - np.repeat(np.cumsum(count) - count, count)
        kept = np.sort(order[rank < redundancy])
        return Dataset(self.name, self.items[kept], self.workers[kept], self.labels[kept], self.truth)


def load(name: str) -> Dataset:
    """Read a data set with one judgment a worker and item (the last); skip the test where it is not there."""
    folder = ROOT / name
    if not folder.is_dir():
        pytest.skip(f"no data set {name!r}: set DATASETS_DIR to the folder that holds it")
    rows = {(row["task"], row["worker"]): row["label"] for row in _rows(folder, "labels")}
    items, workers = (np.array(column) for column in zip(*rows, strict=True))
    truth = {row["task"]: row["label"] for row in _rows(folder, "truth")}
    return Dataset(name, items, workers, np.array(list(rows.values())), truth)


def rows(name: str, table: str = "labels") -> list[dict[str, str]]:
    """All rows of a data set's table as written; skip the test where it is not there."""
    if not (ROOT / name).is_dir():
        pytest.skip(f"no data set {name!r}: set DATASETS_DIR to the folder that holds it")
    return _rows(ROOT / name, table)


def _rows(folder: Path, table: str) -> list[dict[str, str]]:
    with _open(folder / f"{table}.csv") as file:
        return list(csv.DictReader(file))


def _open(path: Path) -> TextIO:
    if path.exists():
        return path.open(newline="", encoding="utf-8")
    return gzip.open(f"{path}.gz", "rt", newline="", encoding="utf-8")
