"""Names that keep a worker recognisable to one requester and to nobody else."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable

from django.conf import settings

from workers_app.models import Pseudonym


def code_for(scope: str, worker_id: int) -> str:
    """HMAC of scope and worker: 80 bits in base 32, such as WK7Q2M4ZP3XA5B6C."""
    message = f"{scope}|{worker_id}".encode()
    digest = hmac.new((settings.PSEUDONYM_KEY or settings.SECRET_KEY).encode(), message, hashlib.sha256).digest()
    return "W" + base64.b32encode(digest[:10]).decode()


def pseudonyms(scope: str, worker_ids: Iterable[int]) -> dict[int, str]:
    """The codes of these workers in `scope`, stored so that a code leads back to its worker."""
    codes = {worker_id: code_for(scope, worker_id) for worker_id in set(worker_ids)}
    Pseudonym.objects.bulk_create(
        [Pseudonym(scope=scope, worker_id=w, code=c) for w, c in sorted(codes.items())], ignore_conflicts=True
    )
    return codes
