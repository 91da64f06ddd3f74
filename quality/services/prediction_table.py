"""A table of predictions: one row an item, a column a question, and how sure the machine is.

The item is named by `hit`, `external_id` or `row`, as our own exports do; a question's prediction stands in the column
of its name (or in `prediction`, where there is one question), its certainty in `<question>.confidence`, or in
`confidence` for all. Other columns are passed over.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from core.errors import Invalid
from marketplace.models import Batch, HitData
from marketplace.rows import BadRow, Reader, Row, Source, format_of
from marketplace.schema import Schema
from marketplace.selectors import design_of
from quality.services.machines import Said, words_in

NAMES = ("hit", "external_id", "row")
MOST_ROWS = 200_000
MOST_ERRORS = 20
AT_ONCE = 2_000
ONLY, CERTAINTY = "prediction", "confidence"


@dataclass(frozen=True)
class Table:
    """What a table says: predictions, and of how many items."""

    said: list[Said]
    items: int


def read_predictions(*, batch: Batch, file: Source, name: str) -> Table:
    """Read a whole table; nothing is taken from one with a mistake in it.

    Raises
    ------
    Invalid
        Naming the lines, up to 20 of them, and what to do.
    """
    schema = design_of(batch).schema
    reader = Reader(file, format_of(name) or "csv", as_it_is=True)
    said: list[Said] = []
    errors: dict[str, str] = {}
    items = 0
    group: list[Row] = []

    def take() -> None:
        hits = _hits(batch, group)
        for row in group:
            try:
                said.extend(_words(schema, row, hits))
            except Invalid as mistake:
                for column, sentence in mistake.errors.items():
                    errors[_("line %(line)s, column %(column)s") % {"line": row.line, "column": column}] = sentence
        group.clear()

    for row in reader:
        if isinstance(row, BadRow):
            errors[_("line %(line)s") % {"line": row.line}] = row.message
        else:
            items += 1
            group.append(row)
        if items > MOST_ROWS:
            errors["file"] = _("At most %(most)s rows in one table. Send it in pieces.") % {"most": MOST_ROWS}
        if len(errors) >= MOST_ERRORS:
            break
        if len(group) == AT_ONCE:
            take()
    take()
    if not items and not errors:
        errors["file"] = _("There is no row in it.")
    if errors:
        raise Invalid(
            _("The table has mistakes. Nothing was taken from it. Mend them and send it again."),
            errors=dict(list(errors.items())[:MOST_ERRORS]),
        )
    return Table(said, items)


def _hits(batch: Batch, rows: Sequence[Row]) -> dict[tuple[str, Any], int]:
    """The HITs of the batch that rows name, by the column and its value."""
    wanted: dict[str, set[Any]] = {name: set() for name in NAMES}
    for row in rows:
        name, value = _name(row.data)
        if value is not None:
            wanted[name].add(value)
    found: dict[tuple[str, Any], int] = {}
    for name, field in (("hit", "public_id"), ("external_id", "external_id"), ("row", "row_number")):
        if wanted[name]:
            known = HitData.objects.filter(batch=batch, **{f"{field}__in": wanted[name]})
            found |= {(name, value): pk for value, pk in known.values_list(field, "hit_id")}
    return found


def _name(data: Mapping[str, Any]) -> tuple[str, Any]:
    """How a row names its item; without a value where it does not."""
    for name in NAMES:
        raw = data.get(name)
        if raw is None or raw == "":
            continue
        try:
            return name, {"hit": uuid.UUID, "external_id": str, "row": int}[name](str(raw))  # type: ignore[operator]
        except ValueError:
            return name, None
    return "hit", None


def _words(schema: Schema, row: Row, hits: Mapping[tuple[str, Any], int]) -> list[Said]:
    name, value = _name(row.data)
    if value is None:
        raise Invalid(errors={name: _("Name the item: a column `hit`, `external_id` or `row`.")})
    hit_id = hits.get((name, value))
    if hit_id is None:
        raise Invalid(errors={name: _("There is no such item in this batch.")})
    answers = {q.name: row.data[q.name] for q in schema if row.data.get(q.name) not in (None, "")}
    names = [question.name for question in schema]
    if len(names) == 1 and row.data.get(ONLY) not in (None, ""):
        answers.setdefault(names[0], row.data[ONLY])
    if not answers:
        none = _("There is no prediction. Columns for it: %(columns)s.") % {"columns": ", ".join(names)}
        raise Invalid(errors={names[0]: none})
    scores = {name: row.data.get(f"{name}.{CERTAINTY}", row.data.get(CERTAINTY)) for name in answers}
    return words_in(schema, hit_id, answers, scores)
