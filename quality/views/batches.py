"""One batch, for its requester: the draft with its price, the live page, the labels."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson
from django.conf import settings
from django.contrib import messages
from django.core.files.storage import default_storage
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from core import charts
from core.errors import DomainError
from core.models import Operation
from core.operations import cancel_operation
from core.pages import tell
from core.templatetags.touchstone import duration
from lifecycle.close import close_batch
from lifecycle.export import KIND as EXPORT
from lifecycle.export import file_name, start_export
from lifecycle.publish import check_upload, publish_batch, subject_of
from marketplace import figures as work
from marketplace.models import Batch, Membership, Requester
from marketplace.schema import CANT_TELL
from marketplace.selectors import batches_of, design_of, requesters_of
from marketplace.services.posting import attach_upload, pause_batch, preview_batch, resume_batch
from marketplace.views.requester import for_requesters
from payments.models import Account
from payments.selectors import balance
from quality import figures
from quality.models import Belief
from quality.services.exporting import count_rows

PAGE = 30
MOST_ERRORS = 50
UNDER_WAY = (Operation.State.WAITING, Operation.State.RUNNING)


def batch_of(request: HttpRequest, batch_id: uuid.UUID, role: str = Membership.Role.VIEWER) -> Batch:
    return get_object_or_404(batches_of(request.user, role).distinct(), public_id=batch_id)


def batch_context(request: HttpRequest, batch: Batch, here: str) -> dict[str, Any]:
    """What every page of a batch shows on top."""
    arguments = [batch.public_id]
    return {
        "batch": batch,
        "project": batch.project,
        "requester": batch.project.requester,
        "currency": batch.project.requester.currency,
        "crumbs": [
            (_("Projects"), reverse("studio")),
            (batch.project.name, reverse("studio_project", args=[batch.project.public_id])),
        ],
        "tabs": [
            ("studio_batch", _("Live"), reverse("studio_batch", args=arguments), ""),
            ("studio_review", _("Review"), reverse("studio_review", args=arguments), ""),
            ("studio_results", _("Results"), reverse("studio_results", args=arguments), ""),
            ("studio_proof", _("Proof"), reverse("studio_proof", args=arguments), ""),
        ],
        "here": here,
        "may_write": batches_of(request.user, Membership.Role.MANAGER).filter(pk=batch.pk).exists(),
    }


def inside(request: HttpRequest, batch: Batch, here: str) -> dict[str, Any]:
    """The same for a page below a batch: the path goes on with it."""
    context = batch_context(request, batch, here)
    context["crumbs"] += [(batch.name, reverse("studio_batch", args=[batch.public_id]))]
    return context


@require_safe
@for_requesters
def studio_batch(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """A draft with its price, or what a published batch is doing now."""
    batch = batch_of(request, batch_id)
    if batch.state in (Batch.State.DRAFT, Batch.State.PUBLISHING):
        return render(request, "batch/draft.html", batch_context(request, batch, "studio_batch") | _draft(batch))
    return render(request, "batch/live.html", batch_context(request, batch, "studio_batch") | _live(batch))


@require_safe
@for_requesters
def studio_batch_now(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """The part of the page that changes, every two seconds; 204 while it has not. A page left behind is told to go."""
    batch = batch_of(request, batch_id)
    is_draft = batch.state in (Batch.State.DRAFT, Batch.State.PUBLISHING)
    if ("draft" in request.GET) != is_draft:
        response = HttpResponse(status=204)
        response["HX-Refresh"] = "true"
        return response
    found = _draft(batch) if is_draft else _live(batch)
    if request.GET.get("seen") == found["seen"]:
        return HttpResponse(status=204)
    template = "batch/draft_now.html" if is_draft else "batch/live_now.html"
    return render(request, template, batch_context(request, batch, "studio_batch") | found)


def _seen(*facts: Any) -> str:
    """Changes when anything shown does."""
    return hashlib.sha256(orjson.dumps(facts, default=str)).hexdigest()[:16]


# --- draft ------------------------------------------------------------------------------------------------------------


def _draft(batch: Batch) -> dict[str, Any]:
    operation = Operation.objects.filter(subject=subject_of(batch), kind__in=["check_upload", "publish"]).last()
    facts = batch.upload_facts
    errors = list(facts.get("errors", []))
    if not errors and operation and operation.state == Operation.State.FAILED:
        errors = list(operation.result.get("errors", [])) if isinstance(operation.result.get("errors"), list) else []
    preview, refusal = None, None
    if facts and not errors:
        try:
            preview = preview_batch(batch=batch)
        except DomainError as wrong:
            refusal = wrong
    requester = batch.project.requester
    available = balance(Account.Kind.AVAILABLE, requester.pk, requester.currency)
    is_busy = operation is not None and operation.state in UNDER_WAY
    state = (operation.state, operation.done, operation.total, operation.error) if operation else ()
    return {
        "operation": operation,
        "is_busy": is_busy,
        "facts": facts,
        "errors": errors[:MOST_ERRORS],
        "error_count": len(errors),
        "preview": preview,
        "price_refusal": refusal,
        "available": available,
        "is_short": preview is not None and preview.put_aside > available,
        "fee_share": settings.FEE_BASIS_POINTS / 10_000,
        "progress_share": round(100 * operation.done / operation.total) if operation and operation.total else None,
        "seen": _seen(batch.state, batch.upload_name, facts, state, available),
    }


# --- live -------------------------------------------------------------------------------------------------------------


def _live(batch: Batch) -> dict[str, Any]:
    progress, taken = figures.progress_of(batch)
    sure = figures.sureness_of(batch)
    speed = figures.speed_of(batch)
    purse = figures.purse_of(batch)
    crowd = figures.crowd_of(batch)
    known = figures.known_of(batch)
    pay = work.pay_of(batch)
    feed = figures.feed_of(batch)
    left = progress.total - progress.done - progress.cancelled - progress.parked
    answers_left = max(left, 0) * (sure.answers_each or 1) if left else 0
    alpha = figures.agreement_of(batch)
    found: dict[str, Any] = {
        "progress": progress,
        "parts": _parts(progress),
        "answers": taken,
        "sure": sure,
        "speed": speed,
        "left_seconds": answers_left / speed.an_hour * 3600 if speed.an_hour and answers_left else None,
        "purse": purse,
        "purse_parts": _purse_parts(purse),
        "crowd": crowd,
        "known": known,
        "pay": pay,
        "alpha": f"{alpha:.2f}" if alpha is not None else None,
        "disputed": _items(figures.disputed_of(batch), batch),
        "feed": feed,
        "speed_chart": _speed_chart(speed, is_open=batch.state == Batch.State.OPEN),
        "answers_chart": _answers_chart(sure),
        "rules": design_of(batch).rules,
    }
    shown = [progress, taken, sure, speed.bars, purse, crowd, known, pay, alpha, feed, batch.state]
    return found | {"seen": _seen(str(shown))}


@dataclass(frozen=True)
class Item:
    """One belief of a batch in a table."""

    belief: Belief
    name: str
    picture: str | None
    label: str
    votes: list[figures.Vote]
    chip: str


def _items(beliefs: list[Belief], batch: Batch) -> list[Item]:
    design = design_of(batch)
    questions = {question.name: question for question in design.schema}
    votes, pictures = figures.votes_of(beliefs, questions), figures.pictures_of(beliefs, batch)
    return [
        Item(
            belief=belief,
            name=figures.item_name(belief),
            picture=pictures.get(belief.hit_id),
            label=figures.label_words(questions.get(belief.question), belief),
            votes=votes[belief.pk],
            chip=_chip(belief, design.rules.target),
        )
        for belief in beliefs
    ]


def _parts(progress: figures.Progress) -> list[charts.Part]:
    rows = [
        (progress.settled, "f-ink", _("%s settled")),
        (progress.full, "f-good", _("%s with all answers")),
        (progress.disputed, "f-warn", _("%s disputed")),
        (progress.parked, "f-bad", _("%s set aside")),
        (progress.begun, "f-grey", _("%s being answered")),
        (progress.untouched, "f-surface", _("%s untouched")),
    ]
    kept = {0, 4, 5}
    return [
        charts.Part(count, css, words % charts.number(count))
        for index, (count, css, words) in enumerate(rows)
        if count or index in kept
    ]


def _purse_parts(purse: figures.Purse) -> list[charts.Part]:
    return [
        charts.Part(purse.paid, "f-ink", _("paid")),
        charts.Part(purse.held, "f-ink-soft", _("held")),
        charts.Part(purse.returned, "f-soft", _("returned")),
    ]


def _speed_chart(speed: figures.Speed, *, is_open: bool) -> charts.Chart:
    step = duration(speed.step)
    counts = ", ".join(charts.number(count) for _label, count in speed.bars) or "0"
    message = _("Answers every %(step)s: %(counts)s") % {"step": step, "counts": counts}
    every = 1 if len(speed.bars) <= 8 else 2
    return charts.bars(
        speed.bars, message=message, head=(_("From"), _("Answers")), axis=_("time, UTC"), open_last=is_open, every=every
    )


def _answers_chart(sure: figures.Sureness) -> charts.Chart:
    points = [(str(answers), count) for answers, count in sure.by_answers]
    message = _("Labels by the number of answers they took: %s") % (
        ", ".join(f"{answers}: {count}" for answers, count in sure.by_answers) or _("none yet")
    )
    return charts.bars(points, message=message, head=(_("Answers"), _("Labels")), axis=_("answers that a label took"))


# --- acts -------------------------------------------------------------------------------------------------------------


def _cancel(batch: Batch) -> None:
    for operation in Operation.objects.filter(subject=subject_of(batch), state__in=UNDER_WAY):
        cancel_operation(operation=operation)


#: What the buttons of a batch do, and what is then said.
ACTS: dict[str, tuple[Callable[[Batch], Any], Any]] = {
    "publish": (lambda batch: publish_batch(batch=batch), ""),
    "check": (lambda batch: check_upload(batch=batch), ""),
    "cancel": (_cancel, gettext_lazy("Cancelled. What was copied is taken back.")),
    "pause": (
        lambda batch: pause_batch(batch=batch),
        gettext_lazy("Paused. Work already accepted can be finished and is paid."),
    ),
    "resume": (lambda batch: resume_batch(batch=batch), gettext_lazy("Open again.")),
    "close": (
        lambda batch: close_batch(batch=batch),
        gettext_lazy("Closed. What no answer needs has come back to you."),
    ),
}


@require_POST
@for_requesters
def batch_act(request: HttpRequest, requester: Requester, batch_id: uuid.UUID, act: str) -> HttpResponse:
    """Publish, cancel, pause, resume, close."""
    batch = batch_of(request, batch_id, Membership.Role.MANAGER)
    if act not in ACTS:
        raise Http404
    do, said = ACTS[act]
    try:
        do(batch)
    except DomainError as refusal:
        tell(request, refusal)
    else:
        if said:
            messages.success(request, str(said))
    return redirect("studio_batch", batch.public_id)


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


# --- export -----------------------------------------------------------------------------------------------------------

EXPORTS = [
    ("labels", "csv", gettext_lazy("Labels, CSV"), gettext_lazy("One row an item: label, confidence, answers")),
    ("labels", "jsonl", gettext_lazy("Labels, JSON lines"), gettext_lazy("The same, nested")),
    ("answers", "csv", gettext_lazy("Every answer, CSV"), gettext_lazy("One row an answer, with pseudonyms")),
    ("answers", "jsonl", gettext_lazy("Every answer, JSON lines"), gettext_lazy("The same, nested")),
    ("labels", "parquet", gettext_lazy("Labels, Parquet"), gettext_lazy("One row an item, with types")),
    ("answers", "parquet", gettext_lazy("Every answer, Parquet"), gettext_lazy("One row an answer, with types")),
    ("both", "csv", gettext_lazy("Answers beside labels, CSV"), gettext_lazy("One row an answer, with its item")),
    ("both", "parquet", gettext_lazy("Answers beside labels, Parquet"), gettext_lazy("The same, with types")),
]
MOST_EXPORTS = 5


@require_POST
@for_requesters
def batch_export(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """Begin an export; the page shows how far it is, and then the file."""
    batch = batch_of(request, batch_id)
    what, _sign, format = request.POST.get("export", "").partition(".")
    try:
        start_export(batch=batch, what=what, format=format, states=request.POST.get("states", ""))
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("studio_results", batch.public_id)


def _exports(batch: Batch) -> dict[str, Any]:
    rows = list(Operation.objects.filter(subject=subject_of(batch), kind=EXPORT).order_by("-pk")[:MOST_EXPORTS])
    busy = any(row.state in UNDER_WAY for row in rows)
    seen = _seen([(row.pk, row.state, row.done) for row in rows])
    return {"exports": [(row, file_name(row)) for row in rows], "is_exporting": busy, "seen_exports": seen}


@require_safe
@for_requesters
def batch_exports_now(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """The exports of a batch while one is under way; 204 while nothing has changed."""
    batch = batch_of(request, batch_id)
    found = _exports(batch)
    if request.GET.get("seen") == found["seen_exports"]:
        return HttpResponse(status=204)
    return render(request, "batch/exports_now.html", {"batch": batch} | found)


@require_safe
@for_requesters
def export_file(request: HttpRequest, requester: Requester, operation_id: uuid.UUID) -> FileResponse:
    """A finished export. One that is not finished is not there."""
    mine = Operation.objects.filter(
        kind=EXPORT, state=Operation.State.DONE, requester_id__in=requesters_of(request.user).values("pk")
    )
    operation = get_object_or_404(mine, public_id=operation_id)
    file = default_storage.open(operation.result["file"], "rb")
    return FileResponse(file, as_attachment=True, filename=file_name(operation))


# --- results ----------------------------------------------------------------------------------------------------------

STATES = {
    "": None,
    "settled": [Belief.State.SETTLED],
    "disputed": [Belief.State.DISPUTED],
    "overruled": [Belief.State.OVERRULED],
    "collecting": [Belief.State.COLLECTING],
}
ORDERS = {"": "hit_id", "sure": "-confidence", "unsure": "confidence"}


@require_safe
@for_requesters
def studio_results(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """The labels so far, to look through and to export."""
    batch = batch_of(request, batch_id)
    design = design_of(batch)
    questions = {question.name: question for question in design.schema}
    beliefs = Belief.objects.filter(hit__batch=batch, hit__lane=0)
    state, order = request.GET.get("state", ""), request.GET.get("order", "")
    name = request.GET.get("question", "")
    if wanted := STATES.get(state):
        beliefs = beliefs.filter(state__in=wanted)
    if name in questions:
        beliefs = beliefs.filter(question=name)
    beliefs = beliefs.select_related("hit__data_row").order_by(
        ORDERS.get(order, "hit_id"), "hit_id", "question", "part"
    )
    page = Paginator(beliefs, PAGE).get_page(request.GET.get("page"))
    rows = _items(list(page.object_list), batch)
    progress, taken = figures.progress_of(batch)
    sure = figures.sureness_of(batch)
    classed = next((question for question in design.schema if question.classes and question.kind != "multilabel"), None)
    counts = figures.mixups_of(batch, classed) if classed else None
    context = {
        "page": page,
        "rows": rows,
        "state": state,
        "order": order,
        "question": name,
        "questions": list(questions.values()),
        "progress": progress,
        "answers": taken,
        "sure": sure,
        "known": figures.known_of(batch),
        "purse": figures.purse_of(batch),
        "heat": _heat(counts, classed.classes) if counts and classed else None,
        "choices": EXPORTS,
        "row_counts": {"labels": count_rows(batch, "labels"), "answers": count_rows(batch, "answers")},
        "decided_count": count_rows(batch, "labels", "decided"),
        "query": "".join(f"{key}={value}&" for key, value in request.GET.items() if key != "page" and value),
    }
    return render(
        request, "batch/results.html", batch_context(request, batch, "studio_results") | context | _exports(batch)
    )


def _chip(belief: Belief, target: float) -> str:
    if not belief.is_calibrated:
        return "raw"
    if belief.state == Belief.State.DISPUTED:
        return "low"
    return "sure" if belief.confidence >= target else ""


def _heat(counts: list[list[int]], labels: tuple[str, ...]) -> charts.Heat:
    worst = max(
        (
            (row[column], labels[index], labels[column])
            for index, row in enumerate(counts)
            for column in range(len(row))
            if index != column
        ),
        default=(0, "", ""),
    )
    message = _("What workers answered, by delivered label. ") + (
        _("Most mix-ups: %(label)s answered as %(said)s, %(count)s times.")
        % {"label": worst[1], "said": worst[2], "count": worst[0]}
        if worst[0]
        else _("No mix-ups.")
    )
    return charts.heat(counts, ["?" if label == CANT_TELL else label for label in labels], message=message)
