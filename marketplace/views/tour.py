"""Putting the demonstration away, and bringing it back."""

from __future__ import annotations

import uuid
from contextlib import suppress

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.pages import undoable
from marketplace.models import Membership, Requester
from marketplace.selectors import requesters_of
from marketplace.services.tour import bring_tour_back, put_tour_away
from marketplace.views.requester import for_requesters


@require_POST
@for_requesters
def tour_away(request: HttpRequest, requester: Requester) -> HttpResponse:
    for one in _run_by(request, requester):
        paused = put_tour_away(requester=one, by=request.user)
        said = _("The demonstration is put away. Its money stays in the statement.")
        fields = {"batches": " ".join(str(batch.public_id) for batch in paused)}
        undoable(request, said, href=reverse("tour_back"), fields=fields)
    return redirect("studio")


@require_POST
@for_requesters
def tour_back(request: HttpRequest, requester: Requester) -> HttpResponse:
    for one in _run_by(request, requester):
        bring_tour_back(requester=one, by=request.user, batches=_ids(request.POST.get("batches", "")))
    return redirect("studio")


def _run_by(request: HttpRequest, requester: Requester) -> list[Requester]:
    """The organisation, if this person manages it."""
    return list(requesters_of(request.user, Membership.Role.MANAGER).filter(pk=requester.pk))


def _ids(said: str) -> list[str]:
    found = []
    for word in said.split()[:1000]:
        with suppress(ValueError):
            found.append(str(uuid.UUID(word)))
    return found
