"""How the site is doing, whether the market holds together, and who did what."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.keyset import page
from core.models import Operation
from lifecycle.check_up import check_ups, start_check_up
from staff import system
from staff.causes import subject_links
from staff.doors import done, for_staff
from staff.explanations import EXPLAINED
from staff.log import log_asked
from staff.queues import queues

SIZE = 50


@require_safe
@for_staff
def staff_system(request: HttpRequest) -> HttpResponse:
    context = {
        "due": system.due_rows(),
        "beats": system.heartbeats(),
        "operations": system.operations(),
        "given_up": next(queue for queue in queues() if queue.name == "outbox"),
        "database": system.database(),
        "statements": system.slow_statements(),
        "disk": system.disk(),
        "versions": system.versions(),
        "now": timezone.now(),
    }
    return render(request, "staff/system.html", context)


# --- invariants -------------------------------------------------------------------------------------------------------


@require_safe
@for_staff
def staff_invariants(request: HttpRequest) -> HttpResponse:
    """The newest check, or the one that is asked for, and those before it."""
    runs = list(check_ups()[:20])
    asked = request.GET.get("run", "")
    run = next((one for one in runs if str(one.public_id) == asked), runs[0] if runs else None)
    findings = run.result.get("findings", []) if run else []
    for finding in findings:
        finding["explained"] = EXPLAINED.get(finding["name"], "")
        finding["columns"] = list(finding["broken"][0]) if finding["broken"] else []
        finding["rows"] = [list(row.values()) for row in finding["broken"]]
    for one in runs:
        one.broken = sum(  # type: ignore[attr-defined]
            bool(finding["broken"]) for finding in one.result.get("findings", [])
        )
    under_way = run is not None and run.state in (Operation.State.WAITING, Operation.State.RUNNING)
    context = {"runs": runs, "run": run, "findings": findings, "under_way": under_way}
    return render(request, "staff/invariants.html", context)


@require_POST
@for_staff
def staff_invariants_run(request: HttpRequest) -> HttpResponse:
    words = _("The check has begun. It goes on when you leave this page.")
    return done(request, lambda: start_check_up(by=request.user), words, "staff_invariants")


@require_safe
@for_staff
def staff_operation(request: HttpRequest, operation_id: uuid.UUID) -> HttpResponse:
    """One long piece of work, with all that is known of it."""
    operation = get_object_or_404(Operation, public_id=operation_id)
    return render(request, "staff/operation.html", {"operation": operation})


# --- the log ----------------------------------------------------------------------------------------------------------


@require_safe
@for_staff
def staff_log(request: HttpRequest) -> HttpResponse:
    """Who did what to what, and why; machines and people told apart."""
    names = ("act", "subject", "actor", "since", "until")
    asked = {name: request.GET.get(name, "").strip()[:120] for name in names}
    listed = page(log_asked(asked), ["-pk"], request.GET.get("after", ""), SIZE)
    links = subject_links(row.subject for row in listed.rows)
    for row in listed.rows:
        row.link = links.get(row.subject)
    query = urlencode({name: value for name, value in asked.items() if value})
    return render(request, "staff/log.html", {"page": listed, "asked": asked, "query": query})
