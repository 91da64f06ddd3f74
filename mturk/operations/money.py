"""The balance. Prices, bonuses and fees are the market's own (payments/)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Sum

from marketplace.models import Batch, Requester
from payments.models import Account
from payments.selectors import balance

MICROS_PER_CENT = 10_000


def get_account_balance(requester: Requester, members: Mapping[str, Any]) -> dict[str, Any]:
    """What can be spent, and what is put aside for HITs."""
    batches = Batch.objects.filter(project__requester=requester).values("pk")
    kinds = (Account.Kind.ESCROW, Account.Kind.REPAIR)
    held = Account.objects.filter(kind__in=kinds, owner_id__in=batches).aggregate(sum=Sum("balance"))["sum"]
    available = balance(Account.Kind.AVAILABLE, requester.pk, requester.currency)
    return {"AvailableBalance": dollars(available), "OnHoldBalance": dollars(held or 0)}


def dollars(micros: int) -> str:
    """Two decimals, rounded down: nobody can spend half a cent.

    >>> dollars(1_999_999), dollars(0)
    ('1.99', '0.00')
    """
    cents = micros // MICROS_PER_CENT
    return f"{cents // 100}.{cents % 100:02d}"
