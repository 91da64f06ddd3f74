"""Money that a person has to confirm: deposits, payouts, the goodwill account."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db.models import Count, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import money
from core.keyset import page
from core.models import AuditEntry
from lifecycle import pay_out
from payments.models import Account, Deposit, Payout
from payments.selectors import balance, statement
from payments.services.deposits import refuse_deposit
from payments.services.goodwill import fill_goodwill
from payments.services.looks import confirm_seen, needs_second_look
from staff.doors import done, for_staff, reason_in

SIZE = 30


def _totals(rows: QuerySet[Any]) -> list[dict[str, Any]]:
    """How many and how much in each currency."""
    return list(rows.order_by().values("currency").annotate(count=Count("pk"), sum=Sum("amount")).order_by("currency"))


def _large(rows: QuerySet[Any]) -> int:
    return rows.filter(amount__gte=settings.LARGE_SUM).count()


def _marked(rows: list[Any], user: Any) -> list[Any]:
    """Says of each row whether it waits for a second look, and whether that is for this reader to give."""
    for row in rows:
        row.is_large = needs_second_look(row)
        row.is_mine = row.is_large and row.seen_by_id == user.pk
    return rows


@require_safe
@for_staff
def staff_deposits(request: HttpRequest) -> HttpResponse:
    show = request.GET.get("show", "requested")
    show = show if show in Deposit.State.values else "requested"
    rows = Deposit.objects.filter(state=show).select_related("requester", "decided_by", "seen_by")
    order = ["pk"] if show == "requested" else ["-pk"]
    listed = page(rows, order, request.GET.get("after", ""), SIZE)
    _marked(listed.rows, request.user)
    waiting = Deposit.objects.filter(state=Deposit.State.REQUESTED)
    context = {"page": listed, "show": show, "totals": _totals(waiting), "large": _large(waiting)}
    return render(request, "staff/deposits.html", context)


@require_POST
@for_staff
def staff_deposit_decide(request: HttpRequest, deposit_id: uuid.UUID) -> HttpResponse:
    """Confirmed once, however often the button is pressed; a large sum by two people."""
    deposit = get_object_or_404(Deposit.objects.select_related("requester"), public_id=deposit_id)
    decision = request.POST.get("decision")
    if decision == "confirm":
        words = _("Confirmed. The organisation can spend it now.")

        def do() -> None:
            nonlocal words
            if confirm_seen(deposit=deposit, by=request.user).state == Deposit.State.REQUESTED:
                words = _("Your look is noted. Another person has to confirm this large sum.")

        return done(request, do, lambda: words, "staff_deposits")
    if decision == "refuse":
        act = refuse_deposit
        return done(
            request,
            lambda: act(deposit=deposit, by=request.user, reason=reason_in(request)[:300]),
            _("Refused. The organisation reads why."),
            "staff_deposits",
        )
    raise Http404


@require_safe
@for_staff
def staff_payouts(request: HttpRequest) -> HttpResponse:
    show = request.GET.get("show", "requested")
    show = show if show in Payout.State.values else "requested"
    rows = Payout.objects.filter(state=show).select_related("worker", "decided_by", "seen_by")
    order = ["pk"] if show in ("requested", "sending") else ["-pk"]
    listed = page(rows, order, request.GET.get("after", ""), SIZE)
    _marked(listed.rows, request.user)
    for row in listed.rows:
        row.is_held = bool(row.hold_until and row.hold_until > timezone.now())
    waiting = Payout.objects.filter(state=Payout.State.REQUESTED)
    sending = Payout.objects.filter(state=Payout.State.SENDING)
    context = {
        "page": listed,
        "show": show,
        "totals": _totals(waiting),
        "sending": _totals(sending),
        "large": _large(waiting),
    }
    return render(request, "staff/payouts.html", context)


@require_POST
@for_staff
def staff_payout_decide(request: HttpRequest, payout_id: uuid.UUID) -> HttpResponse:
    payout = get_object_or_404(Payout.objects.select_related("worker"), public_id=payout_id)
    by = request.user
    words = {
        "send": _("On its way. Make the bank transfer now."),
        "paid": _("Paid. The worker is told."),
        "failed": _("The money is the worker's again. They read why."),
    }.get(request.POST.get("decision", ""))
    if words is None:
        raise Http404

    def do() -> None:
        nonlocal words
        if request.POST["decision"] == "send":
            if pay_out.send(payout=payout, by=by).state == Payout.State.REQUESTED:
                words = _("Your look is noted. Another person has to send this large sum.")
        elif request.POST["decision"] == "paid":
            pay_out.settle(payout=payout, by=by, reference=request.POST.get("reference", "").strip()[:120])
        else:
            pay_out.fail(payout=payout, by=by, reason=reason_in(request)[:300])

    return done(request, do, lambda: words or "", "staff_payouts")


@require_safe
@for_staff
def staff_goodwill(request: HttpRequest) -> HttpResponse:
    """What late answers are compensated from; filled from fees, never from requesters."""
    currency = settings.LEDGER_CURRENCY
    context = {
        "goodwill": balance(Account.Kind.GOODWILL),
        "fees": balance(Account.Kind.FEES),
        "currency": currency,
        "page": page(statement(Account.Kind.GOODWILL, 0), ["-pk"], request.GET.get("after", ""), SIZE),
        "fills": AuditEntry.objects.filter(subject="goodwill").select_related("actor").order_by("-pk")[:10],
        "key": uuid.uuid4().hex,
    }
    return render(request, "staff/goodwill.html", context)


@require_POST
@for_staff
def staff_goodwill_fill(request: HttpRequest) -> HttpResponse:
    """The form carries its key, so that sent twice it moves money once."""
    key = request.POST.get("key", "")
    if not (len(key) == 32 and key.isalnum()):
        raise Http404

    def do() -> None:
        amount = money.parse(request.POST.get("amount", "").replace(",", "."), decimals=2)
        fill_goodwill(amount=amount, by=request.user, key=key)

    return done(request, do, _("The goodwill account is filled."), "staff_goodwill")
