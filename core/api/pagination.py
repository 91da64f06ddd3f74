"""Pages by cursor, newest first. A cursor is sealed: it tells nobody how many rows there are, or how old one is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db.models import QuerySet

from core.errors import NotThere

DEFAULT_LIMIT, LARGEST_LIMIT = 50, 200


def page(rows: QuerySet[Any], *, cursor: str = "", limit: int = DEFAULT_LIMIT) -> tuple[Sequence[Any], str | None]:
    """`limit` rows from `cursor` on, by falling primary key, and the cursor of what follows.

    Raises
    ------
    NotThere
        When the cursor is none of ours.
    """
    if cursor:
        rows = rows.filter(pk__lt=unseal(cursor))
    found = list(rows.order_by("-pk")[: limit + 1])
    return found[:limit], seal(found[limit - 1].pk) if len(found) > limit else None


def seal(number: int) -> str:
    nonce = secrets.token_bytes(8)
    hidden = bytes(a ^ b for a, b in zip(number.to_bytes(8, "big"), _digest(b"hide", nonce), strict=False))
    sealed = nonce + hidden
    return base64.urlsafe_b64encode(sealed + _digest(b"seal", sealed)[:8]).decode()


def unseal(cursor: str) -> int:
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii"))
    except ValueError:
        raw = b""
    sealed, mark = raw[:16], raw[16:]
    if len(raw) != 24 or not hmac.compare_digest(mark, _digest(b"seal", sealed)[:8]):
        raise NotThere(
            "There is no such page. Use the `next_cursor` of the page before, unchanged.", code="no_such_page"
        )
    hidden = bytes(a ^ b for a, b in zip(sealed[8:], _digest(b"hide", sealed[:8]), strict=False))
    return int.from_bytes(hidden, "big")


def _digest(what: bytes, of: bytes) -> bytes:
    return hmac.new(settings.SECRET_KEY.encode(), b"cursor:" + what + of, hashlib.sha256).digest()
