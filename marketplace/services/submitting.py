"""Handing in an answer: one statement stores it as sent, with its hash; what does not fit goes a slower way.

An answer is final `undo_seconds` after it arrived, at most 60 s after the first version; only then is it digested.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import connection, transaction

from core import clock
from core.errors import Invalid
from core.states import move
from marketplace.errors import AlreadyFinal, AnswerInvalid, DeadlinePassed, NotYours
from marketplace.models import Answer, Assignment
from marketplace.schema import Schema
from marketplace.services.places import count_open_place, give_up_own_ahead, lock_places, retake_lapsed, retake_place

#: An answer can be taken back for this long after its first version, however often it is changed.
LONGEST_UNDO = timedelta(seconds=60)
LARGEST_ANSWER = 1_000_000

SUBMIT = """
WITH me AS MATERIALIZED (
    SELECT p.id FROM marketplace_participation p JOIN marketplace_assignment a
      ON a.worker_id = p.worker_id AND a.batch_id = p.batch_id
    WHERE a.id = %(assignment)s FOR NO KEY UPDATE OF p
), a AS (
    UPDATE marketplace_assignment a
    SET state = 'submitted', submitted_at = statement_timestamp(), active_seconds = %(seconds)s
    FROM me WHERE a.id = %(assignment)s AND a.state = 'accepted' AND NOT a.is_ahead AND a.deadline > now()
    RETURNING a.id
), p AS (
    UPDATE marketplace_participation p SET open_places = p.open_places - 1 FROM me, a WHERE p.id = me.id
)
INSERT INTO marketplace_answer (assignment_id, version, raw, sha256, data, final_at)
SELECT a.id, 1, %(raw)s, %(sha256)s, %(data)s::jsonb,
       statement_timestamp() + make_interval(secs => %(undo)s) FROM a
