"""Questions asked of the ledger."""

from __future__ import annotations

from django.conf import settings
from django.db.models import QuerySet, Sum

from payments.models import Account, Entry


def balance(kind: str, owner_id: int = 0, currency: str | None = None) -> int:
    """Micros on an account, 0 where it was never opened. Kinds that are summed are added up from their entries."""
    found = Account.objects.filter(kind=kind, owner_id=owner_id, currency=currency or settings.LEDGER_CURRENCY).first()
    if found is None:
        return 0
    if found.kind in Account.SUMMED:
        return found.entries.aggregate(total=Sum("amount"))["total"] or 0
    return found.balance


def statement(kind: str, owner_id: int, currency: str | None = None) -> QuerySet[Entry]:
    """The lines of one account, newest first."""
    return (
        Entry.objects.filter(
            account__kind=kind, account__owner_id=owner_id, account__currency=currency or settings.LEDGER_CURRENCY
        )
        .select_related("transfer")
        .order_by("-pk")
    )
