"""The labels of one batch, for its requester, and the files to take away."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, reduce
from operator import or_
from typing import Any
from urllib.parse import urlencode

from django.core.files.storage import default_storage
from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from core import charts
from core.errors import DomainError
from core.freshness import fresh
from core.models import Operation
from core.pages import tell
from lifecycle.export import KIND as EXPORT
from lifecycle.export import file_name, start_export
from marketplace.models import Batch, Requester
from marketplace.schema import CANT_TELL
from marketplace.selectors import design_of, requesters_of
from marketplace.services.posting import subject_of
from marketplace.views.requester import for_requesters
from quality import figures
from quality.estimators.intervals import wilson_interval
from quality.models import AggregationRun, Belief, Certificate
from quality.services.exporting import count_rows
from quality.services.scoring import in_short
from quality.services.several import confusions_of, delivers_shares, group_choices, rules_now, share_words, shares_on
from quality.views.batches import UNDER_WAY, batch_context, batch_of, items_of, said_of_sureness, seen_of

PAGE = 30


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
    seen = seen_of([(row.pk, row.state, row.done) for row in rows])
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
    key = f"labels:{batch.pk}:{seen_of(sorted(asked.items()))}"
    page = LabelPages(labels_of(batch, asked), PAGE, key).get_page(request.GET.get("page"))
    rows = items_of(list(page.object_list), batch)
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
