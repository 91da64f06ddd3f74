"""Qualifications: making them, granting and revoking. A requester's list of workers is one too."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from core.errors import Conflict, Invalid
from workers_app.models import Grant, Qualification, Worker

LARGEST_VALUE = 2**31 - 1
LONGEST_NAME = 200


def create_qualification(
    *,
    requester: Any,
    name: str,
    description: str = "",
    kind: str = Qualification.Kind.VALUE,
    can_request: bool = False,
) -> Qualification:
    """Raises `Invalid`, and `Conflict` where the organisation has one of this name."""
    errors = {}
    if not 0 < len(name.strip()) <= LONGEST_NAME:
        errors["name"] = f"1 to {LONGEST_NAME} characters."
    if kind not in (Qualification.Kind.VALUE, Qualification.Kind.LIST):
        errors["kind"] = "value or list."
    if can_request and kind == Qualification.Kind.LIST:
        errors["can_request"] = "A list of workers is your own: nobody hears of it, nobody asks for it."
    if errors:
        raise Invalid(errors=errors)
    try:
        with transaction.atomic():
            return Qualification.objects.create(
                requester=requester, name=name.strip(), description=description, kind=kind, can_request=can_request
            )
    except IntegrityError:
        raise Conflict("There is a qualification of this name already.", code="name_taken") from None


def change_qualification(
    *,
    qualification: Qualification,
    name: str | None = None,
    description: str | None = None,
    can_request: bool | None = None,
) -> Qualification:
    name = qualification.name if name is None else name.strip()
    if not 0 < len(name) <= LONGEST_NAME:
        raise Invalid(errors={"name": f"1 to {LONGEST_NAME} characters."})
    changes: dict[str, Any] = {"name": name} | ({} if description is None else {"description": description})
    if can_request is not None:
        if can_request and qualification.kind != Qualification.Kind.VALUE:
            raise Invalid(errors={"can_request": "Only a qualification with a value can be asked for."})
        changes |= {"can_request": can_request}
    try:
        with transaction.atomic():
            Qualification.objects.filter(pk=qualification.pk).update(**changes)
    except IntegrityError:
        raise Conflict("There is a qualification of this name already.", code="name_taken") from None
    qualification.refresh_from_db()
    return qualification


def grant_qualification(*, qualification: Qualification, worker: Worker, value: int | None = 1) -> Grant:
    if value is not None and not -LARGEST_VALUE <= value <= LARGEST_VALUE:
        raise Invalid(errors={"value": "A whole number of at most 31 bits."})
    grant, _ = Grant.objects.update_or_create(qualification=qualification, worker=worker, defaults={"value": value})
    return grant


def revoke_qualification(*, qualification: Qualification, worker: Worker) -> bool:
    deleted, _ = Grant.objects.filter(qualification=qualification, worker=worker).delete()
    return bool(deleted)
