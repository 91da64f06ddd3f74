"""Questions whose answer is known: those hidden in the work, those of the entry quiz, and those to practise with."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from core.errors import DomainError
from core.pages import tell
from lifecycle import gold as known
from marketplace.models import Hit, Membership, Project, Requester
from marketplace.rules import Rules
from marketplace.schema import schema_of
from marketplace.selectors import design_of, projects_of
from marketplace.templating import compile_template
from marketplace.views.requester import for_requesters
from quality.models import GoldQuestion
from quality.services.quiz import add_quiz_questions, remove_quiz_question
from quality.services.training import add_training_questions

PAGE = 30
#: Pools that are known to be questions with an answer, by the page that shows them and what adds to them.
OPEN_POOLS: dict[str, tuple[str, Callable[..., Any], Any]] = {
    "quiz": ("studio_quiz", add_quiz_questions, gettext_lazy("Added to the quiz. It is never used in work.")),
    "training": (
        "studio_training",
        add_training_questions,
        gettext_lazy("Added to the practice. It is never used in work or in the quiz."),
    ),
}


def _project(request: HttpRequest, project_id: uuid.UUID) -> Project:
    mine = projects_of(request.user, Membership.Role.MANAGER).select_related("requester")
    return get_object_or_404(mine.distinct(), public_id=project_id)


def _scored(rows: Any) -> Any:
    counted = Q(scores__counts=True)
    return rows.annotate(
        right=Count("scores", filter=counted & Q(scores__passed=True)),
        wrong=Count("scores", filter=counted & Q(scores__passed=False)),
    )


def _words(keys: Mapping[str, Any]) -> str:
    """Keys as a table's cells say them."""
    told = []
    for name, key in keys.items():
        accept = key.get("accept") if isinstance(key, dict) else key
        if not isinstance(accept, list):
            told.append(f"{name}: {accept}")
            continue
        values = [", ".join(map(str, one)) if isinstance(one, list) else str(one) for one in accept]
        told.append(f"{name}: {' | '.join(values)}" if len(keys) > 1 else " | ".join(values))
    return "; ".join(told)


@require_safe
@for_requesters
def studio_known(request: HttpRequest, requester: Requester, project_id: uuid.UUID) -> HttpResponse:
    """Known answers in the work: how each was answered, and what can be done about it."""
    project = _project(request, project_id)
    rows = GoldQuestion.objects.filter(project=project).exclude(pool__in=OPEN_POOLS).select_related("hit__data_row")
    state = request.GET.get("state", "")
    if state in GoldQuestion.State.values:
        rows = rows.filter(state=state)
    page = Paginator(rows.order_by("-pk"), PAGE).get_page(request.GET.get("page"))
    golds = _scored(rows.filter(pk__in=[one.pk for one in page.object_list])).order_by("-pk")
    context = {
        "project": project,
        "page": page,
        "golds": [(one, _words(one.keys)) for one in golds],
        "state": state,
        "states": GoldQuestion.State.values,
        "query": f"state={state}&" if state else "",
        "questions": schema_of(project.questions),
        "batches": project.batches.filter(state__in=["open", "paused"]).order_by("-pk")[:20],
    }
    return render(request, "known/list.html", context)


@require_POST
@for_requesters
def known_mark(request: HttpRequest, requester: Requester, project_id: uuid.UUID) -> HttpResponse:
    """Mark an item that is in work as one whose answer is known; it is named by your own id, or ours."""
    project = _project(request, project_id)
    name = request.POST.get("item", "").strip()
    rows = Hit.objects.filter(batch__project=project).select_related("batch__project__requester", "data_row")
    found = rows.filter(data_row__batch_id__isnull=False, data_row__external_id=name) if name else rows.none()
    if not found.exists() and name:
        try:
            found = rows.filter(data_row__public_id=uuid.UUID(name))
        except ValueError:
            pass
    hit = found.order_by("-pk").first()
    if hit is None:
        messages.error(request, _("There is no item “%s” in this project. Nothing was marked.") % name[:80])
        return redirect("studio_known", project.public_id)
    keys = {q.name: request.POST[f"k-{q.name}"] for q in design_of(hit.batch).schema if request.POST.get(f"k-{q.name}")}
    try:
        explanation = request.POST.get("explanation", "")[:10_000]
        known.mark(hit=hit, keys=keys, explanation=explanation, by=request.user)
        messages.success(request, _("Marked. It counts from now on; answers that it has are scored."))
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("studio_known", project.public_id)


