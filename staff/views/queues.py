"""The front door, and what waits for a ruling: appeals, flags, contested keys, reported messages."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.keyset import page
from core.models import AuditEntry
from lifecycle import decide
from lifecycle import gold as known
from marketplace.models import Appeal, Message
from marketplace.services.messaging import rule_on_report
from quality.models import Contest, Flag
from quality.services.flagging import close_flag
from staff import evidence
from staff.doors import done, for_staff, reason_in
from staff.queues import queues

SIZE = 25


@require_safe
@for_staff
def staff_home(request: HttpRequest) -> HttpResponse:
    """What waits for a person, most pressing first; what was decided last."""
    last = AuditEntry.objects.exclude(actor=None).select_related("actor").order_by("-pk")[:8]
    return render(request, "staff/home.html", {"queues": queues(), "last": last})


# --- appeals ----------------------------------------------------------------------------------------------------------


@require_safe
@for_staff
def staff_appeals(request: HttpRequest) -> HttpResponse:
    """Those whose clock runs out first come first; the ruled ones newest first."""
    show = request.GET.get("show", "open")
    rows = Appeal.objects.select_related("assignment__batch__project__requester")
    if show == "ruled":
        listed = page(rows.exclude(state=Appeal.State.OPEN), ["-pk"], request.GET.get("after", ""), SIZE)
    else:
        show = "open"
        listed = page(rows.filter(state=Appeal.State.OPEN), ["rule_by", "pk"], request.GET.get("after", ""), SIZE)
    return render(request, "staff/appeals.html", {"page": listed, "show": show})


@require_safe
@for_staff
def staff_appeal(request: HttpRequest, appeal_id: uuid.UUID) -> HttpResponse:
    appeal = get_object_or_404(
        Appeal.objects.select_related(
            "assignment__batch__project__requester", "assignment__worker", "assignment__hit__data_row"
        ),
        public_id=appeal_id,
    )
    return render(request, "staff/appeal.html", {"appeal": appeal, **evidence.of_answer(appeal.assignment)})


@require_POST
@for_staff
def staff_appeal_rule(request: HttpRequest, appeal_id: uuid.UUID) -> HttpResponse:
    """For the worker or against, with words that both sides read. One at a time: each is somebody's pay."""
    appeal = get_object_or_404(Appeal.objects.select_related("assignment"), public_id=appeal_id)
    is_upheld = _either(request, "upheld", "dismissed")
    words = _("Ruled for the worker, who is paid.") if is_upheld else _("Ruled: the rejection stands.")
    return done(
        request,
        lambda: decide.rule(appeal=appeal, is_upheld=is_upheld, ruling=reason_in(request), by=request.user),
        words,
        "staff_appeal",
        appeal.public_id,
    )


def _either(request: HttpRequest, yes: str, no: str) -> bool:
    said = request.POST.get("decision", "")
    if said not in (yes, no):
        raise Http404
    return said == yes


# --- flags ------------------------------------------------------------------------------------------------------------


@require_safe
@for_staff
def staff_flags(request: HttpRequest) -> HttpResponse:
    """Open flags by the day on which they expire; closed ones newest first. `kind` filters."""
    show, kind = request.GET.get("show", "open"), request.GET.get("kind", "")[:40]
    rows = Flag.objects.select_related("project", "batch", "worker")
    kinds = sorted(Flag.objects.filter(state=Flag.State.OPEN).order_by().values_list("kind", flat=True).distinct())
    if kind:
        rows = rows.filter(kind=kind)
    if show == "closed":
        listed = page(rows.filter(state=Flag.State.CLOSED), ["-pk"], request.GET.get("after", ""), SIZE)
    else:
        show = "open"
        listed = page(rows.filter(state=Flag.State.OPEN), ["expires_at", "pk"], request.GET.get("after", ""), SIZE)
    return render(
        request,
        "staff/flags.html",
        {"page": listed, "show": show, "kind": kind, "kinds": [(one, Flag.WORDS.get(one, one)) for one in kinds]},
    )


