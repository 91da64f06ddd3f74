"""A batch from draft to closed, apart from the long work of publishing it (`lifecycle/publish.py`)."""

from __future__ import annotations

import math
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import QuerySet, Sum

from core import audit, clock, money
from core.errors import Conflict, InsufficientFunds, Invalid
from core.states import move
from marketplace.errors import BatchNotOpen
from marketplace.models import Batch, Hit, Project
from marketplace.rows import FORMATS, BadRow, Reader, format_of
from marketplace.rules import Rules
from marketplace.selectors import freeze_design
from marketplace.services import telling
from marketplace.services.costs import (
    Places,
    Preview,
    answers_before,
    check_floor,
    expected_answers,
    preview,
    repair_of,
)
from marketplace.services.design import check_project, prices
from marketplace.services.judging import purse_of, purses_of
from marketplace.services.places import release_unneeded
from payments.services.escrow import Purse, put_aside

LARGEST_UPLOAD = 2 * 1024**3
#: Places a HIT can have at most, and HITs that one request changes at most.
MOST_PLACES = 10_000
MOST_HITS_AT_ONCE = 20_000
#: End of a refusal, where the same refusal in the middle of long work says what was done before.
UNCHANGED = " Nothing was changed."
#: No share of a batch is so small that a worker is stopped before this many places.
SMALLEST_SHARE_CAP = 20


def subject_of(batch: Batch) -> str:
    """What operations on a batch call it."""
    return f"batch:{batch.pk}"


# --- draft ------------------------------------------------------------------------------------------------------------


def create_batch(
    *,
    project: Project,
    name: str = "",
    is_standing: bool = False,
    expires_at: datetime | None = None,
    day_budget: int | None = None,
) -> Batch:
    """A draft. `day_budget` (micros) bounds what the rows of a standing batch may put aside in a day."""
    errors = {}
    if len(name) > 160:
        errors["name"] = "At most 160 characters."
    if expires_at is not None and expires_at <= clock.now():
        errors["expires_at"] = "This time has passed. Give a later one."
    if day_budget is not None and (not is_standing or day_budget <= 0):
        errors["day_budget"] = "An amount above 0, and for a standing batch only."
    if errors:
        raise Invalid(errors=errors)
    return Batch.objects.create(
        project=project,
        name=name.strip() or f"{project.name[:140]} {project.batches.count() + 1}",
        is_standing=is_standing,
        expires_at=expires_at,
        day_budget=day_budget,
    )


def attach_upload(*, batch: Batch, file: File, name: str, format: str | None = None) -> Batch:
    """Keep the requester's file with the draft; it is checked before anything is published.

    Raises
    ------
    Invalid
        When it is no table that we read, or too large.
    Conflict
        When the batch is no draft any more.
    """
    if batch.state != Batch.State.DRAFT:
        raise not_a_draft()
    format = known_format(name, format)
    before, stored = batch.upload.name, store_upload(file=file, format=format)
    changed = Batch.objects.filter(pk=batch.pk, state=Batch.State.DRAFT).update(
        upload=stored, upload_name=name[-200:], upload_format=format, upload_facts={}, upload_columns={}
    )
    if not changed:
        default_storage.delete(stored)
        raise not_a_draft()
    if before:
        default_storage.delete(before)
    batch.refresh_from_db()
    return batch


def name_columns(*, batch: Batch, names: Mapping[str, str]) -> Batch:
    """Say what the columns of a draft's file are called here; a column named "" is left out. It is checked anew then.

    Raises
    ------
    Invalid
        Naming the column that is not in the file, or the name that two would have.
    Conflict
        When the batch is no draft any more.
    """
    if batch.state != Batch.State.DRAFT or not batch.upload:
        raise not_a_draft()
    there = sample_of(batch, most=1).columns
    errors = {column: "The file has no such column." for column in names if column not in there}
    renamed = [names.get(column, column) for column in there]
    for column, name in zip(there, renamed, strict=True):
        if name and renamed.count(name) > 1:
            errors[column] = f'Two columns would be called "{name}". Leave one out.'
    if not any(renamed):
        errors["columns"] = "Every column would be left out. Keep one."
    if errors:
        raise Invalid("The columns do not fit. Nothing was changed.", errors=errors)
    kept = {column: name for column, name in names.items() if name != column}
    changed = Batch.objects.filter(pk=batch.pk, state=Batch.State.DRAFT)
    if not changed.update(upload_columns=kept, upload_facts={}):
        raise not_a_draft()
    batch.refresh_from_db()
    return batch


