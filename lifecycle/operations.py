"""What each kind of long work does. The sweep calls `run_due_operations`; a Celery task may call it as well."""

from __future__ import annotations

from core.models import Operation
from core.operations import TURN_SECONDS, Work, take, take_due, work_on
from lifecycle import check_up, clarify, close, decide_later, export, machines, more, publish, refit, train, weigh

#: Kind -> its work, one turn or a part of it.
WORK: dict[str, Work] = {
    "publish": publish.publish,
    "check_upload": publish.check_only,
    "add_rows": publish.add,
    close.KIND: close.work,
    more.KIND: more.work,
    export.KIND: export.export,
    decide_later.KIND: decide_later.work,
    clarify.KIND: clarify.work,
    weigh.KIND: weigh.weigh,
    machines.KIND: machines.ask,
}


#: Kinds that keep a processor busy: each operation has a child process of its own (`refit.start_children`).
IN_CHILDREN: dict[str, Work] = {"refit": refit.work, check_up.KIND: check_up.work, train.KIND: train.train}


def run_due_operations(limit: int = 1, *, seconds: float = TURN_SECONDS) -> int:
    """Give up to `limit` operations a turn of at most `seconds` each; how many had one."""
    for done in range(limit):
        operation = take_due(WORK)
        if operation is None:
            return done
        work_on(operation, WORK[operation.kind], seconds=seconds)
    return limit


def run_to_end(operation: Operation) -> Operation:
    """Work on one operation here and now until it is finished, or somebody else works on it."""
    while operation.finished_at is None and (leased := take(operation)) is not None:
        operation = work_on(leased, (WORK | IN_CHILDREN)[leased.kind])
        if operation.failures:
            break
    operation.refresh_from_db()
    return operation
