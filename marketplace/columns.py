"""Which column of a requester's table is which: what a project reads, and a first guess from names and first rows."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from django.utils.translation import gettext as _

from marketplace.templating import compile_template

#: Names under which other tools write what we call so.
ALIASES = {
    "external_id": ("id", "key", "item_id", "row_id", "uuid"),
    "gold": ("label", "truth", "answer", "correct", "expected", "target", "ground_truth"),
    "explanation": ("why", "reason", "comment"),
    "priority": ("prio", "rank"),
    "group": ("group_id", "cluster"),
}
MEDIA = {
    "image": re.compile(r"\.(png|jpe?g|gif|webp|svg|bmp)(\?|$)|^/media/", re.IGNORECASE),
    "audio": re.compile(r"\.(mp3|wav|ogg|flac|m4a|opus)(\?|$)|^/media/", re.IGNORECASE),
    "video": re.compile(r"\.(mp4|webm|mov|m4v)(\?|$)|^/media/", re.IGNORECASE),
}


class Table(Protocol):
    """The first rows of a table."""

    @property
    def columns(self) -> list[str]: ...

    @property
    def rows(self) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Slot:
    """Something that is read from a row: its name here, what it is for, and the column of the file it comes from."""

    name: str
    words: str
    kind: str
    is_needed: bool
    column: str = ""
    example: str = ""

    def choose(self, column: str) -> Slot:
        return replace(self, column=column)


def slots_of(
    template: str, questions: Sequence[Mapping[str, Any]], table: Table, names: Mapping[str, str] | None = None
) -> list[Slot]:
    """What the project reads, each with the column that is named for it, or the one that most likely is meant."""
    chosen = {name: column for column, name in (names or {}).items() if name}
    slots = _asked_for(template, questions)
    taken = set(chosen.values()) | {slot.name for slot in slots if slot.name in table.columns}
    columns = {slot.name: chosen.get(slot.name, "") for slot in slots}
    if not names:
        columns = {slot.name: slot.name if slot.name in table.columns else "" for slot in slots}
        # The surest ways first, for all of them: what one slot might be, another one surely is.
        for way in (_by_name, _by_content, _by_likeness, _by_what_is_left):
            for slot in slots:
                if not columns[slot.name]:
                    columns[slot.name] = way(slot, [one for one in table.columns if one not in taken], table)
                    taken.add(columns[slot.name])
    return [replace(slot, column=columns[slot.name], example=_example(columns[slot.name], table)) for slot in slots]


def _asked_for(template: str, questions: Sequence[Mapping[str, Any]]) -> list[Slot]:
    kinds = {"image": _("a picture"), "audio": _("a sound"), "video": _("a film"), "link": _("a link")}
    slots = {
        one.column: Slot(one.column, kinds.get(one.kind, _("shown to the worker")), one.kind, True)
        for one in compile_template(template).placeholders
    }
    for question in questions:
        if question.get("kind") == "pairwise" and question.get("for", "item") == "item":
            for side, words in (("left", _("stands left")), ("right", _("stands right"))):
                name = question.get(side) or side
                slots.setdefault(name, Slot(name, words, "side", True))
    about = [Slot("external_id", _("your own id"), "id", False)]
    one_question = len(questions) == 1
    for question in questions:
        name = "gold" if one_question else f"gold:{question['name']}"
        about.append(Slot(name, _("the answer, where you know it: %s") % question["name"], "gold", False))
    about += [
        Slot("explanation", _("why that is the answer"), "explanation", False),
        Slot("priority", _("-100 to 100, higher first"), "priority", False),
        Slot("group", _("a worker gets one of a group"), "group", False),
    ]
    return [*slots.values(), *about]


def _by_name(slot: Slot, free: Sequence[str], table: Table) -> str:
    """By another usual name, whatever its case and signs."""
    folded = {re.sub(r"[^a-z0-9]", "", column.lower()): column for column in free}
    aliases = ALIASES.get("gold" if slot.kind == "gold" else slot.name, ())
    wanted = (re.sub(r"[^a-z0-9]", "", name.lower()) for name in (slot.name, *aliases))
    return next((folded[name] for name in wanted if name in folded), "")


def _by_content(slot: Slot, free: Sequence[str], table: Table) -> str:
    """Media by addresses that end like media."""
    pattern = MEDIA.get(slot.kind)
    if not (slot.is_needed and pattern and table.rows):
        return ""
    return next((c for c in free if all(pattern.search(str(row.get(c) or "")) for row in table.rows)), "")


def _by_likeness(slot: Slot, free: Sequence[str], table: Table) -> str:
    """By a name that is nearly the same; of equals the first in the table."""
    if not slot.is_needed or not free:
        return ""
    alike = {column: difflib.SequenceMatcher(None, slot.name, column.lower()).ratio() for column in free}
    best = max(free, key=lambda column: alike[column])
    return best if alike[best] >= 0.6 else ""


def _by_what_is_left(slot: Slot, free: Sequence[str], table: Table) -> str:
    """A text by the longest that is left; anything else only where one column is left."""
    if not slot.is_needed or not free:
        return ""
    if slot.kind == "text":
        return max(free, key=lambda column: sum(len(str(row.get(column) or "")) for row in table.rows))
    return free[0] if len(free) == 1 else ""


def _example(column: str, table: Table) -> str:
    values = (str(row[column]) for row in table.rows if column in row and row[column] not in (None, ""))
    return next(values, "")[:80]
