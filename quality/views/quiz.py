"""The quiz before some work: a page that says what it is, the questions, and how it went."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST, require_safe

from core.errors import DomainError, Invalid
from core.pages import tell
from marketplace.models import Batch
from marketplace.selectors import Design, design_of
from marketplace.showing import show_item
from marketplace.templating import render_markdown
from marketplace.views.worker import for_workers, open_to
from marketplace.widgets import Widget, read_form
from quality.models import QuizAttempt
from quality.services.quiz import Feedback, answer_quiz, quiz_feedback, quiz_items, start_quiz
from quality.services.training import training_of
from workers_app.models import Worker


@dataclass(frozen=True)
class Asked:
    """One item of the quiz on the page; after it was graded, with how it went."""

    number: int
    content: SafeString
    widgets: list[Widget]
    errors: list[str]
    feedback: Feedback | None = None


def _batch(worker: Worker, batch_id: uuid.UUID) -> Batch:
    batch = get_object_or_404(open_to(worker), public_id=batch_id)
    if not design_of(batch).rules.quiz_questions or batch.project.quiz_id is None:
        raise Http404
    return batch


def _attempt(worker: Worker, batch: Batch) -> QuizAttempt | None:
    return QuizAttempt.objects.filter(worker=worker, project=batch.project).order_by("-number").first()


@require_safe
@for_workers
def quiz(request: HttpRequest, worker: Worker, batch_id: uuid.UUID) -> HttpResponse:
    batch = _batch(worker, batch_id)
    return _page(request, worker, batch, _attempt(worker, batch))


def _page(
    request: HttpRequest,
    worker: Worker,
    batch: Batch,
    attempt: QuizAttempt | None,
    errors: dict[str, str] | None = None,
) -> HttpResponse:
    design = design_of(batch)
    rules = design.rules
    context = {
        "batch": batch,
        "project": batch.project,
        "attempt": attempt,
        "asked": _asked(design, batch, attempt, request.POST, errors or {}) if attempt else [],
        "is_open": attempt is not None and attempt.state == QuizAttempt.State.OPEN,
        "wanted": rules.quiz_questions,
        "needed": rules.quiz_pass,
        "instructions": render_markdown(design.instructions) if design.instructions else "",
        "has_errors": bool(errors),
        "practice": training_of(batch.project).exists(),
    }
    return render(request, "quiz/page.html", context, status=400 if errors else 200)


def _asked(
    design: Design, batch: Batch, attempt: QuizAttempt, posted: QueryDict, errors: dict[str, str]
) -> list[Asked]:
    feedback = {one.id: one for one in quiz_feedback(attempt)}
    asked: list[Asked] = []
    for index, item in enumerate(quiz_items(attempt), 1):
        given = attempt.answers.get(item.id) or read_form(design.schema, item.data, _of(posted, item.id))
        shown = show_item(design, item.data, batch.project.requester_id, given)
        widgets = [replace(w, field=f"{item.id}/{w.field}", number=f"{w.number}-{item.id}") for w in shown.widgets]
        wrong = [sentence for path, sentence in errors.items() if path.partition(".")[0] == item.id]
        asked.append(Asked(index, shown.content, widgets, wrong, feedback.get(item.id)))
    return asked


def _of(posted: QueryDict, item: str) -> QueryDict:
    """The fields of one item, under the names that they have on the work page."""
    own = QueryDict(mutable=True)
    for name in posted:
        if name.startswith(f"{item}/"):
            own.setlist(name.partition("/")[2], posted.getlist(name))
    return own


@require_POST
@for_workers
def quiz_start(request: HttpRequest, worker: Worker, batch_id: uuid.UUID) -> HttpResponse:
    batch = _batch(worker, batch_id)
    try:
        start_quiz(worker=worker, project=batch.project)
    except DomainError as refusal:
        messages.info(request, refusal.message)
        return redirect("find_work")
    return redirect("quiz", batch.public_id)


@require_POST
@for_workers
def quiz_answer(request: HttpRequest, worker: Worker, batch_id: uuid.UUID) -> HttpResponse:
    batch = _batch(worker, batch_id)
    attempt = _attempt(worker, batch)
    if attempt is None:
        raise Http404
    schema = design_of(batch).schema
    answers = {item.id: read_form(schema, item.data, _of(request.POST, item.id)) for item in quiz_items(attempt)}
    try:
        answer_quiz(attempt=attempt, answers=answers)
    except Invalid as refusal:
        return _page(request, worker, batch, attempt, refusal.errors)
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("quiz", batch.public_id)
