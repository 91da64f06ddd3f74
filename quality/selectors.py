"""Questions asked of what is known about answers: gold, disputes, how workers do. For requesters and staff only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Count, F, Q, QuerySet

from marketplace.models import Batch, Hit, Project
from marketplace.schema import KINDS, Schema, schema_of
from marketplace.selectors import design_of
from quality.estimators.gold import Bar, bar_for
from quality.estimators.intervals import beta_interval
from quality.models import (
    Belief,
    Contest,
    Flag,
    GoldQuestion,
    Overruling,
    Sample,
    SampleItem,
    WorkerReliability,
)

# --- gold -------------------------------------------------------------------------------------------------------------


def gold_of_project(project: Project) -> QuerySet[GoldQuestion]:
    """Gold in work, with how often each was answered right and wrong."""
    counted = Q(scores__counts=True)
    return GoldQuestion.objects.filter(project=project, pool="test").annotate(
        right=Count("scores", filter=counted & Q(scores__passed=True)),
        wrong=Count("scores", filter=counted & Q(scores__passed=False)),
    )


@dataclass(frozen=True)
class Candidate:
    """A HIT whose consensus may become gold, once a person confirms it."""

    hit_id: int
    question: str
    label: str
    confidence: float
    answers: int
    strong: int


# Calibrated P >= .99, five judgments, four of them by workers whose lower bound is .8, no flags: unanimous items alone
# were right only .89-.93 of the time on hard sets.
CANDIDATES = """
SELECT b.hit_id, b.question, b.label, b.confidence, b.answers, s.strong
FROM quality_belief b
JOIN marketplace_hit h ON h.id = b.hit_id AND h.batch_id = ANY(%(batches)s)
CROSS JOIN LATERAL (
    SELECT count(*) AS strong FROM (
        SELECT DISTINCT ON (j.worker_id) j.worker_id, j.label, j.weight FROM quality_judgment j
        WHERE j.hit_id = b.hit_id AND j.question = b.question AND j.part = b.part ORDER BY j.worker_id, j.id DESC
    ) n JOIN quality_workerreliability r ON r.worker_id = n.worker_id AND r.project_id = %(project)s
        AND r.question = b.question AND r.part = '' AND r.lower >= %(lower)s
    WHERE n.weight > 0 AND n.label = b.label
) s
WHERE b.part = '' AND b.is_calibrated AND b.confidence >= %(sure)s AND b.answers >= %(answers)s
  AND s.strong >= %(strong)s
  AND NOT EXISTS (SELECT FROM quality_goldquestion g WHERE g.hit_id = b.hit_id)
  AND NOT EXISTS (SELECT FROM quality_flag f WHERE f.hit_id = b.hit_id AND f.state = 'open')
