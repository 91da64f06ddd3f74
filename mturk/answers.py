"""A worker's answer as QuestionFormAnswers, from the form fields that were stored (docs/decisions/0007)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

import orjson

from mturk.form import Entry

NAMESPACE = "http://mechanicalturk.amazonaws.com/AWSMechanicalTurkDataSchemas/2005-10-01/QuestionFormAnswers.xsd"
#: The question that holds the fields of a form, `[[name, value], ...]` as JSON.
FIELDS = "fields"
QUESTIONS: list[dict[str, Any]] = [{"name": FIELDS, "kind": "text", "max": 100_000, "title": "Your answer"}]
#: Fields that a frame sends along and that are no answers.
RESERVED = frozenset({"assignmentId", "hitId", "turkSubmitTo", "workerId"})
#: What XML 1.0 cannot hold, escaped or not.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def body_of(fields: Iterable[Sequence[str]], *, derived: Mapping[str, Any] | None = None, **more: Any) -> bytes:
    """What `lifecycle.submit` takes, from (name, value) or (name, value, kind) in their order.

    `kind` is "text" where it is left out, else "selection", "other", "none" or "file:<bytes>" (`mturk.form.Entry`);
    `derived` are answers to the questions beside `fields`.
    """
    kept = [list(field)[:2] if list(field)[2:] in ([], ["text"]) else list(field) for field in fields]
    kept = [field for field in kept if field[0] not in RESERVED]
    return orjson.dumps({"answers": {FIELDS: orjson.dumps(kept).decode(), **(derived or {})}, **more})


def entries_of(data: Mapping[str, Any] | None) -> list[Entry]:
    """(name, value, kind) in a stored answer; none where the worker said that it cannot be answered."""
    told = ((data or {}).get("answers") or {}).get(FIELDS)
    if not told:
        return []
    try:
        found = orjson.loads(told)
    except orjson.JSONDecodeError:
        return [(FIELDS, told, "text")]  # typed into the page of the market itself
    if not isinstance(found, list) or not all(isinstance(one, list) and len(one) in (2, 3) for one in found):
        return [(FIELDS, told, "text")]
    return [(str(one[0]), str(one[1]), str(one[2]) if len(one) == 3 else "text") for one in found]


def fields_of(data: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """Names and values of what was answered; files by their key."""
    return [(name, value) for name, value, kind in entries_of(data) if kind != "none"]


def values_of(fields: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """The values by field, without white space at their ends; empty ones are none."""
    values: dict[str, set[str]] = {}
    for name, value in fields:
        values.setdefault(name, set()).add(value.strip())
    return {name: frozenset(each - {""}) for name, each in values.items()}


def xml_of(entries: Iterable[Sequence[str]]) -> str | None:
    """One Answer for each name, in order; texts of the same name joined with `|`. None without a field.

    >>> xml_of([("q", "a<b"), ("q", "c")]).partition('xsd">')[2]
    '<Answer><QuestionIdentifier>q</QuestionIdentifier><FreeText>a&lt;b|c</FreeText></Answer></QuestionFormAnswers>'
    >>> xml_of([("q", "yes", "selection"), ("q", "else", "other")]).partition("</QuestionIdentifier>")[2][:69]
    '<SelectionIdentifier>yes</SelectionIdentifier><OtherSelectionText>else'
    """
    values: dict[str, list[tuple[str, str]]] = {}
    for name, value, *kind in entries:
        values.setdefault(name, []).append((value, kind[0] if kind else "text"))
    if not values:
        return None
    answers = (
        f"<Answer><QuestionIdentifier>{_clean(name)}</QuestionIdentifier>{_said(said)}</Answer>"
        for name, said in values.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<QuestionFormAnswers xmlns="{NAMESPACE}">{"".join(answers)}</QuestionFormAnswers>'
    )


def _said(said: Sequence[tuple[str, str]]) -> str:
    kinds = {kind.partition(":")[0] for _value, kind in said}
    if kinds == {"text"}:
        return _free_text("|".join(value for value, _kind in said))
    if kinds == {"file"}:
        value, kind = said[-1]
        size = kind.partition(":")[2]
        told = {"UploadedFileSizeInBytes": str(int(size)), "UploadedFileKey": _clean(value)}
        return "".join(f"<{tag}>{text}</{tag}>" for tag, text in told.items())
    tags = {"selection": "SelectionIdentifier", "other": "OtherSelectionText"}
    return "".join(f"<{tags[kind]}>{_clean(value)}</{tags[kind]}>" for value, kind in said if kind in tags)


def _free_text(value: str) -> str:
    text = _clean(value)
    return f"<FreeText>{text}</FreeText>" if text else "<FreeText/>"


def _clean(text: str) -> str:
    return escape(FORBIDDEN.sub("", text))
