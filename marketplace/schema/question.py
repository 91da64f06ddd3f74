"""One question, and how its definition is read from JSON."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import re2

from marketplace.schema.conditions import Condition, Group, read_when
from marketplace.schema.kinds import (
    BUILT_KINDS,
    CANT_TELL,
    COMING_KINDS,
    KINDS,
    LARGEST_NUMBER,
    LONGEST_TEXT,
    NA,
    Judged,
    Refused,
    is_na,
    read_number,
    short,
    storable,
)

#: What a question is asked of, and the column of the item's data that lists those parts.
PART_COLUMNS = {"region": "regions", "turn": "turns", "step": "steps", "pair": "pairs"}

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,59}")
EVERY_KIND = frozenset(
    {"name", "kind", "for", "when", "required", "na", "stops", "labels", "score", "title", "text", "help"}
)
MOST_LABELS = 1000
LONGEST_LABEL = 200
#: A label of a multilabel question is (with the key of its part) the `part` of a judgment, which holds 80 characters.
LONGEST_PART_KEY = 36
LONGEST_PART = 80
LONGEST_TITLE = 200
LONGEST_HELP = 20_000


@dataclass(frozen=True)
class Score:
    """How an answer is graded against a key: `grader` gives a score in [0, 1], which passes from `bar` on.

    `absolute` and `relative` are the tolerances of the graders "within" (in steps) and "tolerance" (the larger one
    counts); `pattern` is the RE2 expression that the whole text must match for the grader "pattern".
    """

    grader: str
    bar: float
    absolute: float = 0.0
    relative: float = 0.0
    pattern: str = ""


@dataclass(frozen=True)
class Question:
    name: str
    kind: str
    for_: str = "item"
    when: Condition | Group | None = None
    required: bool = True
    na: bool = False
    stops: bool = False
    labels: tuple[str, ...] = ()
    score: Score = Score("accepted", 1.0)
    title: str = ""
    text: str = ""
    help: str = ""
    min: float | None = None
    max: float | None = None
    step: float | None = None
    unit: str = ""
    tie: bool = False
    left: str = "left"
    right: str = "right"
    #: What one judgment chooses from: the labels (no, yes for multilabel; left, right, tie for pairwise), and
    #: "can't tell" last where it is offered. Empty for number and text without "can't tell".
    classes: tuple[str, ...] = field(init=False, repr=False, compare=False)
    index: dict[str, int] = field(init=False, repr=False, compare=False)
    positions: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        classes = KINDS[self.kind].classes(self) + ((CANT_TELL,) if self.na else ())
        object.__setattr__(self, "classes", classes)
        object.__setattr__(self, "index", {name: index for index, name in enumerate(classes)})
        object.__setattr__(self, "positions", {label: index for index, label in enumerate(self.labels)})

    @property
    def part_column(self) -> str | None:
        """The column of the data whose parts this question is asked of; None for the whole item."""
        return PART_COLUMNS.get(self.for_)

    def read(self, raw: Any) -> Any:
        """The canonical value of one answer (for one part).

        Raises
        ------
        Refused
            With a sentence that says what would be right.
        """
        if isinstance(raw, dict):
            if not self.na or raw != NA:
                raise Refused("Can't tell is not offered here." if is_na(raw) else "Send a plain value.")
            return dict(NA)
        return KINDS[self.kind].read(self, raw)

    def judgments(self, value: Any) -> list[Judged]:
        """The judgments in a canonical answer, in the order of its parts."""
        kind = KINDS[self.kind]
        if self.for_ == "item":
            return kind.judge(self, "", value)
        return [judged for part, one in value.items() for judged in kind.judge(self, part, one)]

    def read_key(self, raw: Any) -> dict[str, Any]:
        """What counts as right, as `{"accept": [canonical values]}`; for a question asked of parts, that by part.

        `raw` is a cell of a table ("7", or "cat | lynx" where either is right; for multilabel "cat | dog" is the one
        set of both), or JSON: a value, or `{"accept": [values]}`.

        Raises
        ------
        Refused
            With a sentence that says what would be right.
        """
        if self.for_ == "item":
            return self._read_one_key(raw)
        if isinstance(raw, str):  # a cell of a table
            try:
                raw = orjson.loads(raw)
            except orjson.JSONDecodeError:
                raw = None
        if not isinstance(raw, Mapping) or not raw:
            raise Refused(f'Give the key of each {self.for_}, as JSON such as {{"0": ...}}.')
        return {str(part): self._read_one_key(one) for part, one in raw.items()}

    def _read_one_key(self, raw: Any) -> dict[str, Any]:
        if isinstance(raw, Mapping) and set(raw) == {"accept"}:
            values = raw["accept"]
            if not isinstance(values, list) or not 0 < len(values) <= 100:
                raise Refused("accept must be a list of 1 to 100 values.")
        elif isinstance(raw, str):
            values = self._split_cell(raw.strip())
        else:
            values = [raw]
        accepted: list[Any] = []
        for value in values:
            read = self.read(dict(NA) if value == CANT_TELL and self.na else value)
            if read not in accepted:
                accepted.append(read)
        return {"accept": accepted}

    def _split_cell(self, cell: str) -> list[Any]:
        if self.kind in ("text", "number") or cell in self.index:
            return [cell]
        named = [name.strip() for name in cell.split("|")]
        if self.kind == "multilabel" and cell != CANT_TELL:
            return [[name for name in named if name]]
        return list(named)

    def to_json(self) -> dict[str, Any]:
        """The definition with every default written out; `Schema.from_json` gives the same question again."""
        written: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "for": self.for_,
            "required": self.required,
            "na": self.na,
            "stops": self.stops,
            "score": {
                "grader": self.score.grader,
                "bar": self.score.bar,
                **{
                    name: getattr(self.score, name)
                    for name in ("absolute", "relative", "pattern")
                    if getattr(self.score, name) or name in SCORE_OPTIONS.get(self.score.grader, ())
                },
            },
        }
        if self.when is not None:
            written["when"] = self.when.to_json()
        if self.labels:
            written["labels"] = list(self.labels)
        for name in ("title", "text", "help"):
            if getattr(self, name):
                written[name] = getattr(self, name)
        for name in sorted(KINDS[self.kind].options):
            value = getattr(self, name)
            if value is not None and value != "":
                written[name] = value
        return written


#: The options that each grader takes besides the bar.
SCORE_OPTIONS = {"within": ("absolute",), "tolerance": ("absolute", "relative"), "pattern": ("pattern",)}


def read_question(raw: Any, path: str, earlier: Mapping[str, Question], errors: dict[str, str]) -> Question | None:
    """One question of the schema; what is wrong goes to `errors` by path, and then the answer is None."""
    if not isinstance(raw, Mapping):
        errors[path] = "Each question is an object with a name and a kind."
        return None
    reading = _Reading(raw, path, errors)
    before = len(errors)
    name = reading.name(earlier)
    kind = reading.kind()
    if kind is None:
        return None
    reading.known_keys(EVERY_KIND | KINDS[kind].options, kind)
    for_ = reading.for_()
    na = reading.flag("na", default=False)
    values: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "for_": for_,
        "required": reading.flag("required", default=True),
        "na": na,
        "stops": reading.flag("stops", default=KINDS[kind].stops),
        "labels": reading.labels(kind, for_),
        "title": reading.words("title", LONGEST_TITLE),
        "text": reading.words("text", LONGEST_HELP),
        "help": reading.words("help", LONGEST_HELP),
        **reading.options(kind),
    }
    values["score"] = reading.score(kind, values.get("step"))
    if "when" in raw:
        values["when"] = read_when(raw["when"], f"{path}.when", for_, earlier, errors)
    return Question(**values) if len(errors) == before else None


class _Reading:
    """One definition being read: each method gives a value that can be used, and notes what is wrong."""

    def __init__(self, raw: Mapping[str, Any], path: str, errors: dict[str, str]) -> None:
        self.raw = raw
        self.path = path
        self.errors = errors

    def wrong(self, key: str, sentence: str) -> None:
        self.errors[f"{self.path}.{key}"] = sentence

    def name(self, earlier: Mapping[str, Question]) -> str:
        name = self.raw.get("name")
        if not isinstance(name, str) or not NAME.fullmatch(name):
            self.wrong("name", "A name begins with a letter and has at most 60 letters, digits, _ . or -.")
            return ""
        if name in earlier:
            self.wrong("name", f'Two questions are called "{name}". Rename one.')
        return name

    def kind(self) -> str | None:
        kind = self.raw.get("kind")
        if isinstance(kind, str) and kind in KINDS:
            return kind
        if kind in COMING_KINDS:
            self.wrong("kind", f"Questions of kind {kind} cannot be posted yet. These can: {', '.join(BUILT_KINDS)}.")
        else:
            self.wrong("kind", f"Choose a kind: {', '.join(BUILT_KINDS)}.")
        return None

    def known_keys(self, known: frozenset[str], kind: str) -> None:
        for key in self.raw:
            if key not in known:
                self.wrong(str(key)[:64], f"A {kind} question has no such setting. It has: {', '.join(sorted(known))}.")

    def for_(self) -> str:
        for_ = self.raw.get("for", "item")
        if for_ == "item" or for_ in PART_COLUMNS:
            return for_
        self.wrong("for", f"Choose item, {', '.join(PART_COLUMNS)}.")
        return "item"

    def flag(self, key: str, *, default: bool) -> bool:
        value = self.raw.get(key, default)
        if isinstance(value, bool):
            return value
        self.wrong(key, "Write true or false.")
        return default

    def words(self, key: str, longest: int) -> str:
        value = self.raw.get(key, "")
        if not isinstance(value, str) or len(value) > longest:
            self.wrong(key, f"A text of at most {longest} characters.")
            return ""
        try:
            return storable(value)
        except Refused as refused:
            self.wrong(key, str(refused))
            return ""

    def labels(self, kind: str, for_: str) -> tuple[str, ...]:
        labels = self.raw.get("labels", [])
        if not KINDS[kind].labelled:
            if labels:
                self.wrong("labels", f"A {kind} question has no labels of its own. Take them out.")
            return ()
        least = 1 if kind == "multilabel" else 2
        if not isinstance(labels, list | tuple) or not least <= len(labels) <= MOST_LABELS:
            self.wrong("labels", f"Give {least} to {MOST_LABELS} labels as a list of texts.")
            return ()
        longest = LONGEST_LABEL
        if kind == "multilabel":
            longest = LONGEST_PART if for_ == "item" else LONGEST_PART - LONGEST_PART_KEY - 1
        for mistake in self._label_mistakes(labels, longest):
            self.wrong("labels", mistake)
            return ()
        return tuple(labels)

    def _label_mistakes(self, labels: list[Any] | tuple[Any, ...], longest: int) -> Iterator[str]:
        seen: set[str] = set()
        for position, label in enumerate(labels):
            if not isinstance(label, str):
                yield f'Label {position + 1} is no text. Write it in quotes, such as "7".'
                return
            if label != label.strip() or not 0 < len(label) <= longest:
                yield f"Label {position + 1} must have 1 to {longest} characters and no space around it."
            elif label in seen:
                yield f"The label {short(label)} is there twice."
            elif label == CANT_TELL:
                yield f'"{CANT_TELL}" is offered by "na": true. Take the label out.'
            else:
                try:
                    storable(label)
                except Refused as refused:
                    yield f"Label {position + 1}: {refused}"
            seen.add(label)

    def number(self, key: str) -> float | None:
        value = self.raw.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST_NUMBER:
            self.wrong(key, "Write a number.")
            return None
        return read_number(value)

    def options(self, kind: str) -> dict[str, Any]:
        taken = KINDS[kind].options
        values: dict[str, Any] = {key: self.number(key) for key in ("min", "max", "step") if key in taken}
        least, most = values.get("min"), values.get("max")
        if kind in ("multilabel", "text"):
            for key in ("min", "max"):
                value = values[key]
                if value is not None and (value < 0 or value != int(value) or value > LONGEST_TEXT):
                    self.wrong(key, f"A whole number from 0 to {LONGEST_TEXT}.")
        if least is not None and most is not None and least > most:
            self.wrong("max", "max must not be less than min.")
        if values.get("step") is not None and values["step"] <= 0:
            self.wrong("step", "A step is more than 0.")
        if "unit" in taken:
            values["unit"] = self.words("unit", 40)
        if "tie" in taken:
            values["tie"] = self.flag("tie", default=False)
            values["left"] = self.words("left", 100) or "left"
            values["right"] = self.words("right", 100) or "right"
        return values

    def score(self, kind: str, step: float | None) -> Score:
        graders = KINDS[kind].graders
        raw = self.raw.get("score", {})
        if not isinstance(raw, Mapping):
            self.wrong("score", f"An object with a grader ({', '.join(graders)}) and a bar.")
            raw = {}
        grader = raw.get("grader", graders[0])
        if grader not in graders:
            self.wrong("score.grader", f"A {kind} question is graded by {' or '.join(graders)}.")
            grader = graders[0]
        options = SCORE_OPTIONS.get(grader, ())
        for key in raw:
            if key not in ("grader", "bar", *options):
                self.wrong(f"score.{str(key)[:64]}", f"The grader {grader} has no such setting.")
        bar = raw.get("bar", 0.9 if grader == "wer" else KINDS[kind].bar)
        if isinstance(bar, bool) or not isinstance(bar, int | float) or not 0 < bar <= 1:
            self.wrong("score.bar", "A bar lies above 0 and is at most 1.")
            bar = 1.0
        values: dict[str, Any] = {}
        for key in ("absolute", "relative"):
            if key in options:
                value = raw.get(key, _default_tolerance(grader, key, raw, step))
                if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LARGEST_NUMBER:
                    self.wrong(f"score.{key}", "A tolerance is 0 or more.")
                    value = 0.0
                values[key] = float(value)
        if "pattern" in options:
            values["pattern"] = self._pattern(raw.get("pattern"))
        return Score(grader, float(bar), **values)

    def _pattern(self, pattern: Any) -> str:
        """RE2 takes linear time on every text; Python's own expressions can be made to hang."""
        if isinstance(pattern, str) and 0 < len(pattern) <= 1000:
            try:
                re2.compile(pattern)
            except re2.error as wrong:
                self.wrong("score.pattern", f"No RE2 expression: {str(wrong)[:200]}")
            return pattern
        self.wrong("score.pattern", "An RE2 expression of 1 to 1000 characters.")
        return ""


def _default_tolerance(grader: str, key: str, raw: Mapping[str, Any], step: float | None) -> float:
    """Ordinal: one step. Number: its own step, else 5 %; saying one tolerance leaves the other at 0."""
    if grader == "within":
        return 1.0
    if "absolute" in raw or "relative" in raw:
        return 0.0
    if key == "absolute":
        return float(step or 0.0)
    return 0.0 if step else 0.05
