"""Pages of those who post work: projects, batches, and who belongs to the organisation."""

from __future__ import annotations

import json
import re
import uuid
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import money
from core.errors import Invalid
from core.pages import View
from core.templatetags.touchstone import SYMBOLS
from lifecycle.publish import check_upload
from marketplace.forms import BatchForm, ProjectForm, QuestionForm, QuestionForms
from marketplace.models import Batch, Membership, Project, Requester
from marketplace.rules import Rules
from marketplace.schema import schema_of
from marketplace.selectors import batches_of, projects_of, requesters_of
from marketplace.services.posting import attach_upload, create_batch
from marketplace.services.projects import create_project, update_project
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


@require_safe
@for_requesters
def studio(request: HttpRequest, requester: Requester) -> HttpResponse:
    """The projects, with what runs in each."""
    live = Q(batches__state__in=[Batch.State.OPEN, Batch.State.PAUSED])
    projects = (
        projects_of(request.user)
        .filter(archived_at=None)
        .select_related("requester")
        .annotate(batch_count=Count("batches", distinct=True), live_count=Count("batches", filter=live, distinct=True))
        .order_by("-updated_at", "-pk")
    )
    page = Paginator(projects, PAGE).get_page(request.GET.get("page"))
    return render(request, "studio/projects.html", {"page": page, "requester": requester})


@require_safe
@for_requesters
def studio_batches(request: HttpRequest, requester: Requester) -> HttpResponse:
    """Every batch, newest first; `state` filters."""
    batches = batches_of(request.user).order_by("-created_at", "-pk")
    state = request.GET.get("state", "")
    if state in Batch.State.values:
        batches = batches.filter(state=state)
    page = Paginator(batches, PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "requester": requester, "state": state, "states": Batch.State.choices}
    return render(request, "studio/batches.html", context)


# --- projects ---------------------------------------------------------------------------------------------------------


def _project(request: HttpRequest, project_id: uuid.UUID, role: str = Membership.Role.VIEWER) -> Project:
    mine = projects_of(request.user, role).select_related("requester")
    return get_object_or_404(mine.distinct(), public_id=project_id)


@for_requesters
def studio_project_new(request: HttpRequest, requester: Requester) -> HttpResponse:
    """Describe a project: its question, its pay, how good the labels must be."""
    if request.method != "POST":
        return _design(request, requester, ProjectForm(), QuestionForms(initial=[{}], prefix="q"))
    return _save_design(request, requester, None)


@for_requesters
def studio_project_edit(request: HttpRequest, requester: Requester, project_id: uuid.UUID) -> HttpResponse:
    """Change a project for batches to come; what is published keeps its copy."""
    project = _project(request, project_id, Membership.Role.MANAGER)
    if request.method != "POST":
        questions = [QuestionForm.of(question) for question in project.questions]
        forms = QuestionForms(initial=questions, prefix="q")
        return _design(request, project.requester, ProjectForm(initial=ProjectForm.of(project)), forms, project)
    return _save_design(request, project.requester, project)


def _design(
    request: HttpRequest, requester: Requester, form: ProjectForm, questions: Any, project: Project | None = None
) -> HttpResponse:
    context = {
        "form": form,
        "questions": questions,
        "project": project,
        "requester": requester,
        "symbol": SYMBOLS.get(requester.currency, requester.currency).strip(),
        "floor": money.parse(settings.HOURLY_FLOOR),
        "fee_share": settings.FEE_BASIS_POINTS / 10_000,
        "has_errors": form.errors or any(questions.errors) if form.is_bound else False,
    }
    return render(request, "studio/design.html", context, status=400 if context["has_errors"] else 200)


def _save_design(request: HttpRequest, requester: Requester, project: Project | None) -> HttpResponse:
    if not requesters_of(request.user, Membership.Role.MANAGER).filter(pk=requester.pk).exists():
        raise Http404
    if request.POST.get("do") == "add":  # one more question, everything else as it stands
        posted = request.POST.copy()
        posted["q-TOTAL_FORMS"] = str(min(_asked_count(posted) + 1, MOST_QUESTIONS))
        form, questions = ProjectForm(initial=_plain(posted)), QuestionForms(initial=_asked(posted), prefix="q")
        return _design(request, requester, form, questions, project)
    form, questions = ProjectForm(request.POST), QuestionForms(request.POST, prefix="q")
    if not (form.is_valid() and questions.is_valid()):
        return _design(request, requester, form, questions, project)
    kept = [one for one in questions.forms if not one.cleaned_data.get("DELETE")]
    fields = form.to_fields(project.rules if project else None) | {"questions": [one.to_json() for one in kept]}
    try:
        if project:
            project = update_project(project=project, **fields)
        else:
            project = create_project(requester=requester, **fields)
    except Invalid as refusal:
        _mark(refusal, form, kept)
        return _design(request, requester, form, questions, project)
    messages.success(request, _("Saved. Batches that are published keep the copy they were published with."))
    return redirect("studio_project", project.public_id)


def _plain(posted: QueryDict) -> dict[str, Any]:
    return {name: posted.get(name) for name in ProjectForm.base_fields}


def _asked_count(posted: QueryDict) -> int:
    written = str(posted.get("q-TOTAL_FORMS", ""))
    return min(int(written), MOST_QUESTIONS) if written.isdigit() else 0


def _asked(posted: QueryDict) -> list[dict[str, Any]]:
    """The questions as they stand in a posted form, checked or not."""
    asked = []
    for index in range(_asked_count(posted)):
        values: dict[str, Any] = {name: posted.get(f"q-{index}-{name}") for name in QuestionForm.base_fields}
        try:
            values["more"] = json.loads(values["more"] or "null")
        except ValueError:
            values["more"] = None
        asked.append(values)
    return asked


def _mark(refusal: Invalid, form: ProjectForm, questions: list[QuestionForm]) -> None:
    """What the service refuses, at the field that it is about."""
    for path, sentence in refusal.errors.items():
        found = re.match(r"questions\[(\d+)\](?:\.(\w+))?", path)
        if found and int(found[1]) < len(questions):
            name = {"min": "low", "max": "high", "required": "optional"}.get(found[2] or "", found[2] or "")
            questions[int(found[1])].add_error(name if name in QuestionForm.base_fields else None, sentence)
            continue
        name = path.removeprefix("rules.")
        form.add_error(
            name if name in form.fields else None, sentence if name in form.fields else f"{path}: {sentence}"
        )


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


@require_POST
@for_requesters
def studio_batch_new(request: HttpRequest, requester: Requester, project_id: uuid.UUID) -> HttpResponse:
    """Upload a table: a draft, whose rows are checked at once and whose price is then shown."""
    project = _project(request, project_id, Membership.Role.MANAGER)
    form = BatchForm(request.POST, request.FILES)
    if not form.is_valid():
        return _project_page(request, project, form, 400)
    file = form.cleaned_data["file"]
    try:
        with transaction.atomic():
            batch = create_batch(project=project, name=form.cleaned_data["name"])
            attach_upload(batch=batch, file=file, name=file.name)
            check_upload(batch=batch)
    except Invalid as refusal:
        for name, sentence in refusal.errors.items():
            form.add_error(name if name in form.fields else None, sentence)
        return _project_page(request, project, form, 400)
    return redirect("studio_batch", batch.public_id)
