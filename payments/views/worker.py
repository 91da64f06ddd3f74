"""A worker's money: the statement, what waits, what was rejected, and asking for a payout."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, DateField, Max, Q, Sum
from django.db.models.functions import TruncWeek
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import charts, money
from core.errors import DomainError
from core.pages import tell
from core.preferences import preference
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


def figures_of(worker: Worker, here: str) -> dict[str, Any]:
    """The figures on top and the side column of each of the four pages."""
    currency = settings.LEDGER_CURRENCY
    sums = sums_of(worker)
    weeks = weeks_of(worker, currency)
    payable = balance(Account.Kind.PAYABLE, worker.pk, currency)
    paid = worker.payouts.filter(state=Payout.State.PAID).aggregate(sum=Sum("amount"))["sum"] or 0
    on_the_way = worker.payouts.filter(state__in=[Payout.State.REQUESTED, Payout.State.SENDING])
    waiting = {"sum": sums["waiting"], "count": sums["waiting_count"], "last": sums["waiting_last"]}
    earned, seconds = sums["month"] or 0, sums["seconds"] or 0
    return {
        "currency": currency,
        "symbol": SYMBOLS.get(currency, currency).strip(),
        "payable": payable,
        "whole": money.whole_cents(payable),
        "whole_words": money.format_amount(money.whole_cents(payable)),
        "minimum": preference("PAYOUT_MINIMUM"),
        "waiting": waiting,
        "rejected_lately": sums["rejected_lately"],
        "paid": paid,
        "under_way": on_the_way.aggregate(sum=Sum("amount"))["sum"] or 0,
        "week": weeks[-1][1],
        "hourly": to_cent(earned * 3600 / seconds) if seconds > 60 else None,
        "month_hours": seconds,
        "chart": chart_of(weeks, currency),
        "here": here,
        "tabs": [
            ("earnings", _("Statement"), reverse("earnings"), ""),
            ("earnings_waiting", _("Waiting"), reverse("earnings_waiting"), waiting["count"]),
            ("earnings_rejected", _("Rejected"), reverse("earnings_rejected"), sums["rejected"]),
            ("earnings_payouts", _("Payouts"), reverse("earnings_payouts"), worker.payouts.count()),
        ],
    }


def sums_of(worker: Worker) -> dict[str, Any]:
    """What waits, what the last month brought, what was rejected: one walk through the worker's answers."""
    is_waiting, is_rejected = Q(state__in=WAITING), Q(state=Assignment.State.REJECTED)
    is_recent = Q(submitted_at__gte=timezone.now() - MONTH) & ~is_rejected
    return assignments_of_worker(worker).aggregate(
        waiting=Sum("reward", filter=is_waiting),
        waiting_count=Count("pk", filter=is_waiting),
        waiting_last=Max("decide_at", filter=is_waiting),
        month=Sum("reward", filter=is_recent),
        seconds=Sum("active_seconds", filter=is_recent),
        rejected=Count("pk", filter=is_rejected),
        rejected_lately=Count("pk", filter=is_rejected & Q(decide_at__gt=timezone.now())),
    )


def weeks_of(worker: Worker, currency: str, count: int = 12) -> list[tuple[dt.date, int]]:
    """Micros that came in in each of the last weeks, by their Mondays."""
    today = timezone.localdate()
    first = today - dt.timedelta(days=today.weekday(), weeks=count - 1)
    came = (
        Entry.objects.filter(
            account__kind=Account.Kind.PAYABLE,
            account__owner_id=worker.pk,
            account__currency=currency,
            amount__gt=0,
            transfer__created_at__date__gte=first,
        )
        .exclude(transfer__kind="payout")
        .annotate(week=TruncWeek("transfer__created_at", output_field=DateField()))
        .values("week")
        .annotate(sum=Sum("amount"))
    )
    by_week = {row["week"]: row["sum"] for row in came}
    mondays = [first + dt.timedelta(weeks=n) for n in range(count)]
    return [(monday, by_week.get(monday, 0)) for monday in mondays]


def chart_of(weeks: Sequence[tuple[dt.date, int]], currency: str) -> charts.Chart:
    """Bars, the last of which still grows."""
    best_week, best = max(weeks, key=lambda week: week[1])
    words = [money_words(amount, currency) for _week, amount in weeks]
    message = _("Earnings a week in the last %(count)d weeks, highest %(sum)s in the week of %(day)s") % {
        "count": len(weeks),
        "sum": money_words(best, currency),
        "day": f"{best_week:%-d %b}",
    }
    points = [(f"{monday:%-d %b}", amount / money.MICROS) for monday, amount in weeks]
    return charts.bars(
        points,
        message=message,
        head=(_("Week of"), _("Earned")),
        written=words,
        unit=SYMBOLS.get(currency, ""),
        small=True,
        every=4,
        open_last=True,
    )


@require_safe
@for_workers
def earnings(request: HttpRequest, worker: Worker) -> HttpResponse:
    before = request.GET.get("before", "")
    context = figures_of(worker, "earnings")
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
    return render(request, "earnings/waiting.html", figures_of(worker, "earnings_waiting") | {"rows": rows})


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
    return render(request, "earnings/rejected.html", figures_of(worker, "earnings_rejected") | context)


@require_safe
@for_workers
def earnings_payouts(request: HttpRequest, worker: Worker) -> HttpResponse:
    rows = worker.payouts.order_by("-pk")[:MOST]
    return render(request, "earnings/payouts.html", figures_of(worker, "earnings_payouts") | {"rows": rows})


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
def cancel_payout(request: HttpRequest, worker: Worker, payout_id: uuid.UUID) -> HttpResponse:
    try:
        pay_out.cancel(payout=get_object_or_404(worker.payouts, public_id=payout_id))
    except DomainError as refusal:
        tell(request, refusal)
    else:
        messages.success(request, _("Taken back. The money is ready to pay out again."))
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
    return as_csv(Account.Kind.PAYABLE, worker.pk, settings.LEDGER_CURRENCY)
