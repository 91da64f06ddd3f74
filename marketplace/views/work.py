"""The work page: one HIT or a page of several, the next one at hand, and each act that a worker may do there."""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.errors import Conflict, DomainError, Invalid
from core.pages import refused
from core.templatetags.touchstone import SYMBOLS
from lifecycle.accept import accept, accept_ahead, keep, open_accepted, preview
from lifecycle.expire import return_place
from lifecycle.report import report_problem
from lifecycle.submit import submit
from marketplace import figures
from marketplace.errors import NotEligible, NoWork
from marketplace.guide import guide_of, mark_read
from marketplace.models import Answer, Assignment, Batch
from marketplace.selectors import assignments_of_worker, design_of, eligibility, may_look
from marketplace.services.accepting import Place, place_of, shown_to_lookers
from marketplace.services.drafts import keep_draft
from marketplace.services.submitting import take_back
from marketplace.showing import frame_of, show_item
from marketplace.views.worker import for_workers, open_places, open_to
from marketplace.widgets import read_form
from quality.services.suggesting import draw_suggestion, shown_on
from quality.services.training import training_of
from workers_app.models import Worker

State = Assignment.State
#: So long after its deadline an answer that was not sent can still be looked at, and handed in late.
LATE_FOR = timedelta(hours=24)
#: A place that lapsed may have been shown: to a page that had lost its connection.
OVER = (State.EXPIRED, State.LAPSED)
KEY = re.compile(r"[A-Za-z0-9-]{8,60}")
VIEWS = {
    "page": "work_page",
    "submit": "work_submit",
    "open": "work_open",
    "renew": "work_renew",
    "give_back": "work_return",
    "undo": "work_undo",
    "draft": "work_draft",
    "report": "work_report",
}


# --- taking a place ---------------------------------------------------------------------------------------------------


@require_POST
@for_workers
def start_work(request: HttpRequest, worker: Worker, batch_id: uuid.UUID) -> HttpResponse:
    """Take a page of places, or go on with those that are held already."""
    batch = get_object_or_404(open_to(worker), public_id=batch_id)
    return _on(request, worker, batch)


@require_POST
@for_workers
def work_preview(request: HttpRequest, worker: Worker, batch_id: uuid.UUID) -> HttpResponse:
    """Look at the HIT that one would get, before its time begins."""
    batch = get_object_or_404(open_to(worker), public_id=batch_id)
    try:
        shown = preview(worker=worker, batch=batch)
        draw_suggestion(assignment_id=shown.pk, hit_id=shown.hit_id, worker_id=worker.pk, batch=batch)
        return redirect("work_page", shown.public_id)
    except DomainError as refusal:
        if isinstance(refusal, NotEligible) and may_look(eligibility(worker, batch)):
            return redirect("work_look", batch.public_id)
        messages.info(request, refusal.message)
        return redirect(list_of(batch))


@require_safe
@for_workers
def work_look(request: HttpRequest, worker: Worker, batch_id: uuid.UUID) -> HttpResponse:
    """What work is like that one cannot take yet: a HIT with room, the same for everybody, and no place on it."""
    batch = get_object_or_404(open_to(worker), public_id=batch_id)
    closed = eligibility(worker, batch)
    place = shown_to_lookers(batch) if closed and may_look(closed) else None
    if place is None:
        refusal = NotEligible(" ".join(f"{r.message} {r.remedy}".strip() for r in closed)) if closed else NoWork()
        messages.info(request, refusal.message)
        return redirect(list_of(batch))
    return _page(request, worker, batch, place, [_stage(request, place, batch)], is_preview=True, closed=closed)


def _on(request: HttpRequest, worker: Worker, batch: Batch) -> HttpResponse:
    """To the oldest place that is held; as many more are taken as a page of this batch shows."""
    held = [one.public_id for one in open_places(worker).filter(batch=batch).order_by("pk").only("public_id")]
    try:
        while len(held) < design_of(batch).rules.page_size:
            held.append(_drawn(accept(worker=worker, batch=batch), worker, batch).public_id)
    except DomainError as refusal:
        if not held:
            messages.info(request, refusal.message)
            return redirect(list_of(batch))
    return redirect("work_page", held[0])


