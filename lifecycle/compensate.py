"""Paying somebody who opened a HIT and could not be paid for an answer: it was broken, unclear, withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from core import audit
from core.errors import Conflict, Invalid
from marketplace.models import Assignment, Batch
from marketplace.services.judging import purse_of
from marketplace.services.telling import paid_beyond
from payments.models import Account, Transfer
from payments.services.escrow import Reward, pay_from_available
from payments.services.ledger import account, lock_accounts

MOST_AT_ONCE = 1000


@dataclass(frozen=True)
class Line:
    """One worker's compensation, of an assignment that they opened."""

    assignment: Assignment
    amount: int
    reason: str


@transaction.atomic
def compensate(*, batch: Batch, lines: Sequence[Line], by: Any = None) -> list[Transfer]:
    """Pay all lines or none, without a fee, from what the requester has available.

    An assignment is compensated once, so the same file can be sent again.

    Raises
    ------
    Invalid
        Naming each line that cannot be paid.
    InsufficientFunds
        Nothing was paid then.
    """
    errors: dict[str, str] = {}
    if not 0 < len(lines) <= MOST_AT_ONCE:
        errors["lines"] = f"1 to {MOST_AT_ONCE} lines."
    for number, line in enumerate(lines):
        if line.amount <= 0:
            errors[f"lines[{number}].amount"] = "The amount must be above 0."
        if not 0 < len(line.reason.strip()) <= 200:
            errors[f"lines[{number}].reason"] = "Say what it is for, in at most 200 characters: the worker reads it."
        if line.assignment.opened_at is None:
            errors[f"lines[{number}].assignment"] = "This HIT was never opened."
        if line.assignment.state == Assignment.State.APPROVED:
            errors[f"lines[{number}].assignment"] = "This answer was approved and paid. Pay a bonus instead."
    if errors:
        raise Invalid("Some lines cannot be paid. Nothing was paid.", errors=errors)
    purse = purse_of(batch)
    payable = [account(Account.Kind.PAYABLE, line.assignment.worker_id, purse.currency) for line in lines]
    lock_accounts({purse.available, *payable})
    keys = []
    for line in sorted(lines, key=lambda line: line.assignment.pk):
        key = f"compensation:{line.assignment.pk}"
        keys.append(key)
        earlier = Transfer.objects.filter(key=key).first()
        if earlier is not None:
            paid = earlier.entries.filter(account__kind="worker:payable").values_list("amount", flat=True).first()
            if paid != line.amount:
                raise Conflict("One of these was compensated with another amount already.", code="compensated_already")
            continue
        pay_from_available(
            purse=purse,
            reward=Reward(line.assignment.pk, line.assignment.worker_id, line.amount, 0),
            key=key,
            kind="compensation",
            memo=line.reason.strip(),
        )
        paid_beyond(line.assignment, amount=line.amount, reason=line.reason, kind="compensation", key=key)
        audit.record(
            act="compensate", subject=f"assignment:{line.assignment.pk}", actor=by, reason=line.reason,
            amount=line.amount,
        )  # fmt: skip
    return list(Transfer.objects.filter(key__in=keys).order_by("pk"))
