"""Writing and checking the audit log, a chain of hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import orjson
from django.db import connection, transaction
from django.utils import timezone

from core.models import AuditEntry

#: One writer at a time, else two rows would seal the same predecessor.
CHAIN_LOCK = 7_220_001


def seal(entry: AuditEntry) -> str:
    content = [
        entry.previous_hash,
        entry.at.isoformat(),
        entry.actor_id,
        entry.act,
        entry.subject,
        entry.reason,
        entry.details,
    ]
    return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


@transaction.atomic
def record(*, act: str, subject: str, actor: Any = None, reason: str = "", **details: Any) -> AuditEntry:
    """Add one row to the audit log, in the transaction of the act itself."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CHAIN_LOCK])
    last = AuditEntry.objects.order_by("-pk").values_list("hash", flat=True).first()
    entry = AuditEntry(
        at=timezone.now(),
        actor=actor,
        act=act,
        subject=subject,
        reason=reason,
        details=details,
        previous_hash=last or "",
    )
    entry.hash = seal(entry)
    entry.save(force_insert=True)
    return entry


def broken_links() -> Iterator[AuditEntry]:
    """Rows whose hash does not fit their content or their predecessor."""
    previous = ""
    for entry in AuditEntry.objects.order_by("pk").iterator():
        if entry.previous_hash != previous or entry.hash != seal(entry):
            yield entry
        previous = entry.hash
