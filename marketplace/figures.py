"""Figures that pages show about batches and workers: the same ones to both sides."""

from __future__ import annotations

import datetime as dt
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Sum
from django.utils import timezone

from core import money
from core.freshness import fresh_many
from marketplace.models import Assignment, Batch
from marketplace.selectors import designs_of
from workers_app.models import Worker

#: Measured pay counts from this many answers; before, the requester's own estimate is shown as such.
ENOUGH_ANSWERS = 10
#: Figures of a batch may be this old: they are read on every visit and cost a walk through the rows.
STALE_SECONDS = 20
MANY = 10_000

# The last answers of the last workers, by the index that the claim keeps anyway: no walk through the whole batch.
RECENT_SECONDS = """
SELECT b.id, p.worker_id, a.active_seconds FROM unnest(%(batches)s) b(id), LATERAL (
    SELECT worker_id FROM marketplace_participation WHERE batch_id = b.id ORDER BY id DESC LIMIT 200
) p, LATERAL (
    SELECT active_seconds FROM marketplace_assignment a
    WHERE a.worker_id = p.worker_id AND a.batch_id = b.id
      AND a.state IN ('submitted', 'approved', 'rejected') AND a.active_seconds > 0
    ORDER BY a.id DESC LIMIT 25
) a
"""
# Of all lanes, so that it moves with any; without ordinary work there is none.
ROOM = """
SELECT b.id, CASE WHEN bool_or(h.lane = 0) THEN count(*) ELSE 0 END FROM unnest(%(batches)s) b(id), LATERAL (
    SELECT lane FROM marketplace_hit WHERE batch_id = b.id AND room AND lane <> 2 ORDER BY lane LIMIT %(many)s
) h GROUP BY b.id
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
    return pays_of([batch])[batch.pk]


def pays_of(batches: Iterable[Batch]) -> dict[int, Pay]:
    """What each of these batches pays an hour, by their ids: at most one query for all, beside that for designs."""
    by_id = {batch.pk: batch for batch in batches}

    def measure(ids: Collection[int]) -> dict[int, Pay]:
        seconds: dict[int, dict[int, list[float]]] = {pk: {} for pk in ids}
        with connection.cursor() as cursor:
            cursor.execute(RECENT_SECONDS, {"batches": list(ids)})
            for batch_id, worker_id, active in cursor.fetchall():
                seconds[batch_id].setdefault(worker_id, []).append(active)
        designs = designs_of(by_id[pk] for pk in ids)
        return {pk: _pay(by_id[pk].reward, designs[pk].rules.estimated_seconds, seconds[pk]) for pk in ids}

    return fresh_many({pk: f"pay:{pk}:{b.reward}" for pk, b in by_id.items()}, measure, least=STALE_SECONDS)


def _pay(reward: int, estimate: int | None, by_worker: Mapping[int, Sequence[float]]) -> Pay:
    answers = sum(map(len, by_worker.values()))
    if answers < ENOUGH_ANSWERS:
        hourly = to_cent(reward * 3600 / estimate) if estimate else None
        return Pay(hourly, None, None, float(estimate) if estimate else None, answers, False)
    typical = sorted(statistics.median(times) for times in by_worker.values())
    middle = statistics.median(typical)

    def an_hour(seconds: float) -> int:
        return to_cent(reward * 3600 / max(seconds, 0.1))

    low, high = (typical[0], typical[-1]) if len(typical) < 4 else _quartiles(typical)
    return Pay(an_hour(middle), an_hour(high), an_hour(low), middle, answers, True)


def to_cent(micros: float) -> int:
    """Hourly figures are told to the cent."""
    return round(micros / money.CENT) * money.CENT


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    first, _middle, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def left_in(batch: Batch) -> int:
    """HITs with room, counted up to `MANY`."""
    return lefts_in([batch])[batch.pk]


def lefts_in(batches: Iterable[Batch]) -> dict[int, int]:
    """HITs with room of each of these batches, by their ids: at most one query."""

    def count(ids: Collection[int]) -> dict[int, int]:
        with connection.cursor() as cursor:
            cursor.execute(ROOM, {"batches": list(ids), "many": MANY})
            return dict.fromkeys(ids, 0) | dict(cursor.fetchall())

    return fresh_many({batch.pk: f"left:{batch.pk}" for batch in batches}, count, least=STALE_SECONDS)


# What became of the last answers in the requester's last batches, from a bounded number of rows.
RECENT_DECISIONS = """
SELECT r.id, count(*), count(*) FILTER (WHERE a.state = 'rejected'),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM a.decided_at - a.submitted_at))
FROM unnest(%(requesters)s) r(id), LATERAL (
    SELECT b.id FROM marketplace_batch b JOIN marketplace_project p ON p.id = b.project_id
    WHERE p.requester_id = r.id AND b.published_at IS NOT NULL ORDER BY b.id DESC LIMIT 5
) b, LATERAL (
    SELECT worker_id FROM marketplace_participation WHERE batch_id = b.id ORDER BY id DESC LIMIT 20
) p, LATERAL (
    SELECT state, submitted_at, decided_at FROM marketplace_assignment a
    WHERE a.worker_id = p.worker_id AND a.batch_id = b.id AND a.state IN ('approved', 'rejected')
      AND a.submitted_at IS NOT NULL AND a.decided_at IS NOT NULL
    ORDER BY a.id DESC LIMIT 10
) a GROUP BY r.id
"""


@dataclass(frozen=True)
class Decisions:
    """How a requester decided lately: answers decided, rejected among them, and the median seconds until a decision."""

    decided: int = 0
    rejected: int = 0
    seconds: float | None = None

    @property
    def rejection_rate(self) -> float | None:
        return self.rejected / self.decided if self.decided else None


def decisions_of(requester_ids: Iterable[int]) -> dict[int, Decisions]:
    """How these requesters decide, by their ids: at most one query."""

    def look(ids: Collection[int]) -> dict[int, Decisions]:
        with connection.cursor() as cursor:
            cursor.execute(RECENT_DECISIONS, {"requesters": list(ids)})
            found = {pk: Decisions(decided, rejected, seconds) for pk, decided, rejected, seconds in cursor.fetchall()}
        return {pk: found.get(pk, Decisions()) for pk in ids}

    return fresh_many({pk: f"decisions:{pk}" for pk in requester_ids}, look, least=STALE_SECONDS)


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
