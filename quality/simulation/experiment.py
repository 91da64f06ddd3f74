"""Estimators side by side on simulated crowds: accuracy, calibration, answers that stopping saves, rings found."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import numpy as np

from quality.estimators import (
    DawidSkene,
    HierarchicalDawidSkene,
    MajorityVote,
    OneCoin,
    default_estimator,
    named_estimator,
)
from quality.estimators.metrics import expected_calibration_error
from quality.estimators.stopping import Rule
from quality.simulation.crowds import Recipe, Twin, draw, uniform_gold
from quality.simulation.stopping import ask_until_settled

#: Name -> class. "delivered" is what the product delivers.
METHODS: dict[str, Callable[..., Any]] = {
    "majority": MajorityVote,
    "one-coin": OneCoin,
    "dawid-skene": DawidSkene,
    "hierarchical": HierarchicalDawidSkene,
    "delivered": default_estimator("categorical"),
}
#: Exponent of the beliefs while nothing is calibrated.
UNCALIBRATED = 0.5
#: So few known items calibrate nothing.
LEAST_GOLD = 20
#: What can be swept.
SLIDERS = ("spam", "collusion", "drift", "difficulty", "skill")


@dataclass(frozen=True)
class Outcome:
    """One method on some simulated crowds of one kind.

    Attributes
    ----------
    answers : float
        Answers an item, on average.
    accuracy, low, high : float
        Mean share of right labels over the crowds; the worst and the best of them.
    confidence : float
        Mean stated confidence.
    error : float
        Calibration error: mean gap between stated confidence and share right, ten bins.
    seconds : float
        A fit, on average.
    """

    method: str
    answers: float
    accuracy: float
    low: float
    high: float
    confidence: float
    error: float
    seconds: float
    crowds: int


@dataclass(frozen=True)
class Stopped(Outcome):
    """A batch that stops at confidence `target`; `reached` of its items do, and of those `right` are."""

    target: float
    reached: float
    right: float | None


@dataclass(frozen=True)
class Found:
    """What the delivered method noticed at full redundancy, over all crowds."""

    copycats: int
    found: int
    accused: int


@dataclass(frozen=True)
class Swept:
    """Outcomes with one slider at `value`."""

    value: float
    outcomes: list[Outcome]


@dataclass(frozen=True)
class Result:
    recipe: Recipe
    crowds: int
    gold: int
    outcomes: list[Outcome] = field(default_factory=list)
    stopped: list[Stopped] = field(default_factory=list)
    found: Found | None = None
    slider: str = ""
    swept: list[Swept] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def of(self, method: str) -> list[Outcome]:
        return [one for one in self.outcomes if one.method == method]


#: Told what has been done, for those who wait.
Tell = Callable[[str], None]


def run(
    recipe: Recipe, *, answers: Sequence[int] = (1, 2, 3, 5), methods: Sequence[str] = tuple(METHODS),
    targets: Sequence[float] = (), crowds: int = 5, gold: int = 0, slider: str = "", values: Sequence[float] = (),
    r_min: int = 2, tell: Tell = lambda words: None,
) -> Result:  # fmt: skip
    """Draw `crowds` crowds by the recipe and try every method on them.

    Parameters
    ----------
    answers : sequence of int
        Fixed numbers of answers an item; the recipe's own is replaced by the largest.
    targets : sequence of float
        Confidences to stop at.
    gold : int
        Items with known truth, drawn at random; they teach and are not scored.
    slider, values
        One of `SLIDERS` and what it is set to, one after the other, at the largest number of answers.

    Raises
    ------
    ValueError
        Names the argument that is wrong.
    """
    _check(recipe, answers, targets, crowds, gold, slider, values)
    chosen = {name: _method(name) for name in methods}
    recipe = replace(recipe, answers=max(answers))
    drawn = [draw(recipe, seed) for seed in range(crowds)]
    known = [uniform_gold(crowd.truth, gold, seed) for seed, crowd in enumerate(drawn)]
    outcomes = []
    found = None
    for r in sorted(set(answers)):
        for name, method in chosen.items():
            fits = [
                _fit(method, crowd.first(r), one, recipe.n_classes) for crowd, one in zip(drawn, known, strict=True)
            ]
            outcomes.append(_outcome(name, float(r), drawn, known, fits))
            if name == "delivered" and r == recipe.answers:
                found = _found(drawn, [model for model, _ in fits])
        tell(f"{r} answers an item")
    stopped = []
    for target in targets:
        stopped.append(_stop(drawn, known, Rule(tau=target, r_min=min(r_min, recipe.answers), r_max=recipe.answers)))
        tell(f"stopping at {target:g}")
    swept = []
    for value in values:
        turned = replace(recipe, **{slider: value})  # type: ignore[arg-type]
        others = [draw(turned, seed) for seed in range(crowds)]
        theirs = [uniform_gold(crowd.truth, gold, seed) for seed, crowd in enumerate(others)]
        rows = []
        for name, method in chosen.items():
            fits = [_fit(method, crowd.first(recipe.answers), one, recipe.n_classes)
                    for crowd, one in zip(others, theirs, strict=True)]  # fmt: skip
            rows.append(_outcome(name, float(recipe.answers), others, theirs, fits))
        swept.append(Swept(value, rows))
        tell(f"{slider} {value:g}")
    return Result(recipe, crowds, gold, outcomes, stopped, found, slider, swept)


def _check(
    recipe: Recipe, answers: Sequence[int], targets: Sequence[float], crowds: int, gold: int, slider: str,
    values: Sequence[float],
) -> None:  # fmt: skip
    if not answers or min(answers) < 1 or max(answers) > recipe.workers:
        raise ValueError("answers must be numbers from 1 to the number of workers.")
    if crowds < 1:
        raise ValueError("crowds must be at least 1.")
    if not 0 <= gold < recipe.items:
        raise ValueError("gold must leave items to score.")
    if any(not 0.5 <= target < 1 for target in targets):
        raise ValueError("targets must lie between 0.5 and 1.")
    if bool(slider) != bool(values) or (slider and slider not in SLIDERS):
        raise ValueError(f"slider must be one of {', '.join(SLIDERS)}, with values to set it to.")


def _method(name: str) -> Callable[..., Any]:
    return METHODS[name] if name in METHODS else named_estimator(name)


def _fit(
    method: Callable[..., Any], columns: tuple[np.ndarray, ...], gold: dict[int, int], n_classes: int
) -> tuple[Any, float]:
    began = time.perf_counter()
    model = method(seed=0, gold_sample="random").fit(*columns, gold=gold, classes=list(range(n_classes)))
    return model, time.perf_counter() - began


def _outcome(
    name: str,
    answers: float,
    crowds: Sequence[Twin],
    known: Sequence[dict[int, int]],
    fits: Sequence[tuple[Any, float]],
) -> Outcome:
    right, stated, errors = [], [], []
    for crowd, gold, (model, _seconds) in zip(crowds, known, fits, strict=True):
        scored = ~np.isin(model.items_, list(gold))
        is_right = (model.labels_ == crowd.truth[model.items_])[scored]
        right.append(float(is_right.mean()))
        stated.append(float(model.confidence_[scored].mean()))
        errors.append(expected_calibration_error(model.confidence_[scored], is_right))
    return Outcome(
        name, answers, float(np.mean(right)), min(right), max(right), float(np.mean(stated)), float(np.mean(errors)),
        float(np.mean([seconds for _model, seconds in fits])), len(fits),
    )  # fmt: skip


def _stop(crowds: Sequence[Twin], known: Sequence[dict[int, int]], rule: Rule) -> Stopped:
    """Ask until the beliefs are sure enough, then deliver as the product does."""
    method, costs, fits, reached, right = METHODS["delivered"], [], [], [], []
    for seed, (crowd, gold) in enumerate(zip(crowds, known, strict=True)):
        asked = ask_until_settled(crowd, rule, _exponent(crowd, gold, rule), np.random.default_rng(seed), known=gold)
        bought = np.ones(len(asked), bool)
        bought[list(gold)] = False
        costs.append(float(asked[bought].mean()))
        keep = (np.arange(len(crowd.items) // len(asked)) < asked[:, None]).ravel()
        n_classes = max(int(crowd.labels.max()), int(crowd.truth.max())) + 1
        fits.append(_fit(method, (crowd.items[keep], crowd.workers[keep], crowd.labels[keep]), gold, n_classes))
        model = fits[-1][0]
        sure = (model.confidence_ >= rule.tau) & bought[model.items_]
        reached.append(float(sure.sum() / bought.sum()))
        right += (model.labels_ == crowd.truth[model.items_])[sure].tolist()
    plain = _outcome("stopping", float(np.mean(costs)), crowds, known, fits)
    values = {one.name: getattr(plain, one.name) for one in fields(plain)}
    return Stopped(
        **values, target=rule.tau, reached=float(np.mean(reached)), right=float(np.mean(right)) if right else None
    )


def _exponent(crowd: Twin, gold: dict[int, int], rule: Rule) -> float:
    """What an answer is worth, learned on the first answers of the known items; a person has to have known some."""
    if len(gold) < LEAST_GOLD:
        return UNCALIBRATED
    model = HierarchicalDawidSkene(gold_sample="random").fit(*crowd.first(max(rule.r_min, 2)), gold=gold)
    return float(model.calibration_.b)


def _found(crowds: Sequence[Twin], models: Sequence[Any]) -> Found:
    copycats = found = accused = 0
    for crowd, model in zip(crowds, models, strict=True):
        ring = {worker for cluster in model.clusters_ for worker in cluster}
        copycats += int(crowd.copycats.sum())
        found += sum(bool(crowd.copycats[worker]) for worker in ring)
        accused += sum(not crowd.copycats[worker] for worker in ring)
    return Found(copycats, found, accused)
