"""Export: the labels or answers of a batch as one file, made in turns by the sweep.

Each part is a file of some thousand rows, named in the cursor in the commit that counts it; at the end they become one
file under a random name. Whoever asks for a file that is not finished gets nothing, never half of it.
"""

from __future__ import annotations

import secrets
import tempfile

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
WHATS = ("labels", "answers")
FORMATS = ("csv", "jsonl")
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
        total=rows_of(batch, what, states),
        arguments={
            "batch": batch.pk,
            "what": what,
            "format": format,
            "states": states,
            "snapshot": exporting.snapshot_of(batch),
        },
    )


def rows_of(batch: Batch, what: str, states: str = "") -> int:
    """How many rows an export would have."""
    if what == "answers":
        return exporting.answers_to_export(batch).count()
    return exporting.hits_to_export(batch, states).count()


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
    make = exporting.answer_rows if arguments["what"] == "answers" else exporting.label_rows
    rows = make(batch, hits)
    parts = cursor.get("parts", [])
    own = list(rows[0].get("data", {})) if rows else []
    columns = cursor.get("columns") or exporting.columns_of(batch, arguments["what"], own)
    if arguments["format"] == "csv":
        content = exporting.to_csv(rows, columns, with_header=not parts)
    else:
        content = exporting.to_jsonl(rows)
    part = default_storage.save(f"exports/parts/{secrets.token_hex(16)}", ContentFile(content))
    turn.save(
        cursor={"after": hits[-1].pk, "parts": [*parts, part], "columns": columns},
        done=turn.operation.done + len(rows),
    )


def finish(turn: Turn, batch: Batch) -> None:
    arguments, parts = turn.operation.arguments, turn.cursor.get("parts", [])
    with tempfile.TemporaryFile() as whole:
        if not parts and arguments["format"] == "csv":
            whole.write(exporting.to_csv([], exporting.columns_of(batch, arguments["what"], []), with_header=True))
        for part in parts:
            with default_storage.open(part, "rb") as file:
                for chunk in File(file).chunks():
                    whole.write(chunk)
        size = whole.tell()
        whole.seek(0)
        name = f"exports/{clock.now():%Y/%m}/{secrets.token_hex(16)}.{arguments['format']}"
        stored = default_storage.save(name, File(whole))
    result = {"file": stored, "bytes": size, "rows": turn.operation.done, "snapshot": arguments["snapshot"]}
    turn.finish(result=result, total=turn.operation.done)
    forget(parts)


def forget(parts: list[str]) -> None:
    for part in parts:
        default_storage.delete(part)


def file_name(operation: Operation) -> str:
    """What the file is called where it is saved."""
    arguments = operation.arguments
    return f"{arguments['what']}-{arguments['snapshot']}.{arguments['format']}"
