"""The results of HITs as the table of Amazon's requester site: scripts read it, and `mturk_import` takes it back."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TextIO

from django.db.models import Count, Q, QuerySet

from core import clock
from core.api.tables import safe_cell
from marketplace.models import Answer, Assignment, Requester
from mturk import answers, ids, status
from mturk.amounts import dollars
from mturk.models import HitType
from mturk.operations.assignments import assignments_of, told

ABOUT_THE_HIT = (
    "HITId", "HITTypeId", "Title", "Description", "Keywords", "Reward", "CreationTime", "MaxAssignments",
    "RequesterAnnotation", "AssignmentDurationInSeconds", "AutoApprovalDelayInSeconds", "Expiration",
    "NumberOfSimilarHITs", "LifetimeInSeconds",
)  # fmt: skip
ABOUT_THE_ANSWER = (
    "AssignmentId", "WorkerId", "AssignmentStatus", "AcceptTime", "SubmitTime", "AutoApprovalTime", "ApprovalTime",
    "RejectionTime", "RequesterFeedback",
)  # fmt: skip
RATES = {
    "LifetimeApprovalRate": None,
    "Last30DaysApprovalRate": timedelta(days=30),
    "Last7DaysApprovalRate": timedelta(days=7),
}
TO_FILL_IN = ("Approve", "Reject")
AT_ONCE = 500


def write_results(*, requester: Requester, to: TextIO, hit_type: HitType | None = None) -> int:
    """A row for each answer, of one HIT type or of all, the oldest first; how many. Read twice: the columns are those
    that any of the answers has."""
    rows = assignments_of(requester).filter(state__in=status.ANSWERED)
    rows = rows.filter(hit__mturk__hit_type=hit_type) if hit_type else rows
    inputs: dict[str, None] = {}
    fields: dict[str, None] = {}
    for group in _groups(rows):
        inputs.update(dict.fromkeys(name for row in group for name in row.hit.mturk.layout_values or {}))
        fields.update(dict.fromkeys(name for said in _said(group).values() for name in said))
    columns = [
        *ABOUT_THE_HIT, *ABOUT_THE_ANSWER, "WorkTimeInSeconds", *RATES,
        *(f"Input.{name}" for name in inputs), *(f"Answer.{name}" for name in fields), *TO_FILL_IN,
    ]  # fmt: skip
    table = csv.DictWriter(to, columns, restval="")
    table.writeheader()
    written = 0
    for group in _groups(rows):
        said, rates = _said(group), _rates(requester, {row.worker_id for row in group})
        for row, about in zip(group, told(requester, group), strict=True):
            cells = {**_of_hit(row), **_of_answer(about), **rates[row.worker_id]}
            cells |= {f"Input.{name}": value for name, value in (row.hit.mturk.layout_values or {}).items()}
            cells |= {f"Answer.{name}": value for name, value in said[row.pk].items()}
            table.writerow({name: safe_cell(value) for name, value in cells.items()})
            written += 1
    return written


def _groups(rows: QuerySet[Assignment]) -> Iterator[list[Assignment]]:
    last = 0
    while group := list(rows.filter(pk__gt=last).order_by("pk")[:AT_ONCE]):
        yield group
        last = group[-1].pk


def _said(rows: Sequence[Assignment]) -> dict[int, dict[str, str]]:
    """By assignment, the fields of the newest version; several values of one name are joined with `|`."""
    said: dict[int, dict[str, str]] = {row.pk: {} for row in rows}
    for answer in Answer.objects.filter(assignment__in=rows).order_by("version").only("assignment", "data"):
        values: dict[str, list[str]] = {}
        for name, value in answers.fields_of(answer.data):
            values.setdefault(name, []).append(value)
        said[answer.assignment_id] = {name: "|".join(each) for name, each in values.items()}
    return said


def _of_hit(row: Assignment) -> dict[str, Any]:
    hit, hit_type = row.hit.mturk, row.hit.mturk.hit_type
    return {
        "HITId": ids.written(row.hit.data_row.public_id),
        "HITTypeId": ids.written(hit_type.public_id),
        "Title": hit_type.title,
        "Description": hit_type.description,
        "Keywords": hit_type.keywords,
        "Reward": f"${dollars(hit_type.reward)}",
        "CreationTime": _written(hit.created_at),
        "MaxAssignments": row.hit.max_assignments,
        "RequesterAnnotation": hit.annotation,
        "AssignmentDurationInSeconds": hit_type.assignment_seconds,
        "AutoApprovalDelayInSeconds": hit_type.auto_approve_seconds,
        "Expiration": _written(hit.expires_at),
        "LifetimeInSeconds": round((hit.expires_at - hit.created_at).total_seconds()),
    }


def _of_answer(about: dict[str, Any]) -> dict[str, Any]:
    cells = {name: _written(about[name]) if name.endswith("Time") else about[name] for name in ABOUT_THE_ANSWER}
    seconds = (about["SubmitTime"] - about["AcceptTime"]).total_seconds()
    return {**cells, "WorkTimeInSeconds": round(seconds)}


def _rates(requester: Requester, workers: set[int]) -> dict[int, dict[str, str]]:
    """How much of what each worker handed in to this requester was approved: all of it, and lately."""
    now = clock.now()
    counts = {}
    for name, within in RATES.items():
        lately = Q() if within is None else Q(submitted_at__gt=now - within)
        counts[f"{name}_all"] = Count("pk", filter=lately)
        counts[f"{name}_approved"] = Count("pk", filter=lately & Q(state=Assignment.State.APPROVED))
    rows = Assignment.objects.filter(
        worker__in=workers, batch__project__requester=requester, state__in=status.ANSWERED
    ).order_by()
    found: Iterable[Mapping[str, Any]] = rows.values("worker").annotate(**counts)
    return {
        row["worker"]: {name: _rate(row[f"{name}_approved"], row[f"{name}_all"]) for name in RATES} for row in found
    }


def _rate(part: int, whole: int) -> str:
    """
    >>> _rate(3, 4), _rate(0, 0)
    ('75% (3/4)', '0% (0/0)')
    """
    return f"{round(100 * part / whole) if whole else 0}% ({part}/{whole})"


def _written(at: datetime | None) -> str:
    return f"{at:%a %b %d %H:%M:%S UTC %Y}" if at else ""
