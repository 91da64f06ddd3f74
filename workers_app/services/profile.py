"""What workers say about themselves, and requirements look at."""

from __future__ import annotations

from typing import Any

from core.errors import Invalid
from workers_app.models import Worker

FIELDS = {"country", "subdivision", "languages", "accepts_distressing", "accepts_messages"}


def change_worker(*, worker: Worker, **changes: Any) -> Worker:
    """Change some of `FIELDS`. The next claim looks at it within a minute."""
    if unknown := sorted(set(changes) - FIELDS):
        raise Invalid(errors=dict.fromkeys(unknown, "This cannot be changed here."))
    if changes:
        Worker.objects.filter(pk=worker.pk).update(**changes)
        worker.refresh_from_db(fields=list(changes))
    return worker
