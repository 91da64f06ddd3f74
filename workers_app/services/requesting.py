"""Asking for a qualification. The organisation that made it grants it (`lifecycle.qualify`) or says why not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction

from core import clock
from core.errors import Conflict, Invalid
from core.states import move
from workers_app.models import Qualification, QualificationRequest, Worker

State = QualificationRequest.State


def request_qualification(
    *, worker: Worker, qualification: Qualification, note: str = "", is_retake: bool = False
) -> QualificationRequest:
    """`is_retake`: by a test, which is open to who holds it too, and which this app knows nothing of.

    Raises `Invalid`, and `Conflict` where it cannot be asked for, is held, or has been asked for already.
    """
    if len(note) > 1000:
        raise Invalid(errors={"note": "At most 1000 characters."})
    if not (qualification.can_request or is_retake) or qualification.kind != Qualification.Kind.VALUE:
        raise Conflict("This qualification cannot be asked for.", code="not_requestable")
    if not is_retake and qualification.grants.filter(worker=worker).exists():
        raise Conflict("You hold it already.", code="held_already")
    _check_delay(worker, qualification)
    try:
        with transaction.atomic():
            return QualificationRequest.objects.create(qualification=qualification, worker=worker, note=note.strip())
    except IntegrityError:
        raise Conflict("You have asked for it already; no answer has come yet.", code="asked_already") from None


def _check_delay(worker: Worker, qualification: Qualification) -> None:
    if not qualification.retry_seconds:
        return
    asked = qualification.requests.filter(worker=worker).exclude(state=State.WITHDRAWN)
    last = asked.order_by("-pk").values_list("created_at", flat=True).first()
    if last is None:
        return
    if qualification.retry_seconds >= Qualification.NEVER:
        raise Conflict("It can be asked for once, and you have.", code="asked_once")
    if clock.now() < last + timedelta(seconds=qualification.retry_seconds):
        raise Conflict("You asked for it a short while ago. Ask again later.", code="asked_lately")


def withdraw_request(*, request: QualificationRequest) -> QualificationRequest:
    return move(request, State.WITHDRAWN, decided_at=clock.now())


def close_request(*, request: QualificationRequest, is_granted: bool, answer: str = "") -> QualificationRequest:
    """Raises `Invalid` for a refusal without a reason, and `IllegalMove`."""
    if not is_granted and not answer.strip():
        raise Invalid(errors={"answer": "Say why not; the worker reads it."})
    if len(answer) > 500:
        raise Invalid(errors={"answer": "At most 500 characters."})
    changes: dict[str, Any] = {"answer": answer.strip(), "decided_at": clock.now()}
    return move(request, State.GRANTED if is_granted else State.REFUSED, **changes)