@dataclass(frozen=True)
class Sample:
    """The first rows of a draft's file as they stand in it, and what stops it from being read."""

    columns: list[str]
    rows: list[dict[str, Any]]
    mistake: str = ""


def sample_of(batch: Batch, most: int = 5) -> Sample:
    """The beginning of the uploaded file, under its own names: nothing is renamed or checked."""
    rows: list[dict[str, Any]] = []
    mistake = ""
    with batch.upload.open("rb") as file:
        reader = Reader(file, batch.upload_format, as_it_is=True)
        for row in islice(reader, most):
            if isinstance(row, BadRow):
                mistake = mistake or str(row)
            else:
                rows.append(row.data)
        columns = list(reader.header) or list(dict.fromkeys(name for row in rows for name in row))
    return Sample(columns, rows, mistake)


def not_a_draft() -> Conflict:
    return Conflict("Only a draft takes this. Add rows to an open batch instead.", code="not_a_draft")


def known_format(name: str, format: str | None = None) -> str:
    format = format or format_of(name)
    if format not in FORMATS:
        sentence = f'"{name[-80:]}" is none of .csv, .tsv and .jsonl. Save the table as one of these.'
        raise Invalid("The file cannot be read.", errors={"file": sentence})
    return format


def store_upload(*, file: File, format: str) -> str:
    """Store a requester's file under a random name and return that."""
    if file.size > LARGEST_UPLOAD:
        raise Invalid("The file is too large.", errors={"file": "At most 2 GB. Split it into several batches."})
    return default_storage.save(f"uploads/{clock.now():%Y/%m}/{secrets.token_hex(16)}.{format}", file)


def clone_batch(*, batch: Batch, name: str = "") -> Batch:
    """A new draft of the same project, with a copy of the same file."""
    clone = create_batch(
        project=batch.project,
        name=name or f"{batch.name[:150]} (copy)",
        is_standing=batch.is_standing,
        day_budget=batch.day_budget,
    )
    if batch.upload:
        with batch.upload.open("rb") as file:
            attach_upload(batch=clone, file=file, name=batch.upload_name, format=batch.upload_format)
        if batch.upload_columns:
            name_columns(batch=clone, names=batch.upload_columns)
    return clone


# --- publishing -------------------------------------------------------------------------------------------------------


def preview_batch(*, batch: Batch, rows: int | None = None) -> Preview:
    """What the batch will cost: a draft by its project's rules. `rows` stands in for a file that is not checked yet."""
    rules = Rules.from_json(freeze_design(batch.project)["rules"])
    rows = batch.upload_facts.get("hits", 0) if rows is None else rows
    return preview(rules=rules, rows=rows, **prices(rules), answers_before=answers_before(batch.project))


@transaction.atomic
def begin_publishing(*, batch: Batch) -> Batch:
    """Draft -> publishing: freeze the design and the prices.

    Raises
    ------
    Invalid
        When the project has errors, asks nothing, has no rows, or pays less than the floor.
    IllegalMove
        When it is no draft.
    """
    project = Project.objects.select_related("requester").get(pk=batch.project_id)
    rules = check_project(project)
    pay = prices(rules)
    errors = {}
    if not project.questions:
        errors["questions"] = "Ask at least one question."
    if not (batch.upload or batch.is_standing):
        errors["file"] = "Upload the rows first."
    if batch.expires_at is not None and batch.expires_at <= clock.now():
        errors["expires_at"] = "This time has passed. Give a later one."
    if errors:
        raise Invalid("The batch cannot be published yet.", errors=errors)
    check_floor(rules=rules, reward=pay["reward"], audience=project.audience)
    return move(
        batch,
        Batch.State.PUBLISHING,
        design=freeze_design(project),
        assignment_seconds=rules.assignment_seconds,
        day_cap=rules.per_day,
        open_cap=rules.max_open,
        **pay,
    )


@transaction.atomic
def open_published(*, batch: Batch, hits: int, levels: Collection[int]) -> Batch:
    """Publishing -> open: the money is put aside and the work is there, both or neither.

    Raises
    ------
    InsufficientFunds
        Nothing was changed then.
    """
    places = Hit.objects.filter(batch=batch).aggregate(total=Sum("funded"))["total"] or 0
    rules = Rules.from_json(batch.design["rules"])
    expected = hits * expected_answers(rules, answers_before(batch.project))
    shared = Places(rules, batch.price, hits, "").shared
    fund(batch=batch, places=places, shared=shared, expected=expected, key=f"publish:{batch.pk}")
    return move(
        batch,
        Batch.State.OPEN,
        published_at=clock.now(),
        levels=sorted(levels, reverse=True),
        place_cap=place_cap(rules, hits),
    )