@require_POST
@for_requesters
def known_act(request: HttpRequest, requester: Requester, gold_id: uuid.UUID, act: str) -> HttpResponse:
    """Correct the key, take it out because it is in doubt, or show it no more."""
    mine = GoldQuestion.objects.filter(project__in=projects_of(request.user, Membership.Role.MANAGER))
    gold = get_object_or_404(mine.select_related("project").distinct(), public_id=gold_id)
    reason = request.POST.get("reason", "").strip()[:1000]
    try:
        if act == "correct":
            asked = schema_of(gold.project.questions)
            keys = {q.name: request.POST[f"k-{q.name}"] for q in asked if request.POST.get(f"k-{q.name}")}
            known.put_right(marked=gold, keys=keys, by=request.user, reason=reason)
            messages.success(request, _("Corrected. Every answer is scored again; what it cost workers is restored."))
        elif act == "suspend":
            known.put_right(marked=gold, keys=None, by=request.user, reason=reason or "in doubt")
            messages.success(request, _("Out of use. Its scores count no more; the item goes on like any other."))
        elif act == "release":
            if gold.pool in OPEN_POOLS:
                remove_quiz_question(gold=gold, by=request.user)
            else:
                known.release(marked=gold, by=request.user)
            messages.success(request, _("Shown no more. Its scores stand."))
        else:
            raise Http404
    except DomainError as refusal:
        tell(request, refusal)
    return redirect(OPEN_POOLS[gold.pool][0] if gold.pool in OPEN_POOLS else "studio_known", gold.project.public_id)


# --- quiz and practice ------------------------------------------------------------------------------------------------


@require_safe
@for_requesters
def studio_pool(request: HttpRequest, requester: Requester, project_id: uuid.UUID, pool: str) -> HttpResponse:
    """The questions of the entry quiz, or those to practise with."""
    return _pool_page(request, _project(request, project_id), pool, {}, {})


def _pool_page(
    request: HttpRequest, project: Project, pool: str, written: Mapping[str, str], errors: Mapping[str, str]
) -> HttpResponse:
    rows = GoldQuestion.objects.filter(project=project, pool=pool)
    # Practice is taught in the order in which it was added.
    order = ("state", "-pk") if pool == "quiz" else ("state", "pk")
    page = Paginator(rows.order_by(*order), PAGE).get_page(request.GET.get("page"))
    rules = Rules.from_json(project.rules, audience=project.audience)
    schema = schema_of(project.questions)
    columns = list(compile_template(project.template).columns)
    columns += [side for q in schema if q.kind == "pairwise" for side in (q.left, q.right) if side not in columns]
    context = {
        "project": project,
        "page": page,
        "items": [(one, _words(one.keys)) for one in page.object_list],
        "ready": rows.filter(state="active").count(),
        "wanted": rules.quiz_questions,
        "pass_mark": rules.quiz_pass,
        "questions": [(q, written.get(f"k-{q.name}", "")) for q in schema],
        "columns": [(name, written.get(f"d-{name}", "")) for name in columns or ["text"]],
        "explanation": written.get("explanation", ""),
        "errors": errors,
    }
    return render(request, f"known/{pool}.html", context, status=400 if errors else 200)


@require_POST
@for_requesters
def pool_add(request: HttpRequest, requester: Requester, project_id: uuid.UUID, pool: str) -> HttpResponse:
    """One more question in the pool."""
    project = _project(request, project_id)
    page, add, done = OPEN_POOLS[pool]
    written = request.POST
    data = {name.removeprefix("d-"): value for name, value in written.items() if name.startswith("d-") and value}
    keys = {name.removeprefix("k-"): value for name, value in written.items() if name.startswith("k-") and value}
    row = {"data": data, "keys": keys, "explanation": written.get("explanation", "")[:10_000]}
    try:
        add(project=project, rows=[row], by=request.user)
    except DomainError as refusal:
        return _pool_page(request, project, pool, written.dict(), refusal.errors or {"row": refusal.message})
    messages.success(request, str(done))
    return redirect(page, project.public_id)