@require_POST
@for_staff
def staff_flag_decide(request: HttpRequest, flag_id: uuid.UUID) -> HttpResponse:
    """Confirm or dismiss. Nothing follows by itself: a pause is a decision of its own."""
    flag = get_object_or_404(Flag.objects.select_related("worker"), public_id=flag_id)
    verdict = Flag.Verdict.CONFIRMED if _either(request, "confirmed", "dismissed") else Flag.Verdict.DISMISSED
    to: list[Any] = ["staff_worker", flag.worker.public_id] if flag.worker else ["staff_flags"]
    words = _("The flag is confirmed.") if verdict == Flag.Verdict.CONFIRMED else _("The flag is dismissed.")
    return done(
        request,
        lambda: close_flag(flag=flag, by=request.user, reason=reason_in(request), verdict=verdict),
        words,
        to[0],
        *to[1:],
    )


# --- contested known answers ------------------------------------------------------------------------------------------


@require_safe
@for_staff
def staff_keys(request: HttpRequest) -> HttpResponse:
    """Disputes of workers about how their answers are judged, oldest first, with the key beside the answer."""
    show = request.GET.get("show", "open")
    rows = Contest.objects.select_related("assignment__batch__project", "assignment__hit__data_row")
    if show == "ruled":
        listed = page(rows.exclude(state=Contest.State.OPEN), ["-pk"], request.GET.get("after", ""), SIZE)
    else:
        show = "open"
        listed = page(rows.filter(state=Contest.State.OPEN), ["pk"], request.GET.get("after", ""), SIZE)
    cases = evidence.of_contests(listed.rows)
    return render(request, "staff/keys.html", {"page": listed, "show": show, "cases": cases})


@require_POST
@for_staff
def staff_key_rule(request: HttpRequest, contest_id: uuid.UUID) -> HttpResponse:
    """Upheld, the key becomes what is typed here, or goes out of use; what it cost workers is restored."""
    contest = get_object_or_404(Contest.objects.select_related("assignment"), public_id=contest_id)
    is_upheld = _either(request, "upheld", "dismissed")

    def rule() -> None:
        keys = evidence.keys_in(request.POST, contest) if is_upheld else None
        known.rule(contest=contest, is_upheld=is_upheld, ruling=reason_in(request), by=request.user, keys=keys)

    words = _("Ruled for the worker.") if is_upheld else _("Ruled: the key stands.")
    return done(request, rule, words, "staff_keys")


# --- reported messages ------------------------------------------------------------------------------------------------


@require_safe
@for_staff
def staff_reports(request: HttpRequest) -> HttpResponse:
    """Messages that one side reported, longest waiting first; those looked at newest first."""
    show = request.GET.get("show", "open")
    rows = Message.objects.filter(reported_at__isnull=False).select_related(
        "thread__project__requester", "thread__worker", "author"
    )
    if show == "ruled":
        listed = page(rows.filter(looked_at__isnull=False), ["-pk"], request.GET.get("after", ""), SIZE)
    else:
        show = "open"
        listed = page(rows.filter(looked_at=None), ["reported_at", "pk"], request.GET.get("after", ""), SIZE)
    return render(request, "staff/reports.html", {"page": listed, "show": show})


@require_POST
@for_staff
def staff_report_rule(request: HttpRequest, message_id: uuid.UUID) -> HttpResponse:
    """Hidden from both sides, or it stands. What it says is kept for staff either way."""
    message = get_object_or_404(Message.objects.filter(reported_at__isnull=False), public_id=message_id)
    is_hidden = _either(request, "hide", "keep")
    return done(
        request,
        lambda: rule_on_report(message=message, is_hidden=is_hidden, by=request.user, reason=reason_in(request)),
        _("Hidden from both sides.") if is_hidden else _("It stands."),
        "staff_reports",
    )
