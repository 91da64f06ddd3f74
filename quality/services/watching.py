"""What gold scores mean for their worker: the gate, the looks that may pause, the monitor (QUALITY.md section 4).

The log of scores is the truth: each time a worker's scores change they are read from the start, so a corrected key
puts everything right that hung on it. The sweep calls this, never the digest: nobody waits for it.

A pause is a worker x project affair. It stands in `WorkerReliability`; `bar_paused` carries it to the participations,
where the claim sees it, in a transaction of its own. It takes no pay back, and what was accepted stays payable.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core import audit, clock
from core.errors import Conflict, Invalid
from marketplace.models import Batch, Project
from marketplace.schema import schema_of
from marketplace.selectors import design_of
from quality.estimators.gold import LOOKS, MOST_PAUSED, Monitor, gate, gate_sum, monitor, pause_verdict
from quality.estimators.intervals import beta_interval
from quality.models import Flag, GoldScore, WorkerReliability
from quality.selectors import Pool, pool_of
from users.services.notices import Words, notify
from workers_app.models import Worker

State = WorkerReliability.State

#: An alarm keeps the gold share up for this many golds; two within as many pause.
WATCHED_FOR = 60
#: When a person looks at a pause, when again where they keep it, and when it ends without one.
LOOK_AFTER, LOOK_AGAIN_AFTER, PAUSE_ENDS_AFTER = timedelta(days=7), timedelta(days=30), timedelta(days=90)


# --- reading the log --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Record:
    """A worker's golds on one question, read in order. `n` counts are golds since a person last reinstated them."""

    right: int = 0
    wrong: int = 0
    verdict: str = "open"
    monitor: Monitor = Monitor()
    alarms: tuple[int, ...] = ()
    raised: tuple[int, ...] = ()
    stopped: tuple[int, ...] = ()
    looks: tuple[tuple[int, int], ...] = ()

    @property
    def n(self) -> int:
        return self.right + self.wrong


def read_record(passed: Iterable[bool], pool: Pool) -> Record:
    """Fold a worker's gold results, oldest first."""
    record = Record()
    for is_right in passed:
        record = _after(record, is_right, pool)
    return record


def _after(record: Record, is_right: bool, pool: Pool) -> Record:
    watch = monitor(record.monitor, is_right, record.right, record.wrong, pool.mean)
    right, wrong = record.right + is_right, record.wrong + (not is_right)
    n = right + wrong
    verdict = gate(right, wrong, pool.bar) if record.verdict == "open" else record.verdict
    return replace(
        record,
        right=right,
        wrong=wrong,
        verdict=verdict,
        monitor=watch,
        alarms=record.alarms + ((n,) if watch.passed_at == n else ()),
        raised=record.raised + ((n,) if watch.event == "raise" else ()),
        stopped=record.stopped + ((n,) if watch.event == "pause" else ()),
        looks=record.looks + (((right, wrong),) if n in LOOKS else ()),
    )


#: (project, question) -> its pool, for one pass over many workers.
Pools = dict[tuple[int, str], Pool]


class Scored(NamedTuple):
    id: int
    passed: bool
    is_soft: bool
    weight: float
    batch_id: int


def _log(project_id: int, worker_id: int, question: str) -> list[Scored]:
    rows = GoldScore.objects.filter(
        worker_id=worker_id, question=question, gold__project_id=project_id, counts=True
    ).order_by("pk")
    return [
        Scored(*row)
        for row in rows.values_list("pk", "passed", "gold__is_soft", "gold__weight", "assignment__batch_id")
    ]


def _soft(log: Sequence[Scored]) -> tuple[float, float]:
    """What soft gold says: half as much as its key is likely, either way."""
    right = sum(0.5 * (s.weight if s.passed else 1 - s.weight) for s in log if s.is_soft)
    return right, 0.5 * sum(s.is_soft for s in log) - right


# --- taking scores in -------------------------------------------------------------------------------------------------


def due_scores(limit: int = 500) -> list[tuple[int, int, str]]:
    """(project, worker, question) of scores that nobody has taken in yet."""
    due = GoldScore.objects.filter(counted_at=None).order_by("pk")
    rows = due.values_list("gold__project_id", "worker_id", "question")[:limit]
    return sorted(set(rows))


