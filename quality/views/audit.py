"""Staff look at one worker: what flags say, what the figures are, the evidence, and what was decided."""

from __future__ import annotations

import datetime as dt
import statistics
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncDate
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core import charts
from core.errors import DomainError
from core.models import AuditEntry
from core.pages import View, tell
from marketplace.figures import to_cent
from marketplace.models import Assignment, Project
from marketplace.schema import Question, schema_of
from quality.estimators.gold import ALARM, BOUND, gate_sum
from quality.estimators.intervals import beta_interval
from quality.models import Flag, GoldScore, WorkerReliability
from quality.services.flagging import close_flag
from quality.services.watching import keep_paused, reinstate_worker
from workers_app.models import Worker

PAGE = 30
MOST_SCORES = 400
TIMELINE = 14
#: What the average worker is taken to be right in: intervals of few answers lean on it.
POOL_MEAN = 0.75


def for_staff(view: View) -> View:
    """A page that only staff know of."""

    @wraps(view)
    @login_required
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_staff:
            raise Http404
        return view(request, *args, **kwargs)

    return checked


@require_safe
@for_staff
def audit_workers(request: HttpRequest) -> HttpResponse:
    """Workers with a flag or a pause first, then by how much they did."""
    workers = Worker.objects.annotate(
        flagged=Count("flags", filter=Q(flags__state=Flag.State.OPEN), distinct=True),
        held=Count("reliabilities", filter=Q(reliabilities__state__in=["paused", "watched"]), distinct=True),
        answered=Sum("reliabilities__answered"),
    ).order_by("-flagged", "-held", "-pk")
    words = request.GET.get("q", "").strip()[:60]
    if words:
        found = Q(pseudonyms__code__iexact=words)
        try:
            found |= Q(public_id=uuid.UUID(words))
        except ValueError:
            pass
        workers = workers.filter(found)
    page = Paginator(workers.distinct(), PAGE).get_page(request.GET.get("page"))
    return render(request, "audit/workers.html", {"page": page, "query": words})


@dataclass(frozen=True)
class Evidence:
    """One question of one project: what the worker's answers to known questions, and to all, say."""

    row: WorkerReliability
    question: Question | None
    right: int
    wrong: int
    low: float
    high: float
    gate: float
    line: charts.Chart
    heat: charts.Heat | None

    @property
    def asked(self) -> int:
        return self.right + self.wrong


@require_safe
@for_staff
def audit_worker(request: HttpRequest, worker_id: uuid.UUID) -> HttpResponse:
    worker = get_object_or_404(Worker.objects.select_related("user"), public_id=worker_id)
    projects = list(Project.objects.filter(reliabilities__worker=worker).select_related("requester").distinct())
    asked = request.GET.get("project", "")
    project = next((one for one in projects if str(one.public_id) == asked), projects[0] if projects else None)
    subjects = [f"worker:{worker.pk}", *(f"worker:{worker.pk}:project:{one.pk}" for one in projects)]
    context: dict[str, Any] = {
        "worker": worker,
        "projects": projects,
        "project": project,
        "flags": Flag.objects.filter(worker=worker).select_related("project", "batch").order_by("state", "-pk")[:20],
        "decisions": AuditEntry.objects.filter(subject__in=subjects).select_related("actor").order_by("-pk")[:30],
        "timeline": _timeline(worker),
        "bound": BOUND,
        "alarm": ALARM,
    }
    if project:
        mine = Assignment.objects.filter(worker=worker, batch__project=project)
        context |= {
            "evidence": _evidence(worker, project),
            "is_paused": WorkerReliability.objects.filter(worker=worker, project=project, state="paused").exists(),
            "currency": project.requester.currency,
            "speed": _speed(mine),
            "sums": mine.aggregate(
                answers=Count("pk", filter=Q(submitted_at__isnull=False)),
                earned=Sum("reward", filter=Q(state=Assignment.State.APPROVED)),
                seconds=Sum("active_seconds", filter=Q(state=Assignment.State.APPROVED)),
                rejected=Count("pk", filter=Q(state=Assignment.State.REJECTED)),
                returned=Count("pk", filter=Q(state=Assignment.State.RETURNED)),
            ),
        }
        sums = context["sums"]
        context["hourly"] = (
            to_cent(sums["earned"] * 3600 / sums["seconds"]) if sums["earned"] and (sums["seconds"] or 0) > 60 else None
        )
    return render(request, "audit/worker.html", context)


ACTS: dict[str, Callable[..., Any]] = {"reinstate": reinstate_worker, "keep": keep_paused}


