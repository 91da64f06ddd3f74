"""Qualifications: what a worker holds and can ask for; what an organisation has made, and who asks for it."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.errors import DomainError, Invalid
from core.pages import tell
from lifecycle import qualify
from marketplace.models import Membership, Requester
from marketplace.selectors import qualifications_of, requestable, requesters_of, requests_of
from marketplace.views.requester import for_requesters
from marketplace.views.worker import for_workers
from workers_app.models import Grant, Pseudonym, Qualification, QualificationRequest, Worker
from workers_app.services.granting import change_qualification, create_qualification
from workers_app.services.pseudonyms import code_for
from workers_app.services.requesting import withdraw_request

PAGE = 25
#: Holders of one qualification that the page names; the API pages through all.
HOLDERS = 50
State = QualificationRequest.State


# --- the worker's side ------------------------------------------------------------------------------------------------


@require_safe
@for_workers
def my_qualifications(request: HttpRequest, worker: Worker) -> HttpResponse:
    asked = worker.qualification_requests.select_related("qualification__requester").order_by("-pk")[:PAGE]
    waiting = worker.qualification_requests.filter(state=State.OPEN).values("qualification")
    offered = requestable().exclude(grants__worker=worker).exclude(pk__in=waiting).select_related("requester")
    if wanted := _uuid(request.GET.get("q", "")):  # as a closed batch leads here
        offered = offered.filter(public_id=wanted)
    held = worker.grants.exclude(qualification__kind=Qualification.Kind.LIST)
    context = {
        "held": held.select_related("qualification__requester").order_by("-granted_at", "-pk"),
        "asked": asked,
        "page": Paginator(offered.order_by("name", "pk"), PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "me/qualifications.html", context)


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


@require_POST
@for_workers
def ask_qualification(request: HttpRequest, worker: Worker, qualification_id: uuid.UUID) -> HttpResponse:
    qualification = get_object_or_404(requestable(), public_id=qualification_id)
    try:
        qualify.ask(worker=worker, qualification=qualification, note=request.POST.get("note", ""))
    except DomainError as refusal:
        tell(request, refusal)
    else:
        messages.success(request, _("Asked for. You hear of the answer here."))
    return redirect("my_qualifications")


@require_POST
@for_workers
def withdraw_qualification(request: HttpRequest, worker: Worker, request_id: uuid.UUID) -> HttpResponse:
    try:
        withdraw_request(request=get_object_or_404(worker.qualification_requests, public_id=request_id))
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("my_qualifications")


# --- the organisation's side ------------------------------------------------------------------------------------------


@require_safe
@for_requesters
def studio_qualifications(request: HttpRequest, requester: Requester) -> HttpResponse:
    newest = Grant.objects.order_by("-pk")[:HOLDERS]
    made = (
        requester.qualifications.annotate(holders=Count("grants"))
        .prefetch_related(Prefetch("grants", newest, to_attr="newest"))
        .order_by("name", "pk")
    )
    page = Paginator(made, PAGE).get_page(request.GET.get("page"))
    scope = f"requester:{requester.pk}"
    holders_of: dict[int, list[Grant]] = {row.pk: getattr(row, "newest") for row in page.object_list}  # noqa: B009
    rows = [
        (row, [(code_for(scope, grant.worker_id), grant) for grant in holders_of[row.pk]]) for row in page.object_list
    ]
    waiting = requests_of(request.user).filter(qualification__requester=requester, state=State.OPEN).order_by("pk")
    context = {
        "requester": requester,
        "page": page,
        "rows": rows,
        "waiting": [(one, code_for(scope, one.worker_id)) for one in waiting[:PAGE]],
        "may_manage": _managed(request).filter(pk=requester.pk).exists(),
    }
    return render(request, "studio/qualifications.html", context)


def _managed(request: HttpRequest) -> QuerySet[Requester]:
    return requesters_of(request.user, Membership.Role.MANAGER)


@require_POST
@for_requesters
def studio_qualification_new(request: HttpRequest, requester: Requester) -> HttpResponse:
    try:
        create_qualification(
            requester=get_object_or_404(_managed(request), pk=requester.pk),
            name=request.POST.get("name", ""),
            description=request.POST.get("description", "")[:2000],
            can_request="can_request" in request.POST,
        )
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("studio_qualifications")


@require_POST
@for_requesters
def studio_qualification_change(
    request: HttpRequest, requester: Requester, qualification_id: uuid.UUID
) -> HttpResponse:
    """Another name, description, or whether workers may ask for it. Who holds it keeps it."""
    found = get_object_or_404(qualifications_of(request.user, Membership.Role.MANAGER), public_id=qualification_id)
    is_asked_for = "can_request" in request.POST if found.kind == Qualification.Kind.VALUE else None
    try:
        change_qualification(
            qualification=found,
            name=request.POST.get("name", ""),
            description=request.POST.get("description", "")[:2000],
            can_request=is_asked_for,
        )
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("studio_qualifications")


@require_POST
@for_requesters
def studio_request_answer(request: HttpRequest, requester: Requester, request_id: uuid.UUID) -> HttpResponse:
    """Grant what a worker asked for (`grant`), or say why not."""
    asked = get_object_or_404(requests_of(request.user, Membership.Role.MANAGER), public_id=request_id)
    try:
        qualify.answer_request(
            request=asked,
            is_granted="grant" in request.POST,
            value=_value(request),
            answer=request.POST.get("answer", ""),
        )
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("studio_qualifications")


@require_POST
@for_requesters
def studio_grant(request: HttpRequest, requester: Requester, qualification_id: uuid.UUID) -> HttpResponse:
    """Grant a qualification to a worker by their code, or (`revoke`) take it back."""
    found = qualifications_of(request.user, Membership.Role.MANAGER).exclude(kind=Qualification.Kind.QUIZ)
    qualification = get_object_or_404(found, public_id=qualification_id)
    scope, code = f"requester:{qualification.requester_id}", request.POST.get("worker", "").strip().upper()
    known = Pseudonym.objects.select_related("worker").filter(scope=scope, code=code).first()
    try:
        if known is None:
            raise Invalid(errors={"worker": _("No worker of yours has this code.")})
        if "revoke" in request.POST:
            qualify.revoke(qualification=qualification, worker=known.worker)
        else:
            qualify.grant(qualification=qualification, worker=known.worker, value=_value(request))
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("studio_qualifications")


def _value(request: HttpRequest) -> int:
    try:
        return int(request.POST.get("value") or 1)
    except ValueError:
        raise Invalid(errors={"value": _("A whole number.")}) from None