def place_cap(rules: Rules, hits: int) -> int | None:
    """Places one worker may take: the rule's number, else a share of the answers (raised later for few workers)."""
    if rules.per_worker is not None or rules.max_share is None or not hits:
        return rules.per_worker
    return max(SMALLEST_SHARE_CAP, math.ceil(rules.max_share * hits * expected_answers(rules)))


def back_to_draft(*, batch: Batch) -> Batch:
    return move(batch, Batch.State.DRAFT, design={}, levels=[])


def fund(*, batch: Batch, places: int, key: str, expected: float = 0, shared: int = 0) -> None:
    """Put aside for `places` new places; in the reserve, for `shared` ones and for repair of the `expected` answers.

    Raises
    ------
    InsufficientFunds
        Naming what is needed and what is there.
    """
    if not batch.price or not places:
        return
    amount, repair = places * batch.price, repair_of(min(places + shared, round(expected)) * batch.price)
    repair += shared * batch.price
    purse = purse_of(batch)
    try:
        put_aside(purse=purse, amount=amount, repair=repair, key=key)
    except InsufficientFunds:
        raise _too_little(purse, amount + repair) from None


def _too_little(purse: Purse, needed: int) -> InsufficientFunds:
    wanted, there = money.format_amount(needed), money.format_amount(purse.available.balance)
    return InsufficientFunds(
        f"This needs {wanted} {purse.currency} and {there} is there. Add money, or post less.{UNCHANGED}"
    )


def lock_open(batch: Batch) -> None:
    """Hold an open or paused batch as it is, after its HITs in the order of locks: closing it waits, or has been."""
    if not Batch.objects.select_for_update(no_key=True).only("state", "paused_because").get(pk=batch.pk).takes_more:
        raise BatchNotOpen("Only an open or paused batch takes more. Clone it to go on.")


def add_levels(*, batch: Batch, levels: Collection[int]) -> None:
    """Tell the claim of priorities that rows were added with."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE marketplace_batch SET levels = ARRAY(SELECT DISTINCT l FROM unnest(levels || %s::smallint[]) AS l"
            " ORDER BY l DESC) WHERE id = %s AND NOT levels @> %s::smallint[]",
            [sorted(levels), batch.pk, sorted(levels)],
        )


def take_from_day_budget(*, batch: Batch, amount: int) -> None:
    """Count `amount` micros against today's budget. Raises `Conflict` (`day_budget`) when it would be exceeded."""
    if batch.day_budget is None or not amount:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE marketplace_batch SET spent_on = CURRENT_DATE,"
            " spent_that_day = CASE WHEN spent_on = CURRENT_DATE THEN spent_that_day ELSE 0 END + %(amount)s"
            " WHERE id = %(batch)s"
            " AND CASE WHEN spent_on = CURRENT_DATE THEN spent_that_day ELSE 0 END + %(amount)s <= day_budget",
            {"amount": amount, "batch": batch.pk},
        )
        if not cursor.rowcount:
            budget = money.format_amount(batch.day_budget)
            raise Conflict(f"Today's budget of {budget} is used up. It begins again at 00:00 UTC.", code="day_budget")


# --- open -------------------------------------------------------------------------------------------------------------


@transaction.atomic
def pause_batch(*, batch: Batch, reason: str = Batch.Pause.REQUESTER, by: Any = None) -> Batch:
    """No new places. Accepted ones can be answered and are paid. Raises `IllegalMove` unless it is open."""
    paused = move(batch, Batch.State.PAUSED, paused_because=Batch.Pause(reason))
    telling.batch_paused(paused)
    audit.record(act="batch.pause", subject=subject_of(batch), actor=by, because=str(Batch.Pause(reason)))
    return paused


@transaction.atomic
def resume_batch(*, batch: Batch, by_staff: bool = False, by: Any = None) -> Batch:
    """Paused -> open.

    Raises
    ------
    Conflict
        When staff must look first, or its time is over.
    """
    batch.refresh_from_db()
    if batch.paused_because == Batch.Pause.CLOSING:
        raise Conflict("It is being closed. Clone it to go on.", code="closing")
    if batch.paused_because in (Batch.Pause.STAFF, Batch.Pause.FLAGS) and not by_staff:
        raise Conflict("Staff look at this batch first. They write to you when it can go on.", code="staff_first")
    if batch.expires_at is not None and batch.expires_at <= clock.now():
        raise Conflict("Its time is over. Extend it, and it goes on.", code="expired")
    resumed = move(batch, Batch.State.OPEN, paused_because="")
    audit.record(act="batch.resume", subject=subject_of(batch), actor=by)
    return resumed


