"""One batch, for its requester: the draft with its price, and what a published one is doing now."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import uuid
from dataclasses import dataclass
from typing import Any

import orjson
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from core import charts, money
from core.errors import DomainError
from core.freshness import fresh
from core.models import Operation
from core.templatetags.touchstone import SYMBOLS, duration
from lifecycle.heal import words_of
from marketplace import figures as work
from marketplace.models import Batch, Membership, Requester
from marketplace.rules import Rules
from marketplace.schema import Question, Schema, schema_of
from marketplace.selectors import batches_of, design_of
from marketplace.services.costs import Preview
from marketplace.services.posting import (
    preview_batch,
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
from quality.models import Belief, Certificate
from quality.prediction import Prediction, prediction_of
from quality.services.healing import healings_of
from quality.services.scoring import in_short, is_scored, why_without

MOST_ERRORS = 50
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


def seen_of(*facts: Any) -> str:
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
        "seen": seen_of(batch.state, batch.upload_name, facts, state, available, asked),
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
        "disputed": items_of(figures.disputed_of(batch), batch),
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
    return found | {"seen": seen_of(str(shown))}


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


def items_of(beliefs: list[Belief], batch: Batch) -> list[Item]:
    """Beliefs of a batch as rows of a table."""
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


def _chip(belief: Belief, target: float) -> str:
    if not belief.is_calibrated:
        return "raw"
    if belief.state == Belief.State.DISPUTED:
        return "low"
    return "sure" if belief.confidence >= target else ""


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
