"""The status of HITs and assignments in this API's words, computed from the market's rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from core import clock
from marketplace.models import Assignment, Hit
from mturk.errors import RequestError
from mturk.models import MturkHit

State = Assignment.State
#: Sent back for another version, it still is an answer that waits for a decision.
STATUS_OF = {
    State.SUBMITTED: "Submitted",
    State.REVISING: "Submitted",
    State.APPROVED: "Approved",
    State.REJECTED: "Rejected",
}
#: States of answers: the rest have no status in this API.
ANSWERED = tuple(STATUS_OF)


@dataclass(frozen=True)
class Progress:
    """Where a HIT stands: places that can be accepted, accepted and under way, and decided."""

    status: str
    available: int
    pending: int
    completed: int
    submitted: int


def standings(rows: Collection[MturkHit]) -> dict[int, Progress]:
    """By the HIT's key; `hit` is loaded with each row. Two queries for any number of them."""
    counts: dict[int, Mapping[str, Any]] = {
        row["hit"]: row
        for row in Assignment.objects.filter(hit__in=[row.pk for row in rows])
        .values("hit")
        .annotate(
            pending=Count("pk", filter=Q(state=State.ACCEPTED)),
            ahead=Count("pk", filter=Q(state=State.ACCEPTED, is_ahead=True)),
            submitted=Count("pk", filter=Q(state__in=[State.SUBMITTED, State.REVISING])),
            completed=Count("pk", filter=Q(state__in=[State.APPROVED, State.REJECTED])),
        )
    }
    now = clock.now()
    return {row.pk: _standing(row, counts.get(row.pk, {}), now) for row in rows}


def standing_of(row: MturkHit) -> Progress:
    return standings([row])[row.pk]


def _standing(row: MturkHit, counts: Mapping[str, Any], now: datetime) -> Progress:
    pending = counts.get("pending", 0)
    can_be_taken = row.hit.state == Hit.State.OPEN and row.disposed_at is None and row.expires_at > now
    # A place that is only looked at, or kept ready for a page, is accepted by nobody. After the HIT's time it still
    # may be, and then nobody else can take it.
    ahead = counts.get("ahead", 0) if can_be_taken else 0
    pending -= ahead
    available = max(0, row.hit.max_assignments - row.hit.taken) + ahead if can_be_taken else 0
    if row.disposed_at is not None:
        status = "Disposed"
    elif available:
        status = "Assignable"
    elif pending:
        status = "Unassignable"
    else:
        status = "Reviewing" if row.is_reviewing else "Reviewable"
    return Progress(status, available, pending, counts.get("completed", 0), counts.get("submitted", 0))


def reviewable(rows: QuerySet[MturkHit], *, reviewing: bool) -> QuerySet[MturkHit]:
    """Those of `rows` in status Reviewable, or Reviewing."""
    pending = Assignment.objects.filter(hit=OuterRef("pk"), state=State.ACCEPTED)
    is_over = Q(hit__room=False) | Q(expires_at__lte=clock.now())
    return rows.filter(is_over, ~Exists(pending), disposed_at=None, is_reviewing=reviewing)


def need(row: MturkHit, *statuses: str) -> Progress:
    """The HIT's standing, if its status is one of these.

    Raises
    ------
    RequestError
        `InvalidHITState`
    """
    standing = standing_of(row)
    if standing.status not in statuses:
        raise RequestError(
            "InvalidHITState",
            f"This HIT is currently in the state '{standing.status}'. "
            f" This operation can be called with a status of: {','.join(statuses)}",
        )
    return standing