@transaction.atomic
def extend_batch(*, batch: Batch, expires_at: datetime | None, by: Any = None) -> Batch:
    """Give it until later (None: no end). One that was paused because its time was over goes on."""
    if expires_at is not None and expires_at <= clock.now():
        raise Invalid(errors={"expires_at": "This time has passed. Give a later one."})
    if not Batch.objects.filter(pk=batch.pk).exclude(state=Batch.State.CLOSED).update(expires_at=expires_at):
        raise Conflict("It is closed. Clone it to go on.", code="closed")
    batch.refresh_from_db()
    if batch.state == Batch.State.PAUSED and batch.paused_because == Batch.Pause.EXPIRED:
        move(batch, Batch.State.OPEN, paused_because="")
    until = expires_at.isoformat() if expires_at else None
    audit.record(act="batch.extend", subject=subject_of(batch), actor=by, until=until)
    return batch


def can_take_more(batch: Batch) -> QuerySet[Hit]:
    """HITs that more answers can be asked of."""
    return Hit.objects.filter(batch=batch, lane=0, state__in=[Hit.State.OPEN, Hit.State.RETIRED])


def check_more(*, batch: Batch, answers: int) -> int:
    """How many HITs a request for so many more answers of each would reach, where nothing speaks against it.

    Raises
    ------
    Invalid, InsufficientFunds, BatchNotOpen
    """
    hits = can_take_more(batch)
    _check_places(hits, answers)
    if not Batch.objects.get(pk=batch.pk).takes_more:
        raise BatchNotOpen("Only an open or paused batch takes more. Clone it to go on.")
    reached = hits.count()
    purse, needed = purse_of(batch), reached * answers * batch.price
    if needed and purse.available.balance < needed:
        raise _too_little(purse, needed)
    return reached


def _check_places(hits: QuerySet[Hit], answers: int) -> None:
    if not 1 <= answers <= MOST_PLACES:
        raise Invalid(errors={"answers": f"A whole number from 1 to {MOST_PLACES}."})
    if hits.filter(max_assignments__gt=MOST_PLACES - answers).exists():
        raise Invalid(errors={"answers": f"A HIT would have more than {MOST_PLACES} places."})


@transaction.atomic
def ask_for_more(*, batch: Batch, answers: int, hit_ids: Collection[int] | None = None) -> int:
    """So many more places on each of these HITs (default: all), funded now; finished ones open again.

    Returns how many HITs it reached. For all of a large batch there is `lifecycle.more`.

    Raises
    ------
    Invalid
        When a HIT would get more than `MOST_PLACES`, or too many HITs are meant.
    InsufficientFunds, Conflict
        Nothing was changed then.
    """
    batch = Batch.objects.select_related("project__requester").get(pk=batch.pk)
    hits = can_take_more(batch)
    if hit_ids is not None:
        hits = hits.filter(pk__in=hit_ids)
    ids = list(hits.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True)[: MOST_HITS_AT_ONCE + 1])
    if len(ids) > MOST_HITS_AT_ONCE:
        raise Invalid(errors={"hits": f"At most {MOST_HITS_AT_ONCE} HITs at a time. Name the ones you mean."})
    lock_open(batch)
    chosen = Hit.objects.filter(pk__in=ids)
    _check_places(chosen, answers)
    fund(batch=batch, places=len(ids) * answers, key=f"more:{batch.pk}:{secrets.token_hex(8)}")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE marketplace_hit SET funded = funded + %(n)s, state = 0,"
            " max_assignments = CASE WHEN state = 0 THEN max_assignments ELSE taken END + %(n)s"
            " WHERE id = ANY(%(ids)s)",
            {"n": answers, "ids": ids},
        )
    add_levels(batch=batch, levels=set(chosen.values_list("priority", flat=True)))
    return len(ids)


@transaction.atomic
def cancel_hit(*, hit: Hit) -> Hit:
    """Nobody is offered it any more. Places that are held can still be answered and are paid; the rest goes back."""
    batch = Batch.objects.select_related("project__requester").get(pk=hit.batch_id)
    move(hit, Hit.State.CANCELLED)
    release_unneeded(hit_ids=[hit.pk], purses=purses_of([batch]))
    hit.refresh_from_db()
    return hit


@transaction.atomic
def release_parked(*, hit: Hit) -> Hit:
    """Parked -> open: the requester has looked, and it can be answered after all."""
    if hit.media_waits.exists():
        raise Conflict("Its media is not there yet. Upload it, or cancel the HIT.", code="media_missing")
    move(hit, Hit.State.OPEN)
    hit.refresh_from_db()
    return hit
