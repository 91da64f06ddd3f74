"""An organisation's money: what is available, what is put aside, and bringing more."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import money
from core.errors import DomainError, NotAllowed
from core.pages import tell
from core.preferences import preference
from core.templatetags.touchstone import SYMBOLS
from marketplace.models import Batch, Hit, Membership, Requester
from marketplace.selectors import batches_of, requesters_of
from marketplace.views.requester import for_requesters
from payments.models import Account, Deposit, Entry
from payments.selectors import balance
from payments.services.deposits import request_deposit
from payments.statements import Subject, as_csv, page_of

MOST = 30


@require_safe
@for_requesters
def studio_money(request: HttpRequest, requester: Requester) -> HttpResponse:
    before = request.GET.get("before", "")
    currency = requester.currency
    batches = Batch.objects.filter(project__requester=requester)
    held = Account.objects.filter(owner_id__in=batches.values("pk"), currency=currency, balance__gt=0)
    sums = {
        row["kind"]: row["sum"]
        for row in held.filter(kind__in=[Account.Kind.ESCROW, Account.Kind.REPAIR])
        .values("kind")
        .annotate(sum=Sum("balance"))
    }
    asked = requester.deposits.filter(state=Deposit.State.REQUESTED).aggregate(sum=Sum("amount"))["sum"] or 0
    context: dict[str, Any] = {
        "requester": requester,
        "currency": currency,
        "symbol": SYMBOLS.get(currency, currency).strip(),
        "available": balance(Account.Kind.AVAILABLE, requester.pk, currency),
        "escrow": sums.get(Account.Kind.ESCROW, 0),
        "repair": sums.get(Account.Kind.REPAIR, 0),
        "asked": asked,
        "deposits": requester.deposits.order_by("-pk")[:MOST],
        "page": page_of(
            Account.Kind.AVAILABLE, requester.pk, currency, _named, int(before) if before.isdigit() else None
        ),
        "is_first": not before,
        "organisations": list(requesters_of(request.user).order_by("pk")),
        "may_pay": requesters_of(request.user, Membership.Role.MANAGER).filter(pk=requester.pk).exists(),
        "fee_share": preference("FEE_BASIS_POINTS") / 10_000,
    }
    return render(request, "studio/money.html", context)


def _named(entries: Sequence[Entry]) -> Mapping[int, Subject]:
    """What each entry was about: the batch in its transfer's key (`publish:12`, `release:HIT:moment`)."""
    batches: dict[int, list[int]] = {}
    hits: dict[int, list[int]] = {}
    for entry in entries:
        kind, _sign, rest = entry.transfer.key.partition(":")
        number = rest.split(":")[0]
        if number.isdigit():
            where = hits if kind == "release" else batches if kind in {"publish", "close", "repair", "add"} else None
            if where is not None:
                where.setdefault(int(number), []).append(entry.pk)
    named: dict[int, Subject] = {}
    for pk, batch_id, name in Hit.objects.filter(pk__in=hits).values_list("pk", "batch_id", "batch__name"):
        named |= dict.fromkeys(hits[pk], (batch_id, name))
    for pk, name in Batch.objects.filter(pk__in=batches).values_list("pk", "name"):
        named |= dict.fromkeys(batches[pk], (pk, name))
    return named


@require_POST
@for_requesters
def ask_deposit(request: HttpRequest, requester: Requester) -> HttpResponse:
    """Announce money that is on its way; staff confirm it when they see it."""
    try:
        if not requesters_of(request.user, Membership.Role.MANAGER).filter(pk=requester.pk).exists():
            raise NotAllowed(_("Owners and managers add money."))
        amount = money.parse(request.POST.get("amount", "").replace(",", "."), decimals=2)
        request_deposit(requester=requester, amount=amount, reference=request.POST.get("reference", "").strip()[:120])
    except DomainError as refusal:
        tell(request, refusal)
    else:
        messages.success(request, _("Announced. It is yours to spend as soon as staff have seen it on the account."))
    asked = _uuid(request.POST.get("then", ""))
    then = batches_of(request.user).filter(public_id=asked).first() if asked else None
    return redirect("studio_batch", then.public_id) if then else redirect("studio_money")


def _uuid(written: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(written)
    except ValueError:
        return None


@require_safe
@for_requesters
def studio_statement(request: HttpRequest, requester: Requester) -> StreamingHttpResponse:
    return as_csv(Account.Kind.AVAILABLE, requester.pk, requester.currency)
