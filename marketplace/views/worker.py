"""Who is let in to the pages of workers, and what they may know of."""

from __future__ import annotations

from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from core.pages import View
from marketplace.models import Assignment, Batch, Project
from marketplace.selectors import assignments_of_worker, not_hidden_from
from workers_app.models import Worker

OPEN_TO_ALL = (Project.Audience.PUBLIC, Project.Audience.VOLUNTEERS)


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


def open_to(worker: Worker) -> QuerySet[Batch]:
    """Batches that a worker may know of. Whether they may work there, the claim says."""
    batches = Batch.objects.exclude(state__in=[Batch.State.DRAFT, Batch.State.PUBLISHING])
    mine = worker.user.memberships.values("requester_id")
    found = batches.filter(project__audience__in=OPEN_TO_ALL) | batches.filter(project__requester__in=mine)
    worked = worker.participations.filter(taken_in_all__gt=0).values("batch")
    found = found.filter(not_hidden_from(worker, Batch.objects.all()) | Q(pk__in=worked))
    return found.select_related("project__requester")


def open_places(worker: Worker) -> QuerySet[Assignment]:
    """Places that were opened and not answered yet: to go on where one stopped."""
    held = assignments_of_worker(worker).filter(state=Assignment.State.ACCEPTED, is_ahead=False)
    return held.filter(deadline__gt=timezone.now())
