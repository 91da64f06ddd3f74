"""Tokens for programs."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from core.errors import Invalid
from users.models import ApiToken, User

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
            errors={"scopes": f"Choose from {', '.join(ApiToken.SCOPES)}; not {', '.join(unknown) or 'none'}."}
        )
    if "admin" in scopes and not user.is_staff:
        raise Invalid(errors={"scopes": "The scope admin is for staff."})
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
