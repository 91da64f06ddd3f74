"""A worker's answer as QuestionFormAnswers, from the form fields that were stored (docs/decisions/0007)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from xml.sax.saxutils import escape

import orjson

NAMESPACE = "http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2005-10-01/QuestionFormAnswers.xsd"
#: The question that holds the fields of a form, `[[name, value], ...]` as JSON.
FIELDS = "fields"
QUESTIONS: list[dict[str, Any]] = [{"name": FIELDS, "kind": "text", "max": 100_000, "title": "Your answer"}]
#: Fields that a frame sends along and that are no answers.
RESERVED = frozenset({"assignmentId", "hitId", "turkSubmitTo", "workerId"})
#: What XML 1.0 cannot hold, escaped or not.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def body_of(fields: Iterable[tuple[str, str]], **more: Any) -> bytes:
    """What `lifecycle.submit` takes, from the fields of a form in their order."""
    kept = [[name, value] for name, value in fields if name not in RESERVED]
    return orjson.dumps({"answers": {FIELDS: orjson.dumps(kept).decode()}, **more})


def fields_of(data: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The fields in a stored answer, in their order; none where the worker said that it cannot be answered."""
    told = ((data or {}).get("answers") or {}).get(FIELDS)
    if not told:
        return []
    try:
        pairs = orjson.loads(told)
    except orjson.JSONDecodeError:
        return [(FIELDS, told)]  # typed into the page of the market itself
    if not isinstance(pairs, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        return [(FIELDS, told)]
    return [(str(name), str(value)) for name, value in pairs]


def xml_of(fields: Iterable[tuple[str, str]]) -> str | None:
    """One Answer for each name, values of the same name joined with `|`; None without a field.

    >>> xml_of([("q", "a<b"), ("q", "c")]).partition('xsd">')[2]
    '<Answer><QuestionIdentifier>q</QuestionIdentifier><FreeText>a&lt;b|c</FreeText></Answer></QuestionFormAnswers>'
    """
    values: dict[str, list[str]] = {}
    for name, value in fields:
        values.setdefault(name, []).append(value)
    if not values:
        return None
    answers = (
        f"<Answer><QuestionIdentifier>{_clean(name)}</QuestionIdentifier>{_free_text('|'.join(each))}</Answer>"
        for name, each in values.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<QuestionFormAnswers xmlns="{NAMESPACE}">{"".join(answers)}</QuestionFormAnswers>'
    )


def _free_text(value: str) -> str:
    text = _clean(value)
    return f"<FreeText>{text}</FreeText>" if text else "<FreeText/>"


def _clean(text: str) -> str:
    return escape(FORBIDDEN.sub("", text))
