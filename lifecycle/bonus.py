"""A bonus: more than was promised, from what the requester has available, with the platform's fee on it."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from core import audit, money
from core.errors import Conflict, Invalid
from core.preferences import preference
from marketplace.models import Assignment, Batch
from marketplace.services.judging import purse_of
from marketplace.services.telling import paid_beyond
from payments.models import Transfer
from payments.services.escrow import Reward, pay_from_available

#: Whoever has answered can be thanked for it.
ANSWERED = (
    Assignment.State.SUBMITTED,
    Assignment.State.REVISING,
    Assignment.State.APPROVED,
    Assignment.State.REJECTED,
)


@transaction.atomic
def pay_bonus(
    *, assignment: Assignment, amount: int, reason: str, key: str, by: Any = None, fee: int | None = None
) -> Transfer:
    """Pay `amount` micros to the worker of an answer, and `fee` (by default this site's share of it) to the platform.
    The same `key` for the same assignment pays once.

    Raises
    ------
    Invalid, Conflict, InsufficientFunds
    """
    errors = {}
    if amount <= 0:
        errors["amount"] = "The amount must be above 0."
    if not 0 < len(reason.strip()) <= 200:
        errors["reason"] = "Say what it is for, in at most 200 characters: the worker reads it."
    if errors:
        raise Invalid(errors=errors)
    if assignment.state not in ANSWERED:
        raise Conflict("A bonus is for an answer. Compensate a worker who could not give one.", code="not_answered")
    batch = Batch.objects.select_related("project__requester").get(pk=assignment.batch_id)
    if fee is None:
        fee = money.fee_of(amount, preference("FEE_BASIS_POINTS"))
    key = f"bonus:{assignment.pk}:{key}"
    pay_from_available(
        purse=purse_of(batch),
        reward=Reward(assignment.pk, assignment.worker_id, amount, fee),
        key=key,
        kind="bonus",
        memo=reason.strip(),
    )
    paid_beyond(assignment, amount=amount, reason=reason, kind="bonus", key=key)
    audit.record(act="bonus", subject=f"assignment:{assignment.pk}", actor=by, reason=reason, amount=amount)
    return Transfer.objects.get(key=key)
