"""Graders of gold answers: a score in [0, 1] and whether it passes, one grader for each kind."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np
import re2

from quality.estimators.boxes import box_matches
from quality.estimators.rankings import kendall_tau
from quality.estimators.sequences import spans_of
from quality.estimators.text import normalise_text, word_error_rate


@dataclass(frozen=True)
class Grade:
    """Score of one gold answer; gate and monitor take `passed`, people see `score`."""

    score: float
    passed: bool


def grade(kind: str, answer: Any, key: Any, **options: Any) -> Grade:
    """Grade by kind: see the grader of the kind for its key and options.

    Raises
    ------
    ValueError
        If the kind has no grader.

    Examples
    --------
    >>> grade("categorical", "cat", ["cat", "kitten"])
    Grade(score=1.0, passed=True)
    """
    if kind not in GRADERS:
        raise ValueError(f"kind {kind!r} has no grader; those that have one: {', '.join(GRADERS)}.")
    return GRADERS[kind](answer, key, **options)


def grade_categorical(answer: Any, key: Any) -> Grade:
    """Right if the answer is the key, or one of its accepted labels. Serves pairwise answers too."""
    return _all_or_nothing(answer in _accepted(key))


def grade_ordinal(answer: Any, key: Any, *, order: Sequence[Any], within: int = 1) -> Grade:
    """Passes within some steps of an accepted grade; the score falls linearly over the scale.

    Examples
    --------
    >>> grade_ordinal("good", "great", order=["bad", "fair", "good", "great"]).passed
    True
    """
    place = {label: position for position, label in enumerate(order)}
    if answer not in place:
        return Grade(0.0, False)
    steps = min(abs(place[answer] - place[label]) for label in _accepted(key))
    return Grade(1 - steps / max(len(order) - 1, 1), steps <= within)


def grade_multilabel(answer: Collection[Any], key: Collection[Any], *, bar: float = 0.8) -> Grade:
    """F1 of the chosen labels against the key's; two empty sets agree.

    Examples
    --------
    >>> grade_multilabel(["a", "b"], ["a", "b", "c"])
    Grade(score=0.8, passed=True)
    """
    said, wanted = set(answer), set(key)
    if not said and not wanted:
        return Grade(1.0, True)
    score = 2 * len(said & wanted) / (len(said) + len(wanted))
    return Grade(score, score >= bar)


def grade_number(answer: float, key: float, *, absolute: float = 0.0, relative: float = 0.0) -> Grade:
    """Passes within the larger of an absolute and a relative tolerance.

    Examples
    --------
    >>> grade_number(10.4, 10, relative=.05).passed, grade_number(10.6, 10, relative=.05).passed
    (True, False)
    """
    allowed = max(absolute, relative * abs(key))
    # Half a billionth of slack: 0.1 + 0.2 is within 0 of 0.3 to everybody but a computer.
    slack = 1e-9 * max(abs(key), abs(answer) if isfinite(answer) else 0.0)
    return _all_or_nothing(abs(answer - key) <= allowed + slack)


def grade_text(answer: str, key: str | Collection[str] = (), *, pattern: str = "", bar: float = 0.9) -> Grade:
    """Passes if equal to an accepted text after normalising, if the pattern matches all of it, or at 1 - WER >= bar.

    The pattern is RE2, so no answer can make it slow; it sees the text with its spaces trimmed.

    Raises
    ------
    ValueError
        If the pattern is not a valid expression.

    Examples
    --------
    >>> grade_text(" Main  street 5", "main street 5").passed, grade_text("AB-12", pattern="[A-Z]{2}-[0-9]+").passed
    (True, True)
    """
    if pattern:
        try:
            if re2.fullmatch(pattern, answer.strip()):
                return Grade(1.0, True)
        except re2.error as error:
            raise ValueError(f"pattern {pattern!r} is not valid: {error}.") from None
    score = max((1 - word_error_rate(text, answer) for text in _accepted(key)), default=0.0)
    same = any(normalise_text(text) == normalise_text(answer) for text in _accepted(key))
    return Grade(max(score, 0.0), same or score >= bar)


def grade_boxes(answer: Sequence[Sequence[float]], key: Sequence[Sequence[float]], *, bar: float = 0.8) -> Grade:
    """F1 of boxes paired one to one at IoU .5; a picture rightly left empty scores 1.

    Examples
    --------
    >>> grade_boxes([[0, 0, 2, 2], [5, 5, 6, 6]], [[0, 0, 2, 2]])
    Grade(score=0.6666666666666666, passed=False)
    """
    said, wanted = (np.asarray(boxes, float).reshape(-1, 4) for boxes in (answer, key))
    return _overlap(2 * box_matches(said, wanted), len(said) + len(wanted), bar)


def grade_mask(answer: Any, key: Any, *, bar: float = 0.75) -> Grade:
    """Intersection over union of boolean arrays of one shape; two empty masks agree.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    said, wanted = np.asarray(answer, bool), np.asarray(key, bool)
    if said.shape != wanted.shape:
        raise ValueError(f"answer has shape {said.shape}, and the key {wanted.shape}.")
    return _overlap(int((said & wanted).sum()), int((said | wanted).sum()), bar)


def grade_sequence(answer: Sequence[str], key: Sequence[str], *, bar: float = 0.8) -> Grade:
    """F1 of the spans of BIO tags, both ends and the type right; no spans on either side agree.

    Examples
    --------
    >>> grade_sequence(["B-X", "I-X", "O"], ["B-X", "I-X", "B-Y"]).score
    0.6666666666666666
    """
    said, wanted = spans_of(answer), spans_of(key)
    return _overlap(2 * len(said & wanted), len(said) + len(wanted), bar)


def grade_ranking(answer: Sequence[Any], key: Sequence[Any], *, bar: float = 0.8) -> Grade:
    """Kendall's tau over the things in both; an order that is rather the reverse scores 0."""
    score = max(kendall_tau(answer, key), 0.0)
    return Grade(score, score >= bar)


def _overlap(common: int, everything: int, bar: float) -> Grade:
    score = common / everything if everything else 1.0
    return Grade(score, score >= bar)


GRADERS: dict[str, Callable[..., Grade]] = {
    "categorical": grade_categorical,
    "pairwise": grade_categorical,
    "ordinal": grade_ordinal,
    "multilabel": grade_multilabel,
    "number": grade_number,
    "text": grade_text,
    "boxes": grade_boxes,
    "mask": grade_mask,
    "sequence": grade_sequence,
    "ranking": grade_ranking,
}


def _accepted(key: Any) -> Collection[Any]:
    return [key] if isinstance(key, str) or not isinstance(key, Collection) else key


def _all_or_nothing(is_right: bool) -> Grade:
    return Grade(float(is_right), bool(is_right))
