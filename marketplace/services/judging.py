"""Deciding on an assignment: pay (approve, reject), use (`counts`), redo (send back)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from django.db import connection

from core import clock
from core.errors import Conflict, Invalid
from core.states import move
from marketplace.models import Appeal, Assignment, Batch
from payments.services.escrow import Purse, Reward, pay_from_available, pay_rewards

APPEAL_WINDOW = timedelta(days=7)
RULING_WINDOW = timedelta(days=7)
#: A requester may think better of a rejection for this long.
SECOND_THOUGHTS = timedelta(days=30)
REDO_WINDOW = timedelta(hours=48)
MOST_REDOS = 2

# One statement approves many: state, and the place it stood on is no longer put aside for.
APPROVE = """
WITH a AS (
    UPDATE marketplace_assignment SET state = 'approved', decided_at = statement_timestamp(), decide_at = NULL,
           decided_by = %(by)s, decision_reason = %(reason)s
    WHERE id = ANY(%(ids)s) AND batch_id = %(batch)s AND state = 'submitted'
    RETURNING id, hit_id, worker_id, reward
), h AS (
    UPDATE marketplace_hit h SET funded = h.funded - s.places
    FROM (SELECT hit_id, count(*) AS places FROM a GROUP BY hit_id) s WHERE h.id = s.hit_id
)
SELECT id, worker_id, reward FROM a
"""


def purse_of(batch: Batch) -> Purse:
    """The accounts of a batch; `batch.project.requester` should be at hand."""
    requester = batch.project.requester
    has_budget = batch.design.get("rules", {}).get("mode") == "budget"
    return Purse(
        batch_id=batch.pk,
        requester_id=requester.pk,
        currency=requester.currency,
        keeps_savings=has_budget and batch.state != Batch.State.CLOSED,
    )


def purses_of(batches: Collection[Batch]) -> dict[int, tuple[Purse, int]]:
    return {batch.pk: (purse_of(batch), batch.price) for batch in batches}


def approve_submitted(*, batch: Batch, ids: Sequence[int], by: int | None = None, reason: str = "") -> list[int]:
    """Approve and pay those of `ids` that are submitted: one keyed transfer each. The HITs are locked by the caller.

    Returns the ids that this call approved; the rest were decided before.
    """
    with connection.cursor() as cursor:
        cursor.execute(APPROVE, {"ids": sorted(ids), "batch": batch.pk, "by": by, "reason": reason})
        rows = sorted(cursor.fetchall())
    pay_rewards(
        purse=purse_of(batch),
        rewards=[Reward(assignment_id=i, worker_id=w, reward=reward, fee=batch.fee) for i, w, reward in rows],
    )
    return [assignment_id for assignment_id, _, _ in rows]


def approve_rejected(*, assignment: Assignment, batch: Batch, by: int | None, reason: str) -> Assignment:
    """Turn a rejection round: an appeal was upheld, or the requester thought better of it.

    While it may be appealed its money is still put aside; after that it is paid from what is available.

    Raises
    ------
    InsufficientFunds, Conflict
    """
    is_old = assignment.decided_at is not None and assignment.decided_at < clock.now() - SECOND_THOUGHTS
    if is_old and not Appeal.objects.filter(assignment=assignment, state=Appeal.State.UPHELD).exists():
        raise Conflict("A rejection can be undone for 30 days.", code="too_late")
    is_put_aside = assignment.decide_at is not None
    move(
        assignment,
        Assignment.State.APPROVED,
        decided_at=clock.now(),
        decide_at=None,
        decided_by=by,
        decision_reason=reason,
    )
    reward = Reward(assignment.pk, assignment.worker_id, assignment.reward, batch.fee)
    if is_put_aside:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE marketplace_hit SET funded = funded - 1 WHERE id = %s", [assignment.hit_id])
        pay_rewards(purse=purse_of(batch), rewards=[reward])
    else:
        pay_from_available(purse=purse_of(batch), reward=reward, key=f"reward:{assignment.pk}", kind="reward")
    return assignment


def reject_submitted(*, assignment: Assignment, by: int | None, reason: str) -> Assignment:
    """Refuse to pay, with a reason that the worker reads and may appeal against within 7 days.

    Raises
    ------
    Invalid
        Without a reason.
    """
    if not reason.strip():
        raise Invalid(errors={"reason": "Say what was wrong: the worker reads it, and may appeal."})
    now = clock.now()
    return move(
        assignment,
        Assignment.State.REJECTED,
        decided_at=now,
        decided_by=by,
        decision_reason=reason.strip()[:1000],
        decide_at=now + APPEAL_WINDOW,
        counts=False,
    )


def send_back(*, assignment: Assignment, by: int | None, note: str) -> Assignment:
    """Ask for another version of the answer: same place, same pay; after 48 h the last version is decided.

    Raises
    ------
    Invalid, Conflict
    """
    if not note.strip():
        raise Invalid(errors={"note": "Say what to change: the worker reads it."})
    if assignment.revisions >= MOST_REDOS:
        raise Conflict("It was sent back twice already: approve or reject it.", code="sent_back_twice")
    return move(
        assignment,
        Assignment.State.REVISING,
        revisions=assignment.revisions + 1,
        decision_reason=note.strip()[:1000],
        decided_by=by,
        decide_at=clock.now() + REDO_WINDOW,
    )
