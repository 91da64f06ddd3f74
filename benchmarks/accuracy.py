"""Accuracy on real crowds of known truth, in per cent, as the table of docs/estimators.md.

    python -m benchmarks.accuracy

Reads the folder DATASETS_DIR (default: ../shared/datasets beside the project).
"""

from __future__ import annotations

import sys

import numpy as np

from quality.estimators import DawidSkene, HierarchicalDawidSkene
from quality.estimators.encode import encode
from quality.estimators.metrics import majority_accuracy
from tests.support import datasets


def main() -> int:
    """Print one row a data set; majority vote in expectation over random ties."""
    if not datasets.ROOT.is_dir():
        print(f"No data sets in {datasets.ROOT}: set DATASETS_DIR.", file=sys.stderr)
        return 1
    print("| data set | items | answers an item | classes | majority | Dawid-Skene | HDS | status |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    rows = [measure(name) for name in datasets.CATEGORICAL]
    for name, items, each, classes, *accuracy, status in rows:
        shares = " | ".join(f"{100 * share:.1f}" for share in accuracy)
        print(f"| {name} | {items} | {each:.1f} | {classes} | {shares} | {status} |")
    means = np.mean([row[4:7] for row in rows], axis=0)
    print(f"| mean | | | | {' | '.join(f'{100 * mean:.1f}' for mean in means)} | |")
    return 0


def measure(name: str) -> tuple:
    """Size, and accuracy of the three methods."""
    data = datasets.load(name)
    columns = data.items, data.workers, data.labels
    answers = encode(*columns)
    known = [item in data.truth for item in answers.items]
    truth = np.searchsorted(answers.classes, [data.truth[item] for item in answers.items[known]])
    published, ours = DawidSkene().fit(*columns), HierarchicalDawidSkene().fit(*columns)
    return (
        name,
        len(answers.items),
        len(answers.item) / len(answers.items),
        len(answers.classes),
        majority_accuracy(answers.votes[known], truth),
        data.accuracy(published.items_, published.labels_),
        data.accuracy(ours.items_, ours.labels_),
        ours.status_,
    )


if __name__ == "__main__":
    sys.exit(main())
