"""Sets of labels: does each label hold? One two-coin model a label, with workers' habits shared between labels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Self

import numpy as np

from quality.estimators.confidence import calibrate
from quality.estimators.em import prepare, run
from quality.estimators.encode import Ids, check_lengths, encode, encode_gold, encode_weights, factorise
from quality.estimators.expectation import default_pattern
from quality.estimators.hierarchical import GOLD_SAMPLES


class MultilabelDawidSkene:
    """The set of labels that hold for each item.

    Attributes
    ----------
    items_, workers_, classes_ : ndarray, shapes (I,), (W,), (L,)
        Classes are the labels to choose from.
    posteriors_ : ndarray, shape (I, L)
        P(label holds) at b = 1.
    estimates_ : list of tuple, length I
        Labels that hold, sorted.
    label_confidence_ : ndarray, shape (I, L)
        Calibrated probability that the verdict on each label is right.
    confidence_ : ndarray, shape (I,)
        Their product: that the whole set is right.
    confusions_ : ndarray, shape (W, 2, 2)
        [w, holds, said]: specificity and sensitivity, pooled over the labels.
    prior_ : ndarray, shape (L,)
        How common each label is.
    calibration_, n_iter_, objective_, status_
        As of `HierarchicalDawidSkene`.

    Examples
    --------
    >>> model = MultilabelDawidSkene().fit([1, 1, 1, 2, 2, 2], list("abcabc"),
    ...     [["sea"], ["sea", "sky"], ["sea", "sky"], [], ["sky"], []])
    >>> model.estimates_
    [('sea', 'sky'), ()]
    """

    def __init__(self, seed: int = 0, gold_sample: str | None = None) -> None:
        if gold_sample not in GOLD_SAMPLES:
            raise ValueError(f"gold_sample must be one of {GOLD_SAMPLES}, not {gold_sample!r}.")
        self.seed, self.gold_sample = seed, gold_sample

    def fit(
        self, items: Ids, workers: Ids, labels: Sequence[Collection[Any]],
        gold: Mapping[Any, Collection[Any]] | None = None, weights: Ids | None = None,
        classes: Collection[Any] | None = None,
    ) -> Self:  # fmt: skip
        """Estimate from N answers, each a collection of labels that may be empty.

        Parameters
        ----------
        gold : mapping, optional
            Item to the exact set of its labels.
        classes : collection, optional
            All labels to choose from, if some may never have been chosen.

        Raises
        ------
        ValueError
            Names the argument that is wrong.
        """
        item_ids, item = factorise(items, "items")
        worker_ids, worker = factorise(workers, "workers")
        check_lengths(items=item, workers=worker, labels=labels)
        class_ids, chosen = _indicator(labels, classes)
        n_labels = len(class_ids)
        weight = np.repeat(encode_weights(weights, len(item)), n_labels)
        pair = (item[:, None] * n_labels + np.arange(n_labels)).ravel()
        answers = encode(pair, np.repeat(worker, n_labels), chosen.ravel().astype(int), weight, classes=[0, 1])
        known = encode_gold(_pair_gold(gold, item_ids, class_ids), answers)
        group = np.tile(np.arange(n_labels), len(item_ids))
        setup = prepare(answers, known, default_pattern(2), self.gold_sample, group)
        fit = run(setup)
        holds = fit.posterior[:, 1] > 0.5
        self.calibration_, confidence = calibrate(setup, fit, holds.astype(int), self.seed)
        self.items_, self.workers_, self.classes_ = item_ids, worker_ids, class_ids
        self.posteriors_ = fit.posterior[:, 1].reshape(-1, n_labels)
        self.label_confidence_ = confidence.reshape(-1, n_labels)
        self.confidence_ = self.label_confidence_.prod(axis=1)
        self.estimates_ = [tuple(class_ids[row].tolist()) for row in holds.reshape(-1, n_labels)]
        self.prior_, self.confusions_ = fit.prior[:, 1], fit.confusions
        self.n_iter_, self.objective_ = fit.n_iter, fit.objective
        self.status_ = "adversary" if fit.adversary.any() else "ok"
        return self


def _indicator(labels: Sequence[Collection[Any]], classes: Collection[Any] | None) -> tuple[np.ndarray, np.ndarray]:
    """Sorted labels (L,), and which of them each answer chose (N, L)."""
    for position, row in enumerate(labels):
        if isinstance(row, str) or not isinstance(row, Collection):
            raise ValueError(f"labels must hold collections of labels, not {row!r} (row {position}).")
    said = {label for row in labels for label in row}
    if not said and not classes:
        raise ValueError("labels chooses nothing at all; name the classes.")
    class_ids, _ = factorise(sorted(classes if classes is not None else said, key=str), "classes")
    index = {label: column for column, label in enumerate(class_ids.tolist())}
    chosen = np.zeros((len(labels), len(index)), bool)
    for position, answer in enumerate(labels):
        for label in answer:
            if label not in index:
                raise ValueError(f"labels contains {label!r}, which is not among classes.")
            chosen[position, index[label]] = True
    return class_ids, chosen


def _pair_gold(
    gold: Mapping[Any, Collection[Any]] | None, item_ids: np.ndarray, class_ids: np.ndarray
) -> dict[int, int]:
    """Truth of each (item, label) pair of a gold item."""
    place = {item: row for row, item in enumerate(item_ids.tolist())}
    options = class_ids.tolist()
    truth: dict[int, int] = {}
    for item, holds in (gold or {}).items():
        if isinstance(holds, str) or not isinstance(holds, Collection):
            raise ValueError(f"gold of item {item!r} must be a collection of labels.")
        for label in holds:
            if label not in options:
                raise ValueError(f"gold label {label!r} of item {item!r} is not a class.")
        if item in place:
            truth |= {place[item] * len(options) + column: int(label in holds) for column, label in enumerate(options)}
    return truth
