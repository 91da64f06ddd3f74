"""What the worker's page asks about a frame, on the site's own name."""

from __future__ import annotations

import uuid

from django.db.models import Q
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from core.errors import DomainError
from core.pages import refused
from marketplace.models import Assignment, Batch
from marketplace.selectors import assignments_of_worker
from marketplace.views.worker import for_workers, open_to
from mturk import ids
from mturk.frames.views.frame import framed
from mturk.frames.views.frame import receive_unsealed as receive_on_frame_host
from mturk.models import HitType, PendingAnswer
from mturk.services.files import file_behind
from mturk.services.receiving import confirm_pending
from workers_app.models import Worker

State = Assignment.State
#: Of each field, what a worker is shown before they confirm.
SHOWN = 300


def _mine(worker: Worker, assignment_id: uuid.UUID) -> Assignment:
    mine = assignments_of_worker(worker).filter(hit__mturk__isnull=False)
    return get_object_or_404(mine.select_related("batch__project__requester", "hit__mturk"), public_id=assignment_id)


@require_safe
@for_workers
def frame_state(request: HttpRequest, worker: Worker, assignment_id: uuid.UUID) -> HttpResponse:
    """Where the answer in a frame stands: open, waiting (to be confirmed) or done."""
    assignment = _mine(worker, assignment_id)
    if assignment.state != State.ACCEPTED:
        return JsonResponse({"state": "done" if assignment.state == State.SUBMITTED else "gone"})
    waiting = PendingAnswer.objects.filter(assignment=assignment).first()
    if waiting is None:
        return JsonResponse({"state": "open"})
    shown = [[name[:80], value[:SHOWN]] for name, value in waiting.fields[:50]]
    return JsonResponse({"state": "waiting", "fields": shown})


@require_POST
@for_workers
def frame_confirm(request: HttpRequest, worker: Worker, assignment_id: uuid.UUID) -> HttpResponse:
    """What waits is the worker's own answer: hand it in."""
    try:
        confirm_pending(assignment=_mine(worker, assignment_id))
    except DomainError as refusal:
        return refused(refusal)
    return JsonResponse({"state": "done"})


@csrf_exempt
@require_POST
@framed
def receive_unsealed(request: HttpRequest) -> HttpResponse:
    """`/mturk/externalSubmit` on the site's own name: whoever posts it, cookies say nothing here."""
    return receive_on_frame_host(request)


@require_safe
def show_file(request: HttpRequest, token: str) -> FileResponse:
    """A file that a worker handed in, for who holds a fresh link to it: to be kept, never shown as a page of ours."""
    kept = file_behind(token)
    if kept is None:
        raise Http404
    response = FileResponse(kept.file.open("rb"), as_attachment=True, content_type="application/octet-stream")
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_safe
@for_workers
def hits_of_group(request: HttpRequest, worker: Worker, group_id: str = "") -> HttpResponse:
    """The addresses that clients print, by HIT group or HIT type: to the list of work, at this work."""
    public_id = ids.read(group_id or request.GET.get("groupId", ""))
    if public_id is None:
        return redirect("find_work")
    hit_type = get_object_or_404(HitType, Q(public_id=public_id) | Q(group_id=public_id))
    batches = Batch.objects.filter(mturk_standing__hit_type=hit_type)
    batch = open_to(worker).filter(pk__in=batches).order_by("-pk").first()
    if batch is None:
        if batches.exists():  # and is nothing that this worker hears of
            raise Http404
        return redirect("find_work")
    return redirect(f"{reverse('find_work')}?{urlencode({'q': batch.project.name})}")
