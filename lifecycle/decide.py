"""Decide and pay: approve (by the clock or a person), reject, send back, appeal, rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from core import audit, clock
from core.errors import Conflict, IllegalMove
from core.states import move
from lifecycle.apart import apart
from lifecycle.digest import batches_of_hits, digest_hits, lock_hits
from marketplace.models import Appeal, Assignment, Batch
from marketplace.services import appealing, telling
from marketplace.services.judging import approve_rejected, approve_submitted, purses_of, reject_submitted, send_back
from marketplace.services.places import lock_places, release_unneeded
from quality.services import judgments

#: Approvals in one statement (CLAIM.md: 10 000/s against 700/s one by one).
GROUP = 50
#: Namespace of the advisory locks that keep one decider to a batch's escrow.
BATCH_LOCK = 7_220_003


def decide_due(limit: int = 2000) -> int:
    """What silence decides: approve what nobody looked at, end redos and appeals that ran out. Called every second."""
    now = clock.now()
    due = Assignment.objects.filter(decide_at__lte=now).order_by("decide_at")
    rows = list(due.values_list("pk", "batch_id", "state")[:limit])
    by_batch: dict[int, list[int]] = {}
    by_state: dict[str, list[int]] = {Assignment.State.REVISING: [], Assignment.State.REJECTED: []}
    for pk, batch_id, state in rows:
        if state == Assignment.State.SUBMITTED:
            by_batch.setdefault(batch_id, []).append(pk)
        elif state in by_state:
            by_state[state].append(pk)
    groups = [
        (batch_id, ids[start : start + GROUP])
        for batch_id, ids in sorted(by_batch.items())
        for start in range(0, len(ids), GROUP)
    ]
    approved, _ = apart(lambda g: len(approve_many(batch_id=g[0], ids=g[1], wait=False)), groups, what="Approval")
    redone, _ = apart(lambda pk: end_redo(assignment_id=pk), by_state[Assignment.State.REVISING], what="End of redo")
    closed, _ = apart(lambda pk: end_rejection(assignment_id=pk), by_state[Assignment.State.REJECTED], what="Rejection")
    return approved + redone + closed


@transaction.atomic
def approve_many(
    *, batch_id: int, ids: Sequence[int], by: int | None = None, reason: str = "", wait: bool = True
) -> list[int]:
    """Approve and pay those that are submitted, each once; returns the ids that this call approved.

    With `wait=False` it does nothing while another decider is at work on the batch.
    """
    if not _is_only_decider(batch_id, wait):
        return []
    batch = Batch.objects.select_related("project__requester").get(pk=batch_id)
    lock_hits(Assignment.objects.filter(pk__in=ids, batch_id=batch_id).values_list("hit_id", flat=True))
    return approve_submitted(batch=batch, ids=ids, by=by, reason=reason)


def approve(*, assignment: Assignment, by: int | None = None, reason: str = "") -> Assignment:
    """Approve and pay one: of a submitted answer, or of a rejected one within 30 days.

    Raises
    ------
    IllegalMove, InsufficientFunds, Conflict
    """
    if assignment.state == Assignment.State.REJECTED:
        return undo_rejection(assignment=assignment, by=by, reason=reason)
    done = approve_many(batch_id=assignment.batch_id, ids=[assignment.pk], by=by, reason=reason)
    assignment.refresh_from_db()
    if not done:  # nor may it be moved here: one that was rejected this moment could be, and would not be paid
        raise IllegalMove(f"It is {assignment.get_state_display()} and cannot be approved.")
    return assignment


@transaction.atomic
def undo_rejection(*, assignment: Assignment, by: int | None, reason: str) -> Assignment:
    """The requester thought better of it: paid, and it counts again. An appeal under way is won by it."""
    lock_places(assignment)
    assignment.refresh_from_db()
    if appeal := Appeal.objects.filter(assignment=assignment, state=Appeal.State.OPEN).first():
        appealing.close_appeal(appeal=appeal, is_upheld=True, ruling=reason.strip() or "The requester approved it.")
    return _turn_round(assignment, by=by, reason=reason)


def _turn_round(assignment: Assignment, *, by: int | None, reason: str) -> Assignment:
    """Pay a rejected answer, and use it again for the label."""
    batch = Batch.objects.select_related("project__requester").get(pk=assignment.batch_id)
    Assignment.objects.filter(pk=assignment.pk).update(counts=True)
    assignment.refresh_from_db(fields=["counts"])
    # The digest learns from it anew: here it would lock reliabilities behind the accounts.
    _learn_anew(assignment)
    approved = approve_rejected(assignment=assignment, batch=batch, by=by, reason=reason)
    telling.answer_turned_round(approved)
    return approved


@transaction.atomic
def reject(*, assignment: Assignment, by: int | None, reason: str) -> Assignment:
    """Refuse pay and use. The worker may appeal for 7 days; until then the reward stays put aside.

    Raises
    ------
    Invalid, IllegalMove
    """
    lock_places(assignment)
    rejected = reject_submitted(assignment=assignment, by=by, reason=reason)
    _withdraw(rejected)
    telling.answer_rejected(rejected)
    audit.record(act="assignment.reject", subject=f"assignment:{assignment.pk}", reason=reason, by=by)
    return rejected


@transaction.atomic
def disregard(*, assignment: Assignment, by: int | None, reason: str) -> Assignment:
    """Pay, do not use: the answer loses its weight and keeps its pay."""
    lock_places(assignment)
    Assignment.objects.filter(pk=assignment.pk).update(counts=False)
    assignment.refresh_from_db(fields=["counts"])
    _withdraw(assignment)
    audit.record(act="assignment.disregard", subject=f"assignment:{assignment.pk}", reason=reason, by=by)
    return assignment


@transaction.atomic
def use_again(*, assignment: Assignment, by: int | None, reason: str = "") -> Assignment:
    """The answer has its weight back: the digest learns from it anew.

    Raises
    ------
    Conflict
        `not_set_aside`
    """
    lock_places(assignment)
    paid = (Assignment.State.SUBMITTED, Assignment.State.APPROVED)
    put_back = Assignment.objects.filter(pk=assignment.pk, counts=False, state__in=paid).update(counts=True)
    if not put_back:
        raise Conflict("This answer counts already, or was rejected.", code="not_set_aside")
    assignment.refresh_from_db(fields=["counts", "state"])
    _learn_anew(assignment)
    audit.record(act="assignment.use_again", subject=f"assignment:{assignment.pk}", reason=reason, by=by)
    return assignment


def _learn_anew(assignment: Assignment) -> None:
    """The next digest learns from its newest version again."""
    newest = assignment.answers.order_by("-version").values("pk")[:1]
    assignment.answers.filter(pk__in=newest).update(digested_at=None)


def _withdraw(assignment: Assignment) -> None:
    """The label no longer leans on this answer; its HIT asks again where that leaves it unsure."""
    batch = Batch.objects.get(pk=assignment.batch_id)
    judgments.share_log(batch.project_id)
    judgments.withdraw([assignment])
    digest_hits(project_id=batch.project_id, hit_ids=[assignment.hit_id])


@transaction.atomic
def redo(*, assignment: Assignment, by: int | None, note: str) -> Assignment:
    """Send back for another version: same place, same pay, 48 hours."""
    lock_places(assignment)
    sent_back = send_back(assignment=assignment, by=by, note=note)
    telling.answer_sent_back(sent_back)
    return sent_back


def _lock_due(assignment_id: int, state: str) -> Assignment | None:
    """The assignment, locked, if it is still in this state and its time is over."""
    assignment = Assignment.objects.get(pk=assignment_id)
    lock_places(assignment)
    assignment.refresh_from_db()
    is_due = assignment.state == state and (assignment.decide_at or clock.now()) <= clock.now()
    return assignment if is_due else None


@transaction.atomic
def end_redo(*, assignment_id: int) -> int:
    """Nothing new came in 48 hours: the last version is decided as it is."""
    assignment = _lock_due(assignment_id, Assignment.State.REVISING)
    if assignment is None:
        return 0
    move(assignment, Assignment.State.SUBMITTED)
    return 1


@transaction.atomic
def end_rejection(*, assignment_id: int) -> int:
    """The time for an appeal is over: its money goes back. An appeal that nobody ruled on is won."""
    assignment = _lock_due(assignment_id, Assignment.State.REJECTED)
    if assignment is None:
        return 0
    appeal = Appeal.objects.filter(assignment=assignment, state=Appeal.State.OPEN).first()
    if appeal:
        rule(appeal=appeal, is_upheld=True, ruling="Nobody ruled within 7 days, so the appeal is upheld.", by=None)
        return 1
    Assignment.objects.filter(pk=assignment.pk).update(decide_at=None)
    _release(assignment)
    return 1


@transaction.atomic
def rule(*, appeal: Appeal, is_upheld: bool, ruling: str, by: Any) -> Appeal:
    """Staff rule on an appeal: upheld, it is paid and counts again; dismissed, the money goes back.

    Raises
    ------
    Invalid, IllegalMove
    """
    assignment = Assignment.objects.get(pk=appeal.assignment_id)
    lock_places(assignment)
    appealing.close_appeal(appeal=appeal, is_upheld=is_upheld, ruling=ruling)
    assignment.refresh_from_db()
    if is_upheld and assignment.state == Assignment.State.REJECTED:
        _turn_round(assignment, by=getattr(by, "pk", None), reason=ruling)
    elif not is_upheld:
        Assignment.objects.filter(pk=assignment.pk).update(decide_at=None)
        _release(assignment)
    telling.appeal_ruled(appeal)
    audit.record(act="appeal.rule", subject=f"appeal:{appeal.pk}", actor=by, reason=ruling, is_upheld=is_upheld)
    return appeal


def _release(assignment: Assignment) -> None:
    """Give back what a place had put aside, unless its HIT still takes answers."""
    hits = lock_hits([assignment.hit_id])
    release_unneeded(hit_ids=[hit.pk for hit in hits], purses=purses_of(batches_of_hits(hits).values()))


def _is_only_decider(batch_id: int, wait: bool) -> bool:
    lock = "pg_advisory_xact_lock(%s, %s) IS NOT NULL" if wait else "pg_try_advisory_xact_lock(%s, %s)"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {lock}", [BATCH_LOCK, batch_id])  # noqa: S608  two constants
        return bool(cursor.fetchone()[0])
