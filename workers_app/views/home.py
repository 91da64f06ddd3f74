"""A worker's home: what needs them, what they earned, how well they do, appeals, and those they worked for."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Max, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.errors import DomainError
from core.pages import tell
from marketplace.models import Appeal, Assignment, Project, Requester
from marketplace.selectors import assignments_of_worker, places_held, requesters_worked_for, sent_back_to, stars_of
from marketplace.services.choosing import rate_requester
from marketplace.views.worker import for_workers
from payments.views.worker import figures_of
from quality.services.reputation import shown_intervals
from workers_app.models import Worker

PAGE = 25
#: Projects on the first page of a worker's home, the last ones first.
PROJECTS = 20


def tabs(worker: Worker, here: str) -> dict[str, Any]:
    """The pages about oneself."""
    waiting = Appeal.objects.filter(assignment__worker=worker, state=Appeal.State.OPEN).count()
    return {
        "here": here,
        "tabs": [
            ("my_home", _("Overview"), reverse("my_home"), ""),
            ("my_answers", _("Answers"), reverse("my_answers"), ""),
            ("my_appeals", _("Appeals"), reverse("my_appeals"), waiting or ""),
            ("my_requesters", _("Requesters"), reverse("my_requesters"), ""),
            ("my_data", _("My data"), reverse("my_data"), ""),
        ],
    }


@require_safe
@for_workers
def my_home(request: HttpRequest, worker: Worker) -> HttpResponse:
    figures = figures_of(worker, "")
    appealed = Appeal.objects.filter(assignment__worker=worker, state=Appeal.State.OPEN).count()
    context = figures | {
        "queue": places_held(worker).count(),
        "sent_back": sent_back_to(worker).count(),
        "appealable": figures["rejected_lately"] - appealed,
        "unread": worker.threads.filter(unread_by_worker=True).count(),
        "projects": _projects(worker),
    }
    return render(request, "me/home.html", context | tabs(worker, "my_home"))


def _projects(worker: Worker) -> list[dict[str, Any]]:
    """The projects worked in last: places taken there in all, and how well the worker does where that can be told."""
    worked = (
        worker.participations.values("batch__project")
        .annotate(taken=Sum("taken_in_all"), last=Max("pk"))
        .filter(taken__gt=0)
        .order_by("-last")[:PROJECTS]
    )
    rows = {row["batch__project"]: row for row in worked}
    projects = Project.objects.select_related("requester").only("name", "public_id", "requester__name").in_bulk(rows)
    shown = shown_intervals(worker)
    return [{"project": projects[pk], "taken": row["taken"], "interval": shown.get(pk)} for pk, row in rows.items()]


@require_safe
@for_workers
def my_appeals(request: HttpRequest, worker: Worker) -> HttpResponse:
    appeals = Appeal.objects.filter(assignment__worker=worker).select_related("assignment__batch__project__requester")
    page = Paginator(appeals.order_by("-pk"), PAGE).get_page(request.GET.get("page"))
    return render(request, "me/appeals.html", {"page": page} | tabs(worker, "my_appeals"))


@require_safe
@for_workers
def my_requesters(request: HttpRequest, worker: Worker) -> HttpResponse:
    """Those one worked for, with one's own rating and what all say together."""
    page = Paginator(requesters_worked_for(worker).order_by("name", "pk"), PAGE).get_page(request.GET.get("page"))
    said = dict(worker.ratings.filter(requester__in=list(page.object_list)).values_list("requester", "stars"))
    paid = _payers(worker, [row.pk for row in page.object_list])
    rows = [
        {
            "requester": row,
            "mine": said.get(row.pk),
            "may_rate": row.pk in paid,
            "stars": stars_of(getattr(row, "rating_sum", None)),
        }
        for row in page.object_list
    ]
    return render(request, "me/requesters.html", {"page": page, "rows": rows} | tabs(worker, "my_requesters"))


def _payers(worker: Worker, requester_ids: list[int]) -> set[int]:
    paid = assignments_of_worker(worker).filter(
        state=Assignment.State.APPROVED,
        reward__gt=0,
        batch__in=worker.participations.filter(batch__project__requester__in=requester_ids).values("batch"),
    )
    counted = paid.values("batch__project__requester").annotate(n=Count("pk"))
    return {row["batch__project__requester"] for row in counted}


@require_POST
@for_workers
def rate(request: HttpRequest, worker: Worker, requester_id: uuid.UUID) -> HttpResponse:
    requester: Requester = get_object_or_404(requesters_worked_for(worker), public_id=requester_id)
    stars = request.POST.get("stars", "")
    try:
        rate_requester(worker=worker, requester=requester, stars=int(stars) if stars in set("12345") else 0)
    except DomainError as refusal:
        tell(request, refusal)
    else:
        messages.success(request, _("Saved. Only the sum of at least five workers is ever shown."))
    return redirect("my_requesters")
