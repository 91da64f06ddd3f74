"""From an uploaded file to work that is open: every row is checked before any is copied, and a batch opens at once.

Each function of a `Turn` does a part that ends in one commit, with the cursor in it, so that a kill at any moment
costs at most that part. Phases of `publish`: check -> copy -> open, or -> undo, which leaves a draft as it was.
`add_rows` has check -> copy; its rows appear some thousand at a time, each lot funded in the same commit.
"""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from io import BytesIO
from itertools import islice
from typing import Any, NamedTuple

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import connection, transaction

from core import audit
from core.errors import Conflict, DomainError, InsufficientFunds
from core.models import Operation
from core.operations import Turn, start_operation
from marketplace.models import Batch, Hit
from marketplace.rows import BadRow, Place, Reader, Row
from marketplace.rules import Rules
from marketplace.selectors import freeze_design
from marketplace.services import media, posting
from marketplace.services.checking import Check, Fingerprints
from marketplace.services.copying import Copied, copy_rows, delete_hits
from marketplace.services.costs import Places, expected_answers
from marketplace.services.design import RowCheck, fingerprint
from marketplace.services.posting import subject_of
from quality.services.gold_upload import KeyedHit, add_uploaded_gold, remove_uploaded_gold
from quality.services.quiz import check_quiz

#: Rows copied in one transaction: a second or so, long enough to share its cost.
AT_ONCE = 20_000
ADDED_AT_ONCE = 5_000
MOST_BYTES = 32 * 1024**2

State = Operation.State


# --- beginning --------------------------------------------------------------------------------------------------------


@transaction.atomic
def publish_batch(*, batch: Batch, by: Any = None) -> Operation:
    """Begin to publish a draft; the sweep does the rest. Raises as `posting.begin_publishing` and `check_quiz` do."""
    check_quiz(batch.project)
    posting.begin_publishing(batch=batch)
    operation = start_operation(
        kind="publish",
        subject=subject_of(batch),
        requester_id=batch.project.requester_id,
        arguments=_file_of(batch),
    )
    audit.record(act="batch.publish", subject=subject_of(batch), actor=by)
    return operation


def _file_of(batch: Batch) -> dict[str, Any]:
    """What the turns of an operation read."""
    return {
        "batch": batch.pk,
        "file": batch.upload.name,
        "format": batch.upload_format,
        "columns": batch.upload_columns,
    }


def check_upload(*, batch: Batch) -> Operation:
    """Begin to check the file of a draft, so that its price is known before it is published."""
    if batch.state != Batch.State.DRAFT or not batch.upload:
        raise Conflict("Only a draft with a file can be checked.", code="not_a_draft")
    return start_operation(
        kind="check_upload",
        subject=subject_of(batch),
        requester_id=batch.project.requester_id,
        arguments=_file_of(batch),
    )


def add_rows(*, batch: Batch, file: File, name: str, format: str | None = None) -> Operation:
    """Begin to add the rows of a file to an open or paused batch."""
    if not batch.takes_more:
        raise Conflict("Only an open or paused batch takes more rows.", code="not_open")
    format = posting.known_format(name, format)
    return start_operation(
        kind="add_rows",
        subject=subject_of(batch),
        requester_id=batch.project.requester_id,
        arguments=_file_of(batch) | {"file": posting.store_upload(file=file, format=format), "format": format},
    )


def batch_of(turn: Turn) -> Batch:
    return Batch.objects.select_related("project__requester").get(pk=turn.operation.arguments["batch"])


# --- the work of each kind --------------------------------------------------------------------------------------------


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Rows hold no cycles, and looking for some among a million of them takes a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@collector_at_rest()
def publish(turn: Turn) -> None:
    """One part of publishing a draft. Whatever goes wrong, it ends open or as the draft that it was."""
    if turn.cursor.get("phase") == "undo":
        undo_some(turn, batch_of(turn))
    elif turn.cancel_is_asked():
        begin_to_undo(turn, State.CANCELLED)
    elif turn.is_last_try:
        begin_to_undo(turn, State.FAILED, "Something broke on our side. Staff can see why.")
    else:
        try:
            publish_on(turn)
        except DomainError as refusal:
            begin_to_undo(turn, State.FAILED, refusal.message)


