"""Pages of a worker: the list of work, and the work page."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import orjson
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from core import money
from core.errors import Conflict, DomainError, Invalid
from core.pages import View, refused
from core.templatetags.touchstone import SYMBOLS
from lifecycle.accept import accept, accept_ahead, keep, open_accepted
from lifecycle.expire import return_place
from lifecycle.submit import submit
from marketplace import figures
from marketplace.models import Assignment, Batch, Participation, Project
from marketplace.selectors import Closed, assignments_of_worker, closed_to, design_of, designs_of, offered_to
from marketplace.services.accepting import Place, place_of
from marketplace.showing import show_item
from marketplace.templating import render_markdown
from marketplace.widgets import read_form
from workers_app.models import Worker

PAGE = 20
OPEN_TO_ALL = (Project.Audience.PUBLIC, Project.Audience.VOLUNTEERS)
KINDS = {
    "categorical": gettext_lazy("one choice"),
    "multilabel": gettext_lazy("several choices"),
    "ordinal": gettext_lazy("a scale"),
    "number": gettext_lazy("a number"),
    "text": gettext_lazy("writing"),
    "pairwise": gettext_lazy("comparing two"),
}


def for_workers(view: View) -> View:
    """A view of someone who works here; others are led to where they can start."""

    @wraps(view)
    @login_required
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        worker = Worker.objects.filter(user=request.user).select_related("user").first()  # type: ignore[misc]
        if worker is None:
            if request.method == "POST":
                raise Http404
            return redirect("enter", "worker")
        return view(request, worker, *args, **kwargs)

    return checked


# --- the list of work -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """One batch in the list, as it is for this worker."""

    batch: Batch
    closed: list[Closed]
    pay: figures.Pay
    left: int
    done_today: int
    kinds: str
    approves: int
    held: Assignment | None

    @property
    def needs_quiz(self) -> bool:
        return [reason.code for reason in self.closed] == ["quiz"]

    @property
    def is_closed(self) -> bool:
        return bool(self.closed) and not self.needs_quiz

    @property
    def currency(self) -> str:
        return self.batch.project.requester.currency


@require_safe
@for_workers
def find_work(request: HttpRequest, worker: Worker) -> HttpResponse:
    page = Paginator(_listed(request, worker), PAGE).get_page(request.GET.get("page"))
    jobs = _jobs(worker, page.object_list)
    jobs = [job for job in jobs if not job.is_closed or request.GET.get("closed") != "hide"]
    if request.GET.get("sort") == "new":
        jobs.sort(key=lambda job: job.is_closed)
    else:
        jobs.sort(key=lambda job: (job.is_closed, -(job.pay.hourly or 0)))
    floor = money.parse(settings.HOURLY_FLOOR)
    context = {
        "jobs": jobs,
        "page": page,
        "today": figures.today_of(worker),
        "query": request.GET.get("q", ""),
        "sort": request.GET.get("sort", "pay"),
        "hides_closed": request.GET.get("closed") == "hide",
        "floor": floor,
        "currency": settings.LEDGER_CURRENCY,
        "scale": round(max([2.5 * floor, *(1.1 * (job.pay.high or job.pay.hourly or 0) for job in jobs)])),
        "is_done": "done" in request.GET,
        "sent_back": assignments_of_worker(worker)
        .filter(state=Assignment.State.REVISING)
        .select_related("batch__project")
        .order_by("decide_at"),
    }
    return render(request, "work/find.html", context)


def _listed(request: HttpRequest, worker: Worker) -> QuerySet[Batch]:
    """Open batches of everybody's, and those for members of an organisation of this worker's."""
    found = offered_to(worker)
    if words := request.GET.get("q", "").strip()[:80]:
        by_name = Project.objects.filter(name__icontains=words) | Project.objects.filter(
            requester__name__icontains=words
        )
        found = found.filter(project__in=by_name)
    return found.order_by("-published_at", "pk")


def _jobs(worker: Worker, batches: Iterable[Batch]) -> list[Job]:
    """Each of these batches as it is for this worker, in a number of queries that does not grow with them."""
    batches = list(batches)
    mine = {row.batch_id: row for row in Participation.objects.filter(worker=worker, batch__in=batches)}
    held = {row.batch_id: row for row in _open_places(worker).filter(batch__in=batches).order_by("pk")}
    designs, closed = designs_of(batches), closed_to(worker, batches)
    pays, left, today = figures.pays_of(batches), figures.lefts_in(batches), timezone.now().date()
    jobs = []
    for batch in batches:
        participation, design = mine.get(batch.pk), designs[batch.pk]
        worked_today = participation is not None and participation.today == today
        kinds = dict.fromkeys(str(KINDS[question.kind]) for question in design.schema)
        jobs.append(
            Job(
                batch=batch,
                closed=closed[batch.pk],
                pay=pays[batch.pk],
                left=left[batch.pk],
                done_today=participation.taken_today if participation and worked_today else 0,
                kinds=", ".join(kinds),
                approves=design.rules.auto_approve_seconds,
                held=held.get(batch.pk),
            )
        )
    return jobs


def _open_places(worker: Worker) -> QuerySet[Assignment]:
    """Places that were opened and not answered yet: to go on where one stopped."""
    held = assignments_of_worker(worker).filter(state=Assignment.State.ACCEPTED, is_ahead=False)
    return held.filter(deadline__gt=timezone.now())


def _held(worker: Worker, batch: Batch) -> Assignment | None:
    return _open_places(worker).filter(batch=batch).order_by("-pk").first()


# --- the work page ----------------------------------------------------------------------------------------------------


@require_POST
@for_workers
def start_work(request: HttpRequest, worker: Worker, batch_id: uuid.UUID) -> HttpResponse:
    """Take a place, or the one that is held already, and go to it."""
    batch = get_object_or_404(open_to(worker), public_id=batch_id)
    if held := _held(worker, batch):
        return redirect("work_page", held.public_id)
    try:
        place = accept(worker=worker, batch=batch)
    except DomainError as refusal:
        messages.warning(request, refusal.message)
        return redirect("find_work")
    return redirect("work_page", place.public_id)


def open_to(worker: Worker) -> QuerySet[Batch]:
    """Batches that a worker may know of. Whether they may work there, the claim says."""
    batches = Batch.objects.exclude(state__in=[Batch.State.DRAFT, Batch.State.PUBLISHING])
    mine = worker.user.memberships.values("requester_id")
    found = batches.filter(project__audience__in=OPEN_TO_ALL) | batches.filter(project__requester__in=mine)
    return found.select_related("project__requester")


def _mine(worker: Worker, assignment_id: uuid.UUID) -> Assignment:
    mine = assignments_of_worker(worker).select_related("batch__project__requester", "hit__data_row")
    return get_object_or_404(mine, public_id=assignment_id)


@require_safe
@for_workers
def work_page(request: HttpRequest, worker: Worker, assignment_id: uuid.UUID) -> HttpResponse:
    assignment = _mine(worker, assignment_id)
    if assignment.state not in (Assignment.State.ACCEPTED, Assignment.State.REVISING):
        messages.info(request, _("That one is handed in or given back. Choose what to do next."))
        return redirect("find_work")
    batch = assignment.batch
    design = design_of(batch)
    requester = batch.project.requester
    before = assignment.answers.order_by("-version").first() if assignment.state == Assignment.State.REVISING else None
    context = _stage(place_of(assignment), batch, (before.data or {}).get("answers") if before else None) | {
        "project": batch.project,
        "currency": requester.currency,
        "currency_sign": SYMBOLS.get(requester.currency, f"{requester.currency} "),
        "today": figures.today_of(worker),
        "instructions": render_markdown(design.instructions) if design.instructions else "",
        "undo_seconds": design.rules.undo_seconds,
        "reasons": Assignment.ReturnReason.choices,
        "note_back": assignment.decision_reason if assignment.state == Assignment.State.REVISING else "",
        # Keeps what two people type in one browser apart; says nothing about either.
        "worker_key": hashlib.sha256(f"shelf:{worker.public_id}".encode()).hexdigest()[:12],
    }
    return render(request, "work/page.html", context)


def _stage(place: Place, batch: Batch, answers: dict[str, Any] | None = None) -> dict[str, Any]:
    """What `work/stage.html` needs: the same for every place; `answers` are those that were sent back."""
    shown = show_item(design_of(batch), place.data, batch.project.requester_id, answers)
    of_place = {
        name: reverse(view, args=[place.public_id])
        for name, view in {
            "page": "work_page",
            "submit": "work_submit",
            "open": "work_open",
            "renew": "work_renew",
            "give_back": "work_return",
        }.items()
    }
    return {
        "place": place,
        "content": shown.content,
        "widgets": shown.widgets,
        "urls": of_place | {"next": reverse("work_next", args=[batch.public_id])},
    }


@require_POST
@for_workers
def work_next(request: HttpRequest, worker: Worker, batch_id: uuid.UUID) -> HttpResponse:
    """The next HIT, ahead of time, for a page that is open: a lease that lapses if it is never opened."""
    batch = get_object_or_404(open_to(worker), public_id=batch_id)
    try:
        place = accept_ahead(worker=worker, batch=batch, median_seconds=figures.pay_of(batch).seconds or 0)
    except DomainError as refusal:
        # Nothing to show ahead is no fault of the page: it goes on with what it has.
        return JsonResponse({"html": None, "code": refusal.code, "detail": refusal.message})
    html = render_to_string("work/stage.html", _stage(place, batch), request)
    return JsonResponse({"id": str(place.public_id), "html": html})


@require_POST
@for_workers
def work_open(request: HttpRequest, worker: Worker, assignment_id: uuid.UUID) -> HttpResponse:
    """The page shows it now: the deadline starts."""
    assignment = open_accepted(assignment=_mine(worker, assignment_id))
    if assignment.state not in (Assignment.State.ACCEPTED, Assignment.State.SUBMITTED, Assignment.State.REVISING):
        return refused(Conflict(_("The time for this answer is over.")))
    return JsonResponse({"deadline": int(assignment.deadline.timestamp())})


@require_POST
@for_workers
def work_renew(request: HttpRequest, worker: Worker, assignment_id: uuid.UUID) -> HttpResponse:
    if not keep(assignment=_mine(worker, assignment_id)):
        return refused(Conflict(_("It went back to the others.")))
    return HttpResponse(status=204)


@require_POST
@for_workers
def work_submit(request: HttpRequest, worker: Worker, assignment_id: uuid.UUID) -> HttpResponse:
    """Hand in an answer: JSON from the script, or the form itself where there is none."""
    assignment = _mine(worker, assignment_id)
    is_form = request.content_type != "application/json"
    raw = _form_as_json(request, assignment) if is_form else request.body
    try:
        receipt = submit(assignment=assignment, raw=raw)
    except DomainError as refusal:
        if not is_form:
            return refused(refusal)
        messages.error(request, " ".join(refusal.errors.values()) or refusal.message)
        return redirect("work_page", assignment.public_id)
    if is_form:
        return _to_the_next(request, worker, assignment.batch)
    return JsonResponse(
        {"sha256": receipt.sha256, "version": receipt.version, "final_at": receipt.final_at.isoformat()}
    )


def _form_as_json(request: HttpRequest, assignment: Assignment) -> bytes:
    design = design_of(assignment.batch)
    try:
        return orjson.dumps({"answers": read_form(design.schema, assignment.hit.data_row.data, request.POST)})
    except Invalid:
        return b"{}"  # the data does not fit the questions: submit says so


@require_POST
@for_workers
def work_return(request: HttpRequest, worker: Worker, assignment_id: uuid.UUID) -> HttpResponse:
    """Give a HIT back: skipped, reported, or because one stops."""
    assignment = _mine(worker, assignment_id)
    is_form = request.content_type != "application/json"
    try:
        sent = request.POST if is_form else orjson.loads(request.body)
        reason, note = str(sent.get("reason") or "other"), str(sent.get("note") or "")[:500]
    except (orjson.JSONDecodeError, AttributeError):
        return refused(Invalid(errors={"body": "Send an object with `reason`."}))
    try:
        return_place(assignment=assignment, reason=reason, note=note)
    except DomainError as refusal:
        if not is_form:
            return refused(refusal)
        messages.warning(request, refusal.message)
    if not is_form:
        return HttpResponse(status=204)
    if sent.get("then") == "list":
        return redirect("find_work")
    return _to_the_next(request, worker, assignment.batch)


def _to_the_next(request: HttpRequest, worker: Worker, batch: Batch) -> HttpResponse:
    try:
        return redirect("work_page", accept(worker=worker, batch=batch).public_id)
    except DomainError as refusal:
        messages.info(request, refusal.message)
        return redirect("find_work")
