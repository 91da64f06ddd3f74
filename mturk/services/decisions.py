"""Rejecting in this API, by a call or by a review policy."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F

from core import clock
from lifecycle.decide import end_rejection, reject
from lifecycle.digest import digest_hits
from marketplace.models import Assignment, Batch, Hit
from marketplace.services.judging import purse_of
from mturk.services.sandbox import is_sandbox
from payments.services.escrow import give_back


@transaction.atomic
def refuse(*, assignment: Assignment, by: int | None, reason: str) -> None:
    """Live, the money stays on hold until the time for an appeal is over; in a sandbox it comes back at once.

    Raises
    ------
    Invalid, IllegalMove
    """
    batch = Batch.objects.select_related("project__requester").get(pk=assignment.batch_id)
    # What the HIT has learned from first: a place whose answer is refused is not asked for again in this API.
    digest_hits(project_id=batch.project_id, hit_ids=[assignment.hit_id], only_due=True)
    reject(assignment=assignment, by=by, reason=reason)
    if is_sandbox(batch.project.requester):
        Assignment.objects.filter(pk=assignment.pk).update(decide_at=clock.now())
        end_rejection(assignment_id=assignment.pk)
        _give_back_of_open(assignment, batch)


def _give_back_of_open(assignment: Assignment, batch: Batch) -> None:
    """A HIT that still takes answers keeps what was put aside for it; of a place that is refused nothing is owed."""
    held = Hit.objects.filter(pk=assignment.hit_id, state=Hit.State.OPEN).update(funded=F("funded") - 1)
    if held and batch.price:
        give_back(amounts=[(purse_of(batch), f"refused:{assignment.pk}", batch.price)])
