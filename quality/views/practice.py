"""Training: one question at a time, and at once how it went and why. Openly practice; nothing is kept."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods

from core.errors import Invalid
from marketplace.guide import guide_of
from marketplace.selectors import design_of
from marketplace.showing import show_item
from marketplace.views.worker import for_workers, open_to
from marketplace.widgets import read_form
from quality.services.training import practise, training_of
from workers_app.models import Worker


@require_http_methods(["GET", "HEAD", "POST"])
@for_workers
def practice(request: HttpRequest, worker: Worker, batch_id: uuid.UUID) -> HttpResponse:
    """`?n=3` is the third question; posted to, the same page says how the answer went."""
    batch = get_object_or_404(open_to(worker), public_id=batch_id)
    questions = list(training_of(batch.project))
    number = _number(request, len(questions))
    gold = questions[number - 1]
    design = design_of(batch)
    given: dict[str, Any] = read_form(design.schema, gold.data or {}, request.POST)
    context: dict[str, Any] = {"errors": {}, "went": None}
    if request.method == "POST":
        try:
            context["went"] = practise(gold=gold, answers=given)
        except Invalid as refusal:
            context["errors"] = refusal.errors
    shown = show_item(design, gold.data or {}, batch.project.requester_id, given)
    wrong = {part.question: part for part in context["went"].parts if not part.is_right} if context["went"] else {}
    context |= {
        "batch": batch,
        "project": batch.project,
        "number": number,
        "count": len(questions),
        "content": shown.content,
        "asked": [(widget, wrong.get(widget.name), context["errors"].get(widget.name)) for widget in shown.widgets],
        "guide": guide_of(batch, worker),
    }
    return render(request, "practice/page.html", context, status=400 if context["errors"] else 200)


def _number(request: HttpRequest, count: int) -> int:
    asked = request.GET.get("n", "1")
    if not asked.isdecimal() or not 1 <= int(asked) <= count:
        raise Http404
    return int(asked)
