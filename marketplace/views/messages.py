"""Pages of messages: the worker's side and the requester's, which show the same thread."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.errors import DomainError
from core.pages import tell
from marketplace.models import Assignment, Membership, Message, Project, Requester, Thread
from marketplace.selectors import (
    known_projects,
    messages_in,
    projects_of,
    rating_of,
    requesters_of,
    threads_of_requesters,
    threads_of_worker,
    workers_of_project,
)
from marketplace.services import messaging
from marketplace.views.requester import for_requesters
from marketplace.views.worker import for_workers
from workers_app.models import Pseudonym, Worker
from workers_app.services.pseudonyms import code_for

PAGE = 25
READ_OR_WRITE = require_http_methods(["GET", "HEAD", "POST"])


# --- the worker's side ------------------------------------------------------------------------------------------------


@require_safe
@for_workers
def my_messages(request: HttpRequest, worker: Worker) -> HttpResponse:
    page = Paginator(threads_of_worker(worker), PAGE).get_page(request.GET.get("page"))
    context = _listed(page, for_worker=True) | {"accepts": worker.accepts_messages}
    return render(request, "messages/mine.html", context)


@READ_OR_WRITE
@for_workers
def my_message_new(request: HttpRequest, worker: Worker) -> HttpResponse:
    """Write about a project (`?project=`), or an answer given there (`&assignment=`)."""
    project = get_object_or_404(known_projects(worker), public_id=_id(request.GET.get("project")))
    assignment = _about(request, worker, project)
    if request.method == "POST":
        try:
            message = messaging.write_as_worker(
                worker=worker, project=project, body=request.POST.get("body", ""), assignment=assignment
            )
            return redirect("my_thread", message.thread.public_id)
        except DomainError as refusal:
            tell(request, refusal)
    context = {"project": project, "assignment": assignment, "body": request.POST.get("body", "")}
    return render(request, "messages/new_mine.html", context | {"longest": messaging.LONGEST})


@READ_OR_WRITE
@for_workers
def my_thread(request: HttpRequest, worker: Worker, thread_id: uuid.UUID) -> HttpResponse:
    thread = get_object_or_404(threads_of_worker(worker), public_id=thread_id)
    if request.method == "POST":
        return _answered(request, thread, "my_thread", is_by_worker=True)
    return render(request, "messages/thread_mine.html", _thread(thread, is_by_worker=True))


@require_POST
@for_workers
def my_thread_read(request: HttpRequest, worker: Worker, thread_id: uuid.UUID) -> HttpResponse:
    thread = get_object_or_404(threads_of_worker(worker), public_id=thread_id)
    messaging.mark_read(thread=thread, is_by_worker=True)
    return HttpResponse(status=204)


@require_POST
@for_workers
def my_message_report(request: HttpRequest, worker: Worker, message_id: uuid.UUID) -> HttpResponse:
    message = get_object_or_404(Message.objects.filter(thread__worker=worker), public_id=message_id)
    return _reported(request, message, "my_thread", is_by_worker=True)


# --- the requester's side ---------------------------------------------------------------------------------------------


@require_safe
@for_requesters
def studio_messages(request: HttpRequest, requester: Requester) -> HttpResponse:
    threads = threads_of_requesters(request.user).filter(project__requester=requester)
    page = Paginator(threads, PAGE).get_page(request.GET.get("page"))
    context = _listed(page, for_worker=False) | {"requester": requester, "stars": rating_of(requester)}
    return render(request, "messages/studio.html", context)


@READ_OR_WRITE
@for_requesters
def studio_message_new(request: HttpRequest, requester: Requester) -> HttpResponse:
    """Write to a worker (`?worker=` their code) of a project (`&project=`), maybe about one answer (`&assignment=`)."""
    projects = projects_of(request.user, Membership.Role.REVIEWER).select_related("requester").distinct()
    project = get_object_or_404(projects, public_id=_id(request.GET.get("project")))
    code = request.GET.get("worker", "")
    known = Pseudonym.objects.filter(scope=project.pseudonym_scope, code=code).values("worker")
    worker = get_object_or_404(workers_of_project(project), pk__in=known)
    assignment = _about(request, worker, project)
    if request.method == "POST":
        try:
            message = messaging.write_as_requester(
                worker=worker,
                project=project,
                by=request.user,
                body=request.POST.get("body", ""),
                assignment=assignment,
            )
            return redirect("studio_thread", message.thread.public_id)
        except DomainError as refusal:
            tell(request, refusal)
    context = {"project": project, "code": code, "assignment": assignment, "body": request.POST.get("body", "")}
    return render(request, "messages/new_studio.html", context | {"longest": messaging.LONGEST})


@READ_OR_WRITE
@for_requesters
def studio_thread(request: HttpRequest, requester: Requester, thread_id: uuid.UUID) -> HttpResponse:
    writing = request.method == "POST"
    thread = _theirs(request, thread_id, Membership.Role.REVIEWER if writing else Membership.Role.VIEWER)
    if writing:
        return _answered(request, thread, "studio_thread", is_by_worker=False)
    may_write = requesters_of(request.user, Membership.Role.REVIEWER).filter(pk=thread.project.requester_id).exists()
    context = _thread(thread, is_by_worker=False) | {"may_write": may_write}
    return render(request, "messages/thread_studio.html", context)


@require_POST
@for_requesters
def studio_thread_read(request: HttpRequest, requester: Requester, thread_id: uuid.UUID) -> HttpResponse:
    messaging.mark_read(thread=_theirs(request, thread_id, Membership.Role.REVIEWER), is_by_worker=False)
    return HttpResponse(status=204)


@require_POST
@for_requesters
def studio_message_report(request: HttpRequest, requester: Requester, message_id: uuid.UUID) -> HttpResponse:
    mine = threads_of_requesters(request.user, Membership.Role.REVIEWER).order_by().values("pk")
    message = get_object_or_404(Message.objects.filter(thread__in=mine), public_id=message_id)
    return _reported(request, message, "studio_thread", is_by_worker=False)


def _theirs(request: HttpRequest, thread_id: uuid.UUID, role: str) -> Thread:
    return get_object_or_404(threads_of_requesters(request.user, role), public_id=thread_id)


# --- what both have ---------------------------------------------------------------------------------------------------


def _listed(page: Any, *, for_worker: bool) -> dict[str, Any]:
    """A page of threads, each with who is on the other side and how the last message begins."""
    threads = list(page.object_list)
    last = {
        message.thread_id: message
        for message in Message.objects.filter(thread__in=threads).order_by("thread", "-pk").distinct("thread")
    }
    rows = [
        {
            "thread": row,
            "with": row.project.requester.name if for_worker else code_for(row.project.pseudonym_scope, row.worker_id),
            "last": last[row.pk],
            "is_mine": row.last_by_worker == for_worker,
            "is_unread": row.unread_by_worker if for_worker else row.unread_by_requester,
        }
        for row in threads
    ]
    return {"page": page, "rows": rows}


def _thread(thread: Thread, *, is_by_worker: bool) -> dict[str, Any]:
    return {
        "thread": thread,
        "project": thread.project,
        "code": code_for(thread.project.pseudonym_scope, thread.worker_id),
        "said": messages_in(thread),
        "by_me": is_by_worker,
        "is_unread": thread.unread_by_worker if is_by_worker else thread.unread_by_requester,
        "may_write": True,
        "longest": messaging.LONGEST,
    }


def _answered(request: HttpRequest, thread: Thread, page: str, *, is_by_worker: bool) -> HttpResponse:
    body = request.POST.get("body", "")
    try:
        messaging.answer_thread(thread=thread, by=request.user, body=body, is_by_worker=is_by_worker)
    except DomainError as refusal:
        tell(request, refusal)
    return redirect(page, thread.public_id)


def _reported(request: HttpRequest, message: Message, page: str, *, is_by_worker: bool) -> HttpResponse:
    reason = request.POST.get("reason", "")[:500]
    try:
        messaging.report_message(message=message, reason=reason, is_by_worker=is_by_worker)
    except DomainError as refusal:
        tell(request, refusal)
    else:
        messages.success(request, _("Reported. Staff look at it; they may hide it from both sides."))
    return redirect(page, message.thread.public_id)


def _about(request: HttpRequest, worker: Worker, project: Project) -> Assignment | None:
    if "assignment" not in request.GET:
        return None
    answers: QuerySet[Assignment] = worker.assignments.filter(Q(batch__project=project))
    return get_object_or_404(answers, public_id=_id(request.GET["assignment"]))


def _id(text: str | None) -> uuid.UUID:
    try:
        return uuid.UUID(text or "")
    except ValueError:
        raise Http404 from None