ORDER BY b.confidence DESC, b.hit_id LIMIT %(limit)s
"""
SURE, ANSWERS, STRONG_ANSWERS, STRONG_LOWER = 0.99, 5, 4, 0.8


def gold_candidates(project: Project, limit: int = 200) -> list[Candidate]:
    """HITs to ask a person about (QUALITY.md section 4), the surest first."""
    batches = {batch.pk: batch for batch in Batch.objects.filter(project=project).select_related("project")}
    with connection.cursor() as cursor:
        cursor.execute(
            CANDIDATES,
            {
                "batches": list(batches),
                "project": project.pk,
                "sure": SURE,
                "answers": ANSWERS,
                "strong": STRONG_ANSWERS,
                "lower": STRONG_LOWER,
                "limit": limit,
            },
        )
        rows = cursor.fetchall()
    batch_of = dict(Hit.objects.filter(pk__in=[row[0] for row in rows]).values_list("pk", "batch_id"))
    found = []
    for hit_id, name, label, confidence, answers, strong in rows:
        schema = design_of(batches[batch_of[hit_id]]).schema
        if name in schema and label is not None and schema[name].kind != "multilabel":
            found.append(Candidate(hit_id, name, schema[name].classes[label], confidence, answers, strong))
    return found


def believed_keys(hit: Hit) -> dict[str, Any]:
    """Keys as the beliefs about a HIT have them, for a person to confirm: question -> {"accept": [label]}."""
    schema = design_of(hit.batch).schema
    beliefs = Belief.objects.filter(hit=hit, label__isnull=False).order_by("question", "part")
    keys: dict[str, Any] = {}
    for belief in beliefs:
        if belief.question not in schema:
            continue
        question = schema[belief.question]
        if question.kind in ("multilabel", "number", "text"):
            continue
        one = {"accept": [question.classes[int(belief.label or 0)]]}
        if question.for_ == "item":
            keys[question.name] = one
        else:
            keys.setdefault(question.name, {})[belief.part] = one
    return keys


# --- how a label came before a person ---------------------------------------------------------------------------------


def how_chosen(belief: Belief) -> tuple[str, float | None]:
    """By which rule a label comes before a person, and with what probability: every disputed one is in the queue."""
    drawn = SampleItem.objects.filter(
        sample__purpose=Sample.Purpose.REVIEW, sample__question=belief.question, hit=belief.hit_id, part=belief.part
    )
    inclusion = drawn.order_by("-pk").values_list("inclusion", flat=True).first()
    if inclusion is not None:
        return Overruling.Chosen.DRAWN, inclusion
    if belief.state == Belief.State.DISPUTED:
        return Overruling.Chosen.DISPUTED, 1.0
    return Overruling.Chosen.FREE, None


def how_reviewed(hit: Hit, *, in_review: bool) -> tuple[str, float | None]:
    """How a review came upon this item, with what probability; ("", None) where none did.

    `in_review`: it is before a person who reviews now. That it is in dispute alone says nothing of how it was chosen:
    of items chosen otherwise, leaving out those in dispute would be as wrong as looking at nothing else. A random audit
    is no review: it does not ask what the answers are.
    """
    ruled = Overruling.objects.filter(hit=hit).order_by("question", "part", "-pk").distinct("question", "part")
    found = [(row.chosen, row.inclusion) for row in ruled if not row.is_lifted]
    if in_review:
        others = Belief.objects.filter(hit=hit).exclude(state=Belief.State.OVERRULED).order_by("question", "part")
        found += [chosen for chosen in map(how_chosen, others) if chosen[0] != Overruling.Chosen.FREE]
    return found[0] if found else ("", None)


def open_contests(project: Project) -> QuerySet[Contest]:
    """Disputes that wait for a ruling, on any HIT of the project."""
    waiting = Contest.objects.filter(state=Contest.State.OPEN, assignment__batch__project=project)
    return waiting.select_related("assignment__hit").order_by("created_at")


def open_flags(project: Project) -> QuerySet[Flag]:
    return Flag.objects.filter(project=project, state=Flag.State.OPEN).order_by("-created_at")


# --- the pool ---------------------------------------------------------------------------------------------------------

#: What is taken for the pool's mean before anyone has answered, with the weight of 5 answers.
FIRST_MEAN = 0.75
#: A worker's rate tells something about the pool from this many golds on.
RATE_FROM = 10


# The bar stands on the upper quartile of the rates, and asks for nothing else about them.
POOL = """
SELECT coalesce(sum("right"), 0), coalesce(sum("right" + wrong), 0),
       percentile_cont(0.75) WITHIN GROUP (ORDER BY "right" / ("right" + wrong))
           FILTER (WHERE "right" + wrong >= %(enough)s)
FROM quality_workerreliability WHERE project_id = %(project)s AND question = %(question)s AND part = '' AND checked > 0
"""


@dataclass(frozen=True)
class Pool:
    """The workers of a project on one question, as gold sees them."""

    mean: float
    bar: Bar


def pool_of(project_id: int, question: str, schema: Schema) -> Pool:
    """Three numbers of everybody who was checked, summed where the rows are: there may be 10^5 of them."""
    with connection.cursor() as cursor:
        cursor.execute(POOL, {"project": project_id, "question": question, "enough": RATE_FROM})
        right, total, rate = cursor.fetchone()
    rates = [] if rate is None else [rate]
    return Pool((right + 5 * FIRST_MEAN) / (total + 5), bar_for(rates, int(total), _classes(schema, question)))


def _classes(schema: Schema, name: str) -> int | None:
    """Classes an answer is chosen from; None where chance has no rate."""
    if name not in schema or not KINDS[schema[name].kind].has_classes or schema[name].kind == "multilabel":
        return None
    return len(schema[name].classes) - schema[name].na


# --- how workers do ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Accuracy:
    """One worker on one question of a project: gold answers, and the 5-95 % interval of their accuracy."""

    worker_id: int
    question: str
    answered: int
    right: float
    wrong: float
    lower: float
    mean: float
    upper: float
    state: str
    reason: str
    look_again_at: datetime | None

    @property
    def checked(self) -> float:
        return self.right + self.wrong


def worker_accuracy(project: Project, worker_ids: list[int] | None = None) -> list[Accuracy]:
    """How each worker of a project does, by gold; the weakest lower bound first. Never for workers' eyes."""
    schema = schema_of(project.questions)
    rows = WorkerReliability.objects.filter(project=project, part="")
    if worker_ids is not None:
        rows = rows.filter(worker_id__in=worker_ids)
    means: dict[str, float] = {}
    found = []
    for row in rows.order_by(F("lower").asc(), "pk"):
        if row.question not in means:
            means[row.question] = pool_of(project.pk, row.question, schema).mean
        lower, mean, upper = beta_interval(row.right, row.wrong, means[row.question])
        found.append(
            Accuracy(
                row.worker_id, row.question, row.answered, row.right, row.wrong, lower, mean, upper,
                row.state, row.state_reason, row.look_again_at,
            )
        )  # fmt: skip
    return sorted(found, key=lambda one: (one.lower, one.worker_id))