@require_POST
@for_staff
def audit_decide(request: HttpRequest, worker_id: uuid.UUID) -> HttpResponse:
    """A person decides on a pause, with a reason that the worker reads."""
    worker = get_object_or_404(Worker, public_id=worker_id)
    try:
        project = get_object_or_404(Project, public_id=uuid.UUID(request.POST.get("project", "")))
    except ValueError:
        raise Http404 from None
    do, reason = ACTS.get(request.POST.get("act", "")), request.POST.get("reason", "").strip()
    if do is None:
        raise Http404
    if not reason:
        messages.error(request, _("Say why: the worker reads it. Nothing was changed."))
    elif not do(project=project, worker=worker, by=request.user, reason=reason[:300]):
        messages.warning(request, _("There is no pause to decide on. Nothing was changed."))
    else:
        messages.success(request, _("Decided, and written down."))
    return redirect(f"{reverse('audit_worker', args=[worker.public_id])}?project={project.public_id}")


@require_POST
@for_staff
def audit_close_flag(request: HttpRequest, flag_id: uuid.UUID) -> HttpResponse:
    flag = get_object_or_404(Flag.objects.exclude(worker=None).select_related("worker"), public_id=flag_id)
    try:
        close_flag(flag=flag, by=request.user, reason=request.POST.get("reason", ""))
    except DomainError as refusal:
        tell(request, refusal)
    else:
        messages.success(request, _("The flag is closed."))
    return redirect("audit_worker", flag.worker.public_id)  # type: ignore[union-attr]


def _evidence(worker: Worker, project: Project) -> list[Evidence]:
    questions = {question.name: question for question in schema_of(project.questions)}
    found = []
    rows = WorkerReliability.objects.filter(worker=worker, project=project).order_by("question", "part")
    for row in rows:
        question = questions.get(row.question)
        scores = GoldScore.objects.filter(
            worker=worker, question=row.question, counts=True, assignment__batch__project=project
        )
        passed = list(scores.order_by("pk").values_list("passed", flat=True)[:MOST_SCORES]) if not row.part else []
        right, wrong = sum(passed), len(passed) - sum(passed)
        low, _mean, high = beta_interval(right, wrong, POOL_MEAN)
        found.append(
            Evidence(
                row=row,
                question=question,
                right=right,
                wrong=wrong,
                low=low,
                high=high,
                gate=gate_sum(right, wrong),
                line=_line(passed),
                heat=_heat(row, question),
            )
        )
    return found


def _line(passed: list[bool]) -> charts.Chart:
    sums, right, wrong = [], 0, 0
    for is_right in passed:
        right, wrong = right + is_right, wrong + (not is_right)
        sums.append(gate_sum(right, wrong))
    words = _("Sequential line over %(count)s known answers, %(right)s right; now %(sum)s, trusted above %(bound)s")
    message = words % {
        "count": len(passed),
        "right": right,
        "sum": f"{sums[-1] if sums else 0:.1f}",
        "bound": f"{BOUND:.1f}",
    }
    return charts.ledger_line(sums, (-BOUND, BOUND), passed, message=message)


def _heat(row: WorkerReliability, question: Question | None) -> charts.Heat | None:
    """Soft counts of what was said for each label, rounded for the eye."""
    if question is None or not question.classes:
        return None
    size = len(question.classes)
    if len(row.counts) != size * size or size > 20:
        return None
    counts = [[round(value) for value in row.counts[index * size : (index + 1) * size]] for index in range(size)]
    ends = []
    for index, line in enumerate(counts):
        low, _mean, high = beta_interval(line[index], sum(line) - line[index], POOL_MEAN)
        ends.append(f"{low * 100:.0f} to {high * 100:.0f}{charts.NARROW}%" if sum(line) else "")
    message = _("What this worker answers to %(question)s, by label") % {"question": question.title or question.name}
    return charts.heat(counts, question.classes, message=message, ends=ends, end_head=_("right"))


def _speed(mine: Any) -> dict[str, Any]:
    """Median seconds of this worker's newest answers, and how many took under two."""
    times = list(mine.filter(active_seconds__gt=0).order_by("-pk").values_list("active_seconds", flat=True)[:500])
    if not times:
        return {"median": None, "fast": 0, "count": 0}
    return {"median": statistics.median(times), "fast": sum(t < 2 for t in times) / len(times), "count": len(times)}


def _timeline(worker: Worker) -> charts.Chart:
    first = timezone.localdate() - dt.timedelta(days=TIMELINE - 1)
    rows = (
        Assignment.objects.filter(worker=worker, submitted_at__date__gte=first)
        .annotate(day=TruncDate("submitted_at"))
        .values("day")
        .annotate(count=Count("pk"))
    )
    by_day = {row["day"]: row["count"] for row in rows}
    days = [first + dt.timedelta(days=index) for index in range(TIMELINE)]
    points = [(f"{day:%-d %b}", by_day.get(day, 0)) for day in days]
    message = _("Answers a day in the last %(days)s days, %(sum)s in all") % {
        "days": TIMELINE,
        "sum": sum(by_day.values()),
    }
    return charts.bars(points, message=message, head=(_("Day"), _("Answers")), wide=True)
