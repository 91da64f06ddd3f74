"""Staff look at workers: what flags say, what the figures are, the evidence, and what was decided."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.errors import Conflict, DomainError
from core.models import Operation
from core.notes import add_note, notes_on
from core.pages import tell
from lifecycle.hold import hold_worker, lift_hold
from lifecycle.weigh import KIND, weigh_worker
from marketplace.models import Project
from quality.estimators.gold import ALARM, BOUND
from quality.models import Flag, WorkerReliability
from quality.services.watching import keep_paused, pause_worker, reinstate_worker
from staff import audit
from staff.doors import for_staff, reason_in
from staff.workers import SHOWS, SORTS, found_workers, look_behind, page_of_workers
from workers_app.models import Worker


@require_safe
@for_staff
def staff_workers(request: HttpRequest) -> HttpResponse:
    """Workers by state, project and name; by when they joined, what they did or how well."""
    show, sort = request.GET.get("show", "look"), request.GET.get("sort", "newest")
    words = request.GET.get("q", "").strip()[:60]
    show = "all" if words and "show" not in request.GET else show if show in SHOWS else "look"
    sort = sort if sort in SORTS else "newest"
    project = _project(request.GET.get("project", ""))
    project_id = project.pk if project else None
    workers = found_workers(show=show, words=words, project_id=project_id)
    query = {"show": show, "sort": sort, "q": words, "project": str(project.public_id) if project else ""}
    context = {
        "page": page_of_workers(workers, sort=sort, after=request.GET.get("after", ""), project_id=project_id),
        "shows": SHOWS,
        "sorts": SORTS,
        "show": show,
        "sort": sort,
        "words": words,
        "project": project,
        "query": urlencode({name: value for name, value in query.items() if value}),
    }
    return render(request, "staff/workers.html", context)


def _project(public_id: str) -> Project | None:
    try:
        return Project.objects.filter(public_id=uuid.UUID(public_id)).first()
    except ValueError:
        return None


@require_safe
@for_staff
def staff_worker(request: HttpRequest, worker_id: uuid.UUID) -> HttpResponse:
    return _worker_page(request, get_object_or_404(Worker, public_id=worker_id))


def _worker_page(request: HttpRequest, worker: Worker, **more: Any) -> HttpResponse:
    projects = list(Project.objects.filter(reliabilities__worker=worker).distinct().select_related("requester"))
    asked = request.GET.get("project", "") or request.POST.get("project", "")
    project = next((one for one in projects if str(one.public_id) == asked), projects[0] if projects else None)
    flags = Flag.objects.filter(worker=worker).select_related("project", "batch")
    context: dict[str, Any] = {
        "worker": worker,
        "projects": projects,
        "project": project,
        "flags": flags.filter(state=Flag.State.OPEN).order_by("expires_at")[:20],
        "closed": flags.filter(state=Flag.State.CLOSED).order_by("-pk")[:10],
        "decisions": audit.decisions_on(worker),
        "timeline": audit.timeline_of(worker),
        "notes": notes_on(f"worker:{worker.pk}")[:20],
        "bound": BOUND,
        "alarm": ALARM,
    }
    if project:
        evidence = audit.evidence_of(worker, project)
        copying = audit.copying_of(worker, project, request.GET.get("question", ""), request.GET.get("with", ""))
        if copying and copying.closest:
            context |= {"odds": audit.odds(copying.closest.tail), "corrected": audit.odds(copying.closest.corrected)}
        subject = f"worker:{worker.pk}:project:{project.pk}"
        weighing = Operation.objects.filter(kind=KIND, subject=subject, state__in=["waiting", "running"]).first()
        context |= {
            "evidence": evidence,
            "is_paused": any(one.row.state == WorkerReliability.State.PAUSED for one in evidence),
            "is_ignored": any(one.row.ignored_at for one in evidence),
            "weighing": weighing,
            "currency": project.requester.currency,
            "sums": audit.sums_of(worker, project),
            "paces": audit.pace_of(worker, project),
            "copying": copying,
        }
    return render(request, "staff/worker.html", {**context, **more})


# --- acts: each with a reason that the worker reads -------------------------------------------------------------------


def _paused(do: Callable[..., list[Any]]) -> Callable[..., Any]:
    """An act on a pause that is there."""

    def decide(**said: Any) -> None:
        if not do(**said):
            raise Conflict(_("There is no pause to decide on. Nothing was changed."), code="not_paused")

    return decide


#: Act -> what it does in one project.
IN_PROJECT: dict[str, Callable[..., Any]] = {
    "pause": pause_worker,
    "reinstate": _paused(reinstate_worker),
    "keep": _paused(keep_paused),
    "ignore": lambda **said: weigh_worker(counts=False, **said),
    "count": lambda **said: weigh_worker(counts=True, **said),
}
EVERYWHERE: dict[str, Callable[..., Any]] = {"hold": hold_worker, "lift": lift_hold}


@require_POST
@for_staff
def staff_worker_decide(request: HttpRequest, worker_id: uuid.UUID) -> HttpResponse:
    """A person decides, with a reason that the worker reads. No rule gets here."""
    worker = get_object_or_404(Worker, public_id=worker_id)
    act, reason = request.POST.get("act", ""), reason_in(request)
    project = _project(request.POST.get("project", ""))
    if act not in {*IN_PROJECT, *EVERYWHERE} or (act in IN_PROJECT and project is None):
        raise Http404
    try:
        if not reason:
            raise Conflict(_("Say why: the worker reads it. Nothing was changed."), code="no_reason")
        if act in EVERYWHERE:
            EVERYWHERE[act](worker=worker, by=request.user, reason=reason)
        else:
            IN_PROJECT[act](project=project, worker=worker, by=request.user, reason=reason)
    except DomainError as refusal:
        tell(request, refusal)
    else:
        messages.success(request, _("Decided, and written down. The worker reads your reason."))
    to = reverse("staff_worker", args=[worker.public_id])
    return redirect(f"{to}?project={project.public_id}" if project else to)


@require_POST
@for_staff
def staff_worker_note(request: HttpRequest, worker_id: uuid.UUID) -> HttpResponse:
    worker = get_object_or_404(Worker, public_id=worker_id)
    try:
        add_note(subject=f"worker:{worker.pk}", by=request.user, text=request.POST.get("text", ""))
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("staff_worker", worker.public_id)


@require_POST
@for_staff
def staff_worker_account(request: HttpRequest, worker_id: uuid.UUID) -> HttpResponse:
    """Shows the account behind a number, once, for a reason that is written down."""
    worker = get_object_or_404(Worker.objects.select_related("user"), public_id=worker_id)
    try:
        look_behind(worker=worker, by=request.user, reason=reason_in(request))
    except DomainError as refusal:
        tell(request, refusal)
        return redirect("staff_worker", worker.public_id)
    return _worker_page(request, worker, account=worker.user)
