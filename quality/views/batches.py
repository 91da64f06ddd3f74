"""One batch, for its requester: the draft with its price, the live page, the labels."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from operator import or_
from typing import Any
from urllib.parse import urlencode

import orjson
from django.contrib import messages
from django.core.files.storage import default_storage
from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet, Sum, TextField
from django.db.models.functions import Cast
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import charts, money
from core.errors import DomainError, Invalid
from core.freshness import fresh
from core.models import Operation
from core.operations import cancel_operation, resume_operation
from core.pages import tell, undoable
from core.templatetags.touchstone import SYMBOLS, duration
from lifecycle.close import close_batch
from lifecycle.export import KIND as EXPORT
from lifecycle.export import file_name, start_export
from lifecycle.heal import words_of
from lifecycle.more import ask_for_more
from lifecycle.publish import add_rows, check_upload, publish_batch
from marketplace import figures as work
from marketplace.models import Batch, Membership, Requester
from marketplace.rules import Rules
from marketplace.schema import CANT_TELL, Question, Schema, schema_of
from marketplace.selectors import batches_of, design_of, requesters_of
from marketplace.services.costs import Preview
from marketplace.services.posting import (
    attach_upload,
    clone_batch,
    extend_batch,
    pause_batch,
    preview_batch,
    resume_batch,
    subject_of,
)
from marketplace.views.design import priced
from marketplace.views.requester import for_requesters
from marketplace.views.steps import steps_of
from payments.models import Account, Deposit
from payments.selectors import balance
from quality import figures
from quality.agreement import alpha_of
from quality.curves import Curve, curve_of
from quality.dashboard import summaries_of
from quality.estimators.intervals import wilson_interval
from quality.models import AggregationRun, Belief, Certificate
from quality.prediction import Prediction, prediction_of
from quality.services.exporting import count_rows
from quality.services.healing import healings_of
from quality.services.scoring import in_short, is_scored, why_without
from quality.services.several import confusions_of, delivers_shares, group_choices, rules_now, share_words, shares_on

PAGE = 30
MOST_ERRORS = 50
LATER = gettext_lazy("This takes a while; the page shows how far it is.")
#: Work on a whole batch that its page tells of.
LONG_WORK = ("close", "ask_for_more", "add_rows")
#: How long the page of a batch tells of labels that changed because an answer lost its weight.
HEALED_SHOWN = dt.timedelta(days=14)
UNDER_WAY = (Operation.State.WAITING, Operation.State.RUNNING)


def batch_of(request: HttpRequest, batch_id: uuid.UUID, role: str = Membership.Role.VIEWER) -> Batch:
    return get_object_or_404(batches_of(request.user, role).distinct(), public_id=batch_id)


def batch_context(request: HttpRequest, batch: Batch, here: str) -> dict[str, Any]:
    """What every page of a batch shows on top."""
    arguments = [batch.public_id]
    purse = figures.purse_of(batch) if batch.published_at else figures.Purse(0, 0, 0, 0, 0)
    summary = summaries_of([batch])[batch.pk]
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
            ("studio_workers", _("Workers"), reverse("studio_workers", args=arguments), ""),
            ("studio_agreement", _("Agreement"), reverse("studio_agreement", args=arguments), ""),
            ("studio_whatif", _("What if"), reverse("studio_whatif", args=arguments), ""),
            ("studio_machine", _("Machine"), reverse("studio_machine", args=arguments), ""),
        ],
        # What the acts of the batch would cost, or bring back.
        "held_now": purse.held + purse.repair,
        "item_count": summary.items,
        "disputed_count": summary.disputed,
        "more_cost": summary.items * batch.price,
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
    if batch.project.trial_of_id:
        return redirect("studio_trial", batch.project.trial_of.public_id)  # type: ignore[union-attr]
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
    project = batch.project
    price: dict[str, Any] = {}
    preview, refusal = None, None
    if facts and not errors:
        price = priced(project, batch, project.rules, project.audience)
        try:
            preview = preview_batch(batch=batch)
        except DomainError as wrong:
            refusal, price = wrong, {}
    requester = project.requester
    asked = requester.deposits.filter(state=Deposit.State.REQUESTED).aggregate(sum=Sum("amount"))["sum"] or 0
    available = balance(Account.Kind.AVAILABLE, requester.pk, requester.currency)
    missing = max(preview.put_aside - available, 0) if preview else 0
    try:
        rules = Rules.from_json(project.rules, audience=project.audience)
    except DomainError:
        rules = None
    predicted = prediction_of(project, rules) if rules else None
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
        "is_short": missing > 0,
        "missing": missing,
        "missing_amount": money.format_amount(-(-missing // money.CENT) * money.CENT),
        "announced": asked,
        "symbol": SYMBOLS.get(requester.currency, requester.currency).strip(),
        "price": price,
        "rules": rules,
        "predicted": predicted,
        "predicted_cost": _predicted_cost(predicted, preview),
        "predicted_chart": _predicted_chart(predicted) if predicted else None,
        "reward": rules.reward_micros if rules else 0,
        "questions": schema_of(project.questions),
        "steps": steps_of(project, batch, "publish"),
        "is_tried": project.trials.filter(batches__participations__isnull=False).exists(),
        "progress_share": round(100 * operation.done / operation.total) if operation and operation.total else None,
        "seen": _seen(batch.state, batch.upload_name, facts, state, available, asked),
    }


def _predicted_cost(predicted: Prediction | None, preview: Preview | None) -> int:
    """Micros."""
    if predicted is None or preview is None or not preview.maximum.answers:
        return 0
    return round(predicted.chosen.answers * preview.rows * preview.maximum.total / preview.maximum.answers)


def _predicted_chart(predicted: Prediction) -> charts.Chart:
    """Share of right labels that is likely, by answers a label: a fixed number, and asking until a label is sure."""
    told = ", ".join(f"{one.answers:.1f}: {one.share:.0%}" for one in predicted.adaptive)
    lowest = min(one.share for one in [*predicted.fixed, *predicted.adaptive])
    return charts.lines(
        [
            charts.Series(_("a fixed number"), [(one.answers, one.share) for one in predicted.fixed], "b"),
            charts.Series(_("until it is sure"), [(one.answers, one.share) for one in predicted.adaptive]),
        ],
        message=_("Labels likely right by answers a label, asked until sure: %s") % told,
        x_axis=_("answers a label"),
        head=(_("Series"), _("Answers"), _("Share")),
        low=math.floor(lowest * 20) / 20,
        high=1.0,
        percent=True,
    )


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
    alpha = alpha_of(batch)
    curve = curve_of(batch)
    certificate = batch.certificates.filter(state=Certificate.State.VALID).order_by("-pk").first()
    proof = certificate.claim if certificate else None
    operation = Operation.objects.filter(subject=subject_of(batch), kind__in=LONG_WORK).order_by("-pk").first()
    if operation and operation.state == Operation.State.DONE:
        operation = None
    found: dict[str, Any] = {
        "progress": progress,
        "parts": _parts(progress),
        "answers": taken,
        "sure": sure,
        "gold_proof": figures.gold_proof_of(batch),
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
        "curve_chart": _curve_chart(curve, sure, design_of(batch).rules, proof) if curve else None,
        "proof": proof,
        "proof_score": in_short(proof) if proof else None,
        "sure_is": said_of_sureness(design_of(batch).schema),
        "curve": curve,
        "operation": operation,
        "progress_share": round(100 * operation.done / operation.total) if operation and operation.total else None,
        "rules": design_of(batch).rules,
        "healed": healed_of(batch),
    }
    shown = [progress, taken, sure, speed.bars, purse, crowd, known, pay, alpha, feed, batch.state, curve, proof]
    shown.append(found["healed"])
    shown.append((operation.state, operation.done, operation.total) if operation else None)
    return found | {"seen": _seen(str(shown))}


def healed_of(batch: Batch) -> str:
    """What the last corrections came to, in words; empty where there was none of late."""

    def read() -> str:
        since = timezone.now() - HEALED_SHOWN
        last = healings_of(batch.pk).filter(done_at__gt=since).exclude(changed=0, asked=0).order_by("-pk").first()
        return str(words_of(last)) if last else ""

    return fresh(f"healed:{batch.pk}:{get_language()}", read, least=5)


@dataclass(frozen=True)
class Item:
    """One belief of a batch in a table."""

    belief: Belief
    name: str
    picture: str | None
    label: str
    votes: list[figures.Vote]
    chip: str
    #: Why it has no expected score, where it should have one.
    why: str = ""


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
            why=why_unsure(questions.get(belief.question), belief),
        )
        for belief in beliefs
    ]


def why_unsure(question: Question | None, belief: Belief) -> str:
    """Why a number or text has no expected score; empty where it has one, or a person decided it."""
    needs_one = question is not None and is_scored(question) and belief.state != Belief.State.OVERRULED
    return why_without(belief.answers) if needs_one and belief.sureness is None else ""


def said_of_sureness(schema: Schema) -> str:
    """What stands where labels have their confidence: `confidence`, `score`, or `both` by question."""
    scored = [is_scored(question) for question in schema]
    return "score" if all(scored) else "both" if any(scored) else "confidence"


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


def _curve_chart(curve: Curve, sure: figures.Sureness, rules: Rules, proof: dict[str, Any] | None) -> charts.Chart:
    """How right fewer or more answers an item would have been, on this batch's own judgments."""
    points = [(float(one.answers), one.share) for one in curve.points]
    told = ", ".join(f"{one.answers}: {one.share:.0%}" for one in curve.points)
    measure = _("right, by known answers") if curve.is_known else _("equal to the label decided in the end")
    message = _("Majority of so many answers, %(measure)s. %(told)s") % {"measure": measure, "told": told}
    target = (rules.target, _("target %d %%") % round(rules.target * 100)) if rules.is_adaptive else None
    now = None
    if proof and sure.answers_each:
        words = _("audited, %.1f answers") % sure.answers_each
        now = (sure.answers_each, proof["accuracy"], proof["low"], proof["high"], words)
    lowest = min([share for _answers, share in points] + ([now[2]] if now else []))
    return charts.lines(
        [charts.Series(_("majority"), points, "b")],
        message=message,
        x_axis=_("answers an item"),
        head=(_("Series"), _("Answers"), _("Share")),
        low=math.floor(lowest * 20) / 20,
        high=1.0,
        percent=True,
        target=target,
        now=now,
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


#: What the buttons of a batch do; each says what was done, or raises.
ACTS: dict[str, Callable[[Batch, HttpRequest], str]] = {
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


@require_POST
@for_requesters
def batch_act(request: HttpRequest, requester: Requester, batch_id: uuid.UUID, act: str) -> HttpResponse:
    """Publish, cancel, pause, resume, close, extend, more answers, more rows."""
    batch = batch_of(request, batch_id, Membership.Role.MANAGER)
    if act not in ACTS:
        raise Http404
    try:
        said = ACTS[act](batch, request)
    except DomainError as refusal:
        tell(request, refusal)
    else:
        if said:
            messages.success(request, said)
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
FILTERS = ("state", "question", "label", "q", "order")
ORDERS = {"": "hit_id", "sure": "-confidence", "unsure": "confidence"}


#: Labels of a longer list that are sorted once for several pages.
HEAD = 1200


class LabelPages(Paginator):  # type: ignore[type-arg]
    """Pages of labels with 10^5 behind them: counted for a moment, sorted by narrow rows, and only then read whole."""

    def __init__(self, rows: QuerySet[Belief], per_page: int, key: str) -> None:
        super().__init__(rows, per_page)
        self.key = key

    @cached_property
    def count(self) -> int:
        return fresh(self.key, lambda: self.object_list.order_by().count(), least=0)  # type: ignore[attr-defined]

    def page(self, number: int | str) -> Page:  # type: ignore[type-arg]
        number = self.validate_number(number)
        first, after = (number - 1) * self.per_page, number * self.per_page
        rows: QuerySet[Belief] = self.object_list  # type: ignore[assignment]
        if after <= HEAD < self.count:
            ids = self._head()[first:after]
        else:
            ids = list(rows.values_list("pk", flat=True)[first:after])
        # What was sorted a moment ago may be decided by now.
        found = {row.pk: row for row in rows.filter(pk__in=ids).select_related("hit__data_row")}
        return Page([found[pk] for pk in ids if pk in found], number, self)

    def _head(self) -> list[int]:
        """The first of a long list, which no index sorts: once for all pages that are asked for in a moment."""
        rows: QuerySet[Belief] = self.object_list  # type: ignore[assignment]
        return fresh(f"{self.key}:head", lambda: list(rows.values_list("pk", flat=True)[:HEAD]), least=0)


def labels_of(batch: Batch, asked: Mapping[str, str]) -> QuerySet[Belief]:
    """The labels of a batch by the filters of the address: `state`, `question`, `label`, `q` (words), `order`."""
    design = design_of(batch)
    beliefs = Belief.objects.filter(hit__batch=batch, hit__lane=0)
    state, name = asked.get("state", ""), asked.get("question", "")
    if state == "uncertain":
        beliefs = beliefs.filter(confidence__lt=design.rules.target).exclude(state__in=["overruled", "collecting"])
    elif wanted := STATES.get(state):
        beliefs = beliefs.filter(state__in=wanted)
    if name in design.schema:
        beliefs = beliefs.filter(question=name)
    if label := asked.get("label", ""):
        meant = [Q(question=q.name, label=q.index[label]) for q in design.schema if label in q.index]
        beliefs = beliefs.filter(reduce(or_, meant, Q(pk=None)))
    if words := asked.get("q", "").strip()[:100]:
        text = Cast("hit__data_row__data", TextField())
        found = Q(text__icontains=words) | Q(hit__data_row__external_id__icontains=words)
        if re.fullmatch(r"[0-9a-fA-F-]{4,36}", words):
            found |= Q(item__startswith=words.lower())
            beliefs = beliefs.annotate(item=Cast("hit__data_row__public_id", TextField()))
        beliefs = beliefs.annotate(text=text).filter(found)
    order = ORDERS.get(asked.get("order", ""), "hit_id")
    return beliefs.order_by(order, "hit_id", "question", "part")


@require_safe
@for_requesters
def studio_results(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """The labels so far, to look through and to export."""
    batch = batch_of(request, batch_id)
    design = design_of(batch)
    questions = {question.name: question for question in design.schema}
    asked = {key: request.GET[key] for key in FILTERS if request.GET.get(key)}
    key = f"labels:{batch.pk}:{_seen(sorted(asked.items()))}"
    page = LabelPages(labels_of(batch, asked), PAGE, key).get_page(request.GET.get("page"))
    rows = _items(list(page.object_list), batch)
    shares = delivers_shares(batch.project)
    if shares:
        found = shares_on(batch, {row.belief.hit_id for row in rows})
        rows = [
            replace(row, label=share_words(shared))
            if (shared := found.get((row.belief.hit_id, row.belief.question))) and not row.belief.part
            else row
            for row in rows
        ]
    progress, taken = figures.progress_of(batch)
    sure = figures.sureness_of(batch)
    classed = next((question for question in design.schema if question.classes and question.kind != "multilabel"), None)
    counts = figures.mixups_of(batch, classed) if classed else None
    proof = Certificate.objects.filter(batch=batch, state=Certificate.State.VALID).order_by("-pk").first()
    calibration = proof.sections.get("calibration") if proof else None
    is_audited = bool(calibration)
    if not calibration and classed:
        calibration = _by_known_answers(batch, classed.name)
    context = {
        "page": page,
        "rows": rows,
        "asked": asked,
        "state": asked.get("state", ""),
        "order": asked.get("order", ""),
        "question": asked.get("question", ""),
        "label": asked.get("label", ""),
        "words": asked.get("q", ""),
        "classes": classed.classes if classed else (),
        "questions": list(questions.values()),
        "progress": progress,
        "answers": taken,
        "sure": sure,
        "known": figures.known_of(batch),
        "proof": proof,
        "proof_score": in_short(proof.claim) if proof else None,
        "sure_is": said_of_sureness(design.schema),
        "calibration": calibration,
        "is_audited": is_audited,
        "reliability": reliability_of(calibration, is_audited=is_audited) if calibration else None,
        "gold_proof": figures.gold_proof_of(batch),
        "purse": figures.purse_of(batch),
        "heat": _heat(counts, classed.classes) if counts and classed else None,
        "agreeing": _agreeing(counts, classed.classes) if counts and classed else [],
        "choices": EXPORTS,
        "row_counts": {"labels": progress.total + progress.checks, "answers": taken},
        "decided_count": fresh(f"decided:{batch.pk}", lambda: count_rows(batch, "labels", "decided")),
        "query": f"{urlencode(asked)}&" if asked else "",
        "shares": shares,
        "groups_by": rules_now(batch.project).groups_by or "",
        "group_choices": list(group_choices(batch.project)),
        "confusions": confusions_of(batch),
    }
    around = batch_context(request, batch, "studio_results")
    return render(request, "batch/results.html", around | context | _exports(batch))


def reliability_of(section: Mapping[str, Any], *, is_audited: bool = True) -> charts.Chart:
    groups = [
        charts.Group(one["stated"], one["right"], one["low"], one["high"], one["count"]) for one in section["groups"]
    ]
    words = (
        _("Share found right in the random audit, against stated confidence")
        if is_audited
        else _("Share right among known answers that the fit was not told, against stated confidence")
    )
    return charts.reliability(groups, message=words)


def _by_known_answers(batch: Batch, question: str) -> dict[str, Any] | None:
    """Of the project's newest fit, where enough answers are known."""

    def read() -> dict[str, Any] | None:
        run = AggregationRun.objects.filter(project=batch.project_id, question=question).order_by("-pk").first()
        return (run.report.get("reliability") or None) if run else None

    return fresh(f"reliability:{batch.project_id}:{question}", read, least=30)


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
    words = ["?" if label == CANT_TELL else label for label in labels]
    return charts.heat(counts, words, message=message)


def _agreeing(counts: list[list[int]], labels: tuple[str, ...]) -> list[dict[str, Any]]:
    """By delivered label: the share of answers that say so, with its interval."""
    rows = []
    for index, row in enumerate(counts):
        if total := sum(row):
            low, high = wilson_interval(float(row[index]), float(total))
            rows.append(
                {"label": labels[index], "low": max(low, 0.0), "share": row[index] / total, "high": min(high, 1.0)}
            )
    return rows
