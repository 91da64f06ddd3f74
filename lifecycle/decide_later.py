"""Decisions on many answers at once: what they will do is counted first, and they can be taken back while they wait.

The work is an operation that becomes due some seconds later. Taking it back is cancelling it; what was decided by then
stays. Each answer is looked at again when its turn comes, and skipped where it is open for this decision no more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from core import audit, clock
from core.errors import Conflict, Invalid
from core.models import Operation
from core.operations import Turn
from lifecycle.decide import GROUP, approve_many, disregard, redo, reject, use_again
from marketplace.models import Assignment, Batch
from marketplace.services.judging import MOST_REDOS
from quality.models import Belief, Judgment

KIND = "decide"
#: Seconds in which a decision on a page can be taken back.
SECONDS = 8
MOST = 100_000

Rows = QuerySet[Assignment]
State = Assignment.State
#: Act -> the answers that are open for it.
OPEN_FOR: dict[str, Q] = {
    "approve": Q(state=State.SUBMITTED),
    "reject": Q(state=State.SUBMITTED),
    "disregard": Q(state__in=[State.SUBMITTED, State.APPROVED], counts=True),
    "use": Q(state__in=[State.SUBMITTED, State.APPROVED], counts=False),
    "redo": Q(state=State.SUBMITTED, revisions__lt=MOST_REDOS),
}
NEEDS_REASON = ("reject", "disregard", "redo")
WHICH = ("all", "agree", "differ")


@dataclass(frozen=True)
class Preview:
    """What a decision on many will do: `amount` in micros is what moves, or for a rejection what is kept back."""

    ids: list[int]
    count: int
    workers: int
    amount: int
    fee: int
    seal: str


def select_answers(*, batch: Batch, which: str = "all", worker_id: int | None = None) -> Rows:
    """Answers of a batch: all, or those whose word on every decided question is (or differs from) the label.

    Raises
    ------
    Invalid
    """
    if which not in WHICH:
        raise Invalid(errors={"which": f"One of {', '.join(WHICH)}."})
    rows = Assignment.objects.filter(hit__batch=batch)
    if worker_id is not None:
        rows = rows.filter(worker=worker_id)
    if which == "all":
        return rows
    # The newest word of an answer on a question that has a label; a word that lost its weight says nothing.
    newer = Judgment.objects.filter(
        hit=OuterRef("hit"), assignment_id=OuterRef("assignment_id"), question=OuterRef("question"),
        part=OuterRef("part"), pk__gt=OuterRef("pk"),
    )  # fmt: skip
    label = Belief.objects.filter(
        hit=OuterRef("hit"), question=OuterRef("question"), part=OuterRef("part"), state__in=["settled", "overruled"]
    )
    words = Judgment.objects.filter(hit=OuterRef("hit"), assignment_id=OuterRef("pk"), label__isnull=False)
    words = words.filter(~Exists(newer))
    same = words.filter(Exists(label.filter(label=OuterRef("label"))))
    other = words.filter(Exists(label.filter(label__isnull=False).exclude(label=OuterRef("label"))))
    if which == "differ":
        return rows.filter(Exists(other))
    return rows.filter(Exists(same)).exclude(Exists(other))


def preview(*, batch: Batch, act: str, rows: Rows) -> Preview:
    """Count what `act` would do to those of `rows` that are open for it.

    Raises
    ------
    Invalid
    """
    if act not in OPEN_FOR:
        raise Invalid(errors={"act": f"One of {', '.join(OPEN_FOR)}."})
    found = list(rows.filter(OPEN_FOR[act]).order_by("pk").values_list("pk", "worker_id", "reward")[: MOST + 1])
    if len(found) > MOST:
        raise Invalid(errors={"which": f"More than {MOST} answers. Choose fewer."})
    ids = [pk for pk, _worker, _reward in found]
    moves = act in ("approve", "reject")
    return Preview(
        ids=ids,
        count=len(ids),
        workers=len({worker for _pk, worker, _reward in found}),
        amount=sum(reward for _pk, _worker, reward in found) if moves else 0,
        fee=len(ids) * batch.fee if moves else 0,
        seal=hashlib.sha256(f"{act}:{ids}".encode()).hexdigest()[:32],
    )


@transaction.atomic
def decide_later(
    *, batch: Batch, act: str, rows: Rows, by: Any, reason: str = "", seal: str = "", after: float = SECONDS
) -> Operation:
    """Decide on these answers in `after` seconds, unless it is cancelled before.

    `seal` is that of a preview: where it would do something else by now, nothing is done.

    Raises
    ------
    Invalid
        Without the reason that the workers will read.
    Conflict
        `changed` since the preview; `nothing_open` for this decision.
    """
    planned = preview(batch=batch, act=act, rows=rows)
    if act in NEEDS_REASON and not reason.strip():
        raise Invalid(errors={"reason": "Say why: the workers read it."})
    if len(reason) > 1000:
        raise Invalid(errors={"reason": "At most 1000 characters."})
    if seal and seal != planned.seal:
        raise Conflict("Other answers are meant by now. Look at the preview again.", code="changed")
    if not planned.count:
        raise Conflict("No answer is open for this decision.", code="nothing_open")
    operation = Operation.objects.create(
        kind=KIND,
        subject=f"batch:{batch.pk}",
        requester_id=batch.project.requester_id,
        total=planned.count,
        due_at=clock.now() + timedelta(seconds=after),
        arguments={"batch": batch.pk, "act": act, "ids": planned.ids, "reason": reason.strip(), "by": by.pk},
    )
    if planned.count > 1:
        audit.record(
            act=f"assignments.{act}", subject=f"batch:{batch.pk}", actor=by, reason=reason, count=planned.count,
            operation=str(operation.public_id),
        )  # fmt: skip
    return operation


def work(turn: Turn) -> None:
    """One group of a decision on many."""
    if turn.cancel_is_asked():
        turn.finish(Operation.State.CANCELLED, result={"decided": turn.operation.done})
        return
    arguments = turn.operation.arguments
    at, decided = turn.cursor.get("at", 0), turn.operation.done
    ids = arguments["ids"][at : at + GROUP]
    if not ids:
        turn.finish(result={"decided": decided, "skipped": len(arguments["ids"]) - decided})
        return
    with transaction.atomic():
        decided += _decide(arguments, ids)
        turn.save(cursor={"at": at + len(ids)}, done=decided)


def _decide(arguments: dict[str, Any], ids: Sequence[int]) -> int:
    act, by, reason = arguments["act"], arguments["by"], arguments["reason"]
    if act == "approve":
        return len(approve_many(batch_id=arguments["batch"], ids=ids, by=by, reason=reason))
    done = 0
    rows = Assignment.objects.filter(OPEN_FOR[act], pk__in=ids).order_by("hit_id", "pk")
    for row in rows:
        try:
            with transaction.atomic():
                _one(act, row, by, reason)
            done += 1
        except Conflict:
            continue
    return done


def _one(act: str, row: Assignment, by: int, reason: str) -> None:
    if act == "reject":
        reject(assignment=row, by=by, reason=reason)
    elif act == "disregard":
        disregard(assignment=row, by=by, reason=reason)
    elif act == "use":
        use_again(assignment=row, by=by, reason=reason)
    else:
        redo(assignment=row, by=by, note=reason)
