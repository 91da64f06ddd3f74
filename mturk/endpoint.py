"""The one door: `POST` of a signed JSON 1.1 request, and the operation that its header names."""

from __future__ import annotations

import logging
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import orjson
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import RequestDataTooBig
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from core import errors
from mturk import operations, signing, wire
from mturk.errors import Refusal, RequestError, ServiceFault
from mturk.models import AccessKey
from mturk.services import keys

log = logging.getLogger(__name__)

CONTENT_TYPE = "application/x-amz-json-1.1"
#: What services refuse, in the words that clients match on.
CODES: dict[type[errors.DomainError], tuple[str, str]] = {
    errors.InsufficientFunds: (
        "InsufficientFunds",
        "This Requester has insufficient funds in their account to complete this transaction.",
    ),
}


@csrf_exempt
@require_POST
def endpoint(request: HttpRequest) -> HttpResponse:
    """Every operation. A refusal changes nothing; what was done is committed before it is told."""
    try:
        said, status = _answer(request), 200
    except Refusal as refusal:
        said, status = refusal.body(), refusal.status
    except RequestDataTooBig:
        most = f"At most {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes are read."
        said, status = Refusal("SerializationException", most).body(), Refusal.status
    except Exception:
        log.exception("mturk: %s", request.headers.get("X-Amz-Target", ""))
        fault = ServiceFault()
        said, status = fault.body(), fault.status
    return HttpResponse(
        orjson.dumps(said), status=status, content_type=CONTENT_TYPE, headers={"x-amzn-RequestId": str(uuid.uuid4())}
    )


def _answer(request: HttpRequest) -> dict[str, Any]:
    key = caller(request)
    slow_down(key)
    operation = wire.operation_of(request.headers.get("X-Amz-Target", ""))
    try:
        content = orjson.loads(request.body or b"{}")
    except orjson.JSONDecodeError as error:
        raise Refusal("SerializationException", f"The request is no JSON: {error}") from None
    members = wire.checked(content, operation)
    try:
        with transaction.atomic():
            return wire.told(operations.BY_NAME[operation.name](key, members))
    except errors.DomainError as refusal:
        raise as_request_error(refusal) from refusal


#: Calls are counted over so many seconds.
COUNTED_OVER = 10


def slow_down(key: AccessKey) -> None:
    """Raises `ThrottlingException` for a key that calls too often, which SDKs answer by trying again later. Each
    process of the site counts by itself."""
    name = f"mturk:{key.pk}:{int(time.time()) // COUNTED_OVER}"
    cache.add(name, 0, COUNTED_OVER * 2)
    if cache.incr(name) > max(settings.MTURK_RATE * COUNTED_OVER, settings.MTURK_BURST):
        raise Refusal("ThrottlingException", "Rate exceeded")


def caller(request: HttpRequest) -> AccessKey:
    """Whose key signed just this.

    Raises
    ------
    Refusal
        `MissingAuthenticationTokenException`, `UnrecognizedClientException`, `InvalidSignatureException`
    """
    signed = signing.read_authorization(request.headers, datetime.now(UTC))
    key = keys.live_key(signed.key_id)
    secret = keys.secret_of(key) if key is not None else None
    if key is None or secret is None:
        raise Refusal("UnrecognizedClientException", "The security token included in the request is invalid.")
    path, _, query = request.get_full_path().partition("?")
    is_right = signing.is_right(
        signed, secret, method="POST", path=path, query=query, headers=_as_signed(request), body=request.body
    )
    if not is_right:
        raise signing.invalid(
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method."
        )
    keys.note_use(key)
    return key


def _as_signed(request: HttpRequest) -> dict[str, str]:
    """Headers by lower-case name; the host as the client saw it."""
    return {name.lower(): value for name, value in request.headers.items()} | {"host": request.get_host()}


def as_request_error(refusal: errors.DomainError) -> RequestError:
    for family, (code, message) in CODES.items():
        if isinstance(refusal, family):
            return RequestError(code, message)
    details = " ".join(f"{name}: {text}" for name, text in refusal.errors.items())
    return RequestError("InvalidParameterValue", f"{refusal.message} {details}".strip())
