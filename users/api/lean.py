"""Endpoints where every statement and every layer counts: the request as Django has it, one statement to know the
caller, and the answer. Checks, refusals and documentation are those of any other endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
from django.db import connection
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import AuthenticationFailed, MethodNotAllowed, NotAuthenticated, UnsupportedMediaType

from core.api.endpoint import Endpoint, ScopeMissing
from core.api.problems import problem_of
from core.api.throttling import throttle
from core.errors import NotAllowed
from users.api.authentication import REFUSAL, bearer, note_use
from users.models import ApiToken

# A worker is who works: the one table of another app that is read here, by name, to spare a second statement.
WHO = """
SELECT t.id, t.scopes, t.last_used_on, w.id
FROM users_apitoken t JOIN users_user u ON u.id = t.user_id LEFT JOIN workers_app_worker w ON w.user_id = u.id
WHERE t.digest = %s AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
  AND u.is_active AND u.approved_at IS NOT NULL
"""


class NoWorker(NotAllowed):
    code = "not_a_worker"
    message = "This is for workers. Ask for the role of a worker first: POST /api/v1/me/roles."


@dataclass(frozen=True)
class Caller:
    token_id: int
    scopes: list[str]
    worker_id: int | None


def caller_of(request: HttpRequest) -> Caller:
    """Who calls, in one statement. Raises DRF's refusals, with the header that a 401 needs."""
    secret = bearer(request)
    row = None
    if secret is not None:
        with connection.cursor() as cursor:
            cursor.execute(WHO, [ApiToken.digest_of(secret)])
            row = cursor.fetchone()
    if row is None:
        refusal = NotAuthenticated() if secret is None else AuthenticationFailed(REFUSAL)
        refusal.auth_header = 'Bearer realm="api"'  # type: ignore[attr-defined]
        raise refusal
    token_id, scopes, last_used_on, worker_id = row
    note_use(token_id, last_used_on)
    return Caller(token_id, orjson.loads(scopes) if isinstance(scopes, str) else scopes, worker_id)


class LeanEndpoint(Endpoint):
    """A POST whose method gets Django's request and the worker's id, and returns what is sent as JSON."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # type: ignore[override]
        try:
            if request.method != "POST":
                raise MethodNotAllowed(request.method or "")
            handler = self.post  # type: ignore[attr-defined]
            caller = caller_of(request)
            held = next((scope for scope in handler.scopes if scope in caller.scopes), None)
            if held is None:
                raise ScopeMissing(f"This needs a token with the scope {' or '.join(handler.scopes)}.")
            throttle(held, caller.token_id)
            if caller.worker_id is None:
                raise NoWorker
            if request.body and request.content_type != "application/json":
                raise UnsupportedMediaType(request.content_type or "")
            body = handler.method(self, request, worker_id=caller.worker_id, **kwargs)
            return HttpResponse(orjson.dumps(body), status=handler.success, content_type="application/json")
        except Exception as error:
            response = problem_of(error, request).response()
            if response.status_code == 405:
                response["Allow"] = "POST"
            return response
