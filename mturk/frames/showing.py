"""How a place is shown that is a HIT of Mechanical Turk: in which frame, at which address, with which parameters."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

from django.conf import settings
from django.http import HttpRequest

from marketplace.models import Assignment
from marketplace.services.accepting import Place
from marketplace.showing import Frame
from mturk import ids, people
from mturk.frames.ticket import looked_at, new_ticket
from mturk.models import MturkHit
from mturk.questions import external_of, height_of

PREVIEW = "ASSIGNMENT_ID_NOT_AVAILABLE"
#: Frames that say 0 fit the window; others get what they ask for, within reason.
HIGHEST = 20_000


def submit_to(token: str) -> str:
    """What pages are told as `turkSubmitTo`: they append `/mturk/externalSubmit`."""
    return f"{settings.FRAME_ORIGIN}/s/{token}"


def parameters(assignment: Assignment) -> dict[str, str]:
    """What a page in a frame finds in its address, but for where it posts."""
    hit = ids.written(assignment.hit.data_row.public_id)
    if assignment.is_ahead:
        return {"assignmentId": PREVIEW, "hitId": hit}
    requester = assignment.batch.project.requester
    worker = people.worker_ids(requester, [assignment.worker_id])[assignment.worker_id]
    return {"assignmentId": ids.written(assignment.public_id), "hitId": hit, "workerId": worker}


def with_parameters(url: str, more: Mapping[str, str]) -> str:
    """Added behind what the address has, before any fragment.

    >>> with_parameters("https://a.example/t?x=1#top", {"hitId": "3A/B"})
    'https://a.example/t?x=1&hitId=3A%2FB#top'
    """
    parts = urlsplit(url)
    added = "&".join(f"{name}={quote(value, safe='')}" for name, value in more.items())
    query = f"{parts.query}&{added}" if parts.query else added
    return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", query, parts.fragment))


def frame_of(request: HttpRequest, place: Place) -> Frame | None:
    """The frame of a place; None where it is no HIT of Mechanical Turk. Asked for every place that is shown."""
    if set(place.data) != {"question", "sha256"}:
        return None
    row = MturkHit.objects.filter(pk=place.hit_id).only("question").first()
    if row is None:
        return None
    if not settings.FRAME_ORIGIN:
        return Frame()
    rows = Assignment.objects.select_related("batch__project__requester", "hit__data_row")
    is_look = not place.assignment_id
    assignment = looked_at(place.public_id) if is_look else rows.get(pk=place.assignment_id)
    if assignment is None:
        return None
    session = request.session.session_key or ""
    ticket = new_ticket(assignment=place.public_id, session=session, is_look=is_look)
    token = ticket.seal()
    external = external_of(row.question)
    height = min(height_of(row.question), HIGHEST)
    if external is not None:
        host = urlsplit(external).hostname or ""
        return Frame(f"{settings.FRAME_ORIGIN}/x/{token}/", ticket.nonce, height, host)
    address = with_parameters(
        f"{settings.FRAME_ORIGIN}/f/{token}/", {**parameters(assignment), "turkSubmitTo": submit_to(token)}
    )
    return Frame(address, ticket.nonce, height)
