"""What a requester does with one batch: publish it, pause it, ask for more, close it, copy it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST

from core.errors import DomainError, Invalid
from core.models import Operation
from core.operations import cancel_operation, resume_operation
from core.pages import tell, undoable
from lifecycle.close import close_batch
from lifecycle.more import ask_for_more
from lifecycle.publish import add_rows, check_upload, publish_batch
from marketplace.models import Batch, Membership, Requester
from marketplace.services.posting import (
    attach_upload,
    clone_batch,
    extend_batch,
    pause_batch,
    resume_batch,
    subject_of,
)
from marketplace.views.requester import for_requesters
from quality.models import Belief
from quality.views.batches import LONG_WORK, UNDER_WAY, batch_of

#: Does something with a batch, as a request asks; returns what was done, or raises.
Act = Callable[[Batch, HttpRequest], str]

LATER = gettext_lazy("This takes a while; the page shows how far it is.")


def _cancel(batch: Batch) -> None:
    for operation in Operation.objects.filter(subject=subject_of(batch), state__in=UNDER_WAY):
        cancel_operation(operation=operation)


def _more(batch: Batch, request: HttpRequest) -> str:
    """So many more answers on every item, or on the disputed ones."""
    written = request.POST.get("answers", "")
    ids = None
    if request.POST.get("disputed"):
        disputed = Belief.objects.filter(hit__batch=batch, hit__lane=0, state=Belief.State.DISPUTED)
        ids = list(disputed.values_list("hit_id", flat=True).distinct())
    operation = ask_for_more(
        batch=batch, answers=int(written) if written.isdecimal() else 0, hit_ids=ids, by=request.user
    )
    if operation.state in UNDER_WAY:
        return str(LATER)
    reached = operation.done
    return ngettext("Asked for on %d item.", "Asked for on %d items.", reached) % reached


def _rows(batch: Batch, request: HttpRequest) -> str:
    file = request.FILES.get("file")
    if file is None:
        raise Invalid(errors={"file": _("Choose a table.")})
    add_rows(batch=batch, file=file, name=file.name or "table.csv")
    return _("Its rows are checked and added now; the page shows how far that is.")


def _extend(batch: Batch, request: HttpRequest) -> str:
    written = request.POST.get("expires_at", "")
    try:
        until = dt.datetime.fromisoformat(written).replace(tzinfo=dt.UTC) if written else None
    except ValueError:
        raise Invalid(errors={"expires_at": _("Write a day and a time.")}) from None
    before = batch.expires_at
    extend_batch(batch=batch, expires_at=until, by=request.user)
    if before is not None and before <= timezone.now():
        return _("Saved.")  # the end that it had is over: there is no way back
    fields = {"expires_at": f"{before:%Y-%m-%dT%H:%M:%S}" if before else ""}
    undoable(request, _("Saved."), href=_act_of(batch, "extend"), fields=fields)
    return ""


def _publish(batch: Batch, request: HttpRequest) -> str:
    publish_batch(batch=batch, by=request.user)
    return ""


def _check(batch: Batch, request: HttpRequest) -> str:
    check_upload(batch=batch)
    return ""


def _cancelled(batch: Batch, request: HttpRequest) -> str:
    _cancel(batch)
    return _("Cancelled. What was copied is taken back.")


def _pause(batch: Batch, request: HttpRequest) -> str:
    pause_batch(batch=batch, by=request.user)
    words = _("Paused. Work already accepted can be finished and is paid.")
    undoable(request, words, href=_act_of(batch, "resume"))
    return ""


def _resume(batch: Batch, request: HttpRequest) -> str:
    resume_batch(batch=batch, by=request.user)
    undoable(request, _("Open again."), href=_act_of(batch, "pause"))
    return ""


def _act_of(batch: Batch, act: str) -> str:
    return reverse("batch_act", args=[batch.public_id, act])


def _go_on(batch: Batch, request: HttpRequest) -> str:
    """With the long work that failed last."""
    last = Operation.objects.filter(subject=subject_of(batch), kind__in=LONG_WORK).order_by("-pk").first()
    if last is None:
        raise Http404
    resume_operation(operation=last)
    return str(LATER)


def _close(batch: Batch, request: HttpRequest) -> str:
    if close_batch(batch=batch, by=request.user).state in UNDER_WAY:
        return str(LATER)
    return _("Closed. What no answer needs has come back to you.")


#: What the buttons of a batch do.
ACTS: dict[str, Act] = {
    "publish": _publish,
    "check": _check,
    "cancel": _cancelled,
    "pause": _pause,
    "resume": _resume,
    "close": _close,
    "go-on": _go_on,
    "extend": _extend,
    "more": _more,
    "rows": _rows,
}


def carry_out(acts: Mapping[str, Act], act: str, batch: Batch, request: HttpRequest) -> None:
    """Do one of `acts`, and tell what was done, or why it was not."""
    if act not in acts:
        raise Http404
    try:
        said = acts[act](batch, request)
    except DomainError as refusal:
        tell(request, refusal)
    else:
        if said:
            messages.success(request, said)


@require_POST
@for_requesters
def batch_act(request: HttpRequest, requester: Requester, batch_id: uuid.UUID, act: str) -> HttpResponse:
    """Publish, cancel, pause, resume, close, extend, more answers, more rows."""
    batch = batch_of(request, batch_id, Membership.Role.MANAGER)
    carry_out(ACTS, act, batch, request)
    return redirect("studio_batch", batch.public_id)


@require_POST
@for_requesters
def batch_clone(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """A new draft of the same project, with a copy of the same table; it is checked at once."""
    batch = batch_of(request, batch_id, Membership.Role.MANAGER)
    clone = clone_batch(batch=batch)
    if clone.upload:
        check_upload(batch=clone)
    messages.success(request, _("A copy, as a draft. It goes by the project as it is now."))
    return redirect("studio_batch", clone.public_id)


@require_POST
@for_requesters
def batch_upload(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """Another file for a draft, in the place of the one before."""
    batch = batch_of(request, batch_id, Membership.Role.MANAGER)
    file = request.FILES.get("file")
    try:
        if file is not None:
            attach_upload(batch=batch, file=file, name=file.name or "table.csv")
            check_upload(batch=batch)
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("studio_batch", batch.public_id)