def publish_on(turn: Turn) -> None:
    batch, phase = batch_of(turn), turn.cursor.get("phase", "check")
    if phase == "check":
        if not batch.upload:  # a standing batch may begin empty
            turn.save(cursor={"phase": "open", "levels": [0], "hits": 0}, total=0)
        elif (facts := checked_before(batch) or check_file(turn, batch, batch.design)) is not None:
            begin_to_copy(turn, batch, facts)
    elif phase == "copy":
        copy_some(turn, batch, AT_ONCE)
    else:
        open_batch(turn, batch)


def check_only(turn: Turn) -> None:
    """The check of a draft's file, kept with the batch."""
    batch = batch_of(turn)
    if turn.cancel_is_asked():
        turn.finish(State.CANCELLED)
        return
    design = freeze_design(batch.project)
    facts = check_file(turn, batch, design)
    if facts is None:
        return
    kept = {**facts, "design": fingerprint(design), "file": turn.operation.arguments["file"]}
    with transaction.atomic():
        same = Batch.objects.filter(pk=batch.pk, upload=kept["file"], upload_columns=columns_of(turn))
        same.update(upload_facts=kept)
        turn.finish(result=facts)


@collector_at_rest()
def add(turn: Turn) -> None:
    """One part of adding rows. What was added stays, and it says how much that is; where the money ended, or something
    broke on our side, it can be gone on with (`core.operations.resume_operation`)."""
    batch, phase = batch_of(turn), turn.cursor.get("phase", "check")
    if turn.cancel_is_asked():
        end_adding(turn, State.CANCELLED, error=added_before(turn))
    elif not batch.takes_more:
        end_adding(turn, State.FAILED, error=f"The batch was closed meanwhile. {added_before(turn)}".strip())
    elif phase == "check":
        facts = check_file(turn, batch, batch.design)
        if facts is not None and facts["errors"]:
            end_adding(turn, State.FAILED, error=bad_rows(facts, "added"), result=facts)
        elif facts is not None:
            begin_to_copy(turn, batch, facts)
    elif phase == "copy":
        try:
            copy_some(turn, batch, ADDED_AT_ONCE, are_shown=True)
        except InsufficientFunds as refusal:
            goes_on = f"{turn.operation.done} of {turn.operation.total} rows were added. Add money, and resume this."
            turn.finish(State.FAILED, error=f"{refusal.message.removesuffix(posting.UNCHANGED)} {goes_on}")
        except DomainError as refusal:
            end_adding(turn, State.FAILED, error=f"{refusal.message} {added_before(turn)}".strip())
    else:
        analyze()
        end_adding(turn, State.DONE, result={**turn.operation.result, "hits": turn.cursor["hits"]})


def added_before(turn: Turn) -> str:
    if turn.cursor.get("phase", "check") == "check" or not turn.operation.done:
        return "No row was added."
    return f"The first {turn.operation.done} rows were added and stay: leave them out of the next file."


def end_adding(turn: Turn, to: str, **changes: Any) -> None:
    forget_prints(turn)
    turn.finish(to, cursor={}, **changes)
    default_storage.delete(turn.operation.arguments["file"])


# --- check ------------------------------------------------------------------------------------------------------------


def checked_before(batch: Batch) -> dict[str, Any] | None:
    """What an earlier check found, if neither the file nor what it was checked against has changed."""
    facts = batch.upload_facts
    is_same = facts.get("file") == batch.upload.name and facts.get("design") == fingerprint(batch.design)
    return facts if is_same and not facts["errors"] else None


