"""Sending what is in the outbox: at least once; whoever receives it drops a repeat by its key.

A row is leased in one short transaction, sent outside of any, and marked in another. A sender that dies leaves a lease
that runs out.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from core import clock
from core.models import Outbox

LEASE = timedelta(seconds=60)
#: Pauses after each failed attempt; after the last the row is given up: about 28 hours in all.
PAUSES = [timedelta(seconds=s) for s in (5, 30, 120, 600, 1800, 7200, 21_600, 68_400)]


@transaction.atomic
def take_due(kind: str, limit: int) -> list[Outbox]:
    """Lease up to `limit` rows of a kind that are due."""
    now = clock.now()
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    due = Outbox.objects.filter(
        free, kind=kind, delivered_at__isnull=True, given_up_at__isnull=True, due_at__lte=now
    ).order_by("due_at")
    rows = list(due.select_for_update(skip_locked=True)[:limit])
    Outbox.objects.filter(pk__in=[row.pk for row in rows]).update(lease_until=now + LEASE)
    for row in rows:
        row.lease_until = now + LEASE
    return rows


def settle(row: Outbox, *, arrived: bool, error: str = "", is_final: bool = False) -> bool:
    """Write down how a sending went; False when somebody else took the row over meanwhile."""
    mine = Outbox.objects.filter(pk=row.pk, lease_until=row.lease_until, delivered_at=None)
    now, attempts = clock.now(), row.attempts + 1
    changes: dict[str, Any] = {"attempts": attempts, "lease_until": None, "last_error": error}
    if arrived:
        changes["delivered_at"] = now
    elif is_final or attempts > len(PAUSES):
        changes["given_up_at"] = now
    else:
        changes["due_at"] = now + PAUSES[attempts - 1]
    return bool(mine.update(**changes))
