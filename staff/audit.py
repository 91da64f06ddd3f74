"""Figures about one worker in one project, each with its interval and where it comes from. For staff's eyes."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone
from django.utils.translation import gettext as _

from core import charts
from core.models import AuditEntry
from marketplace.figures import to_cent
from marketplace.models import Assignment, Project
from marketplace.schema import Question, schema_of
from quality.estimators.gold import ALARM, BOUND, MONITOR_FROM, Monitor, gate_sum, monitor
from quality.estimators.intervals import beta_interval
from quality.models import Flag, GoldScore, WorkerReliability
from quality.selectors import Pool, pool_of
from staff.pairs import Mistake, Pair, mistakes_of, pairs_of
from workers_app.models import Worker

#: Known answers that are drawn one by one: the newest.
MOST_SCORES = 200
TIMELINE = 14


@dataclass(frozen=True)
class Evidence:
    """One question of one project: what the worker's answers to known questions, and to all, say."""

    row: WorkerReliability
    question: Question | None
    right: float
    asked: float
    low: float
    high: float
    line: charts.Chart | None
    watch: charts.Chart | None
    heat: charts.Heat | None
    bar: Any


def evidence_of(worker: Worker, project: Project) -> list[Evidence]:
    """By question: the gate's line with its bounds, the monitor's with its alarm, the mix-ups with intervals."""
    schema = schema_of(project.questions)
    questions = {question.name: question for question in schema}
    rows = list(WorkerReliability.objects.filter(worker=worker, project=project).order_by("question", "part"))
    scores: dict[str, list[tuple[int, bool]]] = {}
    known = GoldScore.objects.filter(worker=worker, gold__project=project, gold__is_soft=False, counts=True)
    for pk, name, is_right in known.order_by("-pk").values_list("pk", "question", "passed")[: MOST_SCORES * len(rows)]:
        scores.setdefault(name, []).append((pk, is_right))
    pools = {name: pool_of(project.pk, name, schema) for name in {row.question for row in rows}}
    found = []
    for row in rows:
        pool = pools[row.question]
        # Gate and monitor begin anew after a person reinstated the worker; what is drawn is what they look at.
        passed = [said for pk, said in reversed(scores.get(row.question, [])) if pk > row.since] if not row.part else []
        low, _mean, high = beta_interval(row.right, row.wrong, pool.mean)
        found.append(
            Evidence(
                row=row,
                question=questions.get(row.question),
                right=row.right,
                asked=row.right + row.wrong,
                low=low,
                high=high,
                line=_line(passed, pool) if passed else None,
                watch=_watch(passed, pool) if len(passed) >= MONITOR_FROM else None,
                heat=_heat(row, questions.get(row.question), pool),
                bar=pool.bar,
            )
        )
    return found


def _line(passed: list[bool], pool: Pool) -> charts.Chart:
    sums, right, wrong = [], 0, 0
    for is_right in passed:
        right, wrong = right + is_right, wrong + (not is_right)
        sums.append(gate_sum(right, wrong, pool.bar))
    words = _("Sequential line over %(count)s known answers, %(right)s right; now %(sum)s, trusted above %(bound)s")
    message = words % {"count": len(passed), "right": right, "sum": f"{sums[-1]:.1f}", "bound": f"{BOUND:.1f}"}
    return charts.ledger_line(sums, (-BOUND, BOUND), passed, message=message)


def _watch(passed: list[bool], pool: Pool) -> charts.Chart:
    state, values, right, wrong = Monitor(), [], 0, 0
    for is_right in passed:
        state = monitor(state, is_right, right, wrong, pool.mean)
        right, wrong = right + is_right, wrong + (not is_right)
        values.append(state.u)
    words = _("Monitor line, now %(now)s, alarm above %(alarm)s") % {
        "now": f"{values[-1]:.1f}",
        "alarm": f"{ALARM:.0f}",
    }
    return charts.watch_line(values, ALARM, message=words)


def _heat(row: WorkerReliability, question: Question | None, pool: Pool) -> charts.Heat | None:
    """Soft counts of what was said for each label, rounded for the eye; the share that is right with its interval."""
    if question is None or not question.classes:
        return None
    size = len(question.classes)
    if len(row.counts) != size * size or size > 20:
        return None
    counts = [[round(value) for value in row.counts[index * size : (index + 1) * size]] for index in range(size)]
    ends = []
    for index, line in enumerate(counts):
        low, _mean, high = beta_interval(line[index], sum(line) - line[index], pool.mean)
        ends.append(f"{low * 100:.0f} to {high * 100:.0f}{charts.NARROW}%" if sum(line) else "")
    message = _("What this worker answers to %(question)s, by label") % {"question": question.title or question.name}
    return charts.heat(counts, question.classes, message=message, ends=ends, end_head=_("right, 90 %"))


