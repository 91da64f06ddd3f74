"""A worker's money: the statement, what waits, what was rejected, and asking for a payout."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Max, Sum
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import charts, money
from core.errors import DomainError
from core.pages import tell
from core.templatetags.touchstone import SYMBOLS, money_words
from lifecycle import pay_out
from marketplace.figures import to_cent
from marketplace.models import Assignment
from marketplace.selectors import assignments_of_worker
from marketplace.services.appealing import file_appeal
from marketplace.services.judging import APPEAL_WINDOW
from marketplace.views.worker import for_workers
from payments.models import Account, Entry, Payout
from payments.selectors import balance
from payments.statements import Subject, as_csv, page_of
from workers_app.models import Worker

MOST = 100
WAITING = (Assignment.State.SUBMITTED, Assignment.State.REVISING)
MONTH = dt.timedelta(days=30)


def _context(worker: Worker, here: str) -> dict[str, Any]:
    """The figures on top and the side column of each of the four pages."""
    currency = settings.LEDGER_CURRENCY
    mine = assignments_of_worker(worker)
    waiting = mine.filter(state__in=WAITING).aggregate(sum=Sum("reward"), count=Count("pk"), last=Max("decide_at"))
    recent = mine.filter(submitted_at__gte=timezone.now() - MONTH).exclude(state=Assignment.State.REJECTED)
    month = recent.aggregate(sum=Sum("reward"), seconds=Sum("active_seconds"))
    days = _days(worker, currency)
    payable = balance(Account.Kind.PAYABLE, worker.pk, currency)
    paid = worker.payouts.filter(state=Payout.State.PAID).aggregate(sum=Sum("amount"))["sum"] or 0
    on_the_way = worker.payouts.filter(state__in=[Payout.State.REQUESTED, Payout.State.SENDING])
    rejected = mine.filter(state=Assignment.State.REJECTED).count()
    earned, seconds = month["sum"] or 0, month["seconds"] or 0
    return {
        "currency": currency,
        "symbol": SYMBOLS.get(currency, currency).strip(),
        "payable": payable,
        "whole": money.whole_cents(payable),
        "whole_words": money.format_amount(money.whole_cents(payable)),
        "minimum": settings.PAYOUT_MINIMUM,
        "waiting": waiting,
        "paid": paid,
        "under_way": on_the_way.aggregate(sum=Sum("amount"))["sum"] or 0,
        "week": sum(amount for _day, amount in days[-7:]),
        "hourly": to_cent(earned * 3600 / seconds) if seconds > 60 else None,
        "month_hours": seconds,
        "chart": _chart(days, currency),
        "here": here,
        "tabs": [
            ("earnings", _("Statement"), reverse("earnings"), ""),
            ("earnings_waiting", _("Waiting"), reverse("earnings_waiting"), waiting["count"]),
            ("earnings_rejected", _("Rejected"), reverse("earnings_rejected"), rejected),
            ("earnings_payouts", _("Payouts"), reverse("earnings_payouts"), worker.payouts.count()),
        ],
    }


def _days(worker: Worker, currency: str, count: int = 14) -> list[tuple[dt.date, int]]:
    """Micros that came in on each of the last days."""
    first = timezone.localdate() - dt.timedelta(days=count - 1)
    came = (
        Entry.objects.filter(
            account__kind=Account.Kind.PAYABLE,
            account__owner_id=worker.pk,
            account__currency=currency,
            amount__gt=0,
            transfer__created_at__date__gte=first,
        )
        .exclude(transfer__kind="payout")
        .values("transfer__created_at__date")
        .annotate(sum=Sum("amount"))
    )
    by_day = {row["transfer__created_at__date"]: row["sum"] for row in came}
    return [(day, by_day.get(day, 0)) for day in (first + dt.timedelta(days=n) for n in range(count))]


def _chart(days: Sequence[tuple[dt.date, int]], currency: str) -> charts.Chart:
    best_day, best = max(days, key=lambda day: day[1])
    words = [money_words(amount, currency) for _day, amount in days]
    message = _("Earnings a day in the last 14 days, highest %(sum)s on %(day)s") % {
        "sum": money_words(best, currency),
        "day": f"{best_day:%-d %b}",
    }
    points = [(f"{day:%-d %b}", amount / money.MICROS) for day, amount in days]
    symbol = SYMBOLS.get(currency, "")
    return charts.bars(
        points, message=message, head=(_("Day"), _("Earned")), written=words, unit=symbol, small=True, every=4
    )


@require_safe
@for_workers
def earnings(request: HttpRequest, worker: Worker) -> HttpResponse:
    before = request.GET.get("before", "")
    context = _context(worker, "earnings")
    page = page_of(
        Account.Kind.PAYABLE, worker.pk, context["currency"], _named, int(before) if before.isdigit() else None
    )
    return render(request, "earnings/statement.html", context | {"page": page, "is_first": not before})


def _named(entries: Sequence[Entry]) -> Mapping[int, Subject]:
    """What each entry paid for: its batch, by the assignment in the transfer's key."""
    by_assignment = {
        int(key.rpartition(":")[2]): entry.pk
        for entry in entries
        if (key := entry.transfer.key).startswith(("reward:", "compensation:")) and key.rpartition(":")[2].isdigit()
    }
    rows = Assignment.objects.filter(pk__in=by_assignment).values_list("pk", "batch_id", "batch__project__name")
    return {by_assignment[pk]: (batch_id, name) for pk, batch_id, name in rows}


