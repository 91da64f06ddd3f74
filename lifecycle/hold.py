"""A person puts a worker's account on hold, or lets them go on. What is accepted can be finished and is paid."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from core import audit, clock
from core.errors import Conflict, Invalid
from marketplace.services.accepting import recheck
from users.services.notices import Words, notify
from workers_app.models import Worker


@transaction.atomic
def hold_worker(*, worker: Worker, by: Any, reason: str) -> Worker:
    """No new work for this worker anywhere, until a person lifts it.

    Raises
    ------
    Invalid
        Without a reason of at most 300 characters: the worker reads it.
    Conflict
        They are on hold already.
    """
    reason = _said(reason)
    free = Worker.objects.filter(pk=worker.pk, suspended_at=None)
    if not free.update(suspended_at=clock.now(), suspended_reason=reason):
        raise Conflict("This worker is on hold already. Nothing was changed.", code="held_already")
    return _changed(worker, "worker.hold", by, reason, _("Your account is on hold"))


@transaction.atomic
def lift_hold(*, worker: Worker, by: Any, reason: str) -> Worker:
    """Raises `Invalid`, and `Conflict` when they are not on hold."""
    reason = _said(reason)
    held = Worker.objects.filter(pk=worker.pk, suspended_at__isnull=False)
    if not held.update(suspended_at=None, suspended_reason=""):
        raise Conflict("This worker is not on hold. Nothing was changed.", code="not_held")
    return _changed(worker, "worker.lift", by, reason, _("You can work again"))


def _said(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= 300:
        raise Invalid(errors={"reason": "Say why, in at most 300 characters: the worker reads it."})
    return reason


def _changed(worker: Worker, act: str, by: Any, reason: str, title: Words) -> Worker:
    recheck(worker_id=worker.pk)
    notify(user=worker.user, kind="access.hold", title=title, body=reason, url=reverse("find_work"))
    worker.refresh_from_db(fields=["suspended_at", "suspended_reason"])
    audit.record(act=act, subject=f"worker:{worker.pk}", actor=by, reason=reason)
    return worker
