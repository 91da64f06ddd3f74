"""Before any money is spent: how right the labels of a batch will be and what they cost, tried on simulated crowds."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

from core import money
from core.errors import DomainError
from core.freshness import fresh
from core.preferences import preference
from marketplace.models import Project
from marketplace.rules import Rules
from marketplace.schema import Schema, schema_of
from quality.models import WorkerReliability
from quality.selectors import pool_of
from quality.simulation.crowds import Recipe
from quality.simulation.experiment import Outcome, Result, run

#: Size of the simulated batch: its second digit holds, and it is there in about a second.
ITEMS, WORKERS, CROWDS = 200, 30, 3
GRID = (1, 2, 3, 5, 7)
METHODS = ("majority", "delivered")
#: A project's workers tell their accuracy from so many answered checks on.
ENOUGH_CHECKED = 100
MOST_CLASSES = 10
ROWS = 1000
KEPT_SECONDS = 3600


@dataclass(frozen=True)
class Wish:
    """A batch that somebody thinks of, and the crowd they expect. Shares are 0 to 1; `reward` in micros an answer."""

    items: int = ROWS
    reward: int = 50_000
    classes: int = 4
    skill: float = 0.8
    spam: float = 0.1
    collusion: float = 0.0
    drift: float = 0.0
    difficulty: float = 0.1
    known: int = 20
    answers: int = 3
    target: float = 0.95

    @property
    def price(self) -> int:
        """Reward and fee of an answer, in micros."""
        return self.reward + money.fee_of(self.reward, preference("FEE_BASIS_POINTS"))

    @property
    def recipe(self) -> Recipe:
        return Recipe(
            "A", ITEMS, WORKERS, max(GRID), self.spam, self.collusion, self.drift, self.difficulty, self.skill,
            self.classes,
        )  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """One way to collect: `answers` an item, the share that will be right (worst and best crowd), and the sum in
    micros; `plain` is the share that a majority vote of the same answers gets right."""

    answers: float
    target: float | None
    right: float
    low: float
    high: float
    plain: float | None
    cost: int

    @property
    def each(self) -> int:
        """Answers an item, where they are fixed."""
        return round(self.answers)


@dataclass(frozen=True)
class Forecast:
    wish: Wish
    fixed: list[Plan]
    until_sure: Plan
    result: Result

    @property
    def chosen(self) -> Plan:
        """The fixed number of answers that was wished for, or the next larger one tried."""
        return next((plan for plan in self.fixed if plan.answers >= self.wish.answers), self.fixed[-1])

    @property
    def saved(self) -> float | None:
        """Share of the cost that stopping by confidence saves against the fewest fixed answers at least as right."""
        as_right = next((plan for plan in self.fixed if plan.right >= self.until_sure.right), None)
        return 1 - self.until_sure.cost / as_right.cost if as_right and as_right.cost else None


def foretell(wish: Wish) -> Forecast:
    """The plans for a wish. The same wish gives the same figures.

    Raises
    ------
    ValueError
        Names what cannot be.
    """

    def simulate() -> Result:
        return run(wish.recipe, answers=GRID, methods=METHODS, targets=(wish.target,), crowds=CROWDS, gold=wish.known)

    seal = hashlib.sha256(repr((wish.recipe, wish.target, wish.known, GRID, CROWDS)).encode()).hexdigest()[:24]
    result = fresh(f"forecast:{seal}", simulate, least=KEPT_SECONDS)
    plain = {one.answers: one.accuracy for one in result.of("majority")}
    (stopped,) = result.stopped

    def plan(one: Outcome, target: float | None = None) -> Plan:
        cost = round(one.answers * wish.items) * wish.price
        return Plan(one.answers, target, one.accuracy, one.low, one.high, plain.get(one.answers), cost)

    return Forecast(wish, [plan(one) for one in result.of("delivered")], plan(stopped, wish.target), result)


@dataclass(frozen=True)
class Start:
    """A wish as a project suggests it; `checked` is from how many known answers its workers' accuracy is measured."""

    wish: Wish
    checked: int = 0


def start_for(project: Project) -> Start:
    """What a project's rules, its table and its workers so far say."""
    wish = Wish()
    schema = schema_of(project.questions)
    facts: dict[str, Any] = next(
        (row.upload_facts for row in project.batches.order_by("-pk")[:1] if row.upload_facts), {}
    )
    rows = facts.get("hits")
    if isinstance(rows, int) and rows > 0:
        wish = replace(wish, items=rows)
    try:
        rules = Rules.from_json(project.rules, audience=project.audience)
    except DomainError:
        pass  # a project half described; its price step says what is wrong
    else:
        wish = replace(wish, reward=rules.reward_micros, target=min(max(rules.target, 0.8), 0.99))
        wish = replace(wish, answers=min(rules.answers if rules.mode == "fixed" else rules.max_answers, max(GRID)))
    question = next((one for one in schema if one.classes and one.kind != "multilabel"), None)
    if question is None:
        return Start(wish)
    wish = replace(wish, classes=min(max(len(question.classes) - question.na, 2), MOST_CLASSES))
    return _measured(project, question.name, schema, wish)


def _measured(project: Project, question: str, schema: Schema, wish: Wish) -> Start:
    rows = WorkerReliability.objects.filter(project=project, question=question, part="", checked__gt=0)
    checked = sum(rows.values_list("checked", flat=True))
    if checked < ENOUGH_CHECKED:
        return Start(wish)
    skill = pool_of(project.pk, question, schema).mean
    # What was measured holds the spammers and the hard items already.
    return Start(replace(wish, skill=round(min(max(skill, 0.5), 0.99), 2), spam=0.0, difficulty=0.0), checked)


#: Sliders of the page and the API: name -> (least, most) in per cent.
PERCENTS: dict[str, tuple[int, int]] = {
    "skill": (50, 99),
    "spam": (0, 60),
    "collusion": (0, 50),
    "drift": (0, 60),
    "difficulty": (0, 60),
    "target": (80, 99),
}


def as_rows(forecast: Forecast) -> dict[str, Any]:
    """The plans as programs read them; costs in micros."""

    def row(plan: Plan) -> dict[str, Any]:
        return {
            "answers": round(plan.answers, 2), "target": plan.target, "right": round(plan.right, 4),
            "low": round(plan.low, 4), "high": round(plan.high, 4),
            "majority": None if plan.plain is None else round(plan.plain, 4), "cost": plan.cost,
        }  # fmt: skip

    return {
        "fixed": [row(plan) for plan in forecast.fixed],
        "until_sure": row(forecast.until_sure),
        "crowds": forecast.result.crowds,
        "items_simulated": ITEMS,
    }
