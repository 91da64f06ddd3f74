"""Pages of those who post work: projects, batches, and who belongs to the organisation."""

from __future__ import annotations

import uuid
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_safe

from core.pages import View
from marketplace.forms import BatchForm
from marketplace.models import Batch, Membership, Project, Requester
from marketplace.rules import Rules
from marketplace.schema import schema_of
from marketplace.selectors import projects_of, requesters_of
from marketplace.starters import BLANK, STARTERS
from marketplace.templating import render_markdown

PAGE = 25
MOST_QUESTIONS = 50


def for_requesters(view: View) -> View:
    """A view of someone who belongs to an organisation; it is given the one in hand. Others are led to the door."""

    @wraps(view)
    @login_required
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        mine = requesters_of(request.user).order_by("pk")
        asked = request.GET.get("org") or request.session.get("org")
        requester = next((one for one in mine if str(one.public_id) == asked), None) or mine.first()
        if requester is None:
            if request.method == "POST":
                raise Http404
            return redirect("enter", "requester")
        if request.GET.get("org") == str(requester.public_id):
            request.session["org"] = str(requester.public_id)
        return view(request, requester, *args, **kwargs)

    return checked


def need_manager(request: HttpRequest, requester: Requester) -> None:
    """Raises `Http404` for those who may only look."""
    if not requesters_of(request.user, Membership.Role.MANAGER).filter(pk=requester.pk).exists():
        raise Http404


@require_safe
@for_requesters
def studio(request: HttpRequest, requester: Requester) -> HttpResponse:
    """The projects, with what runs in each."""
    # Counted for those of the page alone: a project may have very many batches.
    batches = Batch.objects.filter(project=OuterRef("pk")).order_by().values("project")
    live = batches.filter(state__in=[Batch.State.OPEN, Batch.State.PAUSED])
    projects = (
        projects_of(request.user)
        .filter(archived_at=None, trial_of=None)
        .select_related("requester")
        .annotate(
            batch_count=Coalesce(Subquery(batches.annotate(n=Count("pk")).values("n")), 0),
            live_count=Coalesce(Subquery(live.annotate(n=Count("pk")).values("n")), 0),
        )
        .order_by("-updated_at", "-pk")
    )
    page = Paginator(projects, PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "requester": requester,
        "starters": [*STARTERS, BLANK],
        "tour": any(project.is_tour for project in page),
    }
    return render(request, "studio/projects.html", context)


# --- projects ---------------------------------------------------------------------------------------------------------


def _project(request: HttpRequest, project_id: uuid.UUID, role: str = Membership.Role.VIEWER) -> Project:
    mine = projects_of(request.user, role).select_related("requester")
    return get_object_or_404(mine.distinct(), public_id=project_id)


@require_safe
@for_requesters
def studio_project(request: HttpRequest, requester: Requester, project_id: uuid.UUID) -> HttpResponse:
    """One project: what it asks, its batches, and a place to drop the next table."""
    return _project_page(request, _project(request, project_id), BatchForm())


def _project_page(request: HttpRequest, project: Project, form: BatchForm, status: int = 200) -> HttpResponse:
    rules = Rules.from_json(project.rules, audience=project.audience)
    page = Paginator(project.batches.order_by("-created_at", "-pk"), PAGE).get_page(request.GET.get("page"))
    context = {
        "project": project,
        "requester": project.requester,
        "currency": project.requester.currency,
        "rules": rules,
        "reward": rules.reward_micros,
        "page": page,
        "form": form,
        "questions": schema_of(project.questions),
        "instructions": render_markdown(project.instructions) if project.instructions else "",
        "may_write": requesters_of(request.user, Membership.Role.MANAGER).filter(pk=project.requester_id).exists(),
    }
    return render(request, "studio/project.html", context, status=status)
