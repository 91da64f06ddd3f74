"""Bearer tokens, the only way into the API: no cookie counts here, so no page of another site can act for anybody."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from users.models import ApiToken, User

REFUSAL = "Send a live token: Authorization: Bearer TOKEN."


class BearerAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        secret = bearer(request)
        if secret is None:
            return None
        token = ApiToken.objects.select_related("user").filter(digest=ApiToken.digest_of(secret)).first()
        now = timezone.now()
        if token is None or not token.is_live(now) or not token.user.is_active or not token.user.approved_at:
            raise AuthenticationFailed(REFUSAL)
        note_use(token.pk, token.last_used_on)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


def bearer(request: HttpRequest | Request) -> str | None:
    """The token that a request carries."""
    kind, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" and secret.strip() else None


def note_use(token_id: int, last_used_on: Any) -> None:
    """Once a day."""
    today = timezone.now().date()
    if last_used_on != today:
        ApiToken.objects.filter(pk=token_id).update(last_used_on=today)


class BearerScheme(OpenApiAuthenticationExtension):
    target_class = BearerAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "`manage.py create_token`, or POST /api/v1/tokens."}
