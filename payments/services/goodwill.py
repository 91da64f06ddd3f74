"""The platform's own small purse for answers that came too late: filled by staff from fees, never from requesters."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from core import audit
from core.errors import InsufficientFunds, Invalid
from core.preferences import preference
from payments.models import Account
from payments.selectors import balance
from payments.services.ledger import Movement, account, post_transfers


@transaction.atomic
def fill_goodwill(*, amount: int, by: Any, key: str, currency: str | None = None) -> None:
    """Move fees that the platform earned into the goodwill account; once for each `key`.

    Raises
    ------
    Invalid, InsufficientFunds
    """
    if amount <= 0:
        raise Invalid(errors={"amount": _("The amount must be above 0.")})
    currency = currency or settings.LEDGER_CURRENCY
    goodwill = account(Account.Kind.GOODWILL, currency=currency)
    Account.objects.select_for_update().get(pk=goodwill.pk)  # one filler at a time: the fees are summed, not locked
    if balance(Account.Kind.FEES, currency=currency) < amount:
        raise InsufficientFunds(_("The platform has not earned that much in fees. Nothing was changed."))
    fees = account(Account.Kind.FEES, currency=currency)
    if post_transfers([Movement(key=f"goodwill:{key}", kind="goodwill", amounts={fees: -amount, goodwill: amount})]):
        audit.record(act="goodwill.fill", subject="goodwill", actor=by, amount=amount)


def pay_late(*, worker_id: int, amount: int, day: Any, currency: str) -> bool:
    """Compensate a late answer, once a worker a day.

    False when that was done today, when staff want to decide each, or when the account is empty.
    """
    if amount <= 0 or not int(preference("GOODWILL_PER_DAY")):
        return False
    movement = Movement(
        key=f"late:{worker_id}:{day}",
        kind="compensation",
        amounts={
            account(Account.Kind.GOODWILL, currency=currency): -amount,
            account(Account.Kind.PAYABLE, worker_id, currency): amount,
        },
    )
    try:
        return bool(post_transfers([movement]))
    except InsufficientFunds:
        return False
