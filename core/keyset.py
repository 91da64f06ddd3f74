"""Pages of long lists: each begins after the last row of the one before, so the last page costs what the first does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.db.models import Q, QuerySet

SALT = "page"
SIZE = 50


@dataclass(frozen=True)
class Page:
    """Rows, and where the next page begins; `is_first` says whether some come before."""

    rows: list[Any]
    onward: str
    is_first: bool


def page(rows: QuerySet[Any], order: Sequence[str], after: str = "", size: int = SIZE) -> Page:
    """`size` rows in `order` after the mark that an earlier page gave; a mark that is none of ours is the beginning.

    `order` names columns that are never NULL, all falling (`-pk`) or all rising, the last of them unique.
    """
    start = _read(after, len(order))
    if start is not None:
        rows = rows.filter(_beyond(order, start))
    found = list(rows.order_by(*order)[: size + 1])
    mark = signing.dumps([_value(found[size - 1], name) for name in order], salt=SALT) if len(found) > size else ""
    return Page(found[:size], mark, start is None)


def _beyond(order: Sequence[str], start: Sequence[Any]) -> Q:
    """(a, b) after (x, y): a no further back than x, which an index can use, and a beyond x or b beyond y."""
    name, value = order[0], start[0]
    column, step = name.lstrip("-"), "lt" if name.startswith("-") else "gt"
    if len(order) == 1:
        return Q((f"{column}__{step}", value))
    return Q((f"{column}__{step}e", value)) & (Q((f"{column}__{step}", value)) | _beyond(order[1:], start[1:]))


def _value(row: Any, name: str) -> Any:
    name = name.lstrip("-")
    value = row[name] if isinstance(row, dict) else getattr(row, name)
    return value.isoformat() if isinstance(value, dt.date) else value


def _read(mark: str, length: int) -> list[Any] | None:
    try:
        found = signing.loads(mark, salt=SALT) if mark else None
    except signing.BadSignature:
        return None
    return found if isinstance(found, list) and len(found) == length else None
