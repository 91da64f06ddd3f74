"""Qualifications: making them, granting and revoking. A requester's list of workers is one too."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from core.errors import Conflict, Invalid
from workers_app.models import Grant, Qualification, Worker

LARGEST_VALUE = 2**31 - 1


def create_qualification(
    *, requester: Any, name: str, description: str = "", kind: str = Qualification.Kind.VALUE
) -> Qualification:
    """Raises `Invalid`, and `Conflict` where the organisation has one of this name."""
    errors = {}
    if not 0 < len(name.strip()) <= 120:
        errors["name"] = "1 to 120 characters."
    if kind not in (Qualification.Kind.VALUE, Qualification.Kind.LIST):
        errors["kind"] = "value or list."
    if errors:
        raise Invalid(errors=errors)
    try:
        with transaction.atomic():
            return Qualification.objects.create(
                requester=requester, name=name.strip(), description=description, kind=kind
            )
    except IntegrityError:
        raise Conflict("There is a qualification of this name already.", code="name_taken") from None


def change_qualification(
    *, qualification: Qualification, name: str | None = None, description: str | None = None
) -> Qualification:
    name = qualification.name if name is None else name.strip()
    if not 0 < len(name) <= 120:
        raise Invalid(errors={"name": "1 to 120 characters."})
    description = qualification.description if description is None else description
    try:
        with transaction.atomic():
            Qualification.objects.filter(pk=qualification.pk).update(name=name, description=description)
    except IntegrityError:
        raise Conflict("There is a qualification of this name already.", code="name_taken") from None
    qualification.refresh_from_db()
    return qualification


def grant_qualification(*, qualification: Qualification, worker: Worker, value: int = 1) -> Grant:
    if not -LARGEST_VALUE <= value <= LARGEST_VALUE:
        raise Invalid(errors={"value": "A whole number of at most 31 bits."})
    grant, _ = Grant.objects.update_or_create(qualification=qualification, worker=worker, defaults={"value": value})
    return grant


def revoke_qualification(*, qualification: Qualification, worker: Worker) -> bool:
    deleted, _ = Grant.objects.filter(qualification=qualification, worker=worker).delete()
    return bool(deleted)
