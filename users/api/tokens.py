"""Tokens for programs."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Input
from core.errors import Conflict, NotAllowed
from users.models import ApiToken
from users.services import create_token, revoke_token


class TokenOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    prefix = serializers.CharField()
    scopes = serializers.ListField(child=serializers.CharField())
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    last_used_on = serializers.DateField(allow_null=True)


class NewTokenOut(TokenOut):
    token = serializers.CharField(source="secret", help_text="Shown this once.")


class TokenIn(Input):
    name = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=ApiToken.SCOPES), min_length=1, max_length=6)
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)


class Tokens(Endpoint):
    @act("read", "work", gives=TokenOut, paged=True, tag="people")
    def get(self, request: Request) -> Any:
        """Your tokens."""
        return request.user.tokens.all()

    @act("write", "work", takes=TokenIn, gives=NewTokenOut, status=201, tag="people")
    def post(self, request: Request, data: dict[str, Any]) -> ApiToken:
        """A new token, with at most the scopes of the one that asks. It is shown this once, so no key repeats it."""
        beyond = sorted(set(data["scopes"]) - set(request.auth.scopes))
        if beyond:
            raise NotAllowed(f"Your token does not have the scope {', '.join(beyond)} itself.", code="scope_missing")
        token, secret = create_token(user=request.user, **data)
        token.secret = secret  # type: ignore[attr-defined]
        return token


class Token(Endpoint):
    @act("write", "work", refuses=[409], tag="people")
    def delete(self, request: Request, token_id: uuid.UUID) -> None:
        """Revoke it: dead at once."""
        token = request.user.tokens.filter(public_id=token_id).first()
        if token is None:
            raise Http404
        if token.pk == request.auth.pk:
            raise Conflict("This is the token you call with. Revoke it by another one.", code="token_in_use")
        revoke_token(token=token)
