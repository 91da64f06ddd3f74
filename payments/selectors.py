"""Questions asked of the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet, Sum
from django.utils import timezone

from payments.models import Account, Entry, Transfer


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


@dataclass(frozen=True)
class Line:
    """One line of a statement."""

    id: UUID
    at: datetime
    kind: str
    amount: int
    memo: str
    #: The batch on the other side, where there is one.
    batch_id: int | None


def lines(entries: Iterable[Entry]) -> list[Line]:
    """These entries as lines of a statement, in their order: two queries."""
    entries = list(entries)
    others = Entry.objects.filter(
        transfer__in=[entry.transfer_id for entry in entries],
        account__kind__in=[Account.Kind.ESCROW, Account.Kind.REPAIR],
    )
    batches = dict(others.values_list("transfer_id", "account__owner_id"))
    return [
        Line(
            id=entry.transfer.public_id,
            at=entry.transfer.created_at,
            kind=entry.transfer.kind,
            amount=entry.amount,
            memo=entry.transfer.memo,
            batch_id=batches.get(entry.transfer_id),
        )
        for entry in entries
    ]


def transfers(
    *, accounts: QuerySet[Account] | None = None, kind: str = "", since: date | None = None, until: date | None = None
) -> QuerySet[Transfer]:
    """Transfers that touch one of `accounts` (None: all), of a kind, of the days from `since` to `until`."""
    rows = Transfer.objects.all()
    if accounts is not None:
        rows = rows.filter(pk__in=Entry.objects.filter(account__in=accounts).values("transfer_id"))
    if kind:
        rows = rows.filter(kind=kind)
    zone = timezone.get_current_timezone()
    if since:
        rows = rows.filter(created_at__gte=datetime.combine(since, time.min, zone))
    if until:
        rows = rows.filter(created_at__lt=datetime.combine(until + timedelta(days=1), time.min, zone))
    return rows


#: Kinds of account -> how many there are, and what is on them in micros; by currency.
KIND_SUMS = """
SELECT a.kind, a.currency, count(*), sum(CASE WHEN a.kind = ANY(%s) THEN e.sum ELSE a.balance END)::bigint
FROM payments_account a
LEFT JOIN LATERAL (SELECT coalesce(sum(amount), 0) AS sum FROM payments_entry
                   WHERE account_id = a.id AND a.kind = ANY(%s)) e ON true
GROUP BY a.kind, a.currency
"""


def sums_of_accounts() -> list[tuple[str, str, int, int]]:
    """Kind, currency, number of accounts, micros on them; as the money flows."""
    summed = [str(kind) for kind in Account.SUMMED]
    with connection.cursor() as cursor:
        cursor.execute(KIND_SUMS, [summed, summed])
        found = cursor.fetchall()
    return sorted(found, key=lambda row: (row[1], Account.Kind.values.index(row[0])))


def sums_by_kind(kind: str, owner_id: int, currency: str | None = None) -> dict[str, int]:
    """What came to (and left) an account, by kind of transfer, in micros."""
    found = statement(kind, owner_id, currency).order_by().values("transfer__kind").annotate(total=Sum("amount"))
    return {row["transfer__kind"]: row["total"] for row in found}
