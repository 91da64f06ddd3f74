"""How results are delivered where several answers are true: one label, or how the answers are distributed."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from core.errors import DomainError
from core.pages import tell
from marketplace.models import Membership, Requester
from marketplace.views.requester import for_requesters
from quality.services.several import deliver_as
from quality.views.batches import batch_of


@require_POST
@for_requesters
def batch_deliver(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """Choose for the project of a batch what results give."""
    batch = batch_of(request, batch_id, Membership.Role.MANAGER)
    try:
        deliver_as(
            project=batch.project,
            delivers=request.POST.get("delivers", ""),
            groups_by=request.POST.get("groups_by") or None,
            by=request.user,
        )
        messages.success(request, _("Saved. Results and exports of this project give it from now on."))
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("studio_results", batch.public_id)
