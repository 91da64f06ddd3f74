"""Graders of gold answers: a score in [0, 1] and whether it passes, one grader for each kind."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import re2

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


GRADERS: dict[str, Callable[..., Grade]] = {
    "categorical": grade_categorical,
    "pairwise": grade_categorical,
    "ordinal": grade_ordinal,
    "multilabel": grade_multilabel,
    "number": grade_number,
    "text": grade_text,
}


def _accepted(key: Any) -> Collection[Any]:
    return [key] if isinstance(key, str) or not isinstance(key, Collection) else key


def _all_or_nothing(is_right: bool) -> Grade:
    return Grade(float(is_right), bool(is_right))
