"""What each kind of question accepts as a value, and what one value says to the estimators.

Canonical values, as they are stored: categorical, ordinal, pairwise: the label; multilabel: the list of chosen labels,
in the schema's order; number: int or float; text: str. "Can't tell" is `{"na": true}` for every kind.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from marketplace.schema.question import Question

#: The canonical "can't tell", a real class and never the same as no answer.
NA = {"na": True}
#: The name of that class in `Question.classes`; no label may be called so.
CANT_TELL = "can't tell"

LARGEST_NUMBER = 1e15  # integers stay exact in a float, and in every JSON reader
LONGEST_TEXT = 100_000


class Judged(NamedTuple):
    """One judgment: the class index (into `Question.classes`) or the number that a worker gave for one part.

    `part` is "" for the whole item, else the key of the part; of a multilabel question it is the label, after the
    key and a slash where the question is asked of parts. Both values are None for a text.
    """

    part: str
    label: int | None
    number: float | None


class Refused(ValueError):
    """A value is not what the question takes; the sentence says what would be right."""


def is_na(value: Any) -> bool:
    return isinstance(value, dict) and value == NA


def storable(text: str) -> str:
    """`text`, unless PostgreSQL could not store it as jsonb."""
    if "\x00" in text:
        raise Refused("Holds a NUL character. Take it out.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Refused("Holds half of a surrogate pair, which is no character. Take it out.") from None
    return text


def read_number(raw: Any) -> int | float:
    """A finite number from a JSON number or a plain decimal string; integral values become int."""
    if isinstance(raw, str):
        text = raw.strip()
        if len(text) > 40 or not text.isascii() or "_" in text:
            raise Refused("Write a number such as 12.5, with a point and no separators.")
        try:
            raw = int(text) if text.lstrip("+-").isdigit() else float(text)
        except ValueError:
            raise Refused("Write a number such as 12.5, with a point and no separators.") from None
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise Refused("Write a number such as 12.5, with a point and no separators.")
    if not -LARGEST_NUMBER <= raw <= LARGEST_NUMBER:  # also false for NaN
        raise Refused("The number must lie between -1e15 and 1e15.")
    return int(raw) if raw == int(raw) else float(raw)


class Kind:
    """A kind of question. `options` are the keys that its definition may have besides those of every question."""

    name = ""
    options: frozenset[str] = frozenset()
    labelled = False  # has labels of the requester's
    has_classes = False  # a judgment is a class, which beliefs are about
    ordered = False  # `>` and `<` make sense
    stops = False  # counts for stopping unless the question says otherwise
    graders: tuple[str, ...] = ()  # the first is the default
    bar = 1.0

    def classes(self, question: Question) -> tuple[str, ...]:
        """What one judgment chooses from, without "can't tell"."""
        return ()

    def read(self, question: Question, raw: Any) -> Any:
        """The canonical value of `raw`; raises Refused."""
        raise NotImplementedError

    def judge(self, question: Question, part: str, value: Any) -> list[Judged]:
        if is_na(value):
            return [Judged(part, len(question.classes) - 1, None)]
        return [Judged(part, *self.measure(question, value))]

    def measure(self, question: Question, value: Any) -> tuple[int | None, float | None]:
        raise NotImplementedError

    def rank(self, question: Question, value: Any) -> float:
        """Where the value stands, for `>` and `<` of an ordered kind."""
        raise NotImplementedError


class Categorical(Kind):
    name = "categorical"
    labelled = True
    has_classes = True
    stops = True
    graders: tuple[str, ...] = ("accepted",)

    def classes(self, question: Question) -> tuple[str, ...]:
        return question.labels

    def read(self, question: Question, raw: Any) -> str:
        if isinstance(raw, str) and raw in question.index and raw != CANT_TELL:
            return raw
        raise Refused(f"Choose {choices(question.classes)}.")

    def measure(self, question: Question, value: Any) -> tuple[int | None, float | None]:
        return question.index[value], None


class Ordinal(Categorical):
    """Labels in order, the lowest first."""

    name = "ordinal"
    ordered = True
    graders = ("within", "accepted")
    stops = False

    def rank(self, question: Question, value: Any) -> float:
        return question.index[value]


class Pairwise(Categorical):
    """Which of two is better. The two stand in the columns `left` and `right` names (or fields of each pair)."""

    name = "pairwise"
    labelled = False
    stops = False
    options = frozenset({"tie", "left", "right"})

    def classes(self, question: Question) -> tuple[str, ...]:
        return ("left", "right", "tie") if question.tie else ("left", "right")


class Multilabel(Kind):
    """Any number of labels; an empty list says that none applies. One yes-or-no judgment a label."""

    name = "multilabel"
    labelled = True
    has_classes = True
    options = frozenset({"min", "max"})
    graders = ("f1",)
    bar = 0.8

    def classes(self, question: Question) -> tuple[str, ...]:
        return ("no", "yes")

    def read(self, question: Question, raw: Any) -> list[str]:
        if not isinstance(raw, list | tuple) or not all(isinstance(label, str) for label in raw):
            raise Refused("Send a list of labels, empty if none applies.")
        chosen = set(raw)
        unknown = [label for label in raw if label not in question.positions]
        if unknown:
            raise Refused(f"{short(unknown[0])} is no label here. Choose from {choices(question.labels)}.")
        if len(chosen) < len(raw):
            raise Refused("A label is named twice.")
        if question.min is not None and len(chosen) < question.min:
            raise Refused(f"Choose at least {question.min:g}.")
        if question.max is not None and len(chosen) > question.max:
            raise Refused(f"Choose at most {question.max:g}.")
        return [label for label in question.labels if label in chosen] if len(raw) > 1 else list(raw)

    def judge(self, question: Question, part: str, value: Any) -> list[Judged]:
        prefix = f"{part}/" if part else ""
        if is_na(value):
            return [Judged(prefix + label, 2, None) for label in question.labels]
        return [Judged(prefix + label, int(label in value), None) for label in question.labels]


class Number(Kind):
    name = "number"
    ordered = True
    options = frozenset({"min", "max", "step", "unit"})
    graders = ("tolerance",)

    def read(self, question: Question, raw: Any) -> int | float:
        value = read_number(raw)
        if question.min is not None and value < question.min:
            raise Refused(f"At least {question.min:g}{unit(question)}.")
        if question.max is not None and value > question.max:
            raise Refused(f"At most {question.max:g}{unit(question)}.")
        if question.step is not None:
            steps = (value - (question.min or 0)) / question.step
            if not math.isclose(steps, round(steps), rel_tol=1e-9, abs_tol=1e-6):
                raise Refused(f"In steps of {question.step:g}{unit(question)} from {question.min or 0:g}.")
        return value

    def measure(self, question: Question, value: Any) -> tuple[int | None, float | None]:
        return None, float(value)

    def rank(self, question: Question, value: Any) -> float:
        return value


class Text(Kind):
    """Free text; `min` and `max` are lengths in characters."""

    name = "text"
    options = frozenset({"min", "max"})
    graders = ("equal", "wer", "pattern")

    def read(self, question: Question, raw: Any) -> str:
        if not isinstance(raw, str):
            raise Refused("Send a text.")
        value = storable(raw).replace("\r\n", "\n").strip()
        most = question.max if question.max is not None else 10_000
        if len(value) > most:
            raise Refused(f"At most {most:g} characters; this has {len(value)}.")
        if question.min is not None and len(value) < question.min:
            raise Refused(f"At least {question.min:g} characters; this has {len(value)}.")
        return value

    def measure(self, question: Question, value: Any) -> tuple[int | None, float | None]:
        return None, None


def unit(question: Question) -> str:
    return f" {question.unit}" if question.unit else ""


def short(text: str) -> str:
    return f'"{text[:60]}…"' if len(text) > 60 else f'"{text}"'


def choices(labels: tuple[str, ...]) -> str:
    shown = ", ".join(short(label) for label in labels[:12])
    return f"{shown} or one of {len(labels) - 12} more" if len(labels) > 12 else f"one of {shown}"


KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (Categorical(), Multilabel(), Ordinal(), Number(), Text(), Pairwise())
}
BUILT_KINDS = tuple(KINDS)
#: Names of the design that cannot be posted yet. They need no other tables, only a `Kind` here and its part of a page.
COMING_KINDS = ("boxes", "polygons", "mask", "keypoints", "spans", "segments", "ranking")
