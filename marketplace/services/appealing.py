"""Appeals: 7 days to appeal, 7 days to rule; without a ruling the worker wins."""

from __future__ import annotations

from django.db import transaction

from core import clock
from core.errors import Conflict, Invalid
from core.states import move
from marketplace.models import Appeal, Assignment
from marketplace.services.judging import RULING_WINDOW
from marketplace.services.telling import appeal_filed


@transaction.atomic
def file_appeal(*, assignment: Assignment, reason: str) -> Appeal:
    """The reward stays put aside until the ruling.

    Raises
    ------
    Invalid, Conflict
    """
    if not reason.strip():
        raise Invalid(errors={"reason": "Say why the answer should be paid."})
    assignment = Assignment.objects.select_for_update(no_key=True).get(pk=assignment.pk)
    if assignment.state != Assignment.State.REJECTED:
        raise Conflict("Only a rejected answer can be appealed.", code="not_rejected")
    if assignment.decide_at is None or assignment.decide_at <= clock.now():
        raise Conflict("The 7 days for an appeal are over.", code="appeal_window_over")
    if Appeal.objects.filter(assignment=assignment).exists():
        raise Conflict("You have appealed already.", code="appealed_already")
    rule_by = clock.now() + RULING_WINDOW
    Assignment.objects.filter(pk=assignment.pk).update(decide_at=rule_by)
    appeal = Appeal.objects.create(assignment=assignment, reason=reason.strip(), rule_by=rule_by)
    appeal_filed(appeal)
    return appeal


def close_appeal(*, appeal: Appeal, is_upheld: bool, ruling: str) -> Appeal:
    if not ruling.strip():
        raise Invalid(errors={"ruling": "Say why: the worker and the requester read it."})
    state = Appeal.State.UPHELD if is_upheld else Appeal.State.DISMISSED
    return move(appeal, state, ruling=ruling.strip(), ruled_at=clock.now())
