"""What other rules would have given, on answers that are there."""

from __future__ import annotations

import hashlib
import math
import uuid
from typing import Any

import numpy as np
import orjson
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from core import charts
from core.errors import DomainError, Invalid
from core.freshness import fresh
from marketplace.models import Batch, Requester
from marketplace.views.requester import for_requesters
from quality.services.whatif import METHODS, Outcome, Past, Scenario, curve_of, past_of, questions_for, try_out
from quality.views.batches import batch_context, batch_of
from workers_app.models import Pseudonym
from workers_app.services.pseudonyms import pseudonyms

#: Workers to choose from: those with the most answers. Anybody else can be named by their code.
MOST_WORKERS = 40
METHOD_WORDS = {
    "delivered": gettext_lazy("As delivered"),
    "majority": gettext_lazy("Majority vote"),
    "one-coin": gettext_lazy("One accuracy a worker"),
    "dawid-skene": gettext_lazy("Dawid and Skene, 1979"),
    "hierarchical": gettext_lazy("Hierarchical Dawid-Skene"),
}


@require_safe
@for_requesters
def studio_whatif(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """Labels, cost and accuracy under other rules beside what was delivered, and at 1, 2, 3 ... answers an item."""
    batch = batch_of(request, batch_id)
    asked = {name: request.GET.get(name, "").strip()[:60] for name in FIELDS}
    context: dict[str, Any] = {
        "asked": asked,
        "questions": questions_for(batch) if batch.published_at else [],
        "methods": METHOD_WORDS,
        "errors": {},
        "title": _("What if"),
    }
    if context["questions"]:
        key = hashlib.sha256(orjson.dumps([get_language(), asked], option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
        context |= fresh(f"whatif:{batch.pk}:{key}", lambda: _tried(batch, asked), least=30)
    return render(request, "batch/whatif.html", batch_context(request, batch, "studio_whatif") | context)


#: What a form and a program write for "without the machines".
LEFT_OUT = ("0", "False", "false")
FIELDS = ("question", "method", "answers", "target", "least", "most", "without", "gate", "machines")


def _tried(batch: Batch, asked: dict[str, str]) -> dict[str, Any]:
    try:
        past = past_of(batch, asked["question"])
        scenario = read_scenario(batch, asked)
        before = try_out(past, Scenario())
        after = try_out(past, scenario) if scenario != Scenario() else None
        curve = curve_of(past, scenario)
    except DomainError as refusal:
        return {"errors": refusal.errors or {"": str(refusal.message)}, "is_empty": refusal.code == "no_answers"}
    return {
        "before": before,
        "after": after,
        "saved": before.cost - after.cost if after else 0,
        "curve": curve,
        "curve_chart": _chart(curve),
        "is_part": past.share < 1,
        "workers": _workers(past),
        "has_machines": bool(past.said),
    }


def read_scenario(batch: Batch, asked: dict[str, str]) -> Scenario:
    """From texts, as forms and query strings have them. Raises Invalid."""
    errors: dict[str, str] = {}

    def number(name: str, kind: type, words: str) -> Any:
        text = asked.get(name, "")
        if not text:
            return None
        try:
            return kind(text)
        except ValueError:
            errors[name] = words
            return None

    whole, share = _("A whole number."), _("A number such as 0.95.")
    answers, most = number("answers", int, whole), number("most", int, whole)
    least = number("least", int, whole)
    target, gate = number("target", float, share), number("gate", float, share)
    without: frozenset[int] = frozenset()
    if code := asked.get("without", ""):
        known = Pseudonym.objects.filter(scope=batch.project.pseudonym_scope, code=code).first()
        if known is None:
            errors["without"] = _("You know no worker by this name.")
        else:
            without = frozenset({known.worker_id})
    if errors:
        raise Invalid(errors=errors)
    method = asked.get("method") or "delivered"
    hears = asked.get("machines", "") not in LEFT_OUT
    return Scenario(method, answers, target, 2 if least is None else least, most, without, gate, hears).check()


def _workers(past: Past) -> list[tuple[str, int]]:
    """Code and answers of those who answered most."""
    ids, counts = np.unique(past.log.worker, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:MOST_WORKERS]
    codes = pseudonyms(past.batch.project.pseudonym_scope, [int(one) for one in ids[order]])
    return [(codes[int(ids[at])], int(counts[at])) for at in order]


def _chart(curve: list[Outcome]) -> charts.Chart | None:
    """Accuracy where enough is known, else how many labels stay as delivered, by answers an item."""
    is_known = all(one.accuracy is not None for one in curve)
    points = [(float(r), float((one.accuracy if is_known else one.same) or 0.0)) for r, one in enumerate(curve, 1)]
    if len(points) < 2:
        return None
    measure = _("right, by known answers and audits") if is_known else _("equal to the label that was delivered")
    told = ", ".join(f"{r:.0f}: {share:.0%}" for r, share in points)
    return charts.lines(
        [charts.Series(measure, points, "acc" if is_known else "b")],
        message=_("Labels at so many answers an item, %(measure)s. %(told)s") % {"measure": measure, "told": told},
        x_axis=_("answers an item"),
        head=(_("Series"), _("Answers"), _("Share")),
        low=math.floor(min(share for _r, share in points) * 20) / 20,
        high=1.0,
        percent=True,
    )


assert set(METHOD_WORDS) == set(METHODS)
