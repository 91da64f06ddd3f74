"""Export: the labels or answers of a batch as one file, made in turns by the sweep.

Each part is a file of some thousand rows, named in the cursor in the commit that counts it; at the end they become one
file under a random name. Whoever asks for a file that is not finished gets nothing, never half of it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from core import clock
from core.errors import Invalid
from core.models import Operation
from core.operations import Turn
from marketplace.models import Batch
from quality.services import exporting

KIND = "export"
WHATS = tuple(exporting.TABLES)
FORMATS = ("csv", "jsonl", "parquet")
AT_ONCE = 2_000


def start_export(*, batch: Batch, what: str = "labels", format: str = "csv", states: str = "") -> Operation:
    """Begin to write a file; the sweep makes it, and its operation carries the snapshot it is of.

    Raises
    ------
    Invalid
    """
    errors = {}
    if what not in WHATS:
        errors["what"] = f"One of {', '.join(WHATS)}."
    if format not in FORMATS:
        errors["format"] = f"One of {', '.join(FORMATS)}."
    if states not in exporting.STATES:
        errors["states"] = f"One of {', '.join(filter(None, exporting.STATES))}, or nothing for all."
    if errors:
        raise Invalid(errors=errors)
    return Operation.objects.create(
        kind=KIND,
        subject=f"batch:{batch.pk}",
        requester_id=batch.project.requester_id,
        total=exporting.count_rows(batch, what, states),
        arguments={
            "batch": batch.pk,
            "what": what,
            "format": format,
            "states": states,
            "snapshot": exporting.snapshot_of(batch),
        },
    )


def export(turn: Turn) -> None:
    """One part of an export."""
    arguments, cursor = turn.operation.arguments, turn.cursor
    if turn.cancel_is_asked():
        forget(cursor.get("parts", []))
        turn.finish(Operation.State.CANCELLED)
        return
    batch = Batch.objects.select_related("project__requester").get(pk=arguments["batch"])
    hits = list(exporting.hits_to_export(batch, arguments["states"]).filter(pk__gt=cursor.get("after", 0))[:AT_ONCE])
    if not hits:
        finish(turn, batch)
        return
    rows = exporting.TABLES[arguments["what"]](batch, hits)
    parts = cursor.get("parts", [])
    own = list(rows[0].get("data", {})) if rows else []
    columns = cursor.get("columns") or exporting.columns_of(batch, arguments["what"], own)
    content = written(turn, batch, rows, columns, is_first=not parts)
    part = default_storage.save(f"exports/parts/{secrets.token_hex(16)}", ContentFile(content))
    turn.save(
        cursor={"after": hits[-1].pk, "parts": [*parts, part], "columns": columns},
        done=turn.operation.done + len(rows),
    )


def written(turn: Turn, batch: Batch, rows: list[dict[str, Any]], columns: Sequence[str], *, is_first: bool) -> bytes:
    """Rows as one part of a file of the format that was asked for."""
    format = turn.operation.arguments["format"]
    if format == "parquet":
        return Parquet(turn, batch, columns).part(rows)
    if format == "csv":
        return exporting.to_csv(rows, columns, with_header=is_first)
    return exporting.to_jsonl(rows)


class Parquet:
    """The table of a turn as Parquet. The library costs a process a second and 40 MB: only who writes loads it."""

    def __init__(self, turn: Turn, batch: Batch, columns: Sequence[str]) -> None:
        from quality.services import parquet

        arguments = turn.operation.arguments
        facts = {"batch": str(batch.public_id), "table": arguments["what"], "snapshot": arguments["snapshot"]}
        schema = parquet.schema_of(batch, columns, facts)
        self.part = partial(parquet.to_parquet, schema=schema)
        self.join = partial(parquet.join, schema=schema)


def finish(turn: Turn, batch: Batch) -> None:
    """Make one file of the parts."""
    arguments, parts = turn.operation.arguments, turn.cursor.get("parts", [])
    columns = turn.cursor.get("columns") or exporting.columns_of(batch, arguments["what"], [])
    with tempfile.TemporaryFile() as whole:
        if arguments["format"] == "parquet":
            Parquet(turn, batch, columns).join(opened(turn, parts), out=whole)
        else:
            if not parts:
                whole.write(written(turn, batch, [], columns, is_first=True))
            for file in opened(turn, parts):
                shutil.copyfileobj(file, whole)
        whole.seek(0, os.SEEK_END)
        size = whole.tell()
        whole.seek(0)
        name = f"exports/{clock.now():%Y/%m}/{secrets.token_hex(16)}.{arguments['format']}"
        stored = default_storage.save(name, File(whole))
    result = {"file": stored, "bytes": size, "rows": turn.operation.done, "snapshot": arguments["snapshot"]}
    turn.finish(result=result, total=turn.operation.done)
    forget(parts)


def opened(turn: Turn, parts: list[str]) -> Iterator[Any]:
    """Each part in turn. The lease is renewed meanwhile: they may be many."""
    for part in parts:
        turn.save()
        with default_storage.open(part, "rb") as file:
            yield file


def forget(parts: list[str]) -> None:
    for part in parts:
        default_storage.delete(part)


def file_name(operation: Operation) -> str:
    """What the file is called where it is saved."""
    arguments = operation.arguments
    return f"{arguments['what']}-{arguments['snapshot']}.{arguments['format']}"
