"""Answer keys of qualification tests: what a worker's selections are worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from mturk.errors import RequestError
from mturk.form import FileUpload, Form, Selection
from mturk.questions import SCHEMAS, check_size, form_of, parse, read_question, unreadable, validate

SPACE = f"{{{SCHEMAS}2005-10-01/AnswerKey.xsd}}"


@dataclass(frozen=True)
class KeyedQuestion:
    """Scores by the exact set of selections."""

    options: tuple[tuple[frozenset[str], int], ...]
    default: int = 0

    def score(self, chosen: frozenset[str]) -> int:
        return next((score for wanted, score in self.options if wanted == chosen), self.default)


@dataclass(frozen=True)
class AnswerKey:
    """`mapping` is "", percentage (of `most`), scale (by `factor`) or range (low, high, value; else `outside`)."""

    questions: Mapping[str, KeyedQuestion]
    mapping: str = ""
    most: int = 0
    factor: float = 1
    ranges: tuple[tuple[int, int, int], ...] = ()
    outside: int = 0

    def value(self, answers: Mapping[str, frozenset[str]]) -> int:
        """The qualification value of these selections, by question."""
        total = sum(one.score(answers.get(name, frozenset())) for name, one in self.questions.items())
        if self.mapping == "percentage":
            return round_half_up(total * 100 / self.most)
        if self.mapping == "scale":
            return round_half_up(total * self.factor)
        if self.mapping == "range":
            return next((value for low, high, value in self.ranges if low <= total <= high), self.outside)
        return total


def round_half_up(number: float) -> int:
    """
    >>> round_half_up(66.5), round_half_up(-0.5)
    (67, 0)
    """
    return int((number + 0.5) // 1)


def read_test(text: str) -> Form:
    """The form of a test. Raises `RequestError`: other kinds of question, and files, are no test."""
    check_size("Test", text)
    read_question(text)
    form = form_of(text)
    if form is None:
        raise RequestError("InvalidParameterValue", "Test: a QuestionForm, not an ExternalQuestion or HTMLQuestion.")
    if any(isinstance(question.answer, FileUpload) for question in form.questions):
        raise RequestError("InvalidParameterValue", "Test: a file cannot be asked for.")
    return form


def read_key(text: str, form: Form) -> AnswerKey:
    """The key of a test, which asks for selections alone.

    Raises
    ------
    RequestError
    """
    check_size("AnswerKey", text)
    root = parse(text)
    if root.tag != f"{SPACE}AnswerKey":
        raise unreadable(f"The root must be an AnswerKey in its namespace: {root.tag}")
    validate(root)
    asked = {question.identifier: question for question in form.questions}
    for question in asked.values():
        if not isinstance(question.answer, Selection) or question.answer.other is not None:
            raise RequestError(
                "InvalidParameterValue",
                f"AnswerKey: question {question.identifier} of the test takes a text, which no key can score.",
            )
    questions: dict[str, KeyedQuestion] = {}
    for node in root.iterfind(f"{SPACE}Question"):
        name = _text(node, "QuestionIdentifier")
        known = asked.get(name)
        if known is None:
            raise RequestError("InvalidParameterValue", f"AnswerKey: the test has no question {name}.")
        if name in questions:
            raise unreadable(f"AnswerKey: two questions are called {name}.")
        assert isinstance(known.answer, Selection)
        questions[name] = _keyed(node, {choice.identifier for choice in known.answer.choices})
    return _mapped(questions, root.find(f"{SPACE}QualificationValueMapping"))


def _keyed(node: etree._Element, choices: set[str]) -> KeyedQuestion:
    options = []
    for option in node.iterfind(f"{SPACE}AnswerOption"):
        wanted = frozenset((one.text or "").strip() for one in option.iterfind(f"{SPACE}SelectionIdentifier"))
        if unknown := sorted(wanted - choices):
            raise RequestError("InvalidParameterValue", f"AnswerKey: the test has no selection {unknown[0]}.")
        options.append((wanted, int(_text(option, "AnswerScore"))))
    return KeyedQuestion(tuple(options), int(_text(node, "DefaultScore") or 0))


def _mapped(questions: dict[str, KeyedQuestion], mapping: etree._Element | None) -> AnswerKey:
    if mapping is None:
        return AnswerKey(questions)
    (given,) = mapping.iterchildren(tag=etree.Element)
    match etree.QName(given).localname:
        case "PercentageMapping":
            most = int(_text(given, "MaximumSummedScore"))
            if most <= 0:
                raise unreadable("MaximumSummedScore must be above 0.")
            return AnswerKey(questions, "percentage", most=most)
        case "ScaleMapping":
            return AnswerKey(questions, "scale", factor=float(_text(given, "SummedScoreMultiplier")))
        case _:
            ranges = tuple(
                (
                    int(_text(one, "InclusiveLowerBound")),
                    int(_text(one, "InclusiveUpperBound")),
                    int(_text(one, "QualificationValue")),
                )
                for one in given.iterfind(f"{SPACE}SummedScoreRange")
            )
            return AnswerKey(
                questions, "range", ranges=ranges, outside=int(_text(given, "OutOfRangeQualificationValue"))
            )


def _text(node: etree._Element, name: str) -> str:
    return (node.findtext(f"{SPACE}{name}") or "").strip()
