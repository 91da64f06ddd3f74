"""What browsers tell of pages that broke our content policy: counted, so that one page in a loop fills no table."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

import orjson
from django.core.cache import cache
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from core.models import PolicyViolation

log = logging.getLogger(__name__)

LARGEST = 16_384
#: Reports a minute that each process takes; what comes beyond is dropped, because anybody may send some.
A_MINUTE = 60
#: Different violations that are kept. Beyond it only known ones are counted.
MOST_KEPT = 500


@csrf_exempt
@require_POST
def report(request: HttpRequest) -> HttpResponse:
    """A report as browsers send it (`application/csp-report`). It is always answered alike."""
    if cache.add("csp-reports", 0, 60) or cache.incr("csp-reports") < A_MINUTE:
        told = _read(request)
        if told is not None:
            _count(told)
    return HttpResponse(status=204)


def _read(request: HttpRequest) -> dict[str, str] | None:
    try:
        length = int(request.headers.get("Content-Length") or 0)
        body = orjson.loads(request.body) if 0 < length <= LARGEST else None
    except ValueError:
        return None
    said = body.get("csp-report") if isinstance(body, dict) else None
    if not isinstance(said, dict):
        return None
    return {
        "directive": _words(said.get("effective-directive") or said.get("violated-directive"), 60),
        "blocked": _address(said.get("blocked-uri")),
        "page": _path(said.get("document-uri")),
        "source": _address(said.get("source-file")),
    }


def _count(told: dict[str, str]) -> None:
    now = timezone.now()
    known = PolicyViolation.objects.filter(**told)
    if known.update(count=F("count") + 1, last_at=now):
        return
    if PolicyViolation.objects.count() >= MOST_KEPT:
        return
    PolicyViolation.objects.bulk_create(
        [PolicyViolation(**told, last_at=now)],
        update_conflicts=True,
        unique_fields=["directive", "blocked", "page", "source"],
        update_fields=["last_at"],
    )
    log.warning("A page broke the content policy: %s", told)


def _words(value: Any, most: int) -> str:
    return value.replace("\0", "")[:most] if isinstance(value, str) else ""


def _address(value: Any) -> str:
    """Without the query, which may hold what is nobody's business."""
    return _words(value, 2000).partition("?")[0].partition("#")[0][:200]


def _path(value: Any) -> str:
    try:
        return urlsplit(_words(value, 2000)).path[:200]
    except ValueError:
        return ""
