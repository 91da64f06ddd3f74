"""Granting and taking back, with effect from the next claim on."""

from __future__ import annotations

from django.db import transaction

from marketplace.services.accepting import recheck
from workers_app.models import Grant, Qualification, QualificationRequest, Worker
from workers_app.services.granting import grant_qualification, revoke_qualification
from workers_app.services.requesting import close_request


@transaction.atomic
def grant(*, qualification: Qualification, worker: Worker, value: int = 1) -> Grant:
    """Raises `Invalid`."""
    granted = grant_qualification(qualification=qualification, worker=worker, value=value)
    recheck(worker_id=worker.pk)
    return granted


@transaction.atomic
def revoke(*, qualification: Qualification, worker: Worker) -> bool:
    """False where the worker did not hold it."""
    is_revoked = revoke_qualification(qualification=qualification, worker=worker)
    recheck(worker_id=worker.pk)
    return is_revoked


@transaction.atomic
def answer_request(
    *, request: QualificationRequest, is_granted: bool, value: int = 1, answer: str = ""
) -> QualificationRequest:
    """Grant what a worker asked for, or say why not. Raises `Invalid`, `IllegalMove`."""
    close_request(request=request, is_granted=is_granted, answer=answer)
    if is_granted:
        grant(qualification=request.qualification, worker=request.worker, value=value)
    return request
