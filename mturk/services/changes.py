"""What follows from what happened: review policies run and events are told. Rows of `Change` are the queue."""

from __future__ import annotations

from django.db import transaction

from lifecycle.apart import apart
from marketplace.models import Assignment
from mturk import status
from mturk.models import Change, MturkHit
from mturk.services import notifications, reviews
from mturk.services.hits import lock

State = Assignment.State
#: What an assignment's new state is called; a place taken ahead that lapsed was never accepted by anyone.
EVENTS = {
    State.ACCEPTED: "AssignmentAccepted",
    State.EXPIRED: "AssignmentAbandoned",
    State.RETURNED: "AssignmentReturned",
    State.SUBMITTED: "AssignmentSubmitted",
    State.APPROVED: "AssignmentApproved",
    State.REJECTED: "AssignmentRejected",
}


def act_on_changes(limit: int = 200) -> int:
    """Called by the sweep every second; safe at the same time as itself."""
    rows = list(Change.objects.order_by("pk").values_list("pk", flat=True)[:limit])
    return apart(_act, rows, what="A change of a Mechanical Turk HIT")[0]


@transaction.atomic
def _act(change_id: int) -> int:
    change = Change.objects.select_for_update(skip_locked=True).filter(pk=change_id).first()
    if change is None:
        return 0
    change.delete()
    row = MturkHit.objects.select_related("hit", "hit_type").filter(pk=change.hit_id).first()
    if row is None:  # of the batch, but made on its page
        return 1
    row = lock(row.pk)
    event = _event(change)
    if event is not None:
        notifications.emit(row, event, at=change.created_at, assignment_id=change.assignment_id)
    if event == "AssignmentSubmitted" and change.assignment_id and row.assignment_policy:
        reviews.score_known_answers(row, Assignment.objects.get(pk=change.assignment_id))
    note_reviewable(lock(row.pk))
    return 1


def _event(change: Change) -> str | None:
    """Its name in this API; a place that was only looked at and given back is nothing there."""
    if change.assignment_id is None:
        return change.event
    is_look = change.event == State.RETURNED and change.assignment.is_ahead  # type: ignore[union-attr]
    return None if is_look else EVENTS.get(State(change.event))


def note_reviewable(row: MturkHit) -> None:
    """Once each time a HIT becomes Reviewable. The HIT is locked."""
    if row.is_announced or status.standing_of(row).status != "Reviewable":
        return
    MturkHit.objects.filter(pk=row.pk).update(is_announced=True)
    if row.hit_policy:
        reviews.compare(row)
        row = lock(row.pk)
    if status.standing_of(row).status == "Reviewable":
        notifications.emit(row, "HITReviewable")
