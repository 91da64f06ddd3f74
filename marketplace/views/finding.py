"""Pages on which workers choose: the list of work, their favourites and saved searches, and what they hold."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import money
from core.errors import DomainError
from core.pages import tell
from core.preferences import preference
from core.templatetags.touchstone import moment
from lifecycle.accept import accept
from marketplace import figures, jobs
from marketplace.models import Assignment
from marketplace.selectors import Closed, known_projects, places_held, sent_back_to
from marketplace.services import choosing
from marketplace.views.worker import for_workers, open_to
from workers_app.models import Worker

PAGE = 20


@require_safe
@for_workers
def find_work(request: HttpRequest, worker: Worker) -> HttpResponse:
    filters = jobs.Filters.read(request.GET)
    found = jobs.find(worker, filters)
    page = Paginator(found.jobs, PAGE).get_page(request.GET.get("page"))
    shown = jobs.with_details(page.object_list)
    floor = money.parse(preference("HOURLY_FLOOR"))
    asked = filters.to_query()
    context = {
        "jobs": [(job, [(reason, _way(reason, job)) for reason in job.closed]) for job in shown],
        "page": page,
        "today": figures.today_of(worker),
        "filters": filters,
        "is_filtered": bool({*filters.to_dict()} - {"sort"}),
        "asked": asked,
        "pager_query": f"{asked}&" if asked else "",
        "found": found,
        "sorts": jobs.SORTS.items(),
        "shows": [(name, words, found.counts.get(name, 0)) for name, words in jobs.SHOWS.items()],
        "kinds": [(kind, jobs.KINDS[kind]) for kind in found.kinds],
        "lengths": [(name, words) for name, (words, _low, _high) in jobs.LENGTHS.items()],
        "least": money.format_amount(filters.least) if filters.least else "",
        "searches": [
            (one, jobs.Filters.read(one.filters).to_query()) for one in worker.saved_searches.order_by("name", "pk")
        ],
        "floor": floor,
        "currency": settings.LEDGER_CURRENCY,
        "scale": round(max([2.5 * floor, *(1.1 * (job.pay.high or job.pay.hourly or 0) for job in shown)])),
        "is_done": "done" in request.GET,
        "queue": places_held(worker).count(),
        "sent_back": sent_back_to(worker),
    }
    return render(request, "work/find.html", context)


def _way(reason: Closed, job: jobs.Job) -> tuple[str, str]:
    """Where a closed door can be opened: address and words; empty where only waiting helps, or nothing."""
    if reason.way == "quiz":
        return reverse("quiz", args=[job.batch.public_id]), _("Take the quiz")
    if reason.way == "profile":
        return reverse("my_data"), _("Say what you allow and know")
    if reason.way == "queue":
        return reverse("my_queue"), _("See what you hold")
    if reason.way == "write":
        return f"{reverse('my_message_new')}?project={job.batch.project.public_id}", _("Ask the requester")
    if reason.way.startswith("ask:"):
        return f"{reverse('my_qualifications')}?q={reason.way.removeprefix('ask:')}", _("Ask for it")
    return "", ""


@require_POST
@for_workers
def queue_work(request: HttpRequest, worker: Worker, batch_id: uuid.UUID) -> HttpResponse:
    """Take a place for later: it stands in the queue with its deadline."""
    batch = get_object_or_404(open_to(worker), public_id=batch_id)
    try:
        place = accept(worker=worker, batch=batch)
    except DomainError as refusal:
        messages.warning(request, refusal.message)
    else:
        messages.success(request, _("In your queue. Hand it in by %s.") % moment(place.deadline))
    return _back(request)


@require_safe
@for_workers
def my_queue(request: HttpRequest, worker: Worker) -> HttpResponse:
    """What is held and not handed in, what is due first on top; and what came back for another version."""
    rows = places_held(worker).select_related("batch__project__requester").order_by("deadline", "pk")
    context = {
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "sent_back": sent_back_to(worker),
        "reasons": Assignment.ReturnReason.choices,
    }
    return render(request, "work/queue.html", context)


@require_POST
@for_workers
def mark_favourite(request: HttpRequest, worker: Worker, project_id: uuid.UUID) -> HttpResponse:
    """Mark a project (`on`), or take the mark off."""
    project = get_object_or_404(known_projects(worker), public_id=project_id)
    choosing.set_favourite(worker=worker, project=project, is_favourite="on" in request.POST)
    return _back(request)


@require_POST
@for_workers
def save_search(request: HttpRequest, worker: Worker) -> HttpResponse:
    """Keep the filters of the list, as its form has them, under a name."""
    filters = jobs.Filters.read(request.POST)
    try:
        choosing.save_search(
            worker=worker,
            name=request.POST.get("name", ""),
            filters=filters.to_dict(),
            tells="tells" in request.POST,
        )
    except DomainError as refusal:
        tell(request, refusal)
    else:
        messages.success(request, _("Saved. It stands beside the list from now on."))
    return redirect(f"{reverse('find_work')}?{filters.to_query()}")


@require_POST
@for_workers
def delete_search(request: HttpRequest, worker: Worker, search_id: uuid.UUID) -> HttpResponse:
    choosing.delete_search(search=get_object_or_404(worker.saved_searches, public_id=search_id))
    return redirect("find_work")


def _back(request: HttpRequest) -> HttpResponse:
    """To the page of the site that the act was on."""
    came_from = request.POST.get("back", "")
    is_ours = url_has_allowed_host_and_scheme(came_from, allowed_hosts=None) and came_from.startswith("/")
    return redirect(came_from if is_ours else "find_work")