def list_of(batch: Batch) -> str:
    """Where a worker goes when nothing is left: the list of work, or from a trial its page."""
    if batch.project.trial_of_id is None:
        return reverse("find_work")
    return reverse("studio_trial", args=[batch.project.trial_of.public_id])  # type: ignore[union-attr]


@require_POST
@for_workers
def work_next(request: HttpRequest, worker: Worker, batch_id: uuid.UUID) -> HttpResponse:
    """The next page of HITs, ahead of time, for a page that is open: leases that lapse if they are never opened.

    `keys` names each place that the page wants: asked again after a lost answer, or after the page was loaded again, a
    key brings the same place.
    """
    batch = get_object_or_404(open_to(worker), public_id=batch_id)
    keys = _keys(request)[: design_of(batch).rules.page_size]
    median = figures.pay_of(batch).seconds or 0
    found: list[Place] = []
    told: dict[str, Any] = {"code": None}
    try:
        for key in keys:
            found.append(_drawn(_ahead(worker, batch, key, median), worker, batch))
    except DomainError as refusal:
        # Nothing to show ahead is no fault of the page: it goes on with what it has.
        told = {"code": refusal.code, "detail": refusal.message}
    # Its time begins when it is opened, and is the batch's then.
    opened = {"left": batch.assignment_seconds}
    html = [render_to_string("work/stage.html", _stage(request, place, batch) | opened, request) for place in found]
    return JsonResponse({"ids": [str(place.public_id) for place in found], "html": html, **told})


def _keys(request: HttpRequest) -> list[str | None]:
    try:
        asked = orjson.loads(request.body)["keys"]
        return [key if isinstance(key, str) and KEY.fullmatch(key) else None for key in asked]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return [None]


def _drawn(place: Place, worker: Worker, batch: Batch) -> Place:
    """The place; what its worker is shown beside the item is decided now."""
    draw_suggestion(assignment_id=place.assignment_id, hit_id=place.hit_id, worker_id=worker.pk, batch=batch)
    return place


def _ahead(worker: Worker, batch: Batch, key: str | None, median: float) -> Place:
    place = accept_ahead(worker=worker, batch=batch, key=key, median_seconds=median)
    if key is None:
        return place
    own = Assignment.objects.filter(pk=place.assignment_id, state=State.ACCEPTED, deadline__gt=timezone.now())
    # A key whose place is gone meanwhile stands for nothing: another place is taken.
    return place if own.exists() else accept_ahead(worker=worker, batch=batch, median_seconds=median)


# --- the page ---------------------------------------------------------------------------------------------------------


@require_safe
@for_workers
def work_page(request: HttpRequest, worker: Worker, assignment_id: uuid.UUID) -> HttpResponse:
    assignment = _mine(worker, assignment_id)
    last = assignment.answers.order_by("-version").first() if assignment.state != State.ACCEPTED else None
    if not _can_be_answered(assignment, last):
        messages.info(request, _("That one is handed in or given back. Choose what to do next."))
        return redirect(list_of(assignment.batch))
    stages = [_stage_of(request, one, last if one == assignment else None) for one in _sheet(worker, assignment)]
    return _page(
        request,
        worker,
        assignment.batch,
        place_of(assignment),
        stages,
        is_preview=assignment.is_ahead and assignment.state == State.ACCEPTED,
        note_back=assignment.decision_reason if assignment.state == State.REVISING else "",
    )


def _page(
    request: HttpRequest, worker: Worker, batch: Batch, place: Place, stages: list[dict[str, Any]], **more: Any
) -> HttpResponse:
    design = design_of(batch)
    requester = batch.project.requester
    context = {
        "list": list_of(batch),
        "stages": stages,
        "project": batch.project,
        "batch": batch,
        "place": place,
        "urls": {"next": reverse("work_next", args=[batch.public_id])},
        "page_size": design.rules.page_size,
        "currency": requester.currency,
        "currency_sign": SYMBOLS.get(requester.currency, f"{requester.currency} "),
        "today": figures.today_of(worker),
        "guide": guide_of(batch, worker),
        "practice": training_of(batch.project).exists(),
        "undo_seconds": design.rules.undo_seconds,
        "reasons": Assignment.ReturnReason.choices,
        **more,
    }
    return render(request, "work/page.html", context)


