"""What the frame host answers: the page inside a frame, and the answers that come from it. No cookie is looked at."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http.client import responses
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from core.errors import Conflict, DomainError
from marketplace.models import Assignment
from mturk.finding import look_up
from mturk.frames import page
from mturk.frames.drawing import drawn
from mturk.frames.media import stored_media
from mturk.frames.showing import parameters, submit_to, with_parameters
from mturk.frames.ticket import Ticket, holder_of, read_ticket
from mturk.frames.words import words
from mturk.questions import external_of, form_of, html_of
from mturk.services.receiving import FormRefused, hand_in, keep_pending

View = Callable[..., HttpResponse]
SECRETIVE = {"Referrer-Policy": "no-referrer", "X-DNS-Prefetch-Control": "off", "Cache-Control": "no-store"}


def framed(view: View) -> View:
    """A page that may stand in a frame of the site, and tells nobody where it was."""

    @csrf_exempt
    @wraps(view)
    def told(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response.xframe_options_exempt = True  # type: ignore[attr-defined]
        for name, value in SECRETIVE.items():
            response.headers.setdefault(name, value)
        return response

    return told


def shared(view: View) -> View:
    """For a page on an opaque origin, which is a stranger even to the host that served it."""

    @wraps(view)
    def told(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = view(request, *args, **kwargs)
        response["Access-Control-Allow-Origin"] = "*"
        response["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response

    return told


def _holder(token: str) -> tuple[Ticket, Assignment]:
    ticket = read_ticket(token)
    assignment = holder_of(ticket) if ticket else None
    if ticket is None or assignment is None:
        raise Http404
    return ticket, assignment


def _about(ticket: Ticket, assignment: Assignment, **more: Any) -> dict[str, Any]:
    """What the scripts of a frame are told."""
    return {
        "nonce": ticket.nonce,
        "site": settings.SITE_URL,
        "preview": assignment.is_ahead,
        "assignment": parameters(assignment)["assignmentId"],
        "title": assignment.batch.project.name,
        **more,
    }


def _media(assignment: Assignment) -> dict[str, str]:
    """Our own address of what the question names; what is on its way is asked for until it has come."""
    found = stored_media(assignment.hit.mturk.question, assignment.batch.project.requester_id)
    return {address: f"{settings.FRAME_ORIGIN}/media/{public_id}" for address, public_id in found.items()}


# --- showing ----------------------------------------------------------------------------------------------------------


@require_safe
@framed
def show(request: HttpRequest, token: str) -> HttpResponse:
    """An HTMLQuestion or QuestionForm, for the worker who holds the place."""
    ticket, assignment = _holder(token)
    submit = f"{submit_to(token)}/mturk/externalSubmit"
    question = assignment.hit.mturk.question
    if form_of(question) is not None:
        return _form(request, ticket, assignment, submit)
    html = html_of(question)
    if html is None:
        raise Http404
    response = HttpResponse(page.build(html, media=_media(assignment), submit=submit, about=_about(ticket, assignment)))
    response.csp_policy = page.policy(submit)  # type: ignore[attr-defined]
    return response


def _form(
    request: HttpRequest,
    ticket: Ticket,
    assignment: Assignment,
    submit: str,
    given: QueryDict | None = None,
    errors: dict[str, str] | None = None,
) -> HttpResponse:
    form = form_of(assignment.hit.mturk.question)
    if form is None:
        raise Http404
    media = _media(assignment)
    parts = [drawn(part, number, given, errors or {}, media) for number, part in enumerate(form.parts)]
    about = _about(ticket, assignment, submit=submit, media=media)
    blocks = page.data_block("frame-about", about) + page.data_block("frame-words", words())
    context = {"parts": parts, "about": about, "blocks": page.marked(blocks), "submit": submit, "errors": errors or {}}
    response = render(request, "frames/form.html", context, status=400 if errors else 200)
    response.csp_policy = page.policy(submit)  # type: ignore[attr-defined]
    return response


@require_safe
@framed
def show_external(request: HttpRequest, token: str) -> HttpResponse:
    """Holds the page of an ExternalQuestion, which is on its requester's own host: a frame within this one."""
    ticket, assignment = _holder(token)
    url = external_of(assignment.hit.mturk.question)
    if url is None:
        raise Http404
    address = with_parameters(url, {**parameters(assignment), "turkSubmitTo": submit_to(token)})
    about = _about(ticket, assignment)
    context = {
        "address": address,
        "about": about,
        "host": urlsplit(url).hostname,
        "blocks": page.marked(page.data_block("frame-about", about)),
    }
    response = render(request, "frames/external.html", context)
    is_plain = url.startswith("http://")
    response.csp_policy = {  # type: ignore[attr-defined]
        "default-src": ["'none'"],
        "script-src": [settings.FRAME_ORIGIN],
        "style-src": [settings.FRAME_ORIGIN],
        "frame-src": ["https:", settings.FRAME_ORIGIN, *([_origin(url)] if is_plain else [])],
        "frame-ancestors": [settings.SITE_URL],
        "form-action": ["'none'"],
        "base-uri": ["'none'"],
    }
    return response


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


