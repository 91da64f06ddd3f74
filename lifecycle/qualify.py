"""Granting and taking back, with effect from the next claim on."""

from __future__ import annotations

from django.db import transaction
from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from marketplace.services.accepting import recheck
from marketplace.services.telling import managers_of
from users.services.notices import Words, notify, notify_all
from workers_app.models import Grant, Qualification, QualificationRequest, Worker
from workers_app.services.granting import grant_qualification, revoke_qualification
from workers_app.services.requesting import close_request, request_qualification


@transaction.atomic
def grant(*, qualification: Qualification, worker: Worker, value: int | None = 1, is_told: bool = True) -> Grant:
    """`is_told`: the worker hears of it. Raises `Invalid`."""
    granted = grant_qualification(qualification=qualification, worker=worker, value=value)
    recheck(worker_id=worker.pk)
    if is_told and qualification.kind != Qualification.Kind.LIST:  # a requester's own list is nobody else's business
        _tell(
            worker, "qualification.granted", format_lazy(_("You hold a qualification: {name}"), name=qualification.name)
        )
    return granted


@transaction.atomic
def revoke(*, qualification: Qualification, worker: Worker) -> bool:
    """False where the worker did not hold it."""
    is_revoked = revoke_qualification(qualification=qualification, worker=worker)
    recheck(worker_id=worker.pk)
    return is_revoked


@transaction.atomic
def answer_request(
    *, request: QualificationRequest, is_granted: bool, value: int | None = 1, answer: str = ""
) -> QualificationRequest:
    """Grant what a worker asked for, or say why not. Raises `Invalid`, `IllegalMove`."""
    close_request(request=request, is_granted=is_granted, answer=answer)
    if is_granted:
        grant(qualification=request.qualification, worker=request.worker, value=value)
    else:
        title = format_lazy(_("Not granted: {name}"), name=request.qualification.name)
        _tell(request.worker, "qualification.refused", title, answer)
    return request


@transaction.atomic
def ask(*, worker: Worker, qualification: Qualification, note: str = "") -> QualificationRequest:
    """Ask the organisation for it: its managers hear of it, unless whoever asks is given it.

    Raises `Invalid`, `Conflict`.
    """
    request = request_qualification(worker=worker, qualification=qualification, note=note)
    if qualification.auto_value is not None:
        return answer_request(request=request, is_granted=True, value=qualification.auto_value)
    assert qualification.requester is not None, "only an organisation's own can be asked for"
    notify_all(
        managers_of(qualification.requester),
        kind="qualification.asked",
        title=format_lazy(_("A worker asks for “{name}”"), name=qualification.name),
        body=request.note,
        url=reverse("studio_qualifications"),
    )
    return request


def _tell(worker: Worker, kind: str, title: Words, body: Words = "") -> None:
    notify(user=worker.user, kind=kind, title=title, body=body, url=reverse("my_qualifications"))