def _can_be_answered(assignment: Assignment, last: Answer | None) -> bool:
    if assignment.state == State.SUBMITTED:
        return last is not None and last.final_at > timezone.now()
    if assignment.state in OVER:
        return last is None and assignment.deadline > timezone.now() - LATE_FOR
    return assignment.state in (State.ACCEPTED, State.REVISING)


def _sheet(worker: Worker, first: Assignment) -> list[Assignment]:
    """`first`, and where a page holds several HITs those that are open beside it."""
    size = design_of(first.batch).rules.page_size
    if size == 1 or first.state != State.ACCEPTED or first.is_ahead:
        return [first]
    beside = open_places(worker).filter(batch=first.batch_id).exclude(pk=first.pk)
    rows = beside.select_related("batch__project__requester", "hit__data_row", "draft")
    return [first, *rows.order_by("pk")[: size - 1]]


def _stage_of(request: HttpRequest, assignment: Assignment, last: Answer | None) -> dict[str, Any]:
    """The stage of a place on this page: with the answer that was given before, and with what is typed so far."""
    stage = _stage(request, place_of(assignment), assignment.batch, (last.data or {}).get("answers") if last else None)
    if draft := getattr(assignment, "draft", None):
        stage["draft"] = orjson.dumps([int(draft.saved_at.timestamp() * 1000), draft.fields]).decode()
    if last and assignment.state == State.SUBMITTED:
        stage |= {"is_changing": True, "left": max(0, round((last.final_at - timezone.now()).total_seconds()))}
    elif assignment.state == State.REVISING:
        stage["left"] = max(0, round(_left(assignment)))
    return stage


def _left(assignment: Assignment) -> float:
    """Seconds to the end of a place's time; an answer that was sent back may be changed until it is decided."""
    is_back = assignment.state == State.REVISING and assignment.decide_at is not None
    return ((assignment.decide_at if is_back else assignment.deadline) - timezone.now()).total_seconds()  # type: ignore[operator]


def _stage(request: HttpRequest, place: Place, batch: Batch, answers: dict[str, Any] | None = None) -> dict[str, Any]:
    """What `work/stage.html` needs: the same for every place; `answers` are those that were given before."""
    design = design_of(batch)
    frame = frame_of(request, place)
    suggested = shown_on(place.assignment_id) if answers is None else {}
    shown = show_item(design, place.data, batch.project.requester_id, answers or suggested or None)
    return {
        "place": place,
        "frame": frame,
        "left": max(0, round((place.deadline - timezone.now()).total_seconds())),
        "content": "" if frame else shown.content,
        "is_suggested": bool(suggested),
        # On a page of several HITs each has ids of its own.
        "widgets": []
        if frame
        else [replace(widget, number=f"{widget.number}-{place.public_id}") for widget in shown.widgets],
        "page_size": design.rules.page_size,
        "urls": {name: reverse(view, args=[place.public_id]) for name, view in VIEWS.items()},
    }


def _mine(worker: Worker, assignment_id: uuid.UUID) -> Assignment:
    mine = assignments_of_worker(worker).select_related("batch__project__requester", "hit__data_row", "draft")
    return get_object_or_404(mine, public_id=assignment_id)


# --- acts -------------------------------------------------------------------------------------------------------------


@require_POST
@for_workers
def work_open(request: HttpRequest, worker: Worker, assignment_id: uuid.UUID) -> HttpResponse:
    """The page shows it now: the deadline starts. Asked again, it says how much time is left."""
    assignment = open_accepted(assignment=_mine(worker, assignment_id))
    if request.content_type != "application/json":  # taken after a preview
        return redirect("work_page", assignment.public_id)
    left = _left(assignment)
    if assignment.state in OVER or (assignment.state == State.ACCEPTED and left <= 0):
        return refused(Conflict(_("The time for this answer is over."), code="deadline_passed"))
    if assignment.state not in (State.ACCEPTED, State.REVISING):
        return refused(Conflict(_("That one is handed in or given back."), code="gone"))
    return JsonResponse({"deadline": int(assignment.deadline.timestamp()), "left": round(left)})


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
        return _on(request, worker, assignment.batch)
    left = (receipt.final_at - timezone.now()).total_seconds()
    return JsonResponse(
        {
            "sha256": receipt.sha256,
            "version": receipt.version,
            "final_at": receipt.final_at.isoformat(),
            "left": max(0.0, round(left, 1)),
            "is_late": receipt.is_late,
            "has_place": receipt.has_place,
        }
    )


