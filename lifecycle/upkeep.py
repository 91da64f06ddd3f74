"""Slow hands of the clock: batches whose time is over, and how much of a batch one worker may do."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.files.storage import default_storage
from django.db import connection

from core import clock
from core.errors import IllegalMove
from core.models import Bucket, IdempotencyKey, Operation, Outbox
from marketplace.figures import pays_of
from marketplace.models import Batch
from marketplace.services.drafts import forget_drafts
from marketplace.services.posting import pause_batch

#: A worker may do max_share of a batch, or this many times the mean, whichever is more (QUALITY.md section 3).
TIMES_THE_MEAN = 3

# Raises caps only: whoever was let in stays in. The mean is over the workers who took part.
RAISE_CAPS = """
UPDATE marketplace_batch b SET place_cap = s.cap
FROM (
    SELECT p.batch_id, ceil(%(times)s * avg(p.taken_in_all))::int AS cap
    FROM marketplace_participation p JOIN marketplace_batch o ON o.id = p.batch_id
    WHERE o.state = 'open' AND o.place_cap IS NOT NULL AND p.taken_in_all > 0
      AND o.design->'rules'->>'per_worker' IS NULL
    GROUP BY p.batch_id
) s WHERE b.id = s.batch_id AND s.cap > b.place_cap
"""


def pause_expired() -> int:
    """Batches past their time take no new work; what was accepted is answered and paid."""
    paused = 0
    for batch in Batch.objects.filter(state=Batch.State.OPEN, expires_at__lte=clock.now()).select_related(
        "project__requester"
    ):
        try:
            pause_batch(batch=batch, reason=Batch.Pause.EXPIRED)
        except IllegalMove:
            continue  # someone closed or paused it this very moment
        paused += 1
    return paused


def measure_pay(most: int = 500) -> int:
    """Note what open batches pay an hour, some of them at a time: the list of work is ordered by it. Returns how many
    changed."""
    rows = Batch.objects.filter(state=Batch.State.OPEN, pk__gt=_measured["up to"]).select_related("project")
    batches = list(rows.defer("design", "upload_facts").order_by("pk")[:most])
    _measured["up to"] = batches[-1].pk if len(batches) == most else 0
    pays = pays_of(batches)
    changed = [batch for batch in batches if batch.hourly != pays[batch.pk].hourly]
    for batch in changed:
        batch.hourly = pays[batch.pk].hourly
    Batch.objects.bulk_update(changed, ["hourly"])
    return len(changed)


#: How far this process has come on its round; another begins anew.
_measured = {"up to": 0}


def raise_share_caps() -> int:
    """Let busy workers go on where the others are few."""
    with connection.cursor() as cursor:
        cursor.execute(RAISE_CAPS, {"times": TIMES_THE_MEAN})
        return cursor.rowcount


def forget_old_rows() -> int:
    """Delete what only served a while: idempotency keys after a day; buckets of calls that are full again; drafts that
    nothing can come of; delivered outbox rows, and the files of added rows that failed and nobody went on with, after
    30 days."""
    now = clock.now()
    keys, _ = IdempotencyKey.objects.filter(created_at__lt=now - timedelta(hours=25)).delete()
    drafts = forget_drafts(now)
    full, _ = Bucket.objects.filter(at__lt=now - timedelta(minutes=10)).delete()
    sent, _ = Outbox.objects.filter(delivered_at__lt=now - timedelta(days=30)).delete()
    return keys + full + sent + drafts + _forget_files(now - timedelta(days=30))


def _forget_files(before: datetime) -> int:
    failed = Operation.objects.filter(kind="add_rows", state=Operation.State.FAILED, arguments__has_key="file")
    rows = list(failed.filter(finished_at__lt=before))
    for operation in rows:
        stored = operation.arguments.pop("file")
        Operation.objects.filter(pk=operation.pk).update(arguments=operation.arguments, cursor={})
        default_storage.delete(stored)
    return len(rows)
