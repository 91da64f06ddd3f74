"""What staff decide about people: who comes in, who is locked out, who is staff. Each with its reason, in the log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone

from core import audit
from core.errors import Conflict, Invalid
from users.models import ApiToken, Invitation, User

INVITATION_STANDS = timedelta(days=14)
LONGEST_REASON = 300


@transaction.atomic
def approve_person(*, user: User, by: Any, reason: str = "") -> User:
    """Lets a sign-up in. Raises `Conflict` when they are in already."""
    if not User.objects.filter(pk=user.pk, approved_at=None).update(approved_at=timezone.now()):
        raise Conflict("This person may come in already. Nothing was changed.", code="approved_already")
    return _changed(user, "user.approve", by, reason.strip())


@transaction.atomic
def lock_person(*, user: User, by: Any, reason: str) -> User:
    """Signs them out everywhere and keeps them out; their tokens end. Money and work stay as they are.

    Raises
    ------
    Invalid
        Without a reason.
    Conflict
        They are locked already, or it is oneself.
    """
    reason = _said(reason)
    _not_oneself(user, by)
    if not User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
        raise Conflict("This person is locked out already. Nothing was changed.", code="locked_already")
    ApiToken.objects.filter(user=user, revoked_at=None).update(revoked_at=timezone.now())
    return _changed(user, "user.lock", by, reason)


@transaction.atomic
def unlock_person(*, user: User, by: Any, reason: str) -> User:
    """They may sign in again; tokens that ended stay so. Raises `Invalid`, `Conflict`."""
    reason = _said(reason)
    if not User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
        raise Conflict("This person is not locked out. Nothing was changed.", code="not_locked")
    return _changed(user, "user.unlock", by, reason)


@transaction.atomic
def set_staff(*, user: User, is_staff: bool, by: Any, reason: str) -> User:
    """Makes somebody staff, or ends it. Nobody ends their own, so that somebody always is.

    Raises
    ------
    Invalid, Conflict
    """
    reason = _said(reason)
    _not_oneself(user, by)
    changed = User.objects.filter(pk=user.pk, is_staff=not is_staff)
    if not changed.update(is_staff=is_staff, is_superuser=is_staff):
        raise Conflict("It is so already. Nothing was changed.", code="unchanged")
    return _changed(user, "user.make_staff" if is_staff else "user.end_staff", by, reason)


@transaction.atomic
def invite_person(*, email: str, role: str, by: Any) -> Invitation:
    """A code that lets one person sign up, as `worker` or `requester`, within 14 days. Raises `Invalid`."""
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise Invalid(errors={"email": "Write an e-mail address."}) from None
    if role not in ("worker", "requester"):
        raise Invalid(errors={"role": "worker or requester."})
    invitation = Invitation.objects.create(email=email, role=role, expires_at=timezone.now() + INVITATION_STANDS)
    audit.record(act="invitation.create", subject=f"invitation:{invitation.pk}", actor=by, role=role)
    return invitation


@transaction.atomic
def cancel_invitation(*, invitation: Invitation, by: Any) -> Invitation:
    """The code works no more. Raises `Conflict` once it was used, or is over."""
    now = timezone.now()
    open_ones = Invitation.objects.filter(pk=invitation.pk, used_by=None).exclude(expires_at__lte=now)
    if not open_ones.update(expires_at=now):
        raise Conflict("It was used, or is over. Nothing was changed.", code="invitation_over")
    invitation.refresh_from_db(fields=["expires_at"])
    audit.record(act="invitation.cancel", subject=f"invitation:{invitation.pk}", actor=by)
    return invitation


def _said(reason: str) -> str:
    reason = reason.strip()
    if not 0 < len(reason) <= LONGEST_REASON:
        raise Invalid(errors={"reason": f"Say why, in at most {LONGEST_REASON} characters."})
    return reason


def _not_oneself(user: User, by: Any) -> None:
    if user.pk == by.pk:
        raise Conflict("This is yourself. Another person of the staff has to do it.", code="oneself")


def _changed(user: User, act: str, by: Any, reason: str) -> User:
    user.refresh_from_db(fields=["approved_at", "is_active", "is_staff", "is_superuser"])
    audit.record(act=act, subject=f"user:{user.pk}", actor=by, reason=reason)
    return user