def _form_as_json(request: HttpRequest, assignment: Assignment) -> bytes:
    design = design_of(assignment.batch)
    if why := request.POST.get("cannot_answer"):
        return orjson.dumps({"cannot_answer": why})
    try:
        return orjson.dumps({"answers": read_form(design.schema, assignment.hit.data_row.data, request.POST)})
    except Invalid:
        return b"{}"  # the data does not fit the questions: submit says so


@require_POST
@for_workers
def work_undo(request: HttpRequest, worker: Worker, assignment_id: uuid.UUID) -> HttpResponse:
    """Take an answer back to change it, while it is not final: how long there is for it."""
    try:
        until = take_back(assignment=_mine(worker, assignment_id))
    except DomainError as refusal:
        return refused(refusal)
    return JsonResponse({"left": round((until - timezone.now()).total_seconds(), 1)})


@require_POST
@for_workers
def work_draft(request: HttpRequest, worker: Worker, assignment_id: uuid.UUID) -> HttpResponse:
    """Keep what is typed so far."""
    assignment = _mine(worker, assignment_id)
    try:
        kept_at = keep_draft(assignment=assignment, fields=orjson.loads(request.body).get("fields"))
    except (orjson.JSONDecodeError, AttributeError):
        return refused(Invalid(errors={"body": "Send an object with `fields`."}))
    except DomainError as refusal:
        return refused(refusal)
    return JsonResponse({"saved_at": int(kept_at.timestamp() * 1000)})


@require_POST
@for_workers
def work_report(request: HttpRequest, worker: Worker, assignment_id: uuid.UUID) -> HttpResponse:
    """Tell of a problem and go on with the answer."""
    assignment = _mine(worker, assignment_id)
    try:
        reason, note, _then = _why(request)
        report_problem(assignment=assignment, reason=reason, note=note)
    except DomainError as refusal:
        return refused(refusal)
    return HttpResponse(status=204)


@require_POST
@for_workers
def work_return(request: HttpRequest, worker: Worker, assignment_id: uuid.UUID) -> HttpResponse:
    """Give a HIT back: skipped, reported, or because one stops."""
    assignment = _mine(worker, assignment_id)
    is_form = request.content_type != "application/json"
    then = ""
    try:
        reason, note, then = _why(request)
        return_place(assignment=assignment, reason=reason, note=note)
    except DomainError as refusal:
        if not is_form:
            return refused(refusal)
        messages.warning(request, refusal.message)
    if not is_form:
        return HttpResponse(status=204)
    if then == "queue":
        return redirect("my_queue")
    return redirect(list_of(assignment.batch)) if then == "list" else _on(request, worker, assignment.batch)


def _why(request: HttpRequest) -> tuple[str, str, str]:
    """Reason, note, and where to go then: of JSON, or of a form.

    Raises
    ------
    Invalid
    """
    try:
        sent = orjson.loads(request.body) if request.content_type == "application/json" else request.POST
        return str(sent.get("reason") or "other"), str(sent.get("note") or "")[:500], str(sent.get("then") or "")
    except (orjson.JSONDecodeError, AttributeError):
        raise Invalid(errors={"body": "Send an object with `reason`."}) from None


@require_POST
@for_workers
def work_read(request: HttpRequest, worker: Worker, batch_id: uuid.UUID) -> HttpResponse:
    """The worker has read what changed in the instructions."""
    batch = get_object_or_404(open_to(worker), public_id=batch_id)
    mark_read(worker=worker, batch=batch)
    if request.content_type == "application/json":
        return HttpResponse(status=204)
    return _on(request, worker, batch)