@require_safe
@for_workers
def earnings_waiting(request: HttpRequest, worker: Worker) -> HttpResponse:
    rows = (
        assignments_of_worker(worker)
        .filter(state__in=WAITING)
        .values("batch__name", "batch__project__name", "batch__project__requester__name")
        .annotate(count=Count("pk"), sum=Sum("reward"), last=Max("decide_at"))
        .order_by("last")
    )
    return render(request, "earnings/waiting.html", _context(worker, "earnings_waiting") | {"rows": rows})


@require_safe
@for_workers
def earnings_rejected(request: HttpRequest, worker: Worker) -> HttpResponse:
    rejected = (
        assignments_of_worker(worker)
        .filter(state=Assignment.State.REJECTED)
        .select_related("batch__project__requester", "appeal")
        .order_by("-decided_at")[:MOST]
    )
    context = {"rows": rejected, "now": timezone.now(), "days": APPEAL_WINDOW.days}
    return render(request, "earnings/rejected.html", _context(worker, "earnings_rejected") | context)


@require_safe
@for_workers
def earnings_payouts(request: HttpRequest, worker: Worker) -> HttpResponse:
    rows = worker.payouts.order_by("-pk")[:MOST]
    return render(request, "earnings/payouts.html", _context(worker, "earnings_payouts") | {"rows": rows})


@require_POST
@for_workers
def ask_payout(request: HttpRequest, worker: Worker) -> HttpResponse:
    try:
        amount = money.parse(request.POST.get("amount", "").replace(",", "."), decimals=2)
        pay_out.request(worker=worker, amount=amount)
    except DomainError as refusal:
        tell(request, refusal)
        return redirect("earnings")
    messages.success(request, _("Asked for. Staff look at it and send it; you see each step here."))
    return redirect("earnings_payouts")


@require_POST
@for_workers
def ask_again(request: HttpRequest, worker: Worker, payout_id: uuid.UUID) -> HttpResponse:
    payout = get_object_or_404(worker.payouts, public_id=payout_id)
    try:
        pay_out.request_again(payout=payout)
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("earnings_payouts")


@require_POST
@for_workers
def appeal(request: HttpRequest, worker: Worker, assignment_id: uuid.UUID) -> HttpResponse:
    assignment = get_object_or_404(assignments_of_worker(worker), public_id=assignment_id)
    try:
        file_appeal(assignment=assignment, reason=request.POST.get("reason", "")[:5000])
    except DomainError as refusal:
        tell(request, refusal)
    else:
        messages.success(request, _("A person looks at it within 7 days. If nobody does, you are paid."))
    return redirect("earnings_rejected")


@require_safe
@for_workers
def statement_csv(request: HttpRequest, worker: Worker) -> StreamingHttpResponse:
    rows = as_csv(Account.Kind.PAYABLE, worker.pk, settings.LEDGER_CURRENCY)
    response = StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="statement.csv"'
    return response
