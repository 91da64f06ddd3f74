"""Long pieces of work, done in turns (DESIGN.md section 3). Rows are the queue: the sweep takes what is due.

The work of a kind is a function of a `Turn`: it works until `turn.is_over`, saving how far it came with `turn.save`
inside the transaction of the work itself, and ends with `turn.finish`. A turn that is killed at any moment is simply
done again from the last commit. What each kind does stands in `lifecycle/operations.py`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from core import clock
from core.errors import Conflict, DomainError
from core.models import Operation
from core.states import move

log = logging.getLogger(__name__)

State = Operation.State
TURN_SECONDS = 20
LEASE = timedelta(seconds=30)
MOST_FAILURES = 5
#: Leases in a row that ended without anything saved: it kills whoever works on it.
MOST_ATTEMPTS = 10


class LeaseLost(Exception):
    """Somebody else works on this operation now. Nothing of the transaction in hand may stay."""


class Turn:
    """One worker's hold on an operation. The lease is also the fence: saving fails once it is another's."""

    def __init__(self, operation: Operation, *, seconds: float = TURN_SECONDS) -> None:
        self.operation = operation
        self.ends_at = time.monotonic() + seconds
        self._writing = threading.Lock()  # a second thread may renew the lease while this one computes

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.ends_at

    @property
    def cursor(self) -> dict[str, Any]:
        """How far the work came: whatever the last `save` gave."""
        return self.operation.cursor

    @property
    def is_last_try(self) -> bool:
        """Whether it failed or was killed so often that work which must tidy up should do so now."""
        return self.operation.failures >= MOST_FAILURES - 1 or self.operation.attempts >= MOST_ATTEMPTS

    @property
    def is_finished(self) -> bool:
        return self.operation.finished_at is not None

    def save(self, **changes: Any) -> None:
        """Save `changes` of the operation (cursor, done, total, result) and renew the lease.

        Call it inside the transaction of the work that it tells of.

        Raises
        ------
        LeaseLost
            When the lease ran out meanwhile and another worker took over.
        """
        self._write({"lease_until": clock.now() + LEASE, "attempts": 0, **changes})

    def finish(self, to: str = State.DONE, **changes: Any) -> None:
        """End the operation, in the transaction of its last work. Raises as `save` does."""
        self._write({"state": to, "lease_until": None, "finished_at": clock.now(), **changes})

    def pause(self, **changes: Any) -> None:
        """Let go of the operation; anybody takes it up again once it is due."""
        self._write({"state": State.WAITING, "lease_until": None, **changes})

    def cancel_is_asked(self) -> bool:
        return Operation.objects.filter(pk=self.operation.pk, cancel_asked=True).exists()

    def _write(self, changes: dict[str, Any]) -> None:
        with self._writing:
            self._write_alone(changes)

    def _write_alone(self, changes: dict[str, Any]) -> None:
        mine = Operation.objects.filter(
            pk=self.operation.pk, state=State.RUNNING, lease_until=self.operation.lease_until
        )
        if not mine.update(**changes):
            raise LeaseLost
        for name, value in changes.items():
            setattr(self.operation, name, value)


#: Works one turn, or a part of it.
Work = Callable[[Turn], None]


def start_operation(
    *,
    kind: str,
    subject: str,
    requester_id: int | None = None,
    arguments: dict[str, Any] | None = None,
    total: int | None = None,
) -> Operation:
    """Write down a piece of work. Raises `Conflict` while another of its kind on the same subject is under way."""
    if under_way(kind=kind, subject=subject) is not None:
        raise Conflict(_("This is being done already. Wait until it is finished, or cancel it."), code="under_way")
    return Operation.objects.create(
        kind=kind, subject=subject, requester_id=requester_id, arguments=arguments or {}, total=total
    )


def record_done(*, total: int, **about: Any) -> Operation:
    """Write down a piece of work that was small enough to be done at once, in its transaction."""
    now = clock.now()
    return Operation.objects.create(state=State.DONE, done=total, total=total, finished_at=now, **about)


def resume_operation(*, operation: Operation) -> Operation:
    """Go on with failed work from where it came.

    Raises
    ------
    Conflict
        When it has nothing to go on from, or the same is being done by another operation.
    """
    if not operation.can_resume:
        raise Conflict("There is nothing to go on with here. Begin anew.", code="not_resumable")
    if under_way(kind=operation.kind, subject=operation.subject) is not None:
        raise Conflict(_("This is being done already. Wait until it is finished, or cancel it."), code="under_way")
    fresh = {"error": "", "failures": 0, "attempts": 0, "finished_at": None, "cancel_asked": False}
    return move(operation, State.WAITING, due_at=clock.now(), **fresh)


def under_way(*, kind: str, subject: str) -> Operation | None:
    return Operation.objects.filter(kind=kind, subject=subject, state__in=[State.WAITING, State.RUNNING]).first()


def cancel_operation(*, operation: Operation) -> Operation:
    """Ask the work to stop; it undoes itself in its next turn."""
    asked = Operation.objects.filter(pk=operation.pk, state__in=[State.WAITING, State.RUNNING])
    if not asked.update(cancel_asked=True, due_at=clock.now()):
        raise Conflict(_("It is finished already. Nothing was cancelled."), code="finished")
    operation.refresh_from_db()
    return operation


def take_due(kinds: Mapping[str, Work]) -> Operation | None:
    """Lease the operation that has been due longest, or None."""
    now = clock.now()
    free = Q(state=State.WAITING) | Q(state=State.RUNNING, lease_until__lt=now)
    with transaction.atomic():
        operation = (
            Operation.objects.select_for_update(skip_locked=True)
            .filter(free, due_at__lte=now, kind__in=list(kinds))
            .order_by("due_at")
            .first()
        )
        return None if operation is None else _lease(operation)


def take(operation: Operation) -> Operation | None:
    """Lease this operation, or None while somebody works on it."""
    free = Q(state=State.WAITING) | Q(state=State.RUNNING, lease_until__lt=clock.now())
    with transaction.atomic():
        found = Operation.objects.select_for_update(skip_locked=True).filter(free, pk=operation.pk).first()
        return None if found is None else _lease(found)


def _lease(operation: Operation) -> Operation:
    # A turn that is killed cannot count itself, so each lease counts until it has saved something.
    operation.state, operation.attempts = State.RUNNING, operation.attempts + 1
    operation.lease_until = clock.now() + LEASE
    operation.save(update_fields=["state", "attempts", "lease_until"])
    return operation


def work_on(operation: Operation, work: Work, *, seconds: float = TURN_SECONDS) -> Operation:
    """One turn of a leased operation. A refusal ends it; anything else is tried again, later and later."""
    turn = Turn(operation, seconds=seconds)
    try:
        if operation.attempts > MOST_ATTEMPTS:
            turn.finish(State.FAILED, error="It stopped our processes again and again. Staff can see why.")
        while not turn.is_finished:
            work(turn)
            if turn.is_over:
                break
        if not turn.is_finished:
            turn.pause(failures=0)
    except LeaseLost:
        log.warning("Lost the lease of %s", operation)
    except DomainError as refusal:
        turn.finish(State.FAILED, error=refusal.message, result={**operation.result, "errors": refusal.errors})
    except Exception as error:
        failures = operation.failures + 1
        if failures >= MOST_FAILURES:
            log.exception("Gave up on %s", operation)
            turn.finish(State.FAILED, error=f"Something broke on our side ({type(error).__name__}). Staff can see why.")
        else:
            log.warning("%s failed and is tried again", operation, exc_info=True)
            turn.pause(failures=failures, due_at=clock.now() + timedelta(seconds=2**failures))
    return operation
