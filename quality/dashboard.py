"""All batches at a glance: how far each is, what it cost, what waits for a person. A few queries for a whole page."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.cache import cache
from django.db import connection

from marketplace.models import Batch

#: Summaries may be this old; longer, the longer they take to compute; those of closed batches hardly change.
STALE_SECONDS, STALE_CLOSED = 5, 600
PATIENCE = 20


@dataclass(frozen=True)
class Summary:
    """Items in all and done, disputed and set aside; micros spent (with fee) and still held."""

    items: int = 0
    done: int = 0
    disputed: int = 0
    parked: int = 0
    spent: int = 0
    held: int = 0

    @property
    def share(self) -> float:
        return self.done / self.items if self.items else 0.0

    @property
    def needs(self) -> int:
        return self.disputed + self.parked


ITEMS = """
SELECT batch_id, count(*) FILTER (WHERE state <> 3), count(*) FILTER (WHERE state = 1),
       count(*) FILTER (WHERE state = 2)
FROM marketplace_hit WHERE batch_id = ANY(%s) AND lane = 0 GROUP BY 1
"""
DISPUTED = """
SELECT h.batch_id, count(DISTINCT b.hit_id) FROM quality_belief b JOIN marketplace_hit h ON h.id = b.hit_id
WHERE b.state = 'disputed' AND h.batch_id = ANY(%s) AND h.lane = 0 GROUP BY 1
"""
# What is paid left the escrow for good; the rest of it came from the balance and is there, or went back.
MONEY = """
SELECT a.owner_id, a.balance, coalesce(-(
    SELECT sum(e.amount) FROM payments_entry e JOIN payments_transfer t ON t.id = e.transfer_id
    WHERE e.account_id = a.id AND t.kind = 'reward'), 0)
FROM payments_account a WHERE a.kind = 'batch:escrow' AND a.owner_id = ANY(%s)
"""


def summaries_of(batches: Sequence[Batch]) -> dict[int, Summary]:
    """By batch id. Three queries for those that are not fresh, none for the rest."""
    keys = {f"summary:{batch.pk}:{batch.state}": batch for batch in batches if batch.published_at}
    found = cache.get_many(list(keys))
    stale = [batch.pk for key, batch in keys.items() if key not in found]
    summaries = {keys[key].pk: summary for key, summary in found.items()}
    if stale:
        began = time.monotonic()
        fresh = _count(stale)
        patience = max(STALE_SECONDS, PATIENCE * (time.monotonic() - began))
        for key, batch in keys.items():
            if batch.pk in fresh:
                closed = batch.state == Batch.State.CLOSED
                cache.set(key, fresh[batch.pk], STALE_CLOSED if closed else patience)
        summaries |= fresh
    return {batch.pk: summaries.get(batch.pk, Summary()) for batch in batches}


def _count(ids: list[int]) -> dict[int, Summary]:
    with connection.cursor() as cursor:
        cursor.execute(ITEMS, [ids])
        items = {row[0]: row[1:] for row in cursor.fetchall()}
        cursor.execute(DISPUTED, [ids])
        disputed = dict(cursor.fetchall())
        cursor.execute(MONEY, [ids])
        purses = {row[0]: row[1:] for row in cursor.fetchall()}
    summaries = {}
    for pk in ids:
        total, done, parked = items.get(pk, (0, 0, 0))
        held, spent = purses.get(pk, (0, 0))
        summaries[pk] = Summary(total, done, disputed.get(pk, 0), parked, int(spent), int(held))
    return summaries
