"""The rules of a project, typed. A batch freezes a copy when it is published."""

from __future__ import annotations

import uuid
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from core import money
from core.errors import Invalid

MODES = ("target", "budget", "fixed", "sampled")
DELIVERS = ("label", "distribution")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=", "in", "not_in", "exists", "missing")

#: In sampled mode a random tenth of the HITs gets this many answers, the others one, so that agreement can be measured.
SAMPLED_PLACES = 3
SAMPLED_SHARE = 0.10

#: Sensible defaults by audience (DESIGN.md section 2).
BY_AUDIENCE: dict[str, dict[str, Any]] = {
    "public": {},
    "team": {"reward": "0", "max_share": None, "gold_share": 0.05, "max_open": 25},
    "volunteers": {"reward": "0", "max_share": None},
    "me": {"reward": "0", "max_share": None, "gold_share": 0.0, "mode": "fixed", "answers": 1, "max_open": 25},
}


#: What a requirement can be about, beside a qualification by its id.
ABOUT_THE_WORKER = ("country", "language", "locale", "adult")
#: What a requirement guards from who does not meet it: accepting alone, a look before it too, or that they know of it.
GUARDS = ("accept", "preview", "discover")
#: What they did for all organisations: approved answers, and shares in percent.
RECORD = ("approved", "approval", "rejection", "submission", "abandonment", "return")


def _is_subject(value: Any) -> bool:
    try:
        return value in ABOUT_THE_WORKER + RECORD or bool(uuid.UUID(value))
    except (ValueError, TypeError, AttributeError):
        return False


