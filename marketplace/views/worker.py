"""The list of work, and who is let in to the pages of workers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from core import money
from core.pages import View
from core.preferences import preference
from marketplace import figures
from marketplace.models import Assignment, Batch, Participation, Project
from marketplace.selectors import Closed, assignments_of_worker, closed_to, designs_of, offered_to
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


def open_to(worker: Worker) -> QuerySet[Batch]:
    """Batches that a worker may know of. Whether they may work there, the claim says."""
    batches = Batch.objects.exclude(state__in=[Batch.State.DRAFT, Batch.State.PUBLISHING])
    mine = worker.user.memberships.values("requester_id")
    found = batches.filter(project__audience__in=OPEN_TO_ALL) | batches.filter(project__requester__in=mine)
    return found.select_related("project__requester")


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
    floor = money.parse(preference("HOURLY_FLOOR"))
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
    held = {row.batch_id: row for row in open_places(worker).filter(batch__in=batches).order_by("pk")}
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


def open_places(worker: Worker) -> QuerySet[Assignment]:
    """Places that were opened and not answered yet: to go on where one stopped."""
    held = assignments_of_worker(worker).filter(state=Assignment.State.ACCEPTED, is_ahead=False)
    return held.filter(deadline__gt=timezone.now())