# --- receiving --------------------------------------------------------------------------------------------------------


@require_POST
@framed
def receive(request: HttpRequest, token: str) -> HttpResponse:
    """An answer from a frame of ours, by the ticket in its address."""
    ticket = read_ticket(token)
    assignment = holder_of(ticket) if ticket else None
    if ticket is None or assignment is None:
        return told(request, _("You are signed out, or this page is too old. Reload the page around it."), status=403)
    if ticket.is_look:
        return told(request, _("There is no such assignment. Accept the HIT before you hand it in."), status=404)
    try:
        hand_in(assignment=assignment, fields=fields_in(request), files=request.FILES)
    except FormRefused as refused:
        submit = f"{submit_to(token)}/mturk/externalSubmit"
        return _form(request, ticket, assignment, submit, request.POST, refused.errors)
    except DomainError as refusal:
        sentences = [refusal.message, *refusal.errors.values()]
        return told(request, " ".join(str(one) for one in sentences), status=409, ticket=ticket, kind="refused")
    return told(request, _("Handed in."), ticket=ticket, kind="done")


@require_POST
@framed
def receive_unsealed(request: HttpRequest) -> HttpResponse:
    """An answer that names only its assignment: it waits until the worker says on their own page that it is theirs."""
    fields = fields_in(request)
    name = next((value for field, value in fields if field == "assignmentId"), "")
    rows = Assignment.objects.filter(hit__mturk__isnull=False).select_related("hit__mturk", "batch")
    assignment = look_up(rows, name)
    if assignment is None:
        return told(request, _("There is no such assignment. Accept the HIT before you hand it in."), status=404)
    try:
        keep_pending(assignment=assignment, fields=fields)
    except (Conflict, DomainError) as refusal:
        return told(request, str(refusal.message), status=409)
    return told(request, _("Almost done: confirm on the page where you work that this is your answer."), kind="pending")


def fields_in(request: HttpRequest) -> list[tuple[str, str]]:
    """Fields of the body in their order, then those of the address."""
    return [(name, value) for form in (request.POST, request.GET) for name, values in form.lists() for value in values]


def told(
    request: HttpRequest, sentence: str, *, status: int = 200, ticket: Ticket | None = None, kind: str = ""
) -> HttpResponse:
    """A page inside the frame that says what became of it, and tells the page around it."""
    about = {"nonce": ticket.nonce if ticket else "", "site": settings.SITE_URL, "kind": kind}
    context = {"sentence": sentence, "blocks": page.marked(page.data_block("frame-about", about))}
    response = render(request, "frames/told.html", context, status=status)
    response.csp_policy = {  # type: ignore[attr-defined]
        "default-src": ["'none'"],
        "script-src": [settings.FRAME_ORIGIN, "'self'"],
        "style-src": [settings.FRAME_ORIGIN, "'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    return response


def in_a_word(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Any error that no view told of."""
    status = {Http404: 404, PermissionDenied: 403, SuspiciousOperation: 400}
    code = next((code for kind, code in status.items() if isinstance(exception, kind)), 500)
    return HttpResponse(responses[code], status=code, content_type="text/plain")


@framed
def elsewhere(request: HttpRequest) -> HttpResponse:
    """Everything else is on the site's own name; who came here by hand is led there."""
    if request.method in ("GET", "HEAD") and request.headers.get("Sec-Fetch-Dest", "document") == "document":
        return HttpResponseRedirect(settings.SITE_URL + request.get_full_path())
    raise Http404
