"""The questions of a project together: reading the definition, an item's data, and one worker's answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import orjson

from core.errors import Invalid
from marketplace.schema.conditions import View
from marketplace.schema.kinds import Refused, short, storable
from marketplace.schema.question import LONGEST_PART_KEY, PART_COLUMNS, Question, read_question

MOST_QUESTIONS = 200
MOST_PARTS = 500

EMPTY: tuple[Any, ...] = (None, "", [], {})


@dataclass(frozen=True)
class Schema:
    """Use `schema_of(questions)`, which keeps what it read."""

    questions: tuple[Question, ...]

    @classmethod
    def from_json(cls, questions: Any) -> Schema:
        """Read a list of definitions.

        Raises
        ------
        Invalid
            `errors` maps a path such as "questions[2].labels" to what would be right, for all mistakes at once.
        """
        if not isinstance(questions, list | tuple):
            raise Invalid("The questions have errors.", errors={"questions": "Give a list of questions."})
        if len(questions) > MOST_QUESTIONS:
            raise Invalid("The questions have errors.", errors={"questions": f"At most {MOST_QUESTIONS} questions."})
        errors: dict[str, str] = {}
        earlier: dict[str, Question] = {}
        for position, raw in enumerate(questions):
            question = read_question(raw, f"questions[{position}]", earlier, errors)
            if question is not None:
                earlier[question.name] = question
        if errors:
            raise Invalid("The questions have errors.", errors=errors)
        return cls(tuple(earlier.values()))

    def to_json(self) -> list[dict[str, Any]]:
        return [question.to_json() for question in self.questions]

    def __iter__(self) -> Iterator[Question]:
        return iter(self.questions)

    def __len__(self) -> int:
        return len(self.questions)

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Question:
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Question]:
        return {question.name: question for question in self.questions}

    @cached_property
    def part_columns(self) -> tuple[str, ...]:
        """The columns that must list parts, such as "turns"."""
        used = {question.for_ for question in self.questions}
        return tuple(column for for_, column in PART_COLUMNS.items() if for_ in used)

    @cached_property
    def needed_columns(self) -> frozenset[str]:
        """The columns without which an item cannot be asked about."""
        pairs = {
            column
            for question in self.questions
            if question.kind == "pairwise" and question.for_ == "item"
            for column in (question.left, question.right)
        }
        return frozenset(pairs | set(self.part_columns))

    def read_data(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """An item's data with its parts decoded and checked; without questions for parts it is `data` itself.

        Raises
        ------
        Invalid
            `errors` by column.
        """
        if not self.needed_columns:
            return data  # type: ignore[return-value]
        errors = {
            column: "This column is needed by the questions and is missing or empty."
            for column in sorted(self.needed_columns)
            if data.get(column) in EMPTY
        }
        read = dict(data)
        for column in self.part_columns:
            if column in errors:
                continue
            try:
                read[column] = _read_parts(data[column])
            except Refused as refused:
                errors[column] = str(refused)
        if errors:
            raise Invalid("The item's data does not fit the questions.", errors=errors)
        return read

    def parse(self, answers: Any, data: Mapping[str, Any]) -> dict[str, Any]:
        """One worker's answers in canonical form, in the schema's order; what was left out is not in it.

        A question that is hidden by its `when` must not be answered: it "does not apply" and is absent.

        Raises
        ------
        Invalid
            `errors` by question ("name", or "name[part]"), all at once.
        """
        if not isinstance(answers, Mapping):
            raise Invalid("Send the answers as an object, by question.", errors={"answers": "Not an object."})
        errors: dict[str, str] = {
            short(str(name))[1:-1]: "There is no such question."
            for name in answers
            if name not in self._by_name and answers[name] not in EMPTY
        }
        parsed: dict[str, Any] = {}
        doubtful: set[str] = set()  # answered wrongly: what hangs on them cannot be judged yet
        for question in self.questions:
            if question.when is not None and doubtful and question.when.names() & doubtful:
                doubtful.add(question.name)
                continue
            before = len(errors)
            raw = answers.get(question.name)
            if question.for_ == "item":
                _parse_whole(question, raw, question.name in answers, View(parsed, data), parsed, errors)
            else:
                _parse_parts(question, raw, data, parsed, errors)
            if len(errors) > before:
                doubtful.add(question.name)
        if errors:
            raise Invalid("The answers have errors. Nothing was stored.", errors=errors)
        return parsed


@lru_cache(maxsize=1024)
def _schema_of_bytes(definition: bytes) -> Schema:
    return Schema.from_json(orjson.loads(definition))


def schema_of(questions: Sequence[Mapping[str, Any]]) -> Schema:
    """The schema of a stored definition, read once a process.

    Raises
    ------
    Invalid
        As `Schema.from_json`.
    """
    try:
        return _schema_of_bytes(orjson.dumps(questions))
    except TypeError:  # no JSON: from_json says where
        return Schema.from_json(questions)


def _parse_whole(
    question: Question, raw: Any, sent: bool, view: View, parsed: dict[str, Any], errors: dict[str, str]
) -> None:
    if question.when is not None and not question.when.holds(view):
        if raw not in EMPTY:
            errors[question.name] = "This question does not apply here. Leave it out."
        return
    # An empty list is an answer of a multilabel question: none applies.
    if raw in EMPTY and not (sent and raw == [] and question.kind == "multilabel"):
        if question.required:
            errors[question.name] = "Answer this question."
        return
    try:
        value = question.read(raw)
    except Refused as refused:
        errors[question.name] = str(refused)
        return
    if value == "" and question.required:  # a text of spaces
        errors[question.name] = "Answer this question."
    elif value != "":
        parsed[question.name] = value


def _parse_parts(
    question: Question, raw: Any, data: Mapping[str, Any], parsed: dict[str, Any], errors: dict[str, str]
) -> None:
    """An answer to a question for parts maps the key of a part to its value."""
    if raw in EMPTY:
        raw = {}
    if not isinstance(raw, Mapping):
        errors[question.name] = f"Send an object with a value for each {question.for_}."
        return
    parts = keyed_parts(data.get(question.part_column or "", ()))
    for key in raw:
        if key not in parts:
            errors[f"{question.name}[{short(str(key))[1:-1]}]"] = f"The item has no such {question.for_}."
    values: dict[str, Any] = {}
    for key, part in parts.items():
        one: dict[str, Any] = {}
        wrong: dict[str, str] = {}
        _parse_whole(question, raw.get(key), key in raw, View(parsed, data, key, part), one, wrong)
        errors.update({f"{question.name}[{key}]": sentence for sentence in wrong.values()})
        if one:
            values[key] = one[question.name]
    if values:
        parsed[question.name] = values


def keyed_parts(parts: Any) -> dict[str, Any]:
    """The parts of an item by key: the `id` of each where it has one, else its position from 0."""
    return {_key_of(part, position): part for position, part in enumerate(parts or ())}


def _key_of(part: Any, position: int) -> str:
    own = part.get("id") if isinstance(part, Mapping) else None
    return str(position) if own is None else str(own)


def _read_parts(raw: Any) -> list[Any]:
    """A list of texts or objects, from JSON or from the JSON text in a table's cell."""
    if isinstance(raw, str):
        try:
            raw = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise Refused('Write the parts as a JSON list, such as ["one", "two"].') from None
    if not isinstance(raw, list) or not 0 < len(raw) <= MOST_PARTS:
        raise Refused(f"A list of 1 to {MOST_PARTS} parts.")
    keys: set[str] = set()
    for position, part in enumerate(raw):
        if not isinstance(part, str | Mapping):
            raise Refused(f"Part {position} is neither a text nor an object.")
        own = part.get("id") if isinstance(part, Mapping) else None
        if own is not None and (isinstance(own, bool) or not isinstance(own, str | int)):
            raise Refused(f"The id of part {position} is neither a text nor a whole number.")
        key = storable(_key_of(part, position))
        if not 0 < len(key) <= LONGEST_PART_KEY or "/" in key:
            raise Refused(f"The id of part {position} must have 1 to {LONGEST_PART_KEY} characters and no slash.")
        if key in keys:
            raise Refused(f"Two parts have the id {short(key)}.")
        keys.add(key)
    return raw