# --- pace -------------------------------------------------------------------------------------------------------------

# The newest answers of the worker's newest batches, beside the newest of everybody there.
PACE = """
SELECT b.name, b.public_id, own.n, own.median, own.fastest, everyone.median, everyone.tenth,
       (SELECT count(*) FROM (SELECT active_seconds AS s FROM marketplace_assignment a
                              WHERE a.worker_id = %(worker)s AND a.batch_id = b.id AND a.active_seconds > 0
                              ORDER BY a.id DESC LIMIT 500) f
        WHERE f.s < greatest(1, everyone.tenth / 3))
FROM (SELECT p.batch_id, p.id FROM marketplace_participation p JOIN marketplace_batch b ON b.id = p.batch_id
      WHERE p.worker_id = %(worker)s AND b.project_id = %(project)s ORDER BY p.id DESC LIMIT 8) mine
JOIN marketplace_batch b ON b.id = mine.batch_id
CROSS JOIN LATERAL (
    SELECT count(*) AS n, percentile_cont(0.5) WITHIN GROUP (ORDER BY s) AS median, min(s) AS fastest
    FROM (SELECT active_seconds AS s FROM marketplace_assignment a
          WHERE a.worker_id = %(worker)s AND a.batch_id = b.id AND a.active_seconds > 0 ORDER BY a.id DESC LIMIT 500) s
) own
CROSS JOIN LATERAL (
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY s) AS median,
           percentile_cont(0.1) WITHIN GROUP (ORDER BY s) AS tenth
    FROM (SELECT a.active_seconds AS s FROM (SELECT worker_id FROM marketplace_participation
                                             WHERE batch_id = b.id ORDER BY id DESC LIMIT 100) w,
          LATERAL (SELECT active_seconds FROM marketplace_assignment a
                   WHERE a.worker_id = w.worker_id AND a.batch_id = b.id AND a.active_seconds > 0
                   ORDER BY a.id DESC LIMIT 25) a) s
) everyone
WHERE own.n > 0 ORDER BY mine.id DESC
"""


@dataclass(frozen=True)
class Pace:
    """One batch: answers, this worker's median seconds beside everybody's, and the share that is too fast to be read.

    Too fast: under a third of the batch's fastest tenth, and under a second at least (QUALITY.md section 6).
    """

    batch: str
    answers: int
    median: float
    fastest: float
    of_all: float
    fast: float

    @property
    def times(self) -> float:
        return self.median / self.of_all if self.of_all else 1.0

    @property
    def is_fast(self) -> bool:
        return self.fast > 0.3


def pace_of(worker: Worker, project: Project) -> list[Pace]:
    with connection.cursor() as cursor:
        cursor.execute(PACE, {"worker": worker.pk, "project": project.pk})
        return [
            Pace(name, n, median, fastest, of_all, too_fast / n)
            for name, _id, n, median, fastest, of_all, _tenth, too_fast in cursor.fetchall()
        ]


# --- copying ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Copying:
    """Pairs of this worker, their graph, and the closest pair in detail."""

    question: Question
    pairs: list[Pair]
    tested: int
    graph: charts.Chart | None
    closest: Pair | None
    chance: charts.Chart | None
    mistakes: list[Mistake]


def copying_of(worker: Worker, project: Project, name: str = "", other: str = "") -> Copying | None:
    """On the question `name`, or the first with classes; in detail the pair with `other`, or the closest."""
    schema = schema_of(project.questions)
    asked = [one for one in schema if one.kind in ("categorical", "ordinal", "pairwise") and one.for_ == "item"]
    question = next((one for one in asked if one.name == name), asked[0] if asked else None)
    if question is None:
        return None
    pairs, tested = pairs_of(worker, project, question)
    if not pairs:
        return Copying(question, [], tested, None, None, None, [])
    closest = next((one for one in pairs if str(one.worker.public_id) == other), pairs[0])
    graph = charts.ego(
        short(worker),
        [(short(one.worker), one.excess, "warn" if one.is_evidence else "" if one.is_worth_a_look else "b")
         for one in pairs],
        message=_("This worker in the middle, with lines to others: the thicker, the more they agree beyond chance"),
        head=(_("Worker"), _("Agreement beyond chance")),
    )  # fmt: skip
    return Copying(question, pairs, tested, graph, closest, _chance(closest), mistakes_of(closest, question))