def check_file(turn: Turn, batch: Batch, design: dict[str, Any]) -> dict[str, Any] | None:
    """Check on until the turn is over (then None) or the file is (then what was found)."""
    arguments = turn.operation.arguments
    check = Check(batch, RowCheck.of(design), turn.cursor.get("check"))
    if prints := turn.cursor.get("prints"):
        with default_storage.open(prints) as file:
            check.prints = Fingerprints.from_bytes(file.read())
    with default_storage.open(arguments["file"], "rb") as file:
        for _ in check.read(file, arguments["format"], columns_of(turn)):
            turn.save(done=check.rows)
            if turn.is_over or turn.cancel_is_asked():
                keep_check(turn, check)
                return None
    return check.finish()


def keep_check(turn: Turn, check: Check) -> None:
    """For the next turn. The fingerprints are too large for a row, so they lie in a file until the check ends."""
    before = turn.cursor.get("prints")
    prints = default_storage.save("uploads/prints", File(BytesIO(check.prints.to_bytes())))
    turn.save(cursor={**turn.cursor, "phase": "check", "check": check.to_json(), "prints": prints})
    if before:
        default_storage.delete(before)


def forget_prints(turn: Turn) -> None:
    if prints := turn.cursor.get("prints"):
        default_storage.delete(prints)


def columns_of(turn: Turn) -> dict[str, str]:
    """What the columns of the file are called here."""
    return turn.operation.arguments.get("columns") or {}


def bad_rows(facts: dict[str, Any], done: str = "published") -> str:
    errors = facts["errors"]
    first = BadRow(**errors[0])
    count = "One row is bad" if len(errors) == 1 else f"{len(errors)} rows are bad"
    return f"{count}, {'' if len(errors) == 1 else 'the first at '}{first} Nothing was {done}."


# --- copy -------------------------------------------------------------------------------------------------------------


def begin_to_copy(turn: Turn, batch: Batch, facts: dict[str, Any]) -> None:
    """After a check: go on, or end with what is wrong."""
    forget_prints(turn)
    if facts["errors"]:
        turn.save(result=facts)
        begin_to_undo(turn, State.FAILED, bad_rows(facts))
        return
    if batch.state == Batch.State.PUBLISHING:
        Places(rules_of(batch), batch.price, facts["rows"], "").check_budget()
    first = Hit.objects.filter(batch=batch).count()
    start = {"phase": "copy", "place": Place().to_json(), "first": first, "hits": 0, "levels": []}
    turn.save(cursor=start, done=0, total=facts["rows"], result=facts)


def copy_some(turn: Turn, batch: Batch, most: int, *, are_shown: bool = False) -> None:
    """Copy the next rows in one commit; funded in it where they are shown at once."""
    arguments, row_check = turn.operation.arguments, RowCheck.of(batch.design)
    with (
        default_storage.open(arguments["file"], "rb") as file,
        closing(
            read_ahead(
                Reader(file, arguments["format"], Place(**turn.cursor["place"]), columns_of(turn)), row_check, most
            )
        ) as lots,
    ):
        for lot in lots:
            if not lot.rows:
                turn.save(cursor={**turn.cursor, "phase": "open"})
                return
            copy_lot(turn, batch, row_check, lot, are_shown=are_shown)
            if turn.is_over or turn.cancel_is_asked():
                return


class Lot(NamedTuple):
    """Checked rows, and where the file goes on after them."""

    rows: list[Row]
    place: Place


def read_ahead(reader: Reader, row_check: RowCheck, most: int) -> Generator[Lot, None, None]:
    """Lots of rows, the next one read while the server works on the last. An empty one is the end."""
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(next_lot, reader, row_check, most)
        while True:
            lot = following.result()
            following = thread.submit(next_lot, reader, row_check, most)
            yield lot


