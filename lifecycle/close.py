"""Close a batch: no new places; what is undecided stays payable; the rest of the money goes back."""

from __future__ import annotations

from django.db import connection, transaction
from django.utils import timezone

from core.errors import IllegalMove
from core.states import move
from lifecycle.events import batch_finished
from marketplace.models import Batch, Hit
from marketplace.services import telling
from marketplace.services.judging import purse_of, purses_of
from marketplace.services.places import release_unneeded
from payments.services.escrow import end_repair, lock_purses
from quality.services.exposure import retire_gold_of

GROUP = 5000


@transaction.atomic
def close_batch(*, batch: Batch) -> Batch:
    """Open or paused -> closed. Accepted places can still be answered and are paid.

    Raises
    ------
    IllegalMove
    """
    end_hits(batch=batch)
    move(batch, Batch.State.CLOSED, closed_at=timezone.now(), paused_because="", levels=[])
    end_hits(batch=batch)  # those that a digest opened again before it had to wait for the batch
    purse = purse_of(batch)
    lock_purses([purse])
    release_places(batch=batch)
    end_repair(purse=purse)
    retire_gold_of(batch)
    batch_finished(batch)
    telling.batch_finished(batch)
    return batch


# Locked in the order of their ids, as digests do it.
END_HITS = """
WITH l AS MATERIALIZED (
    SELECT id FROM marketplace_hit WHERE batch_id = %s AND (state IN (0, 2) OR funded > 0)
    ORDER BY id FOR NO KEY UPDATE
)
UPDATE marketplace_hit h SET state = CASE WHEN h.taken > 0 THEN 1 ELSE 3 END
FROM l WHERE h.id = l.id AND h.state IN (0, 2)
"""


def end_hits(*, batch: Batch) -> None:
    """Open HITs with an answer retire, those without are cancelled."""
    with connection.cursor() as cursor:
        cursor.execute(END_HITS, [batch.pk])


def release_places(*, batch: Batch) -> None:
    """Give back the money of places that nothing needs."""
    ids = list(Hit.objects.filter(batch=batch, funded__gt=0).order_by("pk").values_list("pk", flat=True))
    purses = purses_of([batch])
    for start in range(0, len(ids), GROUP):
        release_unneeded(hit_ids=ids[start : start + GROUP], purses=purses)


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
        except IllegalMove:
            continue  # somebody closed or paused it this very moment
        closed += 1
    return closed
