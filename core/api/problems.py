"""Refusals as programs read them: problem+json (RFC 9457) with a stable `code` and what to mend in `errors`."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DataError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from rest_framework import exceptions as drf

from core import errors

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/problem+json"
FAMILIES: tuple[tuple[type[errors.DomainError], int], ...] = (
    (errors.InsufficientFunds, 402),
    (errors.NotAllowed, 403),
    (errors.NotThere, 404),
    (errors.Conflict, 409),
    (errors.KeyReused, 422),
    (errors.DomainError, 400),
)
#: What Django REST framework raises by itself.
FRAMEWORK: tuple[tuple[type[Exception], int, str], ...] = (
    (drf.ParseError, 400, "malformed"),
    (drf.NotAuthenticated, 401, "not_authenticated"),
    (drf.AuthenticationFailed, 401, "not_authenticated"),
    (drf.PermissionDenied, 403, "not_allowed"),
    (PermissionDenied, 403, "not_allowed"),
    (drf.NotFound, 404, "not_found"),
    (Http404, 404, "not_found"),
    (drf.MethodNotAllowed, 405, "method_not_allowed"),
    (drf.NotAcceptable, 406, "not_acceptable"),
    (RequestDataTooBig, 413, "too_large"),
    (drf.UnsupportedMediaType, 415, "unsupported_media_type"),
    (drf.Throttled, 429, "throttled"),
    (SuspiciousOperation, 400, "malformed"),
)
SENTENCES = {
    404: "There is no such thing here.",
    413: "The request is too large.",
    503: "The database is busy or away. Nothing was changed; try again.",
}
RETRY_AFTER_SECONDS = 2


@dataclass(frozen=True)
class Problem:
    status: int
    code: str
    detail: str
    errors: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> HttpResponse:
        body = {
            "type": f"urn:touchstone:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "errors": dict(self.errors),
        }
        return HttpResponse(
            orjson.dumps(body), status=self.status, content_type=CONTENT_TYPE, headers=dict(self.headers)
        )


def problem_of(error: Exception, request: HttpRequest | None = None) -> Problem:
    """What `error` says to a program. Nothing of an unforeseen one gets out but a number to ask staff about."""
    if isinstance(error, errors.DomainError):
        status = next(status for family, status in FAMILIES if isinstance(error, family))
        return Problem(status, error.code, error.message, error.errors)
    if isinstance(error, drf.ValidationError):
        return Problem(400, errors.Invalid.code, str(errors.Invalid.message), flat(error.detail))
    for family, status, code in FRAMEWORK:
        if isinstance(error, family):
            detail = str(getattr(error, "detail", "")) or SENTENCES.get(status, "This cannot be done.")
            return Problem(status, code, SENTENCES.get(status, detail), headers=_headers(error))
    if isinstance(error, OperationalError | InterfaceError):
        log.warning("Answered 503: %s", str(error).strip().splitlines()[0] if str(error).strip() else type(error))
        return Problem(503, "busy", SENTENCES[503], headers={"Retry-After": str(RETRY_AFTER_SECONDS)})
    if isinstance(error, DataError | OverflowError | UnicodeError | RecursionError):
        # What a field let through and the database cannot hold: a number beyond 64 bits, a NUL.
        return Problem(400, errors.Invalid.code, "A value is too large or cannot be stored. Nothing was changed.")
    number = uuid.uuid4().hex[:12]
    log.exception("Failed (%s) %s", number, getattr(request, "path", ""), exc_info=error)
    return Problem(500, "internal", f"Something broke on our side. Staff find it by the number {number}.")


def answer_to(error: Exception, context: dict[str, Any]) -> HttpResponse:
    """Exception handler of Django REST framework: every refusal, foreseen or not, in one shape."""
    view = context.get("view")
    response = problem_of(error, context.get("request")).response()
    if response.status_code == 405 and view is not None:
        response["Allow"] = ", ".join(view.allowed_methods)
    return response


def flat(detail: Any, path: str = "") -> dict[str, str]:
    """Field path -> sentence, of a validation error however deep: `rows[2].data: This field is required.`"""
    if isinstance(detail, Mapping):
        found: dict[str, str] = {}
        for name, inner in detail.items():
            name = "" if name == "non_field_errors" else str(name)
            found |= flat(inner, f"{path}.{name}" if path and name else path or name)
        return found
    if isinstance(detail, list):
        if all(isinstance(item, str) for item in detail):
            return {path or "body": " ".join(str(item) for item in detail)} if detail else {}
        found = {}
        for index, inner in enumerate(detail):
            found |= flat(inner, f"{path}[{index}]")
        return found
    return {path or "body": str(detail)}


def _headers(error: Exception) -> dict[str, str]:
    headers = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if isinstance(error, drf.Throttled):
        headers["Retry-After"] = str(max(1, int(error.wait or 1)))
    return headers
