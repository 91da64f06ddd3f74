"""Figures that pages show about batches and workers: the same ones to both sides."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Sum
from django.utils import timezone

from core import money
from core.freshness import fresh
from marketplace.models import Assignment, Batch
from marketplace.selectors import design_of
from workers_app.models import Worker

#: Measured pay counts from this many answers; before, the requester's own estimate is shown as such.
ENOUGH_ANSWERS = 10
#: Figures of a batch may be this old: they are read on every visit and cost a walk through the rows.
STALE_SECONDS = 20
MANY = 10_000

# The last answers of the last workers, by the index that the claim keeps anyway: no walk through the whole batch.
RECENT_SECONDS = """
SELECT p.worker_id, a.active_seconds FROM (
    SELECT worker_id FROM marketplace_participation WHERE batch_id = %(batch)s ORDER BY id DESC LIMIT 200
) p, LATERAL (
    SELECT active_seconds FROM marketplace_assignment a
    WHERE a.worker_id = p.worker_id AND a.batch_id = %(batch)s
      AND a.state IN ('submitted', 'approved', 'rejected') AND a.active_seconds > 0
    ORDER BY a.id DESC LIMIT 25
) a
"""
# Of both lanes, so that it moves with either; without ordinary work there is none.
ROOM = """
SELECT CASE WHEN bool_or(lane = 0) THEN count(*) ELSE 0 END FROM (
    SELECT lane FROM marketplace_hit WHERE batch_id = %s AND room AND lane < 2 ORDER BY lane LIMIT %s
) h
"""


@dataclass(frozen=True)
class Pay:
    """Micros an hour: the slower quarter of workers, the middle one, the faster quarter; and seconds an answer.

    `is_measured` is False where the requester's own estimate stands in; without that either, `hourly` is None.
    """

    hourly: int | None
    low: int | None
    high: int | None
    seconds: float | None
    answers: int
    is_measured: bool


def pay_of(batch: Batch) -> Pay:
    """What this batch pays an hour."""
    return fresh(f"pay:{batch.pk}:{batch.reward}", lambda: _measure(batch), least=STALE_SECONDS)


def _measure(batch: Batch) -> Pay:
    with connection.cursor() as cursor:
        cursor.execute(RECENT_SECONDS, {"batch": batch.pk})
        rows = cursor.fetchall()
    estimate = design_of(batch).rules.estimated_seconds
    if len(rows) < ENOUGH_ANSWERS:
        hourly = to_cent(batch.reward * 3600 / estimate) if estimate else None
        return Pay(hourly, None, None, float(estimate) if estimate else None, len(rows), False)
    by_worker: dict[int, list[float]] = {}
    for worker_id, seconds in rows:
        by_worker.setdefault(worker_id, []).append(seconds)
    typical = sorted(statistics.median(times) for times in by_worker.values())
    middle = statistics.median(typical)

    def an_hour(seconds: float) -> int:
        return to_cent(batch.reward * 3600 / max(seconds, 0.1))

    low, high = (typical[0], typical[-1]) if len(typical) < 4 else _quartiles(typical)
    return Pay(an_hour(middle), an_hour(high), an_hour(low), middle, len(rows), True)


def to_cent(micros: float) -> int:
    """Hourly figures are told to the cent."""
    return round(micros / money.CENT) * money.CENT


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    first, _middle, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def left_in(batch: Batch) -> int:
    """HITs with room, counted up to `MANY`."""
    return fresh(f"left:{batch.pk}", lambda: _count_room(batch), least=STALE_SECONDS)


def _count_room(batch: Batch) -> int:
    with connection.cursor() as cursor:
        cursor.execute(ROOM, [batch.pk, MANY])
        return int(cursor.fetchone()[0])


@dataclass(frozen=True)
class Today:
    """A worker's day so far: micros handed in, answers, micros an hour of active time."""

    earned: int
    answers: int
    hourly: int | None


def today_of(worker: Worker) -> Today:
    """What a worker has handed in since midnight UTC, paid already or not; rejected answers are not in it."""
    midnight = timezone.now().astimezone(dt.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    states = (Assignment.State.SUBMITTED, Assignment.State.REVISING, Assignment.State.APPROVED)
    mine = Assignment.objects.filter(worker=worker, submitted_at__gte=midnight, state__in=states)
    # Participations of today first: the index knows a worker's assignments by batch.
    batches = worker.participations.filter(today=midnight.date()).values("batch_id")
    sums = mine.filter(batch_id__in=batches).aggregate(
        earned=Sum("reward"), answers=Count("pk"), seconds=Sum("active_seconds")
    )
    earned, seconds = sums["earned"] or 0, sums["seconds"] or 0
    return Today(earned, sums["answers"], to_cent(earned * 3600 / seconds) if seconds > 60 and earned else None)
