"""A worker's own data: what they say about themselves, and all that is held about them."""

from __future__ import annotations

import orjson
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from lifecycle.personal_data import everything_about
from marketplace.services.accepting import recheck
from marketplace.views.worker import for_workers
from workers_app.forms import ProfileForm
from workers_app.models import Worker
from workers_app.services.profile import change_worker


@require_http_methods(["GET", "HEAD", "POST"])
@for_workers
def my_data(request: HttpRequest, worker: Worker) -> HttpResponse:
    """What requirements look at, and the worker's qualifications."""
    said = {
        "country": worker.country,
        "languages": ", ".join(worker.languages),
        "accepts_distressing": worker.accepts_distressing,
    }
    form = ProfileForm(request.POST or None, initial=said)
    if request.method == "POST" and form.is_valid():
        change_worker(worker=worker, **form.cleaned_data)
        recheck(worker_id=worker.pk)  # what one may do is looked at anew with the next claim
        messages.success(request, _("Saved. The list of work goes by it from now on."))
        return redirect("my_data")
    grants = worker.grants.select_related("qualification").order_by("-granted_at")
    context = {"form": form, "grants": grants, "worker": worker}
    return render(request, "me/data.html", context, status=400 if form.errors else 200)


@require_safe
@for_workers
def my_data_file(request: HttpRequest, worker: Worker) -> HttpResponse:
    """All that is held about this person, to take along."""
    response = HttpResponse(
        orjson.dumps(everything_about(worker.user), option=orjson.OPT_INDENT_2, default=str),
        content_type="application/json",
    )
    response["Content-Disposition"] = 'attachment; filename="my-data.json"'
    response["Cache-Control"] = "no-store"
    return response