def copy_lot(turn: Turn, batch: Batch, row_check: RowCheck, lot: Lot, *, are_shown: bool) -> None:
    cursor, rows, done = turn.cursor, lot.rows, turn.operation.done
    spread = None if are_shown else turn.operation.result["rows"]
    places = Places(rules_of(batch), batch.price, spread, str(batch.public_id))
    with transaction.atomic():
        found = media.ask_for(requester=batch.project.requester, addresses=[row_check.media_of(r.data) for r in rows])
        copied = copy_rows(
            batch=batch, rows=rows, first_index=cursor["first"] + done, places=places, parked=found.missing_in_row
        )
        new = [one for one in copied if one.is_new]
        found.make_wait({index: one.hit_id for index, one in enumerate(copied) if one.is_new})
        keep_keys(batch, new)
        levels = sorted({*cursor["levels"], *(one.row.priority for one in new)})
        if are_shown:
            fund_shown(batch, new, key=f"add:{turn.operation.pk}:{done}")
        turn.save(
            cursor={**cursor, "place": lot.place.to_json(), "hits": cursor["hits"] + len(new), "levels": levels},
            done=done + len(rows),
        )


def next_lot(reader: Reader, row_check: RowCheck, most: int) -> Lot:
    """Rows up to a number, or up to a size that fits in memory."""
    until, rows = reader.offset + MOST_BYTES, []
    for row in islice(reader, most):
        checked = row_check.checked(row) if isinstance(row, Row) else row
        if isinstance(checked, BadRow):  # it passed the check before
            raise Conflict(f"The file has changed since it was checked, {checked}", code="file_changed")
        rows.append(checked)
        if reader.offset >= until:
            break
    return Lot(rows, reader.place)


def keep_keys(batch: Batch, copied: Sequence[Copied]) -> None:
    keyed = [KeyedHit(one.hit_id, one.row.key, one.row.explanation) for one in copied if one.row.key is not None]
    if keyed:
        add_uploaded_gold(project_id=batch.project_id, keyed=keyed)


def fund_shown(batch: Batch, copied: Sequence[Copied], *, key: str) -> None:
    """Money and priorities of HITs that workers see from this commit on."""
    posting.lock_open(batch)
    funded = Hit.objects.filter(pk__in=[one.hit_id for one in copied]).values_list("funded", flat=True)
    posting.fund(batch=batch, places=sum(funded), expected=len(copied) * expected_answers(rules_of(batch)), key=key)
    posting.add_levels(batch=batch, levels={one.row.priority for one in copied})


def rules_of(batch: Batch) -> Rules:
    return Rules.from_json(batch.design["rules"])


# --- open -------------------------------------------------------------------------------------------------------------


def open_batch(turn: Turn, batch: Batch) -> None:
    analyze()
    with transaction.atomic():
        posting.open_published(batch=batch, hits=turn.cursor["hits"], levels=turn.cursor["levels"])
        turn.finish(result={**turn.operation.result, "hits": turn.cursor["hits"]})


def analyze() -> None:
    """Plans made while the tables were empty would scan them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT marketplace_analyze()")


# --- undo -------------------------------------------------------------------------------------------------------------


def begin_to_undo(turn: Turn, to: str, error: str = "") -> None:
    forget_prints(turn)
    turn.save(cursor={"phase": "undo", "to": to, "error": error})


def undo_some(turn: Turn, batch: Batch) -> None:
    """Take back rows that nobody has seen; when none are left the batch is a draft again."""
    if batch.state != Batch.State.PUBLISHING:
        raise Conflict("Only what is not open yet can be taken back.")
    ids = list(Hit.objects.filter(batch=batch).order_by("pk").values_list("pk", flat=True)[:AT_ONCE])
    with transaction.atomic():
        if ids:
            remove_uploaded_gold(hit_ids=ids)
            delete_hits(ids)
            turn.save(done=max(0, turn.operation.done - len(ids)))
        else:
            posting.back_to_draft(batch=batch)
            turn.finish(turn.cursor["to"], cursor={}, error=turn.cursor["error"])