@dataclass(frozen=True)
class Rules:
    """What a project asks of answers and offers for them. Durations in seconds, money as decimal strings."""

    mode: str = "target"
    target: float = 0.95
    min_answers: int = 2
    max_answers: int = 7
    answers: int = 3
    budget: str | None = None
    worth: str | None = None
    reward: str = "0.05"
    estimated_seconds: int | None = None
    assignment_seconds: int = 600
    auto_approve_seconds: int = 3 * 86_400
    undo_seconds: int = 8
    gold_share: float = 0.10
    #: False: gate and monitor only watch, and nobody is paused (replays of recorded crowds).
    gates: bool = True
    quiz_questions: int = 0
    quiz_pass: int = 7
    per_worker: int | None = None
    per_day: int | None = None
    max_share: float | None = 0.10
    max_open: int = 10
    page_size: int = 1
    requirements: list[dict[str, Any]] = field(default_factory=list)
    #: A qualification's id: whoever holds it is asked about what stays disputed when the batch has closed.
    experts: str | None = None
    #: What results give: one label, or how the answers are distributed. Read from the project, at any time.
    delivers: str = "label"
    #: Id of a qualification: distributions also by the groups of workers who chose to hold it.
    groups_by: str | None = None

    @classmethod
    def from_json(cls, data: dict[str, Any], *, audience: str = "public") -> Rules:
        """Typed rules from a project's or batch's JSON; what is left out takes the audience's default.

        Raises
        ------
        Invalid
            Naming each field that is unknown or out of range.
        """
        known = {f.name for f in fields(cls)}
        errors = {f"rules.{name}": "There is no such rule." for name in data if name not in known}
        if errors:
            raise Invalid(errors=errors)
        rules = cls(**{**BY_AUDIENCE.get(audience, {}), **data})
        rules._check()
        return rules

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def _check(self) -> None:
        errors: dict[str, str] = {}

        def need(ok: bool, name: str, message: str) -> None:
            if not ok:
                errors[f"rules.{name}"] = message

        def whole(name: str, low: int, high: int, *, optional: bool = False) -> None:
            value = getattr(self, name)
            if value is None and optional:
                return
            is_whole = isinstance(value, int) and not isinstance(value, bool)
            need(is_whole and low <= value <= high, name, f"A whole number from {low} to {high}.")

        def share(name: str, low: float, high: float, *, optional: bool = False) -> None:
            value = getattr(self, name)
            if value is None and optional:
                return
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            need(is_number and low <= value <= high, name, f"A number from {low} to {high}.")

        need(self.mode in MODES, "mode", f"One of {', '.join(MODES)}.")
        share("target", 0.5, 0.9999)
        whole("min_answers", 1, 100)
        whole("max_answers", 1, 1000)
        whole("answers", 1, 1000)
        whole("estimated_seconds", 1, 86_400, optional=True)
        whole("assignment_seconds", 30, 365 * 86_400)
        whole("auto_approve_seconds", 0, 30 * 86_400)
        whole("undo_seconds", 0, 60)
        share("gold_share", 0, 0.5)
        need(isinstance(self.gates, bool), "gates", "true or false.")
        whole("quiz_questions", 0, 50)
        whole("quiz_pass", 0, 50)
        whole("per_worker", 1, 10_000_000, optional=True)
        whole("per_day", 1, 10_000_000, optional=True)
        share("max_share", 0.01, 1, optional=True)
        whole("max_open", 1, 100)
        whole("page_size", 1, 20)
        if not errors:
            is_possible = not self.quiz_questions or self.quiz_pass <= self.quiz_questions
            need(is_possible, "quiz_pass", "At most as many as quiz_questions.")
            need(self.min_answers <= self.max_answers, "max_answers", "At least as many as min_answers.")
            need(self.page_size <= self.max_open, "page_size", "At most as many as max_open.")
            need(
                self.mode != "budget" or self.budget is not None, "budget", "Say how much may be spent, such as 100.00."
            )
        need(self.delivers in DELIVERS, "delivers", f"One of {', '.join(DELIVERS)}.")
        is_group = self.groups_by is None or _is_subject(self.groups_by) and self.groups_by not in ABOUT_THE_WORKER
        need(is_group, "groups_by", "The id of a qualification that workers can ask for.")
        for name in ("reward", "budget", "worth"):
            value = getattr(self, name)
            if value is not None:
                try:
                    money.parse(value, field=f"rules.{name}")
                except Invalid as error:
                    errors.update(error.errors)
        is_named = self.experts is None or (_is_subject(self.experts) and self.experts not in ABOUT_THE_WORKER)
        need(is_named, "experts", "The id of a qualification.")
        need(isinstance(self.requirements, list), "requirements", "A list.")
        for index, item in enumerate(self.requirements if isinstance(self.requirements, list) else []):
            where = f"requirements[{index}]"
            ok = isinstance(item, dict) and {"subject", "compare"} <= set(item)
            need(ok, where, "An object with subject, compare and value.")
            if ok:
                need(item["compare"] in COMPARISONS, f"{where}.compare", f"One of {', '.join(COMPARISONS)}.")
                need(_is_subject(item["subject"]), f"{where}.subject", "country, language, or a qualification's id.")
                need(item.get("guards", "preview") in GUARDS, f"{where}.guards", f"One of {', '.join(GUARDS)}.")
        if errors:
            raise Invalid(errors=errors)

    # What follows from the mode

    @property
    def first_places(self) -> int:
        """Places a HIT opens with. More are opened as the belief demands."""
        if self.mode == "fixed":
            return self.answers
        return 1 if self.mode == "sampled" else self.min_answers

    @property
    def most_places(self) -> int:
        """Places a HIT can come to have."""
        if self.mode == "fixed":
            return self.answers
        return 1 if self.mode == "sampled" else self.max_answers

    def wanted(self, places: int) -> int:
        """Answers that a HIT which has `places` places is to get, where no belief decides. Answers that lost their
        weight are not among them: for each the HIT gets one place more."""
        if self.mode == "sampled":
            return SAMPLED_PLACES if places >= SAMPLED_PLACES else 1
        return min(self.first_places, places)

    @property
    def is_adaptive(self) -> bool:
        return self.mode in ("target", "budget")

    @property
    def reward_micros(self) -> int:
        return money.parse(self.reward, field="rules.reward")