def _chance(pair: Pair) -> charts.Chart:
    """How many equal answers chance gives, and how many there are."""
    likely = [count for count, p in enumerate(pair.chance) if p > 5e-4] or [0]
    first, last = likely[0], likely[-1]
    shares = [round(float(p) * 100, 2) for p in pair.chance[first : last + 1]]
    words = _("By chance about %(expected)s of %(common)s equal answers, seen %(equal)s")
    message = words % {"expected": round(pair.expected), "common": pair.common, "equal": pair.equal}
    return charts.histogram(
        shares,
        [float(count) for count in range(first, last + 2)],
        message=message,
        axis=_("equal answers on common items"),
        seen=(float(max(pair.equal, first)), _("seen: %(n)s of %(of)s") % {"n": pair.equal, "of": pair.common}),
    )


def short(worker: Worker) -> str:
    return str(worker.public_id)[:8].upper()


def odds(p: float) -> str:
    """1 in 65 million: how rare, in words."""
    if p >= 0.5:
        return _("as likely as not")
    times = 1 / max(p, 1e-15)
    for unit, size in ((_("billion"), 1e9), (_("million"), 1e6)):
        if times >= size:
            return _("1 in %(n)s %(unit)s") % {"n": f"{min(times / size, 999_999):,.0f}", "unit": unit}
    return _("1 in %s") % f"{times:,.0f}"


# --- sums and time ----------------------------------------------------------------------------------------------------


def sums_of(worker: Worker, project: Project) -> dict[str, Any]:
    mine = Assignment.objects.filter(worker=worker, batch__project=project)
    sums = mine.aggregate(
        answers=Count("pk", filter=Q(submitted_at__isnull=False)),
        ignored=Count("pk", filter=Q(submitted_at__isnull=False, counts=False)),
        earned=Sum("reward", filter=Q(state=Assignment.State.APPROVED)),
        seconds=Sum("active_seconds", filter=Q(state=Assignment.State.APPROVED)),
        rejected=Count("pk", filter=Q(state=Assignment.State.REJECTED)),
        returned=Count("pk", filter=Q(state=Assignment.State.RETURNED)),
    )
    has_pace = sums["earned"] and (sums["seconds"] or 0) > 60
    sums["hourly"] = to_cent(sums["earned"] * 3600 / sums["seconds"]) if has_pace else None
    return sums


def timeline_of(worker: Worker) -> charts.Chart:
    first = timezone.localdate() - dt.timedelta(days=TIMELINE - 1)
    begins = dt.datetime.combine(first, dt.time.min, timezone.get_current_timezone())
    rows = (
        Assignment.objects.filter(worker=worker, submitted_at__gte=begins)
        .annotate(day=TruncDate("submitted_at"))
        .values("day")
        .annotate(count=Count("pk"))
    )
    by_day = {row["day"]: row["count"] for row in rows}
    days = [first + dt.timedelta(days=index) for index in range(TIMELINE)]
    points = [(f"{day:%-d %b}", by_day.get(day, 0)) for day in days]
    words = _("Answers a day in the last %(days)s days, %(sum)s in all")
    message = words % {"days": TIMELINE, "sum": sum(by_day.values())}
    return charts.bars(points, message=message, head=(_("Day"), _("Answers")), wide=True)


# --- what was decided -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decision:
    """One line: `by` is the person, or empty for a machine, which can be undone."""

    at: dt.datetime
    words: str
    reason: str
    by: str


def decisions_on(worker: Worker, most: int = 30) -> list[Decision]:
    """What people decided and what rules raised, newest first."""
    rows = AuditEntry.objects.filter(subject=f"worker:{worker.pk}").select_related("actor").order_by("-pk")[:most]
    names = dict(
        Project.objects.filter(pk__in=[row.details["project"] for row in rows if "project" in row.details]).values_list(
            "pk", "name"
        )
    )
    lines = [
        Decision(
            row.at,
            " · ".join(filter(None, [act_words(row.act), names.get(row.details.get("project"))])),
            row.reason,
            row.actor.get_full_name() if row.actor else "",
        )
        for row in rows
    ]
    raised = Flag.objects.filter(worker=worker).order_by("-pk")[:most]
    lines += [Decision(flag.created_at, _("Flag raised: %s") % flag.title, flag.message, "") for flag in raised]
    return sorted(lines, key=lambda line: line.at, reverse=True)[:most]


def act_words(act: str) -> str:
    return {
        "worker.pause": _("Paused"),
        "worker.reinstate": _("Reinstated"),
        "worker.keep_paused": _("Pause kept"),
        "worker.ignore": _("Answers count for no label"),
        "worker.count": _("Answers count again"),
        "worker.hold": _("Account put on hold"),
        "worker.lift": _("Hold lifted"),
        "worker.account_shown": _("Account shown"),
        "flag.confirmed": _("Flag confirmed"),
        "flag.dismissed": _("Flag dismissed"),
    }.get(act, act)
