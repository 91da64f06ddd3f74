"""Machines beside the workers of a batch: what they said, what checks found of them, what they may do."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from core.errors import Invalid
from core.models import Operation
from lifecycle import machines as path
from lifecycle.train import ask_first, newest_result, newest_training, question_to_learn, start_training
from marketplace.models import Batch, Membership, Requester
from marketplace.selectors import design_of
from marketplace.services.posting import subject_of
from marketplace.views.requester import for_requesters
from quality.models import Machine
from quality.services import machine_report
from quality.services.machines import REMOTE, connect_machine, switch_machine, use_machine
from quality.services.suggesting import use_of_words
from quality.views.acts import Act, carry_out
from quality.views.batches import batch_context, batch_of

LARGEST_TABLE = 32 * 1024 * 1024


@require_safe
@for_requesters
def studio_machine(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """What machines said of this batch, how right they are where it is known, and what follows from it."""
    batch = batch_of(request, batch_id)
    reports = machine_report.report_of(batch)
    use = machine_report.use_of(batch)
    asking = Operation.objects.filter(subject=subject_of(batch), kind=path.KIND).order_by("-pk").first()
    asked = agreed = 0
    if use is not None:
        version = next((one.version for one in reports if one.machine == use.machine), None)
        if version is not None:
            asked, agreed = path.agreement_of(use, version)
    context: dict[str, Any] = {
        "reports": reports,
        "use": use,
        "items": machine_report.items_of(batch),
        "alone": machine_report.alone_count(batch),
        "asked": asked,
        "agreed": agreed,
        "asking": asking,
        "sources": [(value, words) for value, words in Machine.Source.choices if value != Machine.Source.LOCAL],
        "remote": REMOTE,
        "questions": list(design_of(batch).schema),
        "target": design_of(batch).rules.target,
        "training": newest_training(batch),
        "learned": machine_report.learned_of(batch, newest_result(batch)),
        "followed": use_of_words(batch) if use is not None else None,
        "can_learn": question_to_learn(batch) is not None,
        "shows": [(0.0, _("nobody")), (0.25, _("a quarter")), (0.5, _("half")), (0.75, _("three quarters"))],
    }
    return render(request, "batch/machine.html", batch_context(request, batch, "studio_machine") | context)


def _connect(batch: Batch, request: HttpRequest) -> str:
    sent = request.POST
    machine = connect_machine(
        project=batch.project, name=sent.get("name", ""), source=sent.get("source", ""), url=sent.get("url", ""),
        token=sent.get("token", ""), by=request.user,
    )  # fmt: skip
    if machine.source in REMOTE:
        return _("Connected. Ask it about this batch.")
    return _("Added. Send a table of its predictions.")


def _machine(batch: Batch, request: HttpRequest) -> Machine:
    try:
        wanted = uuid.UUID(request.POST.get("machine", ""))
    except ValueError:
        raise Http404 from None
    return get_object_or_404(Machine, project=batch.project_id, public_id=wanted)


def _upload(batch: Batch, request: HttpRequest) -> str:
    file = request.FILES.get("file")
    if file is None:
        raise Invalid(errors={"file": _("Choose a table: CSV, TSV or JSON lines.")})
    if (file.size or 0) > LARGEST_TABLE:
        raise Invalid(errors={"file": _("At most 32 MB. Send it in pieces.")})
    items = path.upload_predictions(
        machine=_machine(batch, request), batch=batch, file=file, name=file.name or "table.csv",
        version=request.POST.get("version", ""), by=request.user,
    )  # fmt: skip
    return ngettext("Taken: %(n)s item. ", "Taken: %(n)s items. ", items) % {"n": items} + _(
        "It is held against the known answers within seconds."
    )


def _ask(batch: Batch, request: HttpRequest) -> str:
    path.start_asking(machine=_machine(batch, request), batch=batch)
    return _("It is being asked. This page shows how far it is.")


def _switch(batch: Batch, request: HttpRequest) -> str:
    machine = switch_machine(machine=_machine(batch, request), is_on=request.POST.get("on") == "1", by=request.user)
    return _("What it says counts again.") if machine.is_on else _("What it says counts no more, from the next fit on.")


def _use(batch: Batch, request: HttpRequest) -> str:
    machine = _machine(batch, request) if request.POST.get("machine") else None
    try:
        share = float(request.POST.get("show_share") or 0)
    except ValueError:
        share = -1.0
    accepts = request.POST.get("accepts") == "1"
    use_machine(batch=batch, machine=machine, accepts=accepts, show_share=share, by=request.user)
    return _("Saved. It goes by what checks find, from now on.")


def _train(batch: Batch, request: HttpRequest) -> str:
    start_training(batch=batch, by=request.user)
    return _("It is being trained on the labels so far. This page shows what comes of it.")


def _first(batch: Batch, request: HttpRequest) -> str:
    try:
        count = int(request.POST.get("count", ""))
    except ValueError:
        count = 0
    moved = ask_first(batch=batch, count=count, by=request.user)
    return ngettext("%(n)s item comes first now.", "%(n)s items come first now.", moved) % {"n": moved}


ACTS: dict[str, Act] = {
    "connect": _connect,
    "upload": _upload,
    "ask": _ask,
    "switch": _switch,
    "use": _use,
    "train": _train,
    "first": _first,
}


@require_POST
@for_requesters
def machine_act(request: HttpRequest, requester: Requester, batch_id: uuid.UUID, act: str) -> HttpResponse:
    """Connect a machine, send a table, ask it, switch it, say what the batch does with it."""
    batch = batch_of(request, batch_id, Membership.Role.MANAGER)
    carry_out(ACTS, act, batch, request)
    return redirect("studio_machine", batch.public_id)
