"""Checking every invariant as a long piece of work: one check at a time, its result kept, in a process of its own."""

from __future__ import annotations

import json
from typing import Any

from django.db.models import QuerySet

from core import audit, clock
from core.models import Operation
from core.operations import Turn, start_operation
from lifecycle.invariants import check_invariants, names_of_invariants

KIND, SUBJECT = "invariants", "site"


def start_check_up(*, by: Any) -> Operation:
    """Raises `Conflict` while one is under way."""
    operation = start_operation(kind=KIND, subject=SUBJECT)
    audit.record(act="invariants.run", subject=SUBJECT, actor=by, operation=operation.pk)
    return operation


def check_ups() -> QuerySet[Operation]:
    """Newest first. `result`: `findings` (name, says, broken, seconds) and how many are `broken`."""
    return Operation.objects.filter(kind=KIND, subject=SUBJECT).order_by("-pk")


def work(turn: Turn) -> None:
    """One check; the operation ends with the last."""
    findings = turn.operation.result.get("findings", [])
    names = names_of_invariants()
    if turn.cancel_is_asked():
        turn.finish(Operation.State.CANCELLED)
        return
    if len(findings) == len(names):
        broken = sum(bool(finding["broken"]) for finding in findings)
        turn.finish(result={"findings": findings, "broken": broken})
        return
    began = clock.now()
    (found,) = check_invariants([names[len(findings)]])
    # Dates and decimals as words: the result is kept as JSON.
    rows = json.loads(json.dumps(found.broken, default=str))
    seconds = round((clock.now() - began).total_seconds(), 3)
    findings = [*findings, {"name": found.name, "says": found.says, "broken": rows, "seconds": seconds}]
    turn.save(result={"findings": findings}, done=len(findings), total=len(names))
