"""Close a batch: no new places; what is undecided stays payable; the rest of the money goes back."""

from __future__ import annotations

from django.db import connection, transaction
from django.utils import timezone

from core.states import move
from lifecycle.events import batch_finished
from marketplace.models import Answer, Batch, Hit
from marketplace.services.judging import purse_of, purses_of
from marketplace.services.places import release_unneeded
from payments.services.escrow import end_repair

GROUP = 5000


@transaction.atomic
def close_batch(*, batch: Batch) -> Batch:
    """Open or paused -> closed. Accepted places can still be answered and are paid.

    Raises
    ------
    IllegalMove
    """
    move(batch, Batch.State.CLOSED, closed_at=timezone.now(), paused_because="", levels=[])
    end_hits(batch=batch)
    end_repair(purse=purse_of(batch))
    batch_finished(batch)
    return batch


def end_hits(*, batch: Batch) -> int:
    """Open HITs with an answer retire, those without are cancelled; places that nothing needs go back."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE marketplace_hit SET state = CASE WHEN taken > 0 THEN %s ELSE %s END"
            " WHERE batch_id = %s AND state IN (%s, %s)",
            [Hit.State.RETIRED, Hit.State.CANCELLED, batch.pk, Hit.State.OPEN, Hit.State.PARKED],
        )
    ids = list(Hit.objects.filter(batch=batch, funded__gt=0).order_by("pk").values_list("pk", flat=True))
    purses = purses_of([batch])
    return sum(
        release_unneeded(hit_ids=ids[start : start + GROUP], purses=purses) for start in range(0, len(ids), GROUP)
    )


def close_finished(limit: int = 50) -> int:
    """Close batches in which every HIT has ended and nothing is under way. Standing ones stay open."""
    open_batches = Batch.objects.filter(state=Batch.State.OPEN, is_standing=False).order_by("pk")[:limit]
    closed = 0
    for batch in open_batches.select_related("project__requester"):
        if Hit.objects.filter(batch=batch, state__in=[Hit.State.OPEN, Hit.State.PARKED], lane=0).exists():
            continue
        if batch.assignments.filter(state="accepted").exists() or undigested(batch):
            continue
        close_batch(batch=batch)
        closed += 1
    return closed


def undigested(batch: Batch) -> bool:
    return Answer.objects.filter(assignment__batch=batch, digested_at=None).exists()
