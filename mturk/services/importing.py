"""Tables that requesters bring along: results with decisions in them, and workers with their qualifications.

A table is read and checked whole before anything is done. What was done before is passed over, so the same table can
be given again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass

from core.errors import Conflict, Invalid
from lifecycle.decide import approve
from lifecycle.qualify import grant, revoke
from marketplace.models import Assignment, Requester
from mturk import ids, people
from mturk.services.decisions import refuse
from users.models import User
from workers_app.models import Qualification, Worker

State = Assignment.State
#: More mistakes than these say nothing more.
MOST_ERRORS = 20
UPDATE = "UPDATE-"


@dataclass(frozen=True)
class Imported:
    done: int
    passed_over: int


def read_table(text: str, *needed: str) -> list[dict[str, str]]:
    """Raises `Invalid` naming the column that is missing."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise Invalid("The table lacks a column.", errors=dict.fromkeys(missing, "There is no such column."))
    return [{str(name): value or "" for name, value in row.items() if name is not None} for row in reader]


def review_results(*, requester: Requester, by: User, text: str) -> Imported:
    """Decide what a results table says: an X (or any text) under Approve, or a reason under Reject.

    Raises
    ------
    Invalid
        By line: an unknown assignment, both columns filled, or a state in which it cannot be.
    """
    rows = read_table(text, "AssignmentId", "Approve", "Reject")
    marked = [
        (line, row, row["Approve"].strip(), row["Reject"].strip())
        for line, row in enumerate(rows, start=2)
        if row["Approve"].strip() or row["Reject"].strip()
    ]
    names = {row["AssignmentId"]: ids.read(row["AssignmentId"].strip()) for _line, row, _yes, _no in marked}
    wanted = [public_id for public_id in names.values() if public_id is not None]
    found = {
        one.public_id: one
        for one in Assignment.objects.filter(public_id__in=wanted, hit__mturk__requester=requester).select_related(
            "hit"
        )
    }
    errors: dict[str, str] = {}
    acts: list[tuple[int, Assignment, str]] = []
    passed = 0
    for line, row, yes, no in marked:
        public_id = names[row["AssignmentId"]]
        assignment = found.get(public_id) if public_id else None
        to = State.REJECTED if no else State.APPROVED
        if yes and no:
            errors[f"line {line}"] = "Approve and Reject are both filled. Leave one empty."
        elif assignment is None:
            errors[f"line {line}"] = f"There is no assignment {row['AssignmentId'][:64]} of yours."
        elif assignment.state == to:
            passed += 1
        elif assignment.state != State.SUBMITTED and not (assignment.state == State.REJECTED and yes):
            errors[f"line {line}"] = f"It is {assignment.state} and cannot become {to}."
        else:
            acts.append((line, assignment, no))
    if errors:
        raise Invalid("The table cannot be taken as it is.", errors=dict(list(errors.items())[:MOST_ERRORS]))
    for line, assignment, reason in acts:
        try:
            if reason:
                refuse(assignment=assignment, by=by.pk, reason=reason[:1000])
            else:
                approve(assignment=assignment, by=by.pk)
        except Conflict as refusal:  # decided this moment, or its rejection is too old
            raise Invalid(
                "Stopped there; what stands above it is done.", errors={f"line {line}": str(refusal.message)}
            ) from None
    return Imported(len(acts), passed)


def import_grants(*, requester: Requester, text: str) -> Imported:
    """Grant what a table of workers says under `UPDATE-<qualification>`: a whole number, or Revoke.

    Raises
    ------
    Invalid
        By line or column: a worker or a qualification that this requester does not know, or another value.
    """
    rows = read_table(text, "Worker ID")
    columns = [name for name in (rows[0] if rows else ()) if name.startswith(UPDATE)]
    if rows and not columns:
        raise Invalid("Nothing to do.", errors={"UPDATE-": "No column is called UPDATE- and a qualification's name."})
    known = {one.name: one for one in Qualification.objects.filter(requester=requester)}
    errors = {
        name: f"You have no qualification called {name.removeprefix(UPDATE)}."
        for name in columns
        if name.removeprefix(UPDATE) not in known
    }
    acts: list[tuple[Worker, Qualification, int | None]] = []
    for line, row in enumerate(rows, start=2):
        given = {name: row[name].strip() for name in columns if row[name].strip() and name not in errors}
        if given:
            _read_grants(requester, line, row, given, known, errors, acts)
    if errors:
        raise Invalid("The table cannot be taken as it is.", errors=dict(list(errors.items())[:MOST_ERRORS]))
    done = 0
    for worker, qualification, value in acts:
        if value is None:
            done += revoke(qualification=qualification, worker=worker)
        else:
            grant(qualification=qualification, worker=worker, value=value)
            done += 1
    return Imported(done, len(acts) - done)


def _read_grants(
    requester: Requester,
    line: int,
    row: Mapping[str, str],
    given: Mapping[str, str],
    known: Mapping[str, Qualification],
    errors: dict[str, str],
    acts: list[tuple[Worker, Qualification, int | None]],
) -> None:
    worker = people.find_worker(requester, row["Worker ID"].strip())
    if worker is None:
        errors[f"line {line}"] = f"You know no worker {row['Worker ID'][:64]}. Worker ids of Amazon mean nobody here."
        return
    for name, value in given.items():
        if value.lower() == "revoke":
            acts.append((worker, known[name.removeprefix(UPDATE)], None))
        elif value.lstrip("-").isdecimal() and len(value) < 10:
            acts.append((worker, known[name.removeprefix(UPDATE)], int(value)))
        else:
            errors[f"line {line}"] = f"{name} must be a whole number or Revoke, not {value[:40]!r}."
