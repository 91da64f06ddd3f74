"""The ledger: where money is, how it came there, and why."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from core.api.tables import csv_response
from core.freshness import fresh
from core.keyset import page
from marketplace.models import Assignment
from payments.models import Account, Transfer
from payments.selectors import balance, sums_of_accounts
from staff import evidence
from staff.causes import owners
from staff.doors import for_staff
from staff.filters import KINDS, transfers_asked
from staff.ledger import CSV_HEADER, csv_rows, with_entries

SIZE = 50


@require_safe
@for_staff
def staff_ledger(request: HttpRequest) -> HttpResponse:
    """Where all money is: kinds of account, in the order in which it flows."""
    sums = [
        {"kind": kind, "words": Account.Kind(kind).label, "currency": currency, "count": count, "sum": total}
        for kind, currency, count, total in fresh("ledger:sums", sums_of_accounts)
    ]
    return render(request, "staff/ledger.html", {"sums": sums})


@require_safe
@for_staff
def staff_accounts(request: HttpRequest) -> HttpResponse:
    """The accounts of one kind, the fullest first."""
    kind = request.GET.get("kind", "")
    kind = kind if kind in Account.Kind.values else str(Account.Kind.AVAILABLE)
    listed = page(Account.objects.filter(kind=kind), ["-balance", "-pk"], request.GET.get("after", ""), SIZE)
    whose = owners(listed.rows)
    summed = kind in Account.SUMMED
    rows = [
        (one, whose[one.pk], balance(one.kind, one.owner_id, one.currency) if summed else one.balance)
        for one in listed.rows
    ]
    context = {"page": listed, "rows": rows, "kind": kind, "kinds": Account.Kind.choices}
    return render(request, "staff/accounts.html", context)


@require_safe
@for_staff
def staff_transfers(request: HttpRequest) -> HttpResponse:
    """Transfers with their entries, newest first; account, batch, worker, organisation, kind and days narrow."""
    asked = transfers_asked(request.GET)
    listed = page(asked.rows, ["-pk"], request.GET.get("after", ""), SIZE)
    whose = owners([asked.account]) if asked.account else {}
    context = {
        "page": listed,
        "asked": asked,
        "kinds": KINDS,
        "rows": with_entries(listed.rows),
        "owner": whose.get(asked.account.pk) if asked.account else None,
        "held": balance(asked.account.kind, asked.account.owner_id, asked.account.currency) if asked.account else None,
    }
    return render(request, "staff/transfers.html", context)


@require_safe
@for_staff
def staff_transfer(request: HttpRequest, transfer_id: uuid.UUID) -> HttpResponse:
    transfer = get_object_or_404(Transfer.objects.select_related("reverses"), public_id=transfer_id)
    ((_one, cause, entries),) = with_entries([transfer])
    context = {"transfer": transfer, "cause": cause, "entries": entries, "reversals": transfer.reversals.all()}
    return render(request, "staff/transfer.html", context)


@require_safe
@for_staff
def staff_answer(request: HttpRequest, assignment_id: uuid.UUID) -> HttpResponse:
    """One answer: what was asked and said, what became of it, and each cent that moved for it."""
    assignment = get_object_or_404(
        Assignment.objects.select_related("batch__project__requester", "worker", "hit__data_row"),
        public_id=assignment_id,
    )
    keys = [f"{kind}:{assignment.pk}" for kind in ("reward", "compensation")]
    moved = Transfer.objects.filter(key__in=keys) | Transfer.objects.filter(key__startswith=f"bonus:{assignment.pk}:")
    context = {"assignment": assignment, "rows": with_entries(list(moved.order_by("pk"))[:SIZE])}
    return render(request, "staff/answer.html", {**context, **evidence.of_answer(assignment)})


@require_safe
@for_staff
def staff_transfers_csv(request: HttpRequest) -> StreamingHttpResponse:
    """The same transfers as a table, a line an entry."""
    return csv_response(csv_rows(transfers_asked(request.GET).rows), header=CSV_HEADER, name="transfers.csv")
