"""`Idempotency-Key`: a POST that creates or pays has its effect once, and a repeat gets the first answer again (T9).

The row is written first, in a transaction of its own. The effect and the answer are then committed together while the
row is locked, so a crash at any moment leaves either both or neither: a repeat finds the answer, or the free lock of an
unfinished row and does the work. What had no effect (a refusal, an error) is not kept: the key may be used again.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import timedelta

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from core.errors import Conflict, Invalid, KeyReused
from core.models import IdempotencyKey

HEADER = "Idempotency-Key"
LONGEST = 200
PATTERN = re.compile(rf"[!-~]{{1,{LONGEST}}}")
#: Kept for at least this long.
KEPT = timedelta(hours=24)


class InFlight(Conflict):
    code = "in_flight"
    message = "The first request with this Idempotency-Key is still under way. Ask again in a moment."


def once(*, request: HttpRequest, body: bytes, principal: str, work: Callable[[], HttpResponse]) -> HttpResponse:
    """The response of `work`, or of the first time that this request was made.

    `work` returns a rendered response; what it raises undoes all that it did.

    Raises
    ------
    Invalid, KeyReused, InFlight
    """
    key = request.headers[HEADER]
    if not PATTERN.fullmatch(key):
        raise Invalid(errors={HEADER: f"1 to {LONGEST} printable ASCII characters without spaces."})
    name = {"principal": principal, "method": request.method, "path": request.path[:300], "key": key}
    said = f"{request.get_full_path()}\n{request.content_type}\n".encode() + body
    digest = hashlib.sha256(said).hexdigest()
    IdempotencyKey.objects.bulk_create([IdempotencyKey(**name, request_hash=digest)], ignore_conflicts=True)
    try:
        return _work_under_lock(name, digest, work)
    except (KeyReused, InFlight):
        raise
    except Exception:
        IdempotencyKey.objects.filter(**name, response_code=None, request_hash=digest).delete()
        raise


@transaction.atomic(durable=True)
def _work_under_lock(name: dict[str, str | None], digest: str, work: Callable[[], HttpResponse]) -> HttpResponse:
    row = IdempotencyKey.objects.select_for_update(skip_locked=True).filter(**name).first()
    if row is None:
        raise InFlight
    if row.request_hash != digest:
        raise KeyReused
    if row.response_code is not None:
        response = HttpResponse(row.response_body, status=row.response_code, content_type=row.content_type)
        response["Idempotent-Replayed"] = "true"
        return response
    response = work()
    IdempotencyKey.objects.filter(pk=row.pk).update(
        response_code=response.status_code,
        response_body=response.content,
        content_type=response.headers.get("Content-Type", ""),
    )
    return response


def forget_old_keys(limit: int = 5000) -> int:
    """Delete keys past their time. Called by the sweep; one that is in use is locked and stays."""
    old = IdempotencyKey.objects.filter(created_at__lt=timezone.now() - KEPT)
    with transaction.atomic():
        ids = list(old.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
        deleted, _ = IdempotencyKey.objects.filter(pk__in=ids).delete()
    return deleted