@transaction.atomic
def take_in(
    *, project_id: int, worker_id: int, question: str, pools: Pools | None = None, is_restoring: bool = False
) -> list[int]:
    """Read a worker's scores on one question and draw the conclusions; returns the gold questions that were new.

    `pools` spares reading the pool again for each of many workers. With `is_restoring` (a key was corrected) a pause
    that the log no longer bears out ends. Safe to call again.
    """
    # Scores before reliabilities, as the digest does it.
    due = list(
        GoldScore.objects.select_for_update(no_key=True, of=("self",))
        .filter(worker_id=worker_id, question=question, gold__project_id=project_id, counted_at=None)
        .order_by("pk")
        .values_list("pk", "gold_id")
    )
    mine = WorkerReliability(project_id=project_id, worker_id=worker_id, question=question, part="")
    WorkerReliability.objects.bulk_create([mine], ignore_conflicts=True)
    row = WorkerReliability.objects.select_for_update(no_key=True).get(
        project_id=project_id, worker_id=worker_id, question=question, part=""
    )
    log = _log(project_id, worker_id, question)
    batch = Batch.objects.select_related("project").get(pk=log[-1].batch_id) if log else None
    schema = design_of(batch).schema if batch else schema_of(row.project.questions)
    pools = {} if pools is None else pools
    if (project_id, question) not in pools:
        pools[project_id, question] = pool_of(project_id, question, schema)
    pool = pools[project_id, question]
    record = read_record([s.passed for s in log if not s.is_soft and s.id > row.since], pool)
    before = row.checked
    _note(row, log, record, pool)
    if batch is not None and row.state == State.PAUSED:
        if is_restoring and row.paused_by is None and not _pauses(row, record, pool, batch, 0):
            _end_pause(row, "The answers that led to it have been looked at again, and the pause has ended.")
    elif batch is not None:
        _conclude(row, record, pool, batch, before)
    row.save()
    GoldScore.objects.filter(pk__in=[pk for pk, _ in due]).update(counted_at=clock.now())
    return sorted({gold_id for _, gold_id in due})


def _note(row: WorkerReliability, log: Sequence[Scored], record: Record, pool: Pool) -> None:
    soft_right, soft_wrong = _soft(log)
    hard = [s.passed for s in log if not s.is_soft]
    row.right, row.wrong = sum(hard) + soft_right, len(hard) - sum(hard) + soft_wrong
    row.lower, _, row.upper = beta_interval(row.right, row.wrong, pool.mean)
    row.gate = gate_sum(record.right, record.wrong, pool.bar)
    row.monitor = record.monitor.u
    row.alarms = list(record.alarms)
    row.checked = record.n
    row.updated_at = clock.now()


def _conclude(row: WorkerReliability, record: Record, pool: Pool, batch: Batch, before: int) -> None:
    """Move the state on for what is new since `before` golds."""
    if design_of(batch).rules.gates and (cause := _pauses(row, record, pool, batch, before)):
        _pause(row, record, pool, batch, cause)
        return
    if raised := [n for n in record.raised if n > before]:
        row.state, row.watched_since = State.WATCHED, raised[-1]
    elif row.state == State.WATCHED and record.n - (row.watched_since or 0) >= WATCHED_FOR:
        row.state, row.watched_since = State.TRUSTED, None
    if row.state == State.QUIZ and record.verdict == "pass":
        row.state = State.TRUSTED


def _pauses(row: WorkerReliability, record: Record, pool: Pool, batch: Batch, before: int) -> str:
    """`look` or `monitor` where a gold after the first `before` calls for a pause; beyond 30 % the gold is suspect."""
    if pool.bar.warns_only:
        return ""
    cause = "monitor" if any(n > before for n in record.stopped) else ""
    looks = [look for look in record.looks if sum(look) > before]
    below = [look for look in looks if pause_verdict(*look, pool.mean, pool.bar, 0, 10**6) == "pause"]
    if not cause and not below:
        return ""
    if row.state == State.PAUSED:
        return cause or "look"
    n_before, n_workers = _ranked(row, batch)
    right, wrong = below[-1] if below else (record.right, record.wrong)
    if n_before + 1 <= MOST_PAUSED * n_workers:
        return cause or "look"
    _suspect_gold(row.project, batch, row.question, right, wrong)
    return ""


RANKED = """
WITH crowd AS (
    SELECT p.worker_id, bool_or(coalesce(r.state = 'paused', false)) AS paused,
           max(("right" + 1) / ("right" + wrong + 2))
               FILTER (WHERE r.question = %(question)s AND r.checked >= 20) AS rate
    FROM marketplace_participation p
    LEFT JOIN quality_workerreliability r ON r.worker_id = p.worker_id AND r.project_id = %(project)s AND r.part = ''
    WHERE p.batch_id = %(batch)s AND p.taken_in_all > 0 GROUP BY p.worker_id
)
SELECT count(*) FILTER (WHERE worker_id <> %(worker)s AND (paused OR rate < %(rate)s)), count(*) FROM crowd
"""


