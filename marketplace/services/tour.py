"""The demonstration that a new site begins with: put away by one act, brought back by another. Its money stays in the
ledger, where every cent of it can be followed; its batches take no new work meanwhile."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction

from core import audit, clock
from core.states import move_all
from marketplace.models import Batch, Project, Requester


def tour_of(requester: Requester) -> list[Project]:
    """The projects of the demonstration that are still shown."""
    return list(requester.projects.filter(is_tour=True, archived_at=None).order_by("pk"))


@transaction.atomic
def put_tour_away(*, requester: Requester, by: Any) -> list[Batch]:
    """Hide the demonstration everywhere; returns the batches that it paused by that. Safe to repeat."""
    shown = [project.pk for project in tour_of(requester)]
    running = Batch.objects.select_for_update(no_key=True).filter(project__in=shown, state=Batch.State.OPEN)
    paused = list(running.order_by("pk"))
    move_all(Batch, [batch.pk for batch in paused], Batch.State.PAUSED, paused_because=Batch.Pause.REQUESTER)
    if Project.objects.filter(pk__in=shown, archived_at=None).update(archived_at=clock.now()):
        audit.record(act="tour.put_away", subject=f"requester:{requester.pk}", actor=by)
    return paused


@transaction.atomic
def bring_tour_back(*, requester: Requester, by: Any, batches: Collection[str] = ()) -> int:
    """Show it again, and open those of its paused `batches` (public ids) again; how many projects came back."""
    hidden = requester.projects.filter(is_tour=True, archived_at__isnull=False)
    ids = list(hidden.values_list("pk", flat=True))
    paused = Batch.objects.filter(public_id__in=batches, project__in=ids, paused_because=Batch.Pause.REQUESTER)
    locked = paused.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True)
    move_all(Batch, list(locked), Batch.State.OPEN, paused_because="")
    back = Project.objects.filter(pk__in=ids).update(archived_at=None)
    if back:
        audit.record(act="tour.bring_back", subject=f"requester:{requester.pk}", actor=by)
    return back
