"""Accept: a worker takes a place. The first arrow of the path of one HIT."""

from __future__ import annotations

from core import clock
from marketplace.models import Assignment, Batch, Hit
from marketplace.services.accepting import (
    Place,
    accept_hit,
    accept_next,
    accept_slowly,
    claim,
    open_place,
    preview_place,
    renew_lease,
)
from workers_app.models import Worker

#: A place taken ahead lapses after this, or 1.5 x the batch's median time, unless the page renews it.
SHORTEST_LEASE = 120


def accept(*, worker: Worker, batch: Batch, key: str | None = None) -> Place:
    """A place on a HIT that the claim chooses. Raises as `accept_next` does."""
    return accept_next(worker=worker, batch=batch, key=key)


def accept_by_id(*, worker_id: int, batch_id: int, key: str | None = None) -> Place:
    """As `accept`, in one statement: worker and batch are read only where that does not do."""
    if place := claim(worker_id=worker_id, batch_id=batch_id, key=key):
        return place
    worker = Worker.objects.get(pk=worker_id)
    batch = Batch.objects.select_related("project__requester").get(pk=batch_id)
    return accept_slowly(worker=worker, batch=batch, key=key)


def accept_ahead(*, worker: Worker, batch: Batch, key: str | None = None, median_seconds: float = 0) -> Place:
    """The next HIT for an open page, as a lease."""
    lease = max(SHORTEST_LEASE, round(1.5 * median_seconds))
    return accept_next(worker=worker, batch=batch, key=key, ahead=True, lease=lease)


def preview(*, worker: Worker, batch: Batch) -> Assignment:
    """The HIT that the claim chose, to look at before it is taken. Asked again, the same one while it is kept, so that
    nobody looks through HITs until one suits them. Raises as `accept_next` does."""
    shown = Assignment.objects.filter(
        worker=worker, batch=batch, state="accepted", is_ahead=True, opened_at__isnull=False, deadline__gt=clock.now()
    ).first()
    if shown is None:
        shown = Assignment.objects.get(pk=accept_ahead(worker=worker, batch=batch).assignment_id)
        preview_place(assignment=shown)
    return shown


def accept_named(*, worker: Worker, hit: Hit, key: str | None = None) -> Place:
    """A place on this very HIT: for replay only, since whoever picks HITs picks a way around gold."""
    return accept_hit(worker=worker, hit=hit, key=key)


def open_accepted(*, assignment: Assignment) -> Assignment:
    return open_place(assignment=assignment)


def keep(*, assignment: Assignment) -> bool:
    return renew_lease(assignment=assignment, lease=SHORTEST_LEASE)
