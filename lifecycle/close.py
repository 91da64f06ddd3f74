"""Close a batch: no new places; what is undecided stays payable; the rest of the money goes back.

A batch of few HITs closes in one transaction. A larger one takes no new work from the first commit on, its HITs end
some thousand at a time with the money of their places, and it is closed in the commit that ends the last.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from core import audit, clock
from core.errors import Conflict
from core.models import Operation
from core.operations import Turn, record_done, start_operation
from core.states import move
from lifecycle.events import batch_finished
from marketplace.models import Batch, Hit
from marketplace.services import telling
from marketplace.services.judging import purse_of, purses_of
from marketplace.services.places import release_unneeded
from marketplace.services.posting import subject_of
from payments.services.escrow import end_repair, lock_purses
from quality.services.exposure import retire_gold, retire_gold_of

KIND = "close"
#: HITs that end in one transaction: some tenths of a second.
GROUP = 5_000

State = Operation.State


def close_batch(*, batch: Batch, by: Any = None) -> Operation:
    """Open or paused -> closed. Accepted places can still be answered and are paid.

    It is closed on return, unless it has many HITs: then the sweep closes it, and the operation tells how far it is.

    Raises
    ------
    IllegalMove
    Conflict
        `under_way`: it is being closed already.
    """
    hits = Hit.objects.filter(batch=batch)
    about: dict[str, Any] = {"kind": KIND, "subject": subject_of(batch), "requester_id": batch.project.requester_id}
    if hits[: GROUP + 1].count() > GROUP:
        with transaction.atomic():
            stop_offering(batch)
            operation = start_operation(**about, arguments={"batch": batch.pk}, total=hits.count())
            audit.record(act="batch.close", subject=about["subject"], actor=by)
            return operation
    with transaction.atomic():
        end(batch, end_hits(batch))
        operation = record_done(**about, arguments={"batch": batch.pk}, total=hits.count())
        audit.record(act="batch.close", subject=about["subject"], actor=by)
        return operation


def closing_of(batch: Batch) -> Operation:
    """The operation that closes this batch: one that is under way, else a new one. Raises as `close_batch`."""
    under_way = Operation.objects.filter(kind=KIND, subject=subject_of(batch), finished_at=None).first()
    return under_way or close_batch(batch=batch)


def stop_offering(batch: Batch) -> None:
    """From here on nobody opens a HIT of this batch, whatever is under way: they look under a lock of the batch."""
    paused = Batch.objects.filter(pk=batch.pk, state=Batch.State.PAUSED)
    if not paused.update(paused_because=Batch.Pause.CLOSING):
        move(batch, Batch.State.PAUSED, paused_because=Batch.Pause.CLOSING)
    batch.refresh_from_db(fields=["state", "paused_because"])


def work(turn: Turn) -> None:
    """One group of HITs, or the end."""
    batch = Batch.objects.select_related("project__requester").get(pk=turn.operation.arguments["batch"])
    after = turn.cursor.get("after", 0)
    if not after and turn.cancel_is_asked():
        cancel(turn, batch)
        return
    ids = list(Hit.objects.filter(batch=batch, pk__gt=after).order_by("pk").values_list("pk", flat=True)[:GROUP])
    with transaction.atomic():
        if not ids:
            end(batch, [])
            turn.finish()
            return
        ended = end_hits(batch, after=after, upto=ids[-1])
        retire_gold(ended)
        release_unneeded(hit_ids=ended, purses=purses_of([batch]))
        turn.save(cursor={"after": ids[-1]}, done=turn.operation.done + len(ids))


def cancel(turn: Turn, batch: Batch) -> None:
    """The batch stays paused. Once a HIT has ended it is too late: those that ended without an answer stay so."""
    with transaction.atomic():
        closing = Batch.objects.filter(pk=batch.pk, state=Batch.State.PAUSED, paused_because=Batch.Pause.CLOSING)
        closing.update(paused_because=Batch.Pause.REQUESTER)
        turn.finish(State.CANCELLED)


def end(batch: Batch, ended: list[int]) -> None:
    """The last commit: closed, with the money of the HITs `ended` in it, and of any that a digest opened again before
    it had to wait for the batch."""
    move(batch, Batch.State.CLOSED, closed_at=clock.now(), paused_because="", levels=[])
    ended = sorted({*ended, *end_hits(batch, are_open=True)})
    purse = purse_of(batch)
    lock_purses([purse])
    for start in range(0, len(ended), GROUP):
        release_unneeded(hit_ids=ended[start : start + GROUP], purses=purses_of([batch]))
    end_repair(purse=purse)
    retire_gold_of(batch)
    batch_finished(batch)
    telling.batch_finished(batch)


# Locked in the order of their ids, as digests do it.
END_HITS = """
WITH l AS MATERIALIZED (
    SELECT id FROM marketplace_hit
    WHERE batch_id = %(batch)s AND id > %(after)s AND id <= %(upto)s
      AND (state IN (0, 2) OR funded > 0 AND NOT %(are_open)s)
    ORDER BY id FOR NO KEY UPDATE
), e AS (
    UPDATE marketplace_hit h SET state = CASE WHEN h.taken > 0 THEN 1 ELSE 3 END
    FROM l WHERE h.id = l.id AND h.state IN (0, 2)
)
SELECT id FROM l ORDER BY id
"""
LAST_ID = 2**63 - 1


def end_hits(batch: Batch, *, after: int = 0, upto: int = LAST_ID, are_open: bool = False) -> list[int]:
    """Open HITs with an answer retire, those without are cancelled. Returns, locked, these and (unless only those that
    `are_open` are meant) the others that money is put aside for."""
    with connection.cursor() as cursor:
        cursor.execute(END_HITS, {"batch": batch.pk, "after": after, "upto": upto, "are_open": are_open})
        return [hit_id for (hit_id,) in cursor.fetchall()]


# Nothing left to offer, nobody at work, nothing to learn, nothing that waits for a person. Scalar subqueries, because
# PostgreSQL asks the cheapest first and stops there; as anti-joins they read every HIT each time.
FINISHED = """
SELECT b.id FROM marketplace_batch b
WHERE b.state = 'open' AND NOT b.is_standing
  AND (SELECT 1 FROM unnest(b.levels) l(priority), LATERAL (SELECT 1 FROM marketplace_hit h WHERE h.batch_id = b.id
       AND h.room AND h.lane = 0 AND h.priority = l.priority LIMIT 1) c LIMIT 1) IS NULL
  AND (SELECT 1 FROM marketplace_participation p WHERE p.batch_id = b.id AND p.open_places > 0 LIMIT 1) IS NULL
  AND (SELECT 1 FROM marketplace_answer n JOIN marketplace_assignment a ON a.id = n.assignment_id
       WHERE n.digested_at IS NULL AND a.batch_id = b.id LIMIT 1) IS NULL
  AND (SELECT 1 FROM marketplace_hit h WHERE h.batch_id = b.id AND h.state IN (0, 2) AND h.lane = 0 LIMIT 1) IS NULL
"""


def close_finished() -> int:
    """Close batches in which every HIT has ended and nothing is under way. Standing ones stay open."""
    with connection.cursor() as cursor:
        cursor.execute(FINISHED)
        ids = [batch_id for (batch_id,) in cursor.fetchall()]
    closed = 0
    for batch in Batch.objects.filter(pk__in=ids).select_related("project__requester"):
        try:
            close_batch(batch=batch)
        except Conflict:
            continue  # somebody closed or paused it this very moment
        closed += 1
    return closed