def _ranked(row: WorkerReliability, batch: Batch) -> tuple[int, int]:
    """How many of the batch's workers are paused already or did worse, and how many there are."""
    rate = (row.right + 1) / (row.right + row.wrong + 2)
    with connection.cursor() as cursor:
        cursor.execute(
            RANKED,
            {
                "question": row.question,
                "project": row.project_id,
                "batch": batch.pk,
                "worker": row.worker_id,
                "rate": rate,
            },
        )
        return cursor.fetchone()


# --- pausing ----------------------------------------------------------------------------------------------------------


def pause_text(look_at: datetime, ends_at: datetime) -> str:
    """Why, what next, when it is looked at again: what both sides read."""
    return (
        "Paused because too many answers differ from answers that are known. A person looks at it by "
        f"{look_at:%d %B %Y}; without a decision it ends on {ends_at:%d %B %Y}. Nothing earned is touched, and work "
        "that was accepted is still paid."
    )


def _pause(row: WorkerReliability, record: Record, pool: Pool, batch: Batch, cause: str) -> None:
    now = clock.now()
    row.state, row.paused_at, row.look_again_at = State.PAUSED, now, now + LOOK_AFTER
    row.state_reason = pause_text(row.look_again_at, now + PAUSE_ENDS_AFTER)
    Flag.objects.get_or_create(
        key=f"paused:{row.pk}:{row.since}",
        defaults={
            "kind": "paused",
            "project": row.project,
            "batch": batch,
            "worker": row.worker,
            "message": row.state_reason,
            "evidence": {
                "question": row.question,
                "by": cause,
                "right": record.right,
                "wrong": record.wrong,
                "upper": round(beta_interval(record.right, record.wrong, pool.mean)[2], 3),
                "bar": round(pool.bar.p1 - 0.1, 3),
            },
            "expires_at": now + PAUSE_ENDS_AFTER,
        },
    )
    _tell(row.worker, row.project, "access.paused", _("Paused: {project}"), row.state_reason)


def _tell(worker: Worker, project: Project, kind: str, title: Words, body: Words) -> None:
    notify(
        user=worker.user,
        kind=kind,
        title=format_lazy(title, project=project.name),
        body=body,
        url=reverse("find_work"),
    )


def _suspect_gold(project: Project, batch: Batch, question: str, right: int, wrong: int) -> None:
    Flag.objects.get_or_create(
        key=f"gold_suspect:{batch.pk}:{question}",
        defaults={
            "kind": "gold_suspect",
            "project": project,
            "batch": batch,
            "message": (
                f'More than {MOST_PAUSED:.0%} of the workers would be paused for their answers to "{question}". Then '
                "it is the keys or the guidelines that are suspect: nobody more is paused. Look at the keys that are "
                "missed most."
            ),
            "evidence": {"question": question, "right": right, "wrong": wrong},
            "expires_at": clock.now() + PAUSE_ENDS_AFTER,
        },
    )


def _end_pause(row: WorkerReliability, why: str) -> None:
    row.state, row.paused_at, row.look_again_at, row.state_reason = State.QUIZ, None, None, why
    row.watched_since, row.paused_by = None, None
    Flag.objects.filter(key=f"paused:{row.pk}:{row.since}", state=Flag.State.OPEN).update(
        state=Flag.State.CLOSED, closed_at=clock.now(), closed_reason=why[:300]
    )


@transaction.atomic
def reinstate_worker(*, project: Project, worker: Worker, by: Any, reason: str) -> list[WorkerReliability]:
    """A person has looked: the worker goes on, and gate, looks and monitor begin anew. Their record stays.

    `by` is the user who decided; None: the pause ended by itself.
    """
    rows = _lock_paused(project, worker)
    newest = GoldScore.objects.filter(worker=worker, gold__project=project).order_by("-pk").first()
    for row in rows:
        _end_pause(row, "A person looked at it and ended the pause." if by else "It ended by itself after 90 days.")
        row.since, row.checked, row.alarms, row.monitor, row.gate = (newest.pk if newest else 0), 0, [], 0, 0
        row.save()
    if rows:
        subject = f"worker:{worker.pk}"
        why = _("A person looked at it and ended the pause.") if by else _("It ended by itself after 90 days.")
        _tell(worker, project, "access.reinstated", _("You may go on: {project}"), why)
        audit.record(act="worker.reinstate", subject=subject, actor=by, reason=reason, project=project.pk)
    return rows


