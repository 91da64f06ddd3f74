"""Tags of the tokens of a sentence: a class for each token, decoded to a valid sequence of spans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from quality.estimators.encode import Ids, check_lengths, encode_weights, factorise
from quality.estimators.subtypes import SubtypeDawidSkene

#: Log-odds that a tag sequence loses where a span goes on that never began: it is not valid BIO.
FORBIDDEN = -1e9


class SequenceConsensus:
    """The BIO tags of each item's tokens ("B-PER I-PER O").

    Attributes
    ----------
    items_, workers_, classes_ : ndarray, shapes (I,), (W,), (K,)
        Classes are the tags.
    estimates_ : list of list of str, length I
        Always valid: an I-X follows B-X or I-X.
    confidence_ : ndarray, shape (I,)
        Mean over the tokens of the calibrated probability of the tag.
    confusions_ : ndarray, shape (W, K, K)
    calibration_, n_iter_, objective_, status_
        As of `SubtypeDawidSkene`.

    Notes
    -----
    Tokens are items of a categorical model; the valid sequence with the largest product of posteriors is delivered
    (Viterbi).

    Examples
    --------
    >>> model = SequenceConsensus().fit([1, 1, 1], list("abc"), [["B-X", "I-X"], ["B-X", "I-X"], ["O", "I-X"]])
    >>> model.estimates_
    [['B-X', 'I-X']]
    """

    def __init__(self, seed: int = 0, gold_sample: str | None = None) -> None:
        self.seed, self.gold_sample = seed, gold_sample

    def fit(
        self, items: Ids, workers: Ids, labels: Sequence[Sequence[str]],
        gold: Mapping[Any, Sequence[str]] | None = None, weights: Ids | None = None,
    ) -> Self:  # fmt: skip
        """Estimate from N answers, each a list of tags, one a token.

        Raises
        ------
        ValueError
            Names the argument that is wrong, as where two answers about one item differ in length.
        """
        self.items_, item = factorise(items, "items")
        self.workers_, worker = factorise(workers, "workers")
        check_lengths(items=item, workers=worker, labels=labels)
        weight = encode_weights(weights, len(item))
        length = _lengths(item, labels, self.items_)
        start = np.cumsum(length) - length
        size = length[item]
        row = np.repeat(np.arange(len(item)), size)
        position = np.arange(len(row)) - np.repeat(np.cumsum(size) - size, size)
        token = start[item[row]] + position
        tags = [tag for answer in labels for tag in answer]
        if not tags:
            raise ValueError("labels holds no tag at all.")
        known = _token_gold(gold, self.items_, start, length)
        classes = sorted(set(tags) | set(known.values()))
        model = SubtypeDawidSkene(self.seed, self.gold_sample).fit(
            token, worker[row], tags, gold=known, weights=weight[row], classes=classes
        )
        self.classes_, self.confusions_ = model.classes_, model.confusions_
        self.calibration_, self.n_iter_, self.objective_ = model.calibration_, model.n_iter_, model.objective_
        self.status_ = model.status_
        log_belief = np.log(np.maximum(model.posteriors_, 1e-12))
        allowed, first = transitions(self.classes_)
        self.estimates_, confidence = [], np.ones(len(length))
        for place, (begin, size_) in enumerate(zip(start, length, strict=True)):
            path = best_path(log_belief[begin : begin + size_], allowed, first)
            self.estimates_.append(self.classes_[path].tolist())
            if size_:
                share = model.posteriors_[np.arange(begin, begin + size_), path]
                kept = self.classes_[path] == model.labels_[begin : begin + size_]
                confidence[place] = np.where(kept, model.confidence_[begin : begin + size_], share).mean()
        self.confidence_ = confidence
        return self


def transitions(tags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """0 where tag l may follow tag k, else -1e9, shape (K, K), and where it may come first, shape (K,).

    Examples
    --------
    >>> transitions(np.array(["B-X", "I-X", "O"]))[0][2].tolist()
    [0.0, -1000000000.0, 0.0]
    """
    names = [str(tag) for tag in tags]
    allowed, first = np.zeros((len(names), len(names))), np.zeros(len(names))
    for place, tag in enumerate(names):
        if tag.startswith("I-"):
            first[place] = FORBIDDEN
            allowed[:, place] = [0.0 if other in (tag, "B-" + tag[2:]) else FORBIDDEN for other in names]
    return allowed, first


def best_path(score: np.ndarray, allowed: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The tags of the best valid sequence, shape (L,), by the `score` (L, K) of each tag of each token."""
    if not len(score):
        return np.zeros(0, int)
    best, back = score[0] + first, np.zeros(score.shape, int)
    for place in range(1, len(score)):
        through = best[:, None] + allowed
        back[place] = through.argmax(axis=0)
        best = through.max(axis=0) + score[place]
    path = [int(best.argmax())]
    for place in range(len(score) - 1, 0, -1):
        path.append(int(back[place, path[-1]]))
    return np.array(path[::-1])


def spans_of(tags: Sequence[str]) -> set[tuple[int, int, str]]:
    """Spans (first token, one past the last, type) of BIO tags; an I-X that nothing began begins one.

    Examples
    --------
    >>> sorted(spans_of(["B-X", "I-X", "O", "I-Y"]))
    [(0, 2, 'X'), (3, 4, 'Y')]
    """
    spans, start, kind = set(), 0, ""
    for place, tag in enumerate([*tags, "O"]):
        if kind and tag != "I-" + kind:
            spans.add((start, place, kind))
            kind = ""
        if tag.startswith(("B-", "I-")) and not kind:
            start, kind = place, tag[2:]
    return spans


def _lengths(item: np.ndarray, labels: Sequence[Sequence[str]], ids: np.ndarray) -> np.ndarray:
    length = np.full(len(ids), -1)
    for row, answer in enumerate(labels):
        if isinstance(answer, str) or not isinstance(answer, Sequence):
            raise ValueError(f"labels must hold lists of tags, not {answer!r} (row {row}).")
        if length[item[row]] not in (-1, len(answer)):
            raise ValueError(f"labels of item {ids[item[row]].item()!r} differ in length (row {row}).")
        length[item[row]] = len(answer)
    return length


def _token_gold(
    gold: Mapping[Any, Sequence[str]] | None, ids: np.ndarray, start: np.ndarray, length: np.ndarray
) -> dict[int, str]:
    place = {item: row for row, item in enumerate(ids.tolist())}
    known: dict[int, str] = {}
    for item, tags in (gold or {}).items():
        if item not in place:
            continue
        if len(tags) != length[place[item]]:
            raise ValueError(f"gold of item {item!r} has {len(tags)} tags, its answers have {length[place[item]]}.")
        known |= {int(start[place[item]]) + offset: tag for offset, tag in enumerate(tags)}
    return known
