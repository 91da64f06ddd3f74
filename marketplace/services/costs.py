"""What a batch costs: places of each HIT by mode, and the preview that is shown before money moves."""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from django.conf import settings
from django.db.models import Avg

from core import money
from core.errors import Invalid
from core.preferences import preference
from marketplace.models import Batch, Hit, Project
from marketplace.rules import SAMPLED_PLACES, SAMPLED_SHARE, Rules

#: Without history: how far between the fewest and the most answers a HIT of an adaptive batch is expected to end.
EXPECTED_BETWEEN = 0.27


@dataclass(frozen=True)
class Places:
    """How many places each HIT opens with, and how many are put aside for.

    Under a budget each HIT gets its fewest answers; what the budget pays beyond is shared (`shared`), and goes where an
    answer tells most. `rows`: those of a publication; None for rows that come later.
    """

    rules: Rules
    price: int
    rows: int | None
    seed: str

    def of(self, index: int) -> tuple[int, int]:
        """(places open at first, places funded) of the row with this index from 0; the same on every call."""
        if self.all_alike is not None:
            return self.all_alike
        if self.rules.mode == "sampled":
            drawn = random.Random(f"{self.seed}:{index}").random() < SAMPLED_SHARE  # noqa: S311  no secret
            places = SAMPLED_PLACES if drawn else 1
            return places, places
        return self.rules.first_places, self.rules.first_places if self.price else self.rules.most_places

    @cached_property
    def all_alike(self) -> tuple[int, int] | None:
        """The places of every row, in modes that make no difference between rows."""
        is_alike = self.rules.mode in ("target", "fixed")
        return (self.rules.first_places, self.rules.most_places) if is_alike else None

    @property
    def affordable(self) -> int:
        """Places that the budget pays for."""
        return money.parse(self.rules.budget or "0", field="rules.budget") // self.price

    @property
    def shared(self) -> int:
        """Places that all HITs of a publication share."""
        if self.rules.mode != "budget" or not self.price or self.rows is None:
            return 0
        return min(self.affordable, self.rows * self.rules.most_places) - self.rows * self.rules.first_places

    def check_budget(self) -> None:
        """Raise Invalid where the budget does not even pay the fewest answers."""
        if self.rules.mode != "budget" or not self.price or self.rows is None:
            return
        least = self.rows * self.rules.first_places
        if self.affordable < least:
            needed = money.format_amount(least * self.price)
            raise Invalid(
                "The budget does not pay the fewest answers that each row needs:"
                f" {self.rows} rows with {self.rules.first_places} answers cost {needed}.",
                code="budget_too_small",
                errors={"rules.budget": "Raise the budget, ask for fewer answers, or post fewer rows."},
            )


@dataclass(frozen=True)
class Cost:
    """So many answers, and what they cost, in micros."""

    answers: int
    rewards: int
    fees: int

    @property
    def total(self) -> int:
        return self.rewards + self.fees


@dataclass(frozen=True)
class Preview:
    """`put_aside` leaves the balance when the batch is published; what is not needed of it comes back."""

    rows: int
    minimum: Cost
    expected: Cost
    maximum: Cost
    repair: int
    hourly: Decimal | None

    @property
    def put_aside(self) -> int:
        return self.maximum.total + self.repair


def preview(*, rules: Rules, rows: int, reward: int, fee: int, answers_before: float | None = None) -> Preview:
    """What `rows` HITs cost. `answers_before`: answers a HIT took in earlier batches of the project, if any did."""
    price = reward + fee
    most = rows * rules.most_places
    if rules.mode == "sampled":
        most = rows * SAMPLED_PLACES
    elif rules.mode == "budget" and price:
        most = min(most, Places(rules, price, rows, "").affordable)
    least = min(most, rows * rules.first_places)
    expected = min(most, max(least, round(rows * expected_answers(rules, answers_before))))

    def cost(answers: int) -> Cost:
        return Cost(answers, answers * reward, answers * fee)

    return Preview(
        rows, cost(least), cost(expected), cost(most), repair_of(expected * price), hourly_pay(rules, reward)
    )


def repair_of(expected_cost: int) -> int:
    """The reserve for answers that are asked again, in micros."""
    return expected_cost * settings.REPAIR_BASIS_POINTS // 10_000


def expected_answers(rules: Rules, before: float | None = None) -> float:
    """Answers that one HIT is expected to take."""
    if rules.mode == "fixed":
        return rules.answers
    if rules.mode == "sampled":
        return 1 + SAMPLED_SHARE * (SAMPLED_PLACES - 1)
    if before is not None:
        return min(max(before, rules.min_answers), rules.max_answers)
    return rules.min_answers + EXPECTED_BETWEEN * (rules.max_answers - rules.min_answers)


def answers_before(project: Project) -> float | None:
    """Mean answers of the finished HITs of the project's last two batches; None before there are any."""
    last = Batch.objects.filter(project=project, published_at__isnull=False).order_by("-published_at")[:2]
    done = Hit.objects.filter(batch__in=[batch.pk for batch in last], lane=0, state=Hit.State.RETIRED)
    return done.aggregate(mean=Avg("taken"))["mean"]


def hourly_pay(rules: Rules, reward: int) -> Decimal | None:
    """Currency units an hour by the requester's own estimate of the time for one answer."""
    if not rules.estimated_seconds:
        return None
    return (Decimal(reward) * 3600 / rules.estimated_seconds / money.MICROS).quantize(Decimal("0.01"))


def check_floor(*, rules: Rules, reward: int, audience: str) -> None:
    """Raise Invalid where a public batch pays less than the floor by the requester's own estimate (rule 7.4)."""
    hourly = hourly_pay(rules, reward)
    if audience != Project.Audience.PUBLIC or hourly is None or hourly >= (floor := preference("HOURLY_FLOOR")):
        return
    assert rules.estimated_seconds  # else there is no hourly pay
    least = floor * rules.estimated_seconds / 3600
    raise Invalid(
        "The pay is below the hourly floor.",
        code="below_floor",
        errors={
            "rules.reward": f"Your estimate makes {hourly} an hour; the floor is {floor}."
            f" Pay at least {least:.4f} for an answer, or say how long it really takes."
        },
    )
