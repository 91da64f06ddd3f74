"""What a ruling rests on: the item, what was said about it and by whom, and what is known of it. For staff's eyes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Sum

from core.models import AuditEntry
from marketplace.models import Answer, Assignment
from marketplace.schema import Schema
from marketplace.selectors import design_of
from marketplace.showing import show_item
from quality.estimators.intervals import beta_interval
from quality.models import Belief, Contest, GoldQuestion, WorkerReliability
from quality.selectors import FIRST_MEAN

MOST_OTHERS = 30


@dataclass(frozen=True)
class Said:
    """One worker's word on an item, a line a question."""

    assignment: Assignment
    lines: list[tuple[str, str]]
    is_this: bool


def words_of(value: Any) -> str:
    """An answer to one question as people say it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {words_of(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(words_of(one) for one in value)
    return "" if value is None else str(value)


def lines_of(data: Any, schema: Schema) -> list[tuple[str, str]]:
    answers = (data or {}).get("answers", {})
    return [(one.title or one.name, words_of(answers[one.name])) for one in schema if one.name in answers]


def newest_answers(assignments: Iterable[Assignment]) -> dict[int, Answer]:
    """The version that counts of each, by assignment: one query."""
    rows = Answer.objects.filter(assignment__in=assignments).order_by("assignment_id", "version")
    return {row.assignment_id: row for row in rows}


def of_answer(assignment: Assignment) -> dict[str, Any]:
    """All that a page shows beside one answer whose pay is disputed."""
    batch = assignment.batch
    design = design_of(batch)
    others = Assignment.objects.filter(hit=assignment.hit_id, submitted_at__isnull=False).select_related("worker")
    rows = list(others.order_by("pk")[:MOST_OTHERS])
    answers = newest_answers(rows)
    said = [
        Said(row, lines_of(answers[row.pk].data, design.schema), row.pk == assignment.pk)
        for row in rows
        if row.pk in answers
    ]
    beliefs = Belief.objects.filter(hit=assignment.hit_id).order_by("question", "part")
    record = WorkerReliability.objects.filter(worker=assignment.worker_id, project=batch.project_id, part="").aggregate(
        right=Sum("right"), wrong=Sum("wrong"), answered=Sum("answered")
    )
    right, wrong = record["right"] or 0.0, record["wrong"] or 0.0
    low, _mean, high = beta_interval(right, wrong, FIRST_MEAN)
    decided = Assignment.objects.filter(worker=assignment.worker_id, batch__project=batch.project_id)
    return {
        "item": show_item(design, assignment.hit.data_row.data, batch.project.requester_id).content,
        "instructions": design.instructions,
        "said": said,
        "beliefs": [(one, believed(one, design.schema)) for one in beliefs],
        "gold": GoldQuestion.objects.filter(hit=assignment.hit_id).first(),
        "right": right,
        "asked": right + wrong,
        "low": low,
        "high": high,
        "answered": record["answered"] or 0,
        "rejected": decided.filter(state=Assignment.State.REJECTED).count(),
        "log": AuditEntry.objects.filter(subject=f"assignment:{assignment.pk}").select_related("actor").order_by("-pk"),
    }


def believed(belief: Belief, schema: Schema) -> str:
    if belief.question not in schema:
        return ""
    question = schema[belief.question]
    if belief.label is not None and belief.label < len(question.classes):
        return question.classes[belief.label]
    return words_of(belief.value)


# --- contested keys ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """One question of a contested key: what it accepts now, and what could be put in its place."""

    name: str
    title: str
    accepted: str
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """A dispute: the item, the answer, the key where there is one, and how others did on it."""

    contest: Contest
    item: Any
    lines: list[tuple[str, str]]
    gold: GoldQuestion | None
    fields: list[Field]
    passed: int
    missed: int


def of_contests(contests: Iterable[Contest]) -> list[Case]:
    contests = list(contests)
    assignments = [one.assignment for one in contests]
    answers = newest_answers(assignments)
    golds = GoldQuestion.objects.filter(hit__in=[one.hit_id for one in assignments]).prefetch_related("scores")
    by_hit = {gold.hit_id: gold for gold in golds}
    found = []
    for contest in contests:
        assignment, gold = contest.assignment, by_hit.get(contest.assignment.hit_id)
        design = design_of(assignment.batch)
        scores = [score.passed for score in gold.scores.all() if score.counts] if gold else []
        answer = answers.get(assignment.pk)
        requester_id = assignment.batch.project.requester_id
        found.append(
            Case(
                contest=contest,
                item=show_item(design, assignment.hit.data_row.data, requester_id).content,
                lines=lines_of(answer.data if answer else None, design.schema),
                gold=gold,
                fields=_fields(gold, design.schema) if gold else [],
                passed=sum(scores),
                missed=len(scores) - sum(scores),
            )
        )
    return found


def _fields(gold: GoldQuestion, schema: Schema) -> list[Field]:
    """Of questions about the whole item; keys of parts are mended by the API."""
    return [
        Field(
            name=question.name,
            title=question.title or question.name,
            accepted=words_of(gold.keys[question.name].get("accept")),
            classes=question.classes if question.kind in ("categorical", "ordinal") else (),
        )
        for question in schema
        if question.for_ == "item" and isinstance(gold.keys.get(question.name), dict)
    ]


def keys_in(form: Mapping[str, str], contest: Contest) -> dict[str, str] | None:
    """The keys typed into the fields `key-<question>`; None where none is: then the key goes out of use."""
    schema = design_of(contest.assignment.batch).schema
    typed = {question.name: form.get(f"key-{question.name}", "").strip() for question in schema}
    return {name: value for name, value in typed.items() if value} or None
