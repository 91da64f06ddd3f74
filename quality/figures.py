"""Figures of a batch for its requester: progress, quality, speed, money, people. Read only, and computed sparingly."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count, Max, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core.freshness import fresh
from core.models import AuditEntry, Operation
from marketplace.models import Appeal, Assignment, Batch, Participation
from marketplace.schema import Question
from marketplace.selectors import design_of
from marketplace.services.media import stored_media
from marketplace.templating import compile_template
from payments.models import Account, Entry
from quality.estimators.calibration import Calibration
from quality.estimators.intervals import wilson_interval
from quality.models import AggregationRun, Belief, Flag, GoldQuestion, GoldScore, Judgment, WorkerReliability

FEED = 12
AT_WORK = dt.timedelta(minutes=5)


@dataclass(frozen=True)
class Progress:
    """Items of a batch by what became of them; hidden checks stand apart."""

    total: int
    settled: int
    full: int
    disputed: int
    parked: int
    cancelled: int
    begun: int
    untouched: int
    checks: int

    @property
    def done(self) -> int:
        return self.settled + self.full + self.disputed

    @property
    def share(self) -> float:
        whole = self.total - self.cancelled
        return self.done / whole if whole else 0.0


HITS = """
SELECT count(*) FILTER (WHERE lane = 0),
       count(*) FILTER (WHERE lane = 0 AND state = 1),
       count(*) FILTER (WHERE lane = 0 AND state = 2),
       count(*) FILTER (WHERE lane = 0 AND state = 3),
       count(*) FILTER (WHERE lane = 0 AND state = 0 AND taken > 0),
       count(*) FILTER (WHERE lane = 0 AND state = 0 AND taken = 0),
       count(*) FILTER (WHERE lane = 1 OR lane > 2),
       coalesce(sum(taken), 0)
FROM marketplace_hit WHERE batch_id = %s
"""
# An item is disputed if any belief of it is, settled if all that count are; the rest of the retired got all answers.
ENDED = """
WITH ended AS NOT MATERIALIZED (SELECT id FROM marketplace_hit WHERE batch_id = %s AND lane = 0 AND state = 1)
SELECT (SELECT count(*) FROM ended e WHERE EXISTS (
            SELECT FROM quality_belief b WHERE b.hit_id = e.id AND b.state = 'disputed')),
       (SELECT count(*) FROM ended e WHERE EXISTS (
            SELECT FROM quality_belief b WHERE b.hit_id = e.id AND b.state IN ('settled', 'overruled'))
        AND NOT EXISTS (SELECT FROM quality_belief b WHERE b.hit_id = e.id AND b.state = 'disputed'))
"""


def progress_of(batch: Batch) -> tuple[Progress, int]:
    """The progress, and answers handed in so far."""

    def count() -> tuple[Progress, int]:
        with connection.cursor() as cursor:
            cursor.execute(HITS, [batch.pk])
            total, retired, parked, cancelled, begun, untouched, checks, taken = cursor.fetchone()
            cursor.execute(ENDED, [batch.pk])
            disputed, settled = cursor.fetchone()
        held = Participation.objects.filter(batch=batch).aggregate(sum=Sum("open_places"))["sum"] or 0
        full = max(retired - disputed - settled, 0)
        return Progress(total, settled, full, disputed, parked, cancelled, begun, untouched, checks), max(
            int(taken) - held, 0
        )

    return fresh(f"progress:{batch.pk}", count)


@dataclass(frozen=True)
class Known:
    """How answers to known questions turned out: a share with its 95 % Wilson interval, from `count` checks."""

    share: float
    low: float
    high: float
    count: int


def known_of(batch: Batch) -> Known | None:
    """Answers to hidden checks of this batch, right or wrong."""

    def count() -> Known | None:
        scores = GoldScore.objects.filter(assignment__batch=batch, counts=True)
        sums = scores.aggregate(count=Count("pk"), right=Count("pk", filter=Q(passed=True)))
        if not sums["count"]:
            return None
        low, high = wilson_interval(sums["right"], sums["count"])
        return Known(sums["right"] / sums["count"], low, high, sums["count"])

    return fresh(f"known:{batch.pk}", count, least=3)


@dataclass(frozen=True)
class Sureness:
    """Labels that are decided: their mean confidence, whether it is calibrated, and answers an item.

    Of numbers and texts the confidence is their expected score; `without` of them have none.
    """

    labels: int
    mean: float | None
    is_calibrated: bool
    answers_each: float | None
    by_answers: list[tuple[int, int]]
    #: Where the share of right labels lies, if the confidences are what they say (95 %).
    low: float | None = None
    high: float | None = None
    without: int = 0


SETTLED = """
SELECT b.answers, count(*), sum(b.confidence), bool_and(b.is_calibrated), sum(b.confidence * (1 - b.confidence)),
       count(*) FILTER (WHERE b.label IS NULL AND b.confidence = 0)
