"""`when`: conditions on earlier answers or on the item's data that decide whether a question is asked.

A condition is `{"question": NAME, "op": OP, "value": V}`, or `"data": COLUMN`, or (in a question asked of parts)
`"part": FIELD` instead of `question`. Conditions nest in `{"all": [...]}` and `{"any": [...]}`. Whatever was not
answered, or does not exist, fulfils no condition, `!=` included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from marketplace.schema.kinds import KINDS, NA, Refused, is_na, read_number, short, storable

if TYPE_CHECKING:
    from marketplace.schema.question import Question

EQUALITY = ("==", "!=", "in")
ORDER = (">", ">=", "<", "<=")
OPERATORS = (*EQUALITY, *ORDER, "answered")
DEEPEST = 5
MOST_MEMBERS = 50

MISSING = object()


@dataclass(frozen=True)
class View:
    """What conditions look at: the answers so far, the item's data, and the part in hand."""

    answers: Mapping[str, Any]
    data: Mapping[str, Any]
    part_key: str | None = None
    part: Any = None


@dataclass(frozen=True)
class Condition:
    source: str
    name: str
    op: str
    value: Any = None
    target: Question | None = None

    def holds(self, view: View) -> bool:
        found = self._find(view)
        if found is MISSING or found is None:
            return False
        if self.op == "answered":
            return found != "" and found != []
        if self.target is not None:
            return self._compare_answer(self.target, found)
        return compare_data(self.op, found, self.value)

    def names(self) -> set[str]:
        """The questions that this condition looks at."""
        return {self.name} if self.source == "question" else set()

    def columns(self) -> set[str]:
        return {self.name} if self.source == "data" else set()

    def to_json(self) -> dict[str, Any]:
        written = {self.source: self.name, "op": self.op}
        return written if self.op == "answered" else {**written, "value": self.value}

    def _find(self, view: View) -> Any:
        if self.source == "data":
            return view.data.get(self.name, MISSING)
        if self.source == "part":
            return view.part.get(self.name, MISSING) if isinstance(view.part, Mapping) else MISSING
        answer = view.answers.get(self.name, MISSING)
        if self.target is not None and self.target.for_ != "item" and answer is not MISSING:
            return answer.get(view.part_key, MISSING)
        return answer

    def _compare_answer(self, target: Question, answer: Any) -> bool:
        if self.op in EQUALITY:
            wanted = self.value if self.op == "in" else [self.value]
            # Of a multilabel answer each condition is asked of its labels: "==" says that the label is among them.
            given = answer if isinstance(answer, list) else [answer]
            return any(one in wanted for one in given) is (self.op != "!=")
        if is_na(answer):
            return False
        kind = KINDS[target.kind]
        return in_order(self.op, kind.rank(target, answer), kind.rank(target, self.value))


@dataclass(frozen=True)
class Group:
    every: bool
    members: tuple[Condition | Group, ...]

    def holds(self, view: View) -> bool:
        return (all if self.every else any)(member.holds(view) for member in self.members)

    def names(self) -> set[str]:
        return set().union(*(member.names() for member in self.members))

    def columns(self) -> set[str]:
        return set().union(*(member.columns() for member in self.members))

    def to_json(self) -> dict[str, Any]:
        return {"all" if self.every else "any": [member.to_json() for member in self.members]}


def in_order(op: str, left: Any, right: Any) -> bool:
    if op == ">":
        return left > right
    if op == ">=":
        return left >= right
    if op == "<":
        return left < right
    return left <= right


def compare_data(op: str, found: Any, value: Any) -> bool:
    """Compare a value of the data, which may be the text of a table's cell, with a JSON value of the condition."""
    if op == "in":
        return any(compare_data("==", found, one) for one in value)
    if op == "!=":
        return not compare_data("==", found, value)
    if isinstance(value, bool):
        return found is value or (isinstance(found, str) and found.strip().lower() == str(value).lower())
    if isinstance(value, str):
        found = found if isinstance(found, str) else str(found)
    else:
        try:
            found = read_number(found)
        except Refused:
            return False
    return found == value if op == "==" else in_order(op, found, value)


