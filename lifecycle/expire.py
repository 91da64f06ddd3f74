"""The side doors out of an accepted place: time runs out (expired; lapsed where it was never opened), or a return."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from core import clock
from core.errors import IllegalMove, Invalid
from core.models import Watermark
from lifecycle.apart import apart
from lifecycle.digest import digest_hits
from lifecycle.report import report_problem
from marketplace.errors import NotYours
from marketplace.models import Assignment, Batch, Hit
from marketplace.services.places import give_up_place, lock_places
from marketplace.services.posting import pause_batch
from quality.models import Flag

#: A deadline may be committed this long after it was computed; the scan looks back that far behind its watermark.
SLACK = timedelta(seconds=60)
#: Reasons of a return that a person is told of at once.
LOOKED_AT = (Assignment.ReturnReason.DISTRESSING, Assignment.ReturnReason.PERSONAL)
#: From this many accepts on, returns above the first share alarm, above the second they pause the batch.
RETURNS_FROM, RETURNS_ALARM, RETURNS_PAUSE = 10, 0.20, 0.40


def expire_due(limit: int = 100) -> int:
    """End the places whose time is over."""
    held = Assignment.objects.filter(state=Assignment.State.ACCEPTED)
    return end_overdue("expire", held, "deadline", lambda pk: expire(assignment_id=pk), what="Expiry", limit=limit)


def end_overdue(
    name: str, rows: QuerySet[Any], moment: str, end: Callable[[int], int], *, what: str, limit: int
) -> int:
    """Call `end` with the key of each of `rows` whose `moment` is over, the earliest first; the sum of what it returns.

    The database's clock is the only authority. The index on `moment` names no state, else no change of it were HOT;
    the watermark `name` spares us all of history.
    """
    now = clock.now()
    mark, _ = Watermark.objects.get_or_create(name=name, defaults={"at": now - timedelta(days=3650)})
    late = rows.filter(**{f"{moment}__gt": mark.at - SLACK, f"{moment}__lte": now}).order_by(moment)
    ids = list(late.values_list("pk", flat=True)[:limit])
    ended, failed = apart(end, ids, what=what)
    if len(ids) < limit and not failed:
        Watermark.objects.filter(pk=mark.pk).update(at=now)
    return ended


@transaction.atomic
def expire(*, assignment_id: int) -> int:
    """End one place, if its time is over. A submit that races it has one outcome: the row's state decides."""
    assignment = Assignment.objects.get(pk=assignment_id)
    lock_places(assignment)
    assignment.refresh_from_db()
    if assignment.state != Assignment.State.ACCEPTED or assignment.deadline > clock.now():
        return 0
    if assignment.is_ahead:  # never opened: it counts in no statistic, cap or exposure
        give_up_place(assignment, Assignment.State.LAPSED, uncount=True)
    else:
        give_up_place(assignment, Assignment.State.EXPIRED)
    _after_leaving(assignment)
    return 1


def return_place(*, assignment: Assignment, reason: str, note: str = "") -> Assignment:
    """The worker gives the HIT back. It costs them nothing, and it is not offered to them again.

    Raises
    ------
    Invalid, NotYours
    """
    if reason not in Assignment.ReturnReason.values:
        raise Invalid(errors={"reason": f"One of {', '.join(Assignment.ReturnReason.values)}."})
    if _return(assignment, return_reason=reason, return_note=note[:500]):
        _watch_returns(assignment)
        if reason in LOOKED_AT:
            report_problem(assignment=assignment, reason=reason, note=note)
    return assignment


@transaction.atomic
def _return(assignment: Assignment, **why: str) -> bool:
    lock_places(assignment)
    assignment.refresh_from_db()
    if assignment.state == Assignment.State.RETURNED:
        return False
    if assignment.state != Assignment.State.ACCEPTED:
        raise NotYours
    give_up_place(assignment, Assignment.State.RETURNED, uncount=assignment.is_ahead, **why)
    _after_leaving(assignment)
    return True


def _after_leaving(assignment: Assignment) -> None:
    """The HIT may have ended meanwhile: then nobody needs the place any more, or what it waited for will not come."""
    hit = Hit.objects.select_related("batch").get(pk=assignment.hit_id)
    if hit.state != Hit.State.OPEN:
        digest_hits(project_id=hit.batch.project_id, hit_ids=[hit.pk])


def _watch_returns(assignment: Assignment) -> None:
    """Many returns mean that something is wrong with the work, not with the workers."""
    taken = Assignment.objects.filter(batch_id=assignment.batch_id).exclude(state=Assignment.State.LAPSED)
    taken = taken.exclude(state=Assignment.State.RETURNED, is_ahead=True)  # looked at before it was taken
    recent = taken.order_by("-pk").values_list("state", flat=True)[:200]
    states = list(recent)
    if len(states) < RETURNS_FROM:
        return
    share = states.count(Assignment.State.RETURNED) / len(states)
    if share <= RETURNS_ALARM:
        return
    batch = Batch.objects.select_related("project").get(pk=assignment.batch_id)
    is_pause = share > RETURNS_PAUSE
    Flag.objects.get_or_create(
        key=f"returns:{batch.pk}:{'pause' if is_pause else 'alarm'}",
        defaults={
            "kind": "returns",
            "project": batch.project,
            "batch": batch,
            "message": f"{share:.0%} of the latest HITs came back unanswered. Look at the reasons and mend the work.",
            "evidence": {"share": round(share, 3), "of": len(states)},
            "expires_at": clock.now() + timedelta(days=90),
        },
    )
    if is_pause and batch.state == Batch.State.OPEN:
        with suppress(IllegalMove):  # somebody paused or closed it this very moment
            pause_batch(batch=batch, reason=Batch.Pause.FLAGS)
