"""People and their tokens."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from allauth.account.models import EmailAddress
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core.errors import Conflict, Invalid
from users.models import ApiToken, Invitation, User

#: Lets secret scanners recognise a leaked token.
TOKEN_MARK = "tst_"  # noqa: S105


def create_token(
    *, user: User, scopes: Sequence[str], name: str = "", expires_at: datetime | None = None
) -> tuple[ApiToken, str]:
    """A new token and its secret, which cannot be read again.

    Raises
    ------
    Invalid
        When a scope is unknown, none is asked for, or `admin` is asked for by someone who is not staff.
    """
    unknown = sorted(set(scopes) - set(ApiToken.SCOPES))
    if unknown or not scopes:
        raise Invalid(
            errors={
                "scopes": _("Choose from %(known)s; not %(said)s.")
                % {"known": ", ".join(ApiToken.SCOPES), "said": ", ".join(unknown) or "none"}
            }
        )
    if "admin" in scopes and not user.is_staff:
        raise Invalid(errors={"scopes": _("The scope admin is for staff.")})
    secret = TOKEN_MARK + secrets.token_urlsafe(32)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        scopes=sorted(set(scopes)),
        prefix=secret[:8],
        digest=ApiToken.digest_of(secret),
        expires_at=expires_at,
    )
    return token, secret


def revoke_token(*, token: ApiToken) -> None:
    ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now())


@transaction.atomic
def create_person(
    *,
    email: str,
    password: str | None,
    name: str = "",
    is_verified: bool = False,
    is_approved: bool = True,
    is_staff: bool = False,
) -> User:
    """A user who can sign in, once the address is verified and, where staff approve sign-ups, they have.

    Raises
    ------
    Invalid
        When the address is none, or has an account already.
    """
    try:
        validate_email(email)
    except ValidationError:
        raise Invalid(errors={"email": _("Write an e-mail address.")}) from None
    email = User.objects.normalize_email(email).lower()
    if User.objects.filter(email=email).exists():
        raise Invalid(errors={"email": _("There is an account with this address already.")})
    user = User.objects.create_user(
        email,
        password,
        name=name,
        is_staff=is_staff,
        is_superuser=is_staff,
        approved_at=timezone.now() if is_approved else None,
    )
    EmailAddress.objects.create(user=user, email=email, verified=is_verified, primary=True)
    return user


def find_invitation(code: str, *, email: str = "") -> Invitation | None:
    """The invitation, if it is unused, in time and for this person."""
    found = Invitation.objects.filter(code=code, used_by=None).first() if code and "\0" not in code else None
    if found is None or (found.expires_at and found.expires_at <= timezone.now()):
        return None
    return found if not found.email or not email or found.email.lower() == email.lower() else None


def use_invitation(*, invitation: Invitation, user: User) -> None:
    """Of two people with the same code, one gets in. Raises `Conflict`."""
    if not Invitation.objects.filter(pk=invitation.pk, used_by=None).update(used_by=user):
        raise Conflict(_("This invitation was used already."), code="invitation_used")


def change_person(*, user: User, **changes: Any) -> User:
    """What people may change about themselves: name, time_zone, language."""
    if unknown := sorted(set(changes) - {"name", "time_zone", "language"}):
        raise Invalid(errors=dict.fromkeys(unknown, _("This cannot be changed here.")))
    User.objects.filter(pk=user.pk).update(**changes)
    user.refresh_from_db(fields=list(changes))
    return user
