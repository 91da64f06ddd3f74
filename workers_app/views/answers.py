"""A worker's own answers, each with what became of it; and disputing how one is judged."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.errors import DomainError
from core.keyset import page
from core.pages import tell
from marketplace.models import Assignment
from marketplace.selectors import assignments_of_worker
from marketplace.views.worker import for_workers
from quality.models import Contest
from quality.services.contesting import open_contest
from workers_app.models import Worker
from workers_app.views.home import tabs

PAGE = 25
State = Assignment.State
#: What a filter of the address shows.
SHOWN = {
    "": [State.SUBMITTED, State.REVISING, State.APPROVED, State.REJECTED],
    "waiting": [State.SUBMITTED, State.REVISING],
    "approved": [State.APPROVED],
    "rejected": [State.REJECTED],
}


@require_safe
@for_workers
def my_answers(request: HttpRequest, worker: Worker) -> HttpResponse:
    """Newest first; `show` filters. Every answer can be disputed, so that being able to says nothing about it."""
    show = request.GET.get("show", "")
    show = show if show in SHOWN else ""
    rows = assignments_of_worker(worker).filter(state__in=SHOWN[show]).select_related("batch__project__requester")
    listed = page(rows.defer("batch__design", "batch__project__questions"), ["-pk"], request.GET.get("after", ""), PAGE)
    disputes = {one.assignment_id: one for one in Contest.objects.filter(assignment__in=listed.rows)}
    context = {
        "page": listed,
        "show": show,
        "rows": [(row, disputes.get(row.pk)) for row in listed.rows],
        "query": f"show={show}" if show else "",
    }
    return render(request, "me/answers.html", context | tabs(worker, "my_answers"))


@require_POST
@for_workers
def dispute_answer(request: HttpRequest, worker: Worker, assignment_id: uuid.UUID) -> HttpResponse:
    assignment = get_object_or_404(assignments_of_worker(worker), public_id=assignment_id)
    try:
        open_contest(assignment=assignment, reason=request.POST.get("reason", ""))
    except DomainError as refusal:
        tell(request, refusal)
    else:
        messages.success(request, _("A person looks at it. The ruling stands here, beside the answer."))
    return redirect("my_answers")
