"""Kinds without classes: what their answers add up to, and how well that is expected to score under their grader.

The expected score is 1 - risk (`quality.estimators.risk`). It stands where labels have their confidence, and stops HITs
as that does. 0 stands for "not known": with one answer there is nothing to compare.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketplace.schema import Question
from quality.estimators import TextConsensus, default_estimator
from quality.estimators.risk import RiskModel, Risks, item_risks
from quality.estimators.text import normalise_text
from quality.services.gold import grade_answer

#: Of texts this many words and answers are compared while answers come in; refits read all.
LIVE_WORDS, LIVE_ANSWERS = 30, 6
#: Words x words x answers up to which a text is put together while answers come in; beyond, the most central is taken.
LIVE_WORK = 20_000
#: What is least said of a consensus that has a figure at all: 0 says that it has none.
LEAST = 1e-6

#: How answers are measured, by grader, and the word for the mean. Texts that have to be equal, or to fit a pattern, are
#: right or wrong; a pattern says nothing of which text is right, so between answers it counts whether they are equal.
MEASURES = {"wer": "word accuracy", "equal": "equal texts", "pattern": "equal texts", "tolerance": "within tolerance"}
MEASURE_WORDS = {
    "word accuracy": gettext_lazy("mean word accuracy (1 less the word error rate)"),
    "equal texts": gettext_lazy("share of equal texts"),
    "within tolerance": gettext_lazy("share within the tolerance"),
}
#: The same where there is little room: "word accuracy 0.93 (0.91 – 0.95)".
MEASURES_IN_SHORT = {
    "word accuracy": gettext_lazy("word accuracy"),
    "equal texts": gettext_lazy("equal"),
    "within tolerance": gettext_lazy("within tolerance"),
}


def is_scored(question: Question) -> bool:
    """Whether its delivered values are more or less right, rather than one of some classes."""
    return question.kind in ("number", "text")


def measure_of(question: Question) -> str:
    return MEASURES[question.score.grader]


def in_short(claim: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a certificate of more or less right labels claims: its measure in words, mean, low and high."""
    found = claim.get("score")
    return found and {**found, "words": MEASURES_IN_SHORT.get(found["measure"], found["measure"])}


def score(question: Question, value: Any, key: Any) -> float:
    """How well a value fits one that is right, from 0 to 1, as the question's grader has it."""
    grade = grade_answer(plain(question), value, {"accept": [key]})
    return grade.score if question.score.grader == "wer" else float(grade.passed)


def plain(question: Question) -> Question:
    """The question without its pattern: any two texts that fit one would be equal by it."""
    return replace(question, score=replace(question.score, pattern="")) if question.score.pattern else question


def why_without(answers: int) -> str:
    """Why a value has no expected score."""
    if answers < 2:
        return _("One answer, and nothing to compare it with.")
    return _("Not measured yet: the next fit does it.")


# --- a whole project --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scored:
    """Expected scores (I,), 0 where there is none; and what gold taught."""

    expected: np.ndarray
    n_gold: int
    calibrated: bool
    model: RiskModel | None


def expected_scores(
    question: Question, items: np.ndarray, workers: np.ndarray, said: Sequence[Any], asked: np.ndarray,
    keys: Mapping[int, Collection[Any]], delivered: np.ndarray, seed: int,
) -> Scored:  # fmt: skip
    """Of the consensus of each `delivered` item (I,), from answers left out one at a time, calibrated on `keys`.

    Parameters
    ----------
    items, workers, said : length N
        Answers that say something.
    asked : ndarray, shape (M,)
        The item of each answer, those that can't tell among them: they agree with nothing.
    """
    fit = default_estimator(question.kind)(seed=seed).fit  # type: ignore[attr-defined]
    accepted = {item: tuple(found) for item, found in keys.items() if found}

    def fits(value: Any, key: Any) -> float:
        return max(score(question, value, one) for one in (key if isinstance(key, tuple) else (key,)))

    found = item_risks(items, workers, said, consensus=fit, score=fits, gold=accepted)
    spoke, told = _counted(delivered, np.asarray(items)), _counted(delivered, asked)
    expected = np.array([_stated(found, item) for item in delivered.tolist()]) * spoke / np.maximum(told, 1)
    expected[np.isin(delivered, list(accepted))] = 1.0
    return Scored(expected, found.n_gold, found.calibrated, found.model)


def _stated(found: Risks, item: int) -> float:
    return max(1 - found.risk[item], LEAST) if item in found.risk else 0.0


def _counted(items: np.ndarray, of: np.ndarray) -> np.ndarray:
    """How many of the rows `of` are about each of the `items`, which are sorted and hold them all."""
    at = np.searchsorted(items, of)
    known = (at < len(items)) & (items[np.minimum(at, len(items) - 1)] == of)
    return np.bincount(at[known], minlength=len(items))


# --- one item, while answers come in ----------------------------------------------------------------------------------


def live_value(question: Question, said: Sequence[Any], silent: int, model: RiskModel | None) -> tuple[Any, float]:
    """What the answers to one item add up to, and its expected score; `silent` more can't tell.

    In a few milliseconds: numbers by their median, texts by their beginnings. What is delivered comes from a refit.
    """
    if not said:
        return None, 0.0
    numbers = question.kind == "number"
    value = float(np.median(said)) if numbers else _text_of(said)
    if len(said) < 2:
        return value, 0.0
    heard = list(said) if numbers else _beginnings(said)
    count = range(len(heard))
    consensus: Callable[..., Any] = _Medians if numbers else TextConsensus().fit
    one = item_risks([0] * len(heard), count, heard, consensus=consensus, score=lambda a, key: score(question, a, key))
    agreement = one.agreement[0]
    if model is not None:
        agreement = float(model.expected(np.array([agreement]), np.array([len(said)]))[0])
    return value, max(agreement * len(said) / (len(said) + silent), LEAST)


def _text_of(said: Sequence[str]) -> str:
    words = [normalise_text(text).split() for text in said]
    is_little = len(said) * max(len(text) for text in words) ** 2 <= LIVE_WORK
    consensus = TextConsensus(build=None if is_little else False)
    return consensus.fit([0] * len(said), range(len(said)), said).estimates_[0]


def _beginnings(said: Sequence[str]) -> list[str]:
    places = np.linspace(0, len(said) - 1, min(len(said), LIVE_ANSWERS)).round().astype(int)
    return [" ".join(said[place].split()[:LIVE_WORDS]) for place in places]


class _Medians:
    """The median of each item: with a handful of answers nothing is known of who gives them."""

    def __init__(self, items: Sequence[int], workers: Sequence[int], labels: Sequence[float]) -> None:
        item, values = np.asarray(items), np.asarray(labels, float)
        self.items_ = np.unique(item)
        self.estimates_ = [float(np.median(values[item == one])) for one in self.items_]
