"""Large sums: one person looks first, another does it. Programs that the operator runs have no second pair of eyes."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction

from core import audit
from core.errors import Conflict
from payments.models import Deposit, Payout
from payments.services.deposits import confirm_deposit


def needs_second_look(row: Deposit | Payout) -> bool:
    return row.amount >= settings.LARGE_SUM


class SecondLook(Conflict):
    code = "second_look"
    message = "This is a large sum: another person has to look at it too. Your look is noted."


@transaction.atomic
def look_first(*, row: Deposit | Payout, by: Any) -> bool:
    """Whether `by` may go on with this sum. Where they are the first to look, it is noted, and someone else goes on."""
    if not needs_second_look(row) or (row.seen_by_id is not None and row.seen_by_id != by.pk):
        return True
    first = type(row)._default_manager.filter(pk=row.pk, state="requested", seen_by=None).update(seen_by=by)
    if first:
        row.seen_by = by
        kind = type(row)._meta.model_name
        audit.record(act=f"{kind}.look", subject=f"{kind}:{row.pk}", actor=by, amount=row.amount)
    return False


def confirm_seen(*, deposit: Deposit, by: Any) -> Deposit:
    """Staff saw the money. A large sum stays requested after the first look. Raises `IllegalMove`."""
    return confirm_deposit(deposit=deposit, by=by) if look_first(row=deposit, by=by) else deposit
