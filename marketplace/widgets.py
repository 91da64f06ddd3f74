"""Questions as a worker meets them: what each one shows, which keys answer it, and how a posted form is read back.

The page is plain HTML; a script adds keys and speed. Both send the same answers: fields are named `q:NAME` (and
`q:NAME:PART` for a question asked of parts), and `read_form` makes of them what the script sends as JSON.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.http import QueryDict
from django.utils.html import format_html
from django.utils.safestring import SafeString

from marketplace.schema import CANT_TELL, NA, Question, Schema
from marketplace.schema.conditions import Condition, Group, View
from marketplace.schema.schema import keyed_parts
from marketplace.templating import FindMedia, Placeholder, render_markdown, shown

#: Keys that act on the page; no answer may have them.
TAKEN = set("srczxd?+-u")
DIGITS = "1234567890"
LETTERS = "abefghijklmnopqtvwy"
SHORT = 9
ADDRESSES = ("https://", "http://", "/media/")
#: More labels than this are a list to search in, not buttons.
MOST_BUTTONS = 40


@dataclass(frozen=True)
class Option:
    value: str
    words: str
    key: str
    html: SafeString | str = ""
    is_chosen: bool = False


@dataclass(frozen=True)
class Widget:
    """One question (of one part), ready to draw."""

    field: str
    name: str
    part: str
    kind: str
    title: str
    about: SafeString | str
    options: Sequence[Option]
    question: Question
    when: str
    value: Any = None
    is_compact: bool = False
    is_terse: bool = False
    number: int | str = 0

    @property
    def template(self) -> str:
        return f"work/kinds/{self.kind}.html"

    @property
    def is_na(self) -> bool:
        return self.value == NA

    @property
    def is_list(self) -> bool:
        return len(self.options) > MOST_BUTTONS


def widgets_of(
    schema: Schema, data: Mapping[str, Any], find: FindMedia, answers: Mapping[str, Any] | None = None
) -> list[Widget]:
    """The questions of one item in order, those for parts once a part; with `answers` as they were given before."""
    data = schema.read_data(data)
    given = answers or {}
    drawn: list[Widget] = []
    for question in schema:
        if question.part_column is None:
            drawn.append(_widget(question, "", None, data, find, given.get(question.name), len(drawn)))
            continue
        for key, part in keyed_parts(data.get(question.part_column)).items():
            value = (given.get(question.name) or {}).get(key)
            drawn.append(_widget(question, key, part, data, find, value, len(drawn)))
    return drawn


def _widget(
    question: Question,
    key: str,
    part: Any,
    data: Mapping[str, Any],
    find: FindMedia,
    value: Any,
    number: int,
) -> Widget:
    title = question.title or question.text or question.name.replace("_", " ").capitalize()
    about = render_markdown(question.help) if question.help else SafeString("")
    if part is not None:
        words = part if isinstance(part, str) else part.get("text") or part.get("name") or part
        about = format_html("<blockquote>{}</blockquote>{}", SafeString(shown(words)), about)  # allow: shown escapes
    labels = question.classes[:-1] if question.na else question.classes
    options: list[Option] = []
    if question.kind == "pairwise":
        options = _sides(question, part if isinstance(part, Mapping) else data, find, value)
    elif question.labels:
        chosen = value if isinstance(value, list) else [value]
        keys = keys_for(question.labels)
        options = [Option(label, label, keys.get(label, ""), "", label in chosen) for label in question.labels]
    when = orjson.dumps(_told(question.when, data, key, part)).decode() if question.when is not None else ""
    compact = bool(labels) and len(options) <= 10 and all(len(option.words) <= SHORT for option in options)
    return Widget(
        field=f"q:{question.name}:{key}" if key else f"q:{question.name}",
        name=question.name,
        part=key,
        kind=question.kind,
        title=title,
        about=about,
        options=options,
        question=question,
        when=when,
        value=value,
        is_compact=compact,
        is_terse=compact and all(len(option.words) <= 2 for option in options),
        number=number,
    )


def _sides(question: Question, item: Mapping[str, Any], find: FindMedia, value: Any) -> list[Option]:
    """Left and right as they stand in the data: picture, sound or film where the cell is an address, else its text."""
    sides = []
    for side, column, key in (("left", question.left, "1"), ("right", question.right, "2")):
        cell = item.get(column)
        is_media = isinstance(cell, str) and cell.startswith(ADDRESSES) and find(cell) is not None
        kind = _media_kind(str(cell)) if is_media else "text"
        html = SafeString(Placeholder(kind, column, side).render(cell, find))  # allow: a placeholder escapes
        sides.append(Option(side, side, key, html, value == side))
    if question.tie:
        sides.append(Option("tie", "tie", "3", "", value == "tie"))
    return sides


def _media_kind(address: str) -> str:
    kind = (mimetypes.guess_type(address.partition("?")[0])[0] or "").partition("/")[0]
    return kind if kind in {"audio", "video"} else "image"


def keys_for(labels: Sequence[str]) -> dict[str, str]:
    """A key for each label, where keys last: its own character if every label is one, else digits, then letters."""
    own = [label.lower() for label in labels]
    if all(len(label) == 1 for label in own) and len(set(own)) == len(own) and not TAKEN & set(own):
        return dict(zip(labels, own, strict=True))
    return dict(zip(labels, DIGITS + LETTERS, strict=False))


def _told(when: Condition | Group, data: Mapping[str, Any], key: str, part: Any) -> Any:
    """A condition for the page: what hangs on the data is decided here, what hangs on answers is left to the script."""
    if isinstance(when, Group):
        members = [_told(member, data, key, part) for member in when.members]
        return {"all" if when.every else "any": members}
    if when.source != "question" or when.target is None:
        return when.holds(View({}, data, key or None, part))
    target = when.target
    name = f"{target.name}:{key}" if target.for_ != "item" else target.name
    told: dict[str, Any] = {"q": name, "op": when.op, "value": when.value}
    if target.kind == "ordinal":
        told["order"] = list(target.labels)
    return told


def read_form(schema: Schema, data: Mapping[str, Any], form: QueryDict) -> dict[str, Any]:
    """The answers of a posted form, in the shape that `Schema.parse` reads."""
    data = schema.read_data(data)
    answers: dict[str, Any] = {}
    for question in schema:
        if question.part_column is None:
            if (value := _posted(question, f"q:{question.name}", form)) is not None:
                answers[question.name] = value
            continue
        parts = {
            key: value
            for key in keyed_parts(data.get(question.part_column))
            if (value := _posted(question, f"q:{question.name}:{key}", form)) is not None
        }
        if parts:
            answers[question.name] = parts
    return answers


def _posted(question: Question, name: str, form: QueryDict) -> Any:
    if question.na and (form.get(f"{name}~na") or form.get(name) == CANT_TELL):
        return dict(NA)
    if question.kind == "multilabel":
        # The box that says "none applies" tells an empty list from a question that was passed over.
        return form.getlist(name) or ([] if form.get(f"{name}~none") else None)
    return form.get(name) or None
