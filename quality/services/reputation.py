"""How well a worker does over time in one job family, and what is told of it when (QUALITY.md section 5).

`Reputation` is written once a day from the scores of the days before: what a worker sees of it never moves with the
answer they have just given, so it cannot tell which questions were gold.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Sum
from scipy.special import betaincinv

from core import clock
from core.models import Watermark
from marketplace.models import Project
from quality.estimators.gold import decay
from quality.estimators.intervals import beta_interval
from quality.models import GoldScore, WorkerReliability
from quality.selectors import FIRST_MEAN
from workers_app.models import Reputation, Worker

#: Weight, in answers, of what is known from elsewhere.
PRIOR = 5.0
#: A reputation fades without new scores, so it is looked at again after this.
STALE = timedelta(days=7)
WATERMARK = "reputation"


def refresh_reputations(limit: int = 500) -> int:
    """Write what is due: once a day for those with new scores, once a week for the rest. The sweep calls it."""
    today = _midnight(clock.now())
    mark, _ = Watermark.objects.get_or_create(name=WATERMARK, defaults={"at": today - timedelta(days=3650)})
    if mark.at >= today:
        return 0
    fresh = GoldScore.objects.filter(created_at__gte=mark.at, created_at__lt=today, gold__is_soft=False)
    due = set(fresh.values_list("worker_id", "gold__project_id"))
    due |= set(Reputation.objects.filter(updated_at__lt=today - STALE).values_list("worker_id", "project_id"))
    written = set(Reputation.objects.filter(updated_at__gte=today).values_list("worker_id", "project_id"))
    todo = sorted(due - written)
    for worker_id, project_id in todo[:limit]:
        refresh_reputation(worker_id=worker_id, project_id=project_id, until=today)
    if len(todo) <= limit:
        Watermark.objects.filter(pk=mark.pk).update(at=today)
    return min(len(todo), limit)


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


@transaction.atomic
def refresh_reputation(*, worker_id: int, project_id: int, until: datetime) -> Reputation:
    """Write one reputation from the scores before `until`: Beta(a, b) with decay, and its 5 % quantile."""
    right, wrong, checked = _decayed(worker_id, until, project_id=project_id)
    mean = _known_from_elsewhere(worker_id, project_id, until)
    lower, _, _ = beta_interval(right, wrong, mean, strength=PRIOR)
    reputation, _ = Reputation.objects.update_or_create(
        worker_id=worker_id,
        project_id=project_id,
        defaults={
            "a": PRIOR * mean + right,
            "b": PRIOR * (1 - mean) + wrong,
            "score": lower,
            "checked": checked,
            "updated_at": clock.now(),
        },
    )
    return reputation


def _decayed(worker_id: int, until: datetime, **where: int) -> tuple[float, float, int]:
    """Right and wrong with decay over the newer golds and days, and how many there were, in one job family."""
    scores = GoldScore.objects.filter(
        worker_id=worker_id,
        counts=True,
        gold__is_soft=False,
        created_at__lt=until,
        gold__project_id=where["project_id"],
    ).order_by("-pk")
    return _sums(list(scores.values_list("passed", "created_at")), until)


def _sums(newest_first: Sequence[tuple[bool, datetime]], until: datetime) -> tuple[float, float, int]:
    right = wrong = 0.0
    for newer, (passed, at) in enumerate(newest_first):
        weight = decay(newer, (until - at).total_seconds() / 86_400)
        if passed:
            right += weight
        else:
            wrong += weight
    return right, wrong, len(newest_first)


def _known_from_elsewhere(worker_id: int, project_id: int, until: datetime) -> float:
    """The worker's rate in their other families, drawn towards the pool of this one by 5 answers."""
    here = WorkerReliability.objects.filter(project_id=project_id, part="").aggregate(r=Sum("right"), w=Sum("wrong"))
    total = (here["r"] or 0) + (here["w"] or 0)
    pool = ((here["r"] or 0) + PRIOR * FIRST_MEAN) / (total + PRIOR)
    others = GoldScore.objects.filter(worker_id=worker_id, counts=True, gold__is_soft=False, created_at__lt=until)
    others = others.exclude(gold__project_id=project_id)
    right, wrong = PRIOR * pool, PRIOR * (1 - pool)
    for other in sorted(set(others.values_list("gold__project_id", flat=True))):
        r, w, _ = _decayed(worker_id, until, project_id=other)
        right, wrong = right + r, wrong + w
    return right / (right + wrong)


def shown_intervals(worker: Worker) -> dict[int, tuple[float, float, float]]:
    """Project -> how well a worker does, as they may see it: 5 % quantile, 95 % quantile and mean of their standing, of
    yesterday, in steps of .05, from 20 answers on. It never moves with an answer that was just given."""
    rows = Reputation.objects.filter(checked__gte=20, worker=worker)
    return {row.project_id: _in_steps(row) for row in rows}


def _in_steps(row: Reputation) -> tuple[float, float, float]:
    upper = float(betaincinv(row.a, row.b, 0.95))
    low, high, mean = (round(value * 20) / 20 for value in (row.score, upper, row.a / (row.a + row.b)))
    return low, high, mean


def reputation_of(worker: Worker, project: Project) -> Reputation | None:
    return Reputation.objects.filter(worker=worker, project=project).first()
