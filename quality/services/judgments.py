"""The judgment log: what final answers say, one row a worker, question and part. Rows are only added."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connection
from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from marketplace.models import Answer, Assignment
from marketplace.schema import Schema
from quality.models import Judgment

#: Namespace of the advisory locks that order digests and refits of one project.
PROJECT_LOCK = 7_220_002


def share_log(project_id: int) -> None:
    """Hold while appending, to the end of the transaction: a refit waits, then reads without gaps."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", [PROJECT_LOCK, project_id])


def close_log(project_id: int) -> int:
    """Wait for the digests under way, and say which judgment is the last: no smaller one commits later."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [PROJECT_LOCK, project_id])
    return Judgment.objects.filter(project_id=project_id).order_by("-pk").values_list("pk", flat=True).first() or 0


def judge(answer: Answer, assignment: Assignment, schema: Schema, project_id: int) -> list[Judgment]:
    """The judgments in one answer, not saved yet; none where the item cannot be answered."""
    answers: dict[str, Any] = (answer.data or {}).get("answers", {})
    rows = []
    for question in schema:
        if question.name not in answers:
            continue
        value = answers[question.name]
        for judged in question.judgments(value):
            rows.append(
                Judgment(
                    project_id=project_id,
                    batch_id=assignment.batch_id,
                    hit_id=assignment.hit_id,
                    worker_id=assignment.worker_id,
                    assignment_id=assignment.pk,
                    question=question.name,
                    part=judged.part,
                    version=answer.version,
                    label=judged.label,
                    number=judged.number,
                    text=_text(question.kind, value, judged.part),
                )
            )
    return rows


def _text(kind: str, value: Any, part: str) -> str | None:
    if kind != "text":
        return None
    said = value.get(part) if isinstance(value, dict) and part else value
    return said if isinstance(said, str) else None


def append(rows: Iterable[Judgment]) -> list[Judgment]:
    return Judgment.objects.bulk_create(list(rows), batch_size=1000)


def withdraw(assignments: Iterable[Assignment]) -> list[Judgment]:
    """Take the weight from what these assignments said: new rows of weight 0."""
    ids = [assignment.pk for assignment in assignments]
    newest = Judgment.objects.filter(assignment_id__in=ids).annotate(
        place=Window(RowNumber(), partition_by=[F("assignment_id"), F("question"), F("part")], order_by=F("pk").desc())
    )
    rows = [row for row in newest if row.place == 1 and row.weight > 0]
    for row in rows:
        row.pk, row.weight, row.created_at = None, 0.0, timezone.now()
        row._state.adding = True
    return append(rows)
