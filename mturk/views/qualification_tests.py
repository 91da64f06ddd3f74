"""Tests that requesters ask for a qualification by: listed, and taken on a page of ours."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.core import signing
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from core.errors import Conflict, DomainError
from core.pages import tell
from marketplace.models import Requester
from marketplace.views.worker import for_workers
from mturk.answer_keys import read_test
from mturk.frames.drawing import drawn
from mturk.frames.media import stored_media
from mturk.requirements import living
from mturk.services import qualifications
from workers_app.models import Qualification, Worker

PAGE = 25
SALT = "mturk qualification test"


def tests() -> QuerySet[Qualification]:
    """Those that a worker may take."""
    rows = living().filter(requester__world=Requester.World.LIVE, kind=Qualification.Kind.VALUE)
    return rows.filter(mturk__is_active=True).exclude(mturk__test="").select_related("requester")


@require_safe
@for_workers
def qualification_tests(request: HttpRequest, worker: Worker) -> HttpResponse:
    page = Paginator(tests().order_by("name", "pk"), PAGE).get_page(request.GET.get("page"))
    return render(request, "mturk/qualification_tests.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
@for_workers
def qualification_test(request: HttpRequest, worker: Worker, qualification_id: uuid.UUID) -> HttpResponse:
    """The form of a test; handed in, it is scored or waits for the requester."""
    found = get_object_or_404(tests(), public_id=qualification_id)
    errors: dict[str, str] = {}
    if request.method == "POST":
        fields = [(name, value) for name, values in request.POST.lists() for value in values]
        try:
            _check_time(found, request.POST.get("_began", ""))
            asked = qualifications.ask(worker=worker, qualification=found, fields=fields)
        except DomainError as refusal:
            errors = {name: str(text) for name, text in refusal.errors.items()}
            if not errors:
                tell(request, refusal)
                return redirect("qualification_tests")
        else:
            is_waiting = asked.state == asked.State.OPEN
            messages.success(request, _("Handed in. You hear of the answer here.") if is_waiting else _("It is yours."))
            return redirect("my_qualifications")
    form, media = read_test(found.mturk.test), _media(found)
    given = request.POST if request.method == "POST" else None
    context = {
        "qualification": found,
        "minutes": -(-(found.mturk.test_seconds or 0) // 60),
        "began": request.POST.get("_began") or signing.TimestampSigner(salt=SALT).sign(found.public_id.hex),
        "parts": [drawn(part, number, given, errors, media) for number, part in enumerate(form.parts)],
        "errors": errors,
    }
    return render(request, "mturk/qualification_test.html", context, status=400 if errors else 200)


def _check_time(found: Qualification, began: str) -> None:
    """Raises `Conflict` where the form was opened longer ago than its test may take."""
    try:
        signing.TimestampSigner(salt=SALT).unsign(began, max_age=found.mturk.test_seconds)
    except signing.BadSignature:
        raise Conflict(_("The time for this test is over. Open it again to begin anew."), code="too_late") from None


def _media(found: Qualification) -> dict[str, str]:
    stored = stored_media(found.mturk.test, found.requester_id)
    return {address: reverse("media", args=[public_id]) for address, public_id in stored.items()}