@transaction.atomic
def keep_paused(*, project: Project, worker: Worker, by: Any, reason: str) -> list[WorkerReliability]:
    """A person has looked, and the pause stays until the next look; 90 days after it began it ends all the same."""
    rows, now = _lock_paused(project, worker), clock.now()
    for row in rows:
        ends_at = (row.paused_at or now) + PAUSE_ENDS_AFTER
        row.look_again_at = min(now + LOOK_AGAIN_AFTER, ends_at)
        row.state_reason = pause_text(row.look_again_at, ends_at)
        row.save(update_fields=["look_again_at", "state_reason"])
    if rows:
        title = _("A person looked at the pause, and it stays: {project}")
        _tell(worker, project, "access.kept_paused", title, rows[0].state_reason)
        audit.record(
            act="worker.keep_paused", subject=f"worker:{worker.pk}", actor=by, reason=reason, project=project.pk
        )
    return rows


#: A person's own words in what both sides read of a pause.
LONGEST_REASON = 180


@transaction.atomic
def pause_worker(*, project: Project, worker: Worker, by: Any, reason: str) -> list[WorkerReliability]:
    """A person pauses a worker in a project. No rule ends it; a person does, or 90 days do.

    Raises
    ------
    Invalid
        Without a reason of at most 180 characters: the worker reads it.
    Conflict
        The pause is there already.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise Invalid(errors={"reason": f"Say why, in at most {LONGEST_REASON} characters: the worker reads it."})
    names = [question.name for question in schema_of(project.questions)]
    first = WorkerReliability(project=project, worker=worker, question=names[0], part="")
    WorkerReliability.objects.bulk_create([first], ignore_conflicts=True)  # one who has not answered yet has no row
    locked = WorkerReliability.objects.select_for_update(no_key=True).filter(project=project, worker=worker, part="")
    rows = list(locked.exclude(state=State.PAUSED, paused_by__isnull=False).order_by("question"))
    if not rows:
        raise Conflict("A person has paused this worker here already. Nothing was changed.", code="paused_already")
    now = clock.now()
    look_at, ends_at = now + LOOK_AGAIN_AFTER, now + PAUSE_ENDS_AFTER
    text = (
        f"A person has paused you here: {reason} It is looked at by {look_at:%d %B %Y} and ends by "
        f"{ends_at:%d %B %Y}. What you earned stays yours."
    )
    for row in rows:
        row.state, row.paused_at, row.look_again_at, row.state_reason = State.PAUSED, now, look_at, text
        row.paused_by, row.watched_since = by.pk, None
        changed = ["state", "paused_at", "look_again_at", "state_reason", "paused_by", "watched_since"]
        row.save(update_fields=changed)
    _tell(worker, project, "access.paused", _("Paused: {project}"), text)
    audit.record(act="worker.pause", subject=f"worker:{worker.pk}", actor=by, reason=reason, project=project.pk)
    return rows


def _lock_paused(project: Project, worker: Worker) -> list[WorkerReliability]:
    rows = WorkerReliability.objects.select_for_update(no_key=True).filter(project=project, worker=worker)
    return list(rows.filter(state=State.PAUSED).order_by("question", "part"))


def end_pauses() -> int:
    """Pauses that nobody decided on within 90 days end; flags past their time close."""
    now = clock.now()
    old = WorkerReliability.objects.filter(state=State.PAUSED, paused_at__lte=now - PAUSE_ENDS_AFTER)
    pairs = {(row.project_id, row.worker_id): row for row in old.select_related("project", "worker")}
    for row in pairs.values():
        reinstate_worker(project=row.project, worker=row.worker, by=None, reason="Nobody decided within 90 days.")
    expired = Flag.objects.filter(state=Flag.State.OPEN, expires_at__lte=now)
    closed = expired.update(state=Flag.State.CLOSED, closed_at=now, closed_reason="It expired.")
    return len(pairs) + closed


BAR = """
UPDATE marketplace_participation p SET barred = 'paused', barred_text = r.text, checked_until = now()
FROM (SELECT b.id AS batch_id, r.worker_id, min(r.state_reason) AS text
      FROM quality_workerreliability r JOIN marketplace_batch b ON b.project_id = r.project_id
      WHERE r.state = 'paused' GROUP BY b.id, r.worker_id) r
WHERE p.batch_id = r.batch_id AND p.worker_id = r.worker_id AND (p.barred = '' OR p.barred = 'paused')
  AND p.barred_text <> r.text
"""
UNBAR = """
UPDATE marketplace_participation p SET barred = '', barred_text = '' FROM marketplace_batch b
WHERE p.barred = 'paused' AND b.id = p.batch_id
  AND NOT EXISTS (SELECT FROM quality_workerreliability r
                  WHERE r.project_id = b.project_id AND r.worker_id = p.worker_id AND r.state = 'paused')
"""


def bar_paused() -> int:
    """Carry pauses, and their end, to the participations that the claim looks at."""
    changed = 0
    for statement in (BAR, UNBAR):
        with connection.cursor() as cursor:
            cursor.execute(statement)
            changed += cursor.rowcount
    return changed