def read_when(
    raw: Any, path: str, for_: str, earlier: Mapping[str, Question], errors: dict[str, str], depth: int = 1
) -> Condition | Group | None:
    """The conditions of one question; what is wrong goes to `errors` by path."""
    if not isinstance(raw, Mapping):
        errors[path] = 'A condition is an object such as {"question": NAME, "op": "==", "value": LABEL}.'
        return None
    if len(raw) == 1 and next(iter(raw)) in ("all", "any"):
        word, members = next(iter(raw.items()))
        if depth > DEEPEST:
            errors[path] = f"Conditions nest at most {DEEPEST} deep."
            return None
        if not isinstance(members, list | tuple) or not 0 < len(members) <= MOST_MEMBERS:
            errors[f"{path}.{word}"] = f"A list of 1 to {MOST_MEMBERS} conditions."
            return None
        read = [
            read_when(member, f"{path}.{word}[{index}]", for_, earlier, errors, depth + 1)
            for index, member in enumerate(members)
        ]
        return Group(word == "all", tuple(member for member in read if member is not None))
    return read_condition(raw, path, for_, earlier, errors)


def read_condition(
    raw: Mapping[str, Any], path: str, for_: str, earlier: Mapping[str, Question], errors: dict[str, str]
) -> Condition | None:
    sources = [source for source in ("question", "data", "part") if source in raw]
    op = raw.get("op", "==")
    if len(sources) != 1 or not isinstance(raw[sources[0]], str) or set(raw) - {sources[0], "op", "value"}:
        errors[path] = "A condition has one of question, data and part (each with a name), an op and a value."
        return None
    if not isinstance(op, str) or op not in OPERATORS:
        errors[f"{path}.op"] = f"Choose an operator: {', '.join(OPERATORS)}."
        return None
    if (op == "answered") == ("value" in raw):
        errors[f"{path}.value"] = "answered takes no value." if op == "answered" else "Say what to compare with."
        return None
    source, name = sources[0], raw[sources[0]]
    if source == "part" and for_ == "item":
        errors[f"{path}.part"] = "Only a question that is asked of parts can look at its part."
        return None
    try:
        if source == "question":
            return question_condition(name, op, raw.get("value"), for_, earlier)
        return Condition(source, storable(name), op, read_data_value(op, raw.get("value")))
    except Refused as refused:
        errors[path] = str(refused)
        return None


def question_condition(name: str, op: str, value: Any, for_: str, earlier: Mapping[str, Question]) -> Condition:
    target = earlier.get(name)
    if target is None:
        raise Refused(f"{short(name)} is no earlier question. Name one that comes before this one.")
    if target.for_ not in ("item", for_):
        raise Refused(f'"{name}" is asked of each {target.for_}, so only a question for {target.for_} can look at it.')
    if op in ORDER:
        if not KINDS[target.kind].ordered:
            raise Refused(f'"{name}" is {target.kind}, which has no order. Use ==, != or in.')
        return Condition("question", name, op, read_operand(target, value), target)
    if op == "in":
        if not isinstance(value, list | tuple) or not value:
            raise Refused("in takes a list of values.")
        return Condition("question", name, op, [read_operand(target, one, na=True) for one in value], target)
    return Condition("question", name, op, None if op == "answered" else read_operand(target, value, na=True), target)


def read_operand(target: Question, value: Any, *, na: bool = False) -> Any:
    """One value that an answer to `target` is compared with; for multilabel a single label."""
    if is_na(value):
        if na and target.na:
            return dict(NA)
        raise Refused(f'"{target.name}" does not offer "can\'t tell", or it has no place in an order.')
    if target.kind == "multilabel":
        if isinstance(value, str) and value in target.positions:
            return value
        raise Refused(f'{short(str(value))} is no label of "{target.name}".')
    if target.kind == "number":
        return read_number(value)
    if target.kind == "text":
        if isinstance(value, str):
            return storable(value)
        raise Refused("Compare a text with a text.")
    return KINDS[target.kind].read(target, value)


def read_data_value(op: str, value: Any) -> Any:
    if op == "answered":
        return None
    if op == "in":
        if not isinstance(value, list | tuple) or not 0 < len(value) <= 1000:
            raise Refused("in takes a list of 1 to 1000 values.")
        return [read_data_value("==", one) for one in value]
    if isinstance(value, bool) and op in ORDER:
        raise Refused("true and false have no order.")
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, bool | int | float):
        return value if isinstance(value, bool) else read_number(value)
    raise Refused("Compare with a text, a number, true or false.")
