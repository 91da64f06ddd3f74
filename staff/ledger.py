"""Transfers with their entries, causes and owners, for pages, programs and tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from core import money
from core.api.tables import Number
from payments.models import Entry, Transfer
from staff.causes import causes, owners

CHUNK = 1000
CSV_HEADER = ["time", "transfer", "kind", "key", "memo", "account", "owner", "amount", "currency"]


def with_entries(transfers: list[Transfer]) -> list[tuple]:
    """Each with its cause, and each entry with whose account it is."""
    entries: dict[int, list[Entry]] = {}
    rows = list(Entry.objects.filter(transfer__in=transfers).select_related("account").order_by("pk"))
    for entry in rows:
        entries.setdefault(entry.transfer_id, []).append(entry)
    whose = owners(list({entry.account_id: entry.account for entry in rows}.values()))
    because = causes(transfers)
    return [
        (one, because[one.pk], [(entry, whose[entry.account_id]) for entry in entries.get(one.pk, [])])
        for one in transfers
    ]


def csv_rows(rows: QuerySet[Transfer]) -> Iterator[list[Any]]:
    """Page by page, so that neither memory nor a long read grows with the ledger."""
    last: int | None = None
    while chunk := list((rows if last is None else rows.filter(pk__lt=last)).order_by("-pk")[:CHUNK]):
        for one, _cause, entries in with_entries(chunk):
            for entry, owner in entries:
                names = [one.public_id, one.kind, one.key, one.memo, entry.account.kind, owner.words]
                amount = [Number(money.format_amount(entry.amount)), entry.account.currency]
                yield [one.created_at.isoformat(timespec="seconds"), *names, *amount]
        last = chunk[-1].pk