FROM quality_belief b JOIN marketplace_hit h ON h.id = b.hit_id
WHERE h.batch_id = %s AND h.lane = 0 AND b.state IN ('settled', 'overruled', 'disputed')
GROUP BY 1 ORDER BY 1
"""


def sureness_of(batch: Batch) -> Sureness:
    def count() -> Sureness:
        with connection.cursor() as cursor:
            cursor.execute(SETTLED, [batch.pk])
            rows = cursor.fetchall()
        labels = sum(row[1] for row in rows)
        if not labels:
            return Sureness(0, None, False, None, [])
        each, by_answers = sum(row[0] * row[1] for row in rows) / labels, [(row[0], row[1]) for row in rows]
        without = sum(row[5] for row in rows)
        if without == labels:
            return Sureness(labels, None, False, each, by_answers, without=without)
        mean = sum(row[2] for row in rows) / (labels - without)
        reach = 1.96 * math.sqrt(max(sum(row[4] for row in rows), 0)) / (labels - without)
        return Sureness(
            labels, mean, all(row[3] for row in rows), each, by_answers, max(mean - reach, 0.0), min(mean + reach, 1.0),
            without,
        )  # fmt: skip

    return fresh(f"sureness:{batch.pk}", count)


@dataclass(frozen=True)
class GoldProof:
    """What known answers prove of labels that are sure, by the newest fit, beside the batch's target.

    `answers` were known to the fit (`has_keys`: there are any now); labels as sure as `proven` are right so often;
    `more`, as sure as the target and all of them right, would prove that.
    """

    target: float
    has_keys: bool
    answers: int
    is_calibrated: bool
    proven: float | None
    more: int


def gold_proof_of(batch: Batch) -> GoldProof | None:
    """Of the first question with classes that says when an item is done; None where there is none."""
    design = design_of(batch)
    question = next((one for one in design.schema if one.classes and one.stops), None)
    if question is None:
        return None

    def read() -> GoldProof:
        target = design.rules.target
        keys = GoldQuestion.objects.filter(project=batch.project_id, pool="test").exclude(state="suspended")
        run = AggregationRun.objects.filter(project=batch.project_id, question=question.name).order_by("-pk").first()
        found = run.report.get("calibration", {}) if run else {}
        more = {one["target"]: one["more"] for one in found.get("targets", [])}.get(target)
        return GoldProof(
            target=target,
            has_keys=keys.exists(),
            answers=found.get("gold", 0),
            is_calibrated=found.get("is_calibrated", False),
            proven=found.get("proven"),
            more=Calibration(0.5, 0, False).more_to_prove(target) if more is None else more,
        )

    return fresh(f"gold_proof:{batch.pk}", read, least=3)


# --- speed ------------------------------------------------------------------------------------------------------------

# By the workers of the batch, whose assignments have an index; the batch's own have none.
HANDED_IN = """
SELECT date_bin(%(step)s::interval, a.submitted_at, TIMESTAMPTZ '2000-01-01') AS at, count(*)
FROM marketplace_participation p
JOIN marketplace_assignment a ON a.worker_id = p.worker_id AND a.batch_id = p.batch_id
WHERE p.batch_id = %(batch)s AND a.submitted_at >= %(since)s
GROUP BY 1 ORDER BY 1
"""
STEPS = (
    (dt.timedelta(minutes=12), dt.timedelta(minutes=1), "%H:%M"),
    (dt.timedelta(hours=2), dt.timedelta(minutes=10), "%H:%M"),
    (dt.timedelta(hours=12), dt.timedelta(hours=1), "%H:%M"),
    (dt.timedelta(days=4), dt.timedelta(hours=12), "%-d %b %Hh"),
    (dt.timedelta(days=36500), dt.timedelta(days=1), "%-d %b"),
)
MOST_BARS = 12


@dataclass(frozen=True)
class Speed:
    """Answers handed in by step of time (label, count), the length of a step in words, and answers an hour of late."""

    bars: list[tuple[str, int]]
    step: dt.timedelta
    an_hour: float


def speed_of(batch: Batch) -> Speed:
    def count() -> Speed:
        now = timezone.now()
        until = batch.closed_at or now
        age = until - (batch.published_at or now)
        _limit, step, form = next(row for row in STEPS if age <= row[0])
        origin = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
        last = origin + (until - origin) // step * step
        first = last - (MOST_BARS - 1) * step
        arguments: dict[str, Any] = {"step": step, "batch": batch.pk, "since": first}
        with connection.cursor() as cursor:
            cursor.execute(HANDED_IN, arguments)
            by_time = dict(cursor.fetchall())
        times = [first + index * step for index in range(MOST_BARS)]
        times = [at for at in times if at + step > (batch.published_at or now)]
        bars = [(timezone.localtime(at).strftime(form), by_time.get(at, 0)) for at in times]
        whole = bars[-4:]
        spent = (until - max(times[-len(whole)], batch.published_at or now)).total_seconds() if whole else 0
        return Speed(bars, step, float(round(sum(n for _label, n in whole) * 3600 / spent)) if spent > 20 else 0.0)

    return fresh(f"speed:{batch.pk}", count)


# --- money ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Purse:
    """Micros: put aside in all, paid (with fee), given back, still held; the repair reserve beside."""

    put_aside: int
    paid: int
    returned: int
    held: int
    repair: int

    @property
    def is_balanced(self) -> bool:
        return self.put_aside - self.paid - self.returned == self.held


def purse_of(batch: Batch) -> Purse:
    def count() -> Purse:
        accounts = {
            account.kind: account
            for account in Account.objects.filter(
                kind__in=[Account.Kind.ESCROW, Account.Kind.REPAIR],
                owner_id=batch.pk,
                currency=batch.project.requester.currency,
            )
        }
        escrow = accounts.get(Account.Kind.ESCROW)
        repair = accounts.get(Account.Kind.REPAIR)
        if escrow is None:
            return Purse(0, 0, 0, 0, 0)
        kinds = Entry.objects.filter(account=escrow).values("transfer__kind").annotate(sum=Sum("amount"))
        sums = {row["transfer__kind"]: row["sum"] for row in kinds}
        paid = -sums.get("reward", 0)
        back = -sum(amount for kind, amount in sums.items() if amount < 0 and kind != "reward")
        aside = sum(amount for amount in sums.values() if amount > 0)
        return Purse(aside, paid, back, escrow.balance, repair.balance if repair else 0)

    return fresh(f"purse:{batch.pk}", count)


# --- people -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Crowd:
    workers: int
    at_work: int
    trusted: int
    entering: int
    watched: int
    paused: int
    largest_share: float | None
    rejected: int
    appealed: int


# Those whose newest place here was taken a moment ago.
BUSY = """
SELECT count(*) FROM marketplace_participation p, LATERAL (
    SELECT accepted_at FROM marketplace_assignment a
    WHERE a.worker_id = p.worker_id AND a.batch_id = p.batch_id ORDER BY a.id DESC LIMIT 1
) a WHERE p.batch_id = %s AND a.accepted_at > now() - make_interval(secs => %s)
"""


def crowd_of(batch: Batch) -> Crowd:
    def count() -> Crowd:
        mine = Participation.objects.filter(batch=batch, taken_in_all__gt=0)
        sums = mine.aggregate(workers=Count("pk"), most=Max("taken_in_all"), all=Sum("taken_in_all"))
        with connection.cursor() as cursor:
            cursor.execute(BUSY, [batch.pk, AT_WORK.total_seconds()])
            at_work = cursor.fetchone()[0]
        worst = dict.fromkeys(["quiz", "trusted", "watched", "paused"], 0)
        rank = {"trusted": 0, "quiz": 1, "watched": 2, "paused": 3}
        states: dict[int, str] = {}
        rows = WorkerReliability.objects.filter(project_id=batch.project_id, worker__in=mine.values("worker_id"))
        for worker_id, state in rows.values_list("worker_id", "state"):
            if rank[state] >= rank.get(states.get(worker_id, ""), -1):
                states[worker_id] = state
        for state in states.values():
            worst[state] += 1
        ruled = Assignment.objects.filter(
            batch=batch, worker__in=mine.values("worker_id"), state=Assignment.State.REJECTED
        ).count()
        return Crowd(
            workers=sums["workers"],
            at_work=at_work,
            trusted=worst["trusted"],
            entering=worst["quiz"],
            watched=worst["watched"],
            paused=worst["paused"],
            largest_share=sums["most"] / sums["all"] if sums["all"] and sums["workers"] > 1 else None,
            rejected=ruled,
            appealed=Appeal.objects.filter(assignment__batch=batch, state=Appeal.State.OPEN).count(),
        )

    return fresh(f"crowd:{batch.pk}", count, least=3)


# --- items ------------------------------------------------------------------------------------------------------------


def label_words(question: Question | None, belief: Belief) -> str:
    """The label of a belief as people say it; a consensus value where there are no classes."""
    if question is None:
        return ""
    if belief.label is not None and belief.label < len(question.classes):
        return question.classes[belief.label]
    value = belief.value
    if isinstance(value, float):
        return f"{value:.6g}"
    return "" if value is None else str(value)


def item_name(belief: Belief) -> str:
    """What the requester calls an item: its own id, else the beginning of ours."""
    row = belief.hit.data_row
    return row.external_id or str(row.public_id)[:8].upper()


def pictures_of(beliefs: Sequence[Belief], batch: Batch) -> dict[int, str]:
    """The first picture of each of these items, by HIT; our own addresses."""
    template = compile_template(design_of(batch).template)
    column = next((one.column for one in template.placeholders if one.kind == "image"), None)
    if column is None:
        return {}
    cells = {belief.hit_id: belief.hit.data_row.data.get(column) for belief in beliefs}
    ours = stored_media(requester_id=batch.project.requester_id, values=cells.values())
    return {hit_id: ours[cell].address for hit_id, cell in cells.items() if cell in ours}


@dataclass(frozen=True)
class Vote:
    words: str
    count: int


def votes_of(beliefs: Sequence[Belief], questions: dict[str, Question]) -> dict[int, list[Vote]]:
    """What workers said about each of these beliefs, most said first, by belief id."""
    hits = {belief.hit_id for belief in beliefs}
    rows = Judgment.objects.filter(hit_id__in=hits, weight__gt=0).order_by("pk")
    newest: dict[tuple[int, str, str, int], Any] = {}
    for row in rows.values_list("hit_id", "question", "part", "worker_id", "label", "number", "text"):
        newest[row[:4]] = row[4:]
    found: dict[int, list[Vote]] = {}
    for belief in beliefs:
        counts: dict[str, int] = {}
        for (hit_id, name, part, _worker), (label, number, text) in newest.items():
            if (hit_id, name, part) != (belief.hit_id, belief.question, belief.part):
                continue
            question = questions.get(name)
            if label is not None and question is not None and label < len(question.classes):
                words = question.classes[label]
            else:
                words = f"{number:.6g}" if number is not None else (text or "")[:40]
            counts[words] = counts.get(words, 0) + 1
        found[belief.pk] = [Vote(words, n) for words, n in sorted(counts.items(), key=lambda one: -one[1])]
    return found


def disputed_of(batch: Batch, most: int = 8) -> list[Belief]:
    rows = Belief.objects.filter(hit__batch=batch, hit__lane=0, state=Belief.State.DISPUTED)
    return list(rows.select_related("hit__data_row").order_by("confidence", "pk")[:most])


@dataclass(frozen=True)
class Event:
    """One line of the feed: `kind` is settled, disputed, flag, or did (what people did)."""

    at: dt.datetime
    kind: str
    item: str
    words: str
    answers: int = 0


#: Words that the feed looks back on: beliefs have no order of time, what they are made of has.
LOOKED_BACK = 300


def _judged_last(batch: Batch) -> set[int]:
    """HITs about which something was said last."""
    asked = [question.name for question in design_of(batch).schema]
    words = Judgment.objects.filter(project=batch.project_id, question__in=asked[:1], batch=batch)
    return set(words.order_by("-pk").values_list("hit_id", flat=True)[:LOOKED_BACK])


def feed_of(batch: Batch) -> list[Event]:
    """What happened last, newest first."""

    def read() -> list[Event]:
        questions = {question.name: question for question in design_of(batch).schema}
        states = [Belief.State.SETTLED, Belief.State.DISPUTED]
        newest = Belief.objects.filter(hit__in=_judged_last(batch), hit__lane=0, state__in=states)
        events = [
            Event(
                at=belief.settled_at or belief.updated_at,
                kind=belief.state,
                item=item_name(belief),
                words=label_words(questions.get(belief.question), belief),
                answers=belief.answers,
            )
            for belief in newest.select_related("hit__data_row").order_by("-updated_at")[:FEED]
        ]
        flags = Flag.objects.filter(Q(batch=batch) | Q(project_id=batch.project_id, batch=None))
        events += [Event(flag.created_at, "flag", "", flag.message) for flag in flags.order_by("-pk")[:FEED]]
        events += [event for event in _told(batch) if event.at]
        return sorted(events, key=lambda event: event.at, reverse=True)[:FEED]

    return fresh(f"feed:{batch.pk}", read)


#: Acts of the audit log that are about a batch or its known answers, as its requester reads them.
ACTS = {
    "gold.mark": gettext_lazy("A known answer was added. %s"),
    "gold.correct": gettext_lazy("A known answer was corrected. %s"),
    "gold.suspend": gettext_lazy("A known answer is in doubt. %s"),
}
#: Acts on the batch itself: by a person, and by the site.
BATCH_ACTS = {
    "batch.pause": (gettext_lazy("%(who)s paused it."), gettext_lazy("Paused by the site.")),
    "batch.resume": (gettext_lazy("%(who)s opened it again."), gettext_lazy("Opened again by the site.")),
    "batch.extend": (gettext_lazy("%(who)s changed its end."), gettext_lazy("The site changed its end.")),
    "batch.more": (gettext_lazy("%(who)s asked for more answers."), gettext_lazy("More answers were asked for.")),
    "batch.close": (gettext_lazy("%(who)s closed it."), gettext_lazy("Closed: nothing was left to do.")),
    "batch.clarify": (gettext_lazy("%(who)s wrote a note to its workers."), gettext_lazy("A note to its workers.")),
}
DONE = {
    "publish": gettext_lazy("Published: %d items."),
    "add_rows": gettext_lazy("Rows added: %d items."),
    "export": gettext_lazy("Exported: %d rows."),
}


def _told(batch: Batch) -> list[Event]:
    """What people did, from the log, and long work that ended; items set aside."""
    work = Operation.objects.filter(subject=f"batch:{batch.pk}", state="done", kind__in=DONE).order_by("-pk")[:FEED]
    events = [
        Event(row.finished_at, "did", "", str(DONE[row.kind]) % (row.result.get("hits") or row.done))
        for row in work
        if row.finished_at
    ]
    known = GoldQuestion.objects.filter(project=batch.project_id, hit__batch=batch).order_by("-pk")
    subjects = [f"batch:{batch.pk}"]
    for pk, hit_id in known.values_list("pk", "hit_id")[: 10 * FEED]:
        subjects += [f"gold:{pk}", f"hit:{hit_id}"]
    for row in AuditEntry.objects.filter(subject__in=subjects, act__in=ACTS).order_by("-pk")[:FEED]:
        events.append(Event(row.at, "did", "", str(ACTS[row.act]) % row.reason[:200]))
    done = AuditEntry.objects.filter(subject=f"batch:{batch.pk}", act__in=BATCH_ACTS).select_related("actor")
    members = set(batch.project.requester.memberships.values_list("user_id", flat=True))
    for row in done.order_by("-pk")[:FEED]:
        by_person, by_site = BATCH_ACTS[row.act]
        who = str(row.actor) if row.actor_id in members else _("Staff")
        events.append(Event(row.at, "did", "", by_person % {"who": who} if row.actor_id else str(by_site)))
    return events


def mixups_of(batch: Batch, question: Question) -> list[list[int]] | None:
    """Answers (columns) by delivered label (rows) of one question with classes, counted."""

    def read() -> list[list[int]] | None:
        size = len(question.classes)
        if not 1 < size <= 20:
            return None
        with connection.cursor() as cursor:
            cursor.execute(MIXUPS, [question.name, batch.pk])
            rows = cursor.fetchall()
        counts = [[0] * size for _class in range(size)]
        for label, said, number in rows:
            if label < size and said < size:
                counts[label][said] += number
        return counts if rows else None

    return fresh(f"mixups:{batch.pk}:{question.name}", read, least=5)


MIXUPS = """
SELECT b.label, j.label, count(*)
FROM marketplace_hit h
JOIN quality_belief b ON b.hit_id = h.id AND b.question = %s AND b.label IS NOT NULL
JOIN quality_judgment j ON j.hit_id = h.id AND j.question = b.question AND j.part = b.part
WHERE h.batch_id = %s AND j.weight > 0 AND j.label IS NOT NULL
GROUP BY 1, 2
"""
