"""Asking the log: by act, subject, person and day."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from django.db.models import QuerySet
from django.utils import timezone

from core.models import AuditEntry


def log_asked(query: Mapping[str, str]) -> QuerySet[AuditEntry]:
    """Rows of the log by `act` (or its beginning), `subject`, `actor` (e-mail, `machine`), `since` and `until`."""
    rows = AuditEntry.objects.select_related("actor")
    if act := query.get("act"):
        rows = rows.filter(act__startswith=act)
    if subject := query.get("subject"):
        rows = rows.filter(subject=subject)
    if actor := query.get("actor"):
        rows = rows.filter(actor=None) if actor == "machine" else rows.filter(actor__email__iexact=actor)
    for name, step in (("since", "gte"), ("until", "lt")):
        try:
            day = dt.date.fromisoformat(query.get(name, ""))
        except ValueError:
            continue
        if name == "until":
            day += dt.timedelta(days=1)
        moment = dt.datetime.combine(day, dt.time.min, timezone.get_current_timezone())
        rows = rows.filter(**{f"at__{step}": moment})
    return rows
