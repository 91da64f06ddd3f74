"""How the workers of a batch agree, whom they resemble, and what changes over time: for its requester."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from core import charts
from marketplace.models import Batch, Requester
from marketplace.schema import CANT_TELL, Question
from marketplace.selectors import design_of
from marketplace.views.requester import for_requesters
from quality import agreement, figures, habits
from quality.estimators.pairs import Pairs
from quality.habits import CrowdMap, Drift
from quality.views.batches import batch_context, batch_of, inside
from workers_app.services.pseudonyms import pseudonyms

PAGE = 20
#: Names written on the map.
NAMED = 6
#: Lines of the chart of shares; the rarest classes are in its table only.
MOST_LINES = 5
LOOKS = ("", "b", "dash", "b dash", "warn")


@dataclass(frozen=True)
class Pair:
    first: str
    second: str
    common: int
    equal: float
    low: float
    high: float
    kappa: float | None
    kappa_low: float
    kappa_high: float


@require_safe
@for_requesters
def studio_agreement(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """Alpha with its interval, by question and class; which labels are mixed up; pairs of workers."""
    batch = batch_of(request, batch_id)
    question, questions = _asked(request, batch)
    suites = [agreement.suite_of(batch, one) for one in questions]
    suite = next((one for one in suites if question and one.question == question.name), None)
    order = request.GET.get("order", "")
    order = order if order in agreement.ORDERS else agreement.ORDERS[0]
    context: dict[str, Any] = {
        "suites": suites,
        "suite": suite,
        "questions": questions,
        "question": question.name if question else "",
        "order": order,
        "query": f"question={question.name}&order={order}&" if question else "",
    }
    if suite and suite.pairs is not None:
        rows = agreement.ordered_pairs(suite.pairs, order)
        page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
        context |= {"page": page, "pairs": _pairs(batch, suite.pairs, list(page.object_list))}
    if question and question.classes and question.kind != "multilabel":
        context |= _mixups(batch, question)
    return render(request, "batch/agreement.html", batch_context(request, batch, "studio_agreement") | context)


def _asked(request: HttpRequest, batch: Batch) -> tuple[Question | None, list[Question]]:
    """The question that the address names, else the first with classes; and all of them."""
    questions = list(design_of(batch).schema)
    named = next((one for one in questions if one.name == request.GET.get("question")), None)
    return named or next((one for one in questions if one.classes), questions[0] if questions else None), questions


def _pairs(batch: Batch, pairs: Pairs, rows: Iterable[int]) -> list[Pair]:
    rows = list(rows)
    ids = {int(pairs.workers[side[row]]) for row in rows for side in (pairs.first, pairs.second)}
    codes = pseudonyms(batch.project.pseudonym_scope, ids)
    return [
        Pair(
            codes[int(pairs.workers[pairs.first[row]])], codes[int(pairs.workers[pairs.second[row]])],
            int(pairs.common[row]), float(pairs.equal[row]), float(pairs.low[row]), float(pairs.high[row]),
            None if pairs.kappa[row] != pairs.kappa[row] else float(pairs.kappa[row]),
            float(pairs.kappa_low[row]), float(pairs.kappa_high[row]),
        )
        for row in rows
    ]  # fmt: skip


def _mixups(batch: Batch, question: Question) -> dict[str, Any]:
    """By delivered label; and by what is known, where hidden checks were answered."""
    words = [_("can't tell") if one == CANT_TELL else one for one in question.classes]
    found: dict[str, Any] = {}
    if counts := figures.mixups_of(batch, question):
        found |= {
            "heat": charts.heat(counts, words, message=_("Answers (columns) by delivered label (rows)")),
            "rates": agreement.rates_of(counts, words),
            "worst": agreement.worst_mixups(counts, words),
        }
    if counts := agreement.known_mixups(batch, question):
        found |= {
            "known_heat": charts.heat(counts, words, message=_("Answers (columns) by known answer (rows)")),
            "known_rates": agreement.rates_of(counts, words),
        }
    return found


# --- the crowd --------------------------------------------------------------------------------------------------------


@require_safe
@for_requesters
def studio_crowd(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """A map of workers by how they answer, and what changes over time."""
    batch = batch_of(request, batch_id)
    question, questions = _asked(request, batch)
    context: dict[str, Any] = {"questions": questions, "question": question.name if question else ""}
    if question is not None:
        crowd, drift = habits.map_of(batch, question), habits.drift_of(batch, question)
        ids = [one.worker_id for one in crowd.workers] if crowd else []
        ids += [one.worker_id for one in drift.workers] if drift else []
        codes = pseudonyms(batch.project.pseudonym_scope, ids) if ids else {}
        if crowd:
            context |= {"map": _map_chart(crowd, codes, question), "crowd": crowd}
            context["farthest"] = [(codes[one.worker_id], one) for one in crowd.workers[:NAMED]]
        if drift:
            context |= {
                "drift": drift,
                "drift_chart": _drift_chart(drift),
                "shares_chart": _shares_chart(drift),
                "changed": [(codes[one.worker_id], one.change) for one in drift.workers],
            }
    crumbs = inside(request, batch, "studio_workers")
    crumbs["crumbs"] += [(_("Workers"), reverse("studio_workers", args=[batch.public_id]))]
    return render(request, "batch/crowd.html", crumbs | context)


def _mark(place: Iterable[float], words: str) -> tuple[float, float, str]:
    x, y = place
    return float(x), float(y), words


def _map_chart(crowd: CrowdMap, codes: dict[int, str], question: Question) -> charts.Chart:
    most = max(one.answers for one in crowd.workers)
    css = {"watched": "f-warn", "paused": "f-bad"}
    dots = [
        charts.Dot(one.x, one.y, one.answers / most, css.get(one.state, "f-ink"),
                   codes[one.worker_id][:7] if index < NAMED else "")
        for index, one in enumerate(crowd.workers)
    ]  # fmt: skip
    at = crowd.at
    marks = [_mark(at.perfect, _("always right")), _mark(at.random, _("at random"))]
    if len(question.classes) <= 4:
        for word, place in zip(question.classes, at.always, strict=True):
            name = (_("can't tell") if word == CANT_TELL else word)[:16]
            marks.append(_mark(place, _("always “%s”") % name))
    rows = [
        (codes[one.worker_id], charts.number(one.answers), f"{one.right * 100:.0f} %", f"{one.distance:.2f}")
        for one in crowd.workers
    ]
    keys = [charts.Key("dot", "f-ink", _("at work")), charts.Key("dot", "f-warn", _("watched"))]
    return charts.scatter(
        dots,
        marks,
        message=_("%d workers, near one another where they answer alike. Farthest from the others: %s.")
        % (len(dots), ", ".join(codes[one.worker_id] for one in crowd.workers[:3])),
        head=(_("Worker"), _("Answers"), _("Right, estimated"), _("Distance from the average")),
        rows=rows,
        keys=[*keys, charts.Key("dot", "f-bad", _("paused"))],
    )


def _drift_chart(drift: Drift) -> charts.Chart:
    series = []
    for name, css, pick in (
        (_("agree with the label"), "", lambda step: step.agreeing),
        (_("right, where known"), "acc", lambda step: step.known),
    ):
        points = [(float(index + 1), pick(step).share) for index, step in enumerate(drift.steps) if pick(step)]
        if points:
            series.append(charts.Series(name, points, css))
    bands = [
        [(float(index + 1), step.agreeing.low, step.agreeing.high)
         for index, step in enumerate(drift.steps) if step.agreeing]
    ]  # fmt: skip
    told = "; ".join(f"{one.name}: " + ", ".join(f"{share:.0%}" for _x, share in one.points) for one in series)
    return charts.lines(
        series,
        message=_("From the first tenth of the answers to the last. %s") % told,
        x_axis=_("tenths of the answers, as they came"),
        head=("", _("Tenth"), _("Share")),
        percent=True,
        high=1.0,
        bands=[band for band in bands if len(band) > 1],
    )


def _shares_chart(drift: Drift) -> charts.Chart:
    order = sorted(range(len(drift.words)), key=lambda k: -sum(step.shares[k] for step in drift.steps))[:MOST_LINES]
    series = [
        charts.Series(
            _("can't tell") if drift.words[k] == CANT_TELL else drift.words[k],
            [(float(index + 1), step.shares[k]) for index, step in enumerate(drift.steps)],
            LOOKS[place],
        )
        for place, k in enumerate(order)
    ]
    first, last = (date_format(drift.steps[end].begins_at, "DATETIME_FORMAT") for end in (0, -1))
    return charts.lines(
        series,
        message=_("Share of answers that say each label, by tenths; the first begins %(first)s, the last %(last)s.")
        % {"first": first, "last": last},
        x_axis=_("tenths of the answers, as they came"),
        head=(_("Label"), _("Tenth"), _("Share")),
        percent=True,
        low=0.0,
    )