RETURNING received_at, final_at
"""


@dataclass(frozen=True)
class Receipt:
    """What the worker holds in hand: that these very bytes were stored."""

    version: int
    sha256: str
    received_at: datetime
    final_at: datetime
    is_late: bool = False
    #: False when it came after its place was gone: kept for the requester to see, and no more.
    has_place: bool = True


def parse_body(raw: bytes, schema: Schema, data: dict[str, Any]) -> dict[str, Any]:
    """What a worker sent, checked: `{"answers": {...}}` or `{"cannot_answer": "why"}`; both may carry `seconds`.

    Raises
    ------
    AnswerInvalid
        Naming each question that is missing or does not fit.
    """
    if len(raw) > LARGEST_ANSWER:
        raise AnswerInvalid(errors={"body": f"At most {LARGEST_ANSWER} bytes."})
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise AnswerInvalid(errors={"body": "Send JSON."}) from None
    if not isinstance(body, dict):
        raise AnswerInvalid(errors={"body": "Send an object with `answers`."})
    seconds = body.get("seconds")
    parsed: dict[str, Any] = {}
    if isinstance(seconds, (int, float)) and not isinstance(seconds, bool) and 0 <= seconds < 10**7:
        parsed["seconds"] = float(seconds)
    if "cannot_answer" in body:
        why = body["cannot_answer"]
        if not isinstance(why, str) or len(why) > 1000:
            raise AnswerInvalid(errors={"cannot_answer": "Say why in at most 1000 characters."})
        return {**parsed, "cannot_answer": why.replace("\0", "")}
    try:
        answers = schema.parse(body.get("answers", {}), schema.read_data(data))
    except Invalid as error:
        raise AnswerInvalid(errors=error.errors) from None
    return {**parsed, "answers": answers}


def submit_first(*, assignment: Assignment, raw: bytes, parsed: dict[str, Any], undo: int) -> Receipt | None:
    """Store the first answer to a HIT that the worker holds, in time: one statement. None where that is not what it is,
    and nothing was stored; `submit_again` finds out."""
    sha256 = hashlib.sha256(raw).digest()
    with connection.cursor() as cursor:
        cursor.execute(
            SUBMIT,
            {
                "assignment": assignment.pk,
                "raw": raw,
                "sha256": sha256,
                "data": orjson.dumps(parsed).decode(),
                "seconds": parsed.get("seconds"),
                "undo": undo,
            },
        )
        row = cursor.fetchone()
    return Receipt(version=1, sha256=sha256.hex(), received_at=row[0], final_at=row[1]) if row else None


@transaction.atomic
def submit_again(*, assignment: Assignment, raw: bytes, parsed: dict[str, Any], undo: int) -> Receipt:
    """Not the plain first submit: a repeat, a change within the time of undo, a redo, or a late one. The same bytes
    again give the same receipt.

    Raises
    ------
    NotYours
        When the place was returned, or lapsed.
    AlreadyFinal
        When other bytes are final already.
    DeadlinePassed
        When it is late, and so was an answer before it.
    """
    sha256 = hashlib.sha256(raw).digest()
    lock_places(assignment)
    assignment.refresh_from_db()
    state, now = assignment.state, clock.now()
    last = assignment.answers.order_by("-version").first()
    if last is not None and bytes(last.sha256) == sha256:
        return Receipt(last.version, sha256.hex(), last.received_at, last.final_at)
    if state == Assignment.State.SUBMITTED and last is not None and last.final_at > now:
        first_at = assignment.answers.order_by("version").values_list("received_at", flat=True)[0]
        final_at = min(now + timedelta(seconds=undo), first_at + LONGEST_UNDO)
        # The version before is never digested: the newest one stands for it.
        assignment.answers.filter(digested_at=None).update(final_at=final_at)
        return _add_version(assignment, last.version + 1, raw, sha256, parsed, max(final_at, now))
    if state == Assignment.State.REVISING:
        move(assignment, Assignment.State.SUBMITTED, submitted_at=now)
        return _add_version(
            assignment, (last.version if last else 0) + 1, raw, sha256, parsed, now + timedelta(seconds=undo)
        )
    if state == Assignment.State.ACCEPTED and assignment.is_ahead and assignment.deadline > now:
        raise NotYours("Open this HIT before you answer it.", code="not_opened")
    if state in (Assignment.State.ACCEPTED, Assignment.State.EXPIRED, Assignment.State.LAPSED):
        return _submit_late(assignment, raw, sha256, parsed)
    if last is not None:
        raise AlreadyFinal
    raise NotYours


@transaction.atomic
def take_back(*, assignment: Assignment) -> datetime:
    """The worker wants to change an answer that is not final: until when they may. Says the same when asked again.

    Nothing changes but the time: where nothing is sent until then, the answer that was given stands.

    Raises
    ------
    AlreadyFinal
    """
    lock_places(assignment)
    assignment.refresh_from_db(fields=["state"])
    versions = list(assignment.answers.order_by("version").only("received_at", "final_at", "digested_at"))
    is_open = bool(versions) and versions[-1].final_at > clock.now() and versions[-1].digested_at is None
    if assignment.state != Assignment.State.SUBMITTED or not is_open:
        raise AlreadyFinal
    final_at = max(versions[-1].final_at, versions[0].received_at + LONGEST_UNDO)
    assignment.answers.filter(digested_at=None).update(final_at=final_at)
    return final_at


def _submit_late(assignment: Assignment, raw: bytes, sha256: bytes, parsed: dict[str, Any]) -> Receipt:
    """After the deadline: as good as in time while the place is free, else kept for the requester to see."""
    now = clock.now()
    is_first = not assignment.answers.exists()
    if not is_first:
        raise DeadlinePassed
    if assignment.state == Assignment.State.ACCEPTED:  # the clock has not looked yet: the place is still theirs
        count_open_place(assignment, -1)
        is_placed = True
    else:
        give_up_own_ahead(assignment)
        # It lapsed where it was shown by a page that had lost its connection.
        has_lapsed = assignment.state == Assignment.State.LAPSED
        is_placed = retake_lapsed(assignment) if has_lapsed else retake_place(assignment)
    if is_placed:
        move(assignment, Assignment.State.SUBMITTED, submitted_at=now, active_seconds=parsed.get("seconds"))
        return _add_version(assignment, 1, raw, sha256, parsed, now, is_late=True)
    # Kept and shown, never learned from: marked digested from the start.
    return _add_version(assignment, 1, raw, sha256, parsed, now, is_late=True, digested_at=now)


def _add_version(
    assignment: Assignment,
    version: int,
    raw: bytes,
    sha256: bytes,
    parsed: dict[str, Any],
    final_at: datetime,
    *,
    is_late: bool = False,
    digested_at: datetime | None = None,
) -> Receipt:
    answer = Answer.objects.create(
        assignment=assignment,
        version=version,
        raw=raw,
        sha256=sha256,
        data=parsed,
        final_at=final_at,
        digested_at=digested_at,
    )
    return Receipt(
        version, sha256.hex(), answer.received_at, answer.final_at, is_late=is_late, has_place=digested_at is None
    )


@transaction.atomic
def revise_answer(*, assignment: Assignment, raw: bytes, parsed: dict[str, Any]) -> Receipt:
    """Another version after the first became final: only for replays of recorded crowds, where workers repeat."""
    lock_places(assignment)
    assignment.refresh_from_db()
    if assignment.state not in (Assignment.State.SUBMITTED, Assignment.State.APPROVED):
        raise NotYours
    sha256 = hashlib.sha256(raw).digest()
    last = assignment.answers.order_by("-version").first()
    if last is not None and bytes(last.sha256) == sha256:
        return Receipt(last.version, sha256.hex(), last.received_at, last.final_at)
    return _add_version(assignment, (last.version if last else 0) + 1, raw, sha256, parsed, clock.now())
