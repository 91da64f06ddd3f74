"""Figures that many readers ask for again and again, computed at a bounded share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from django.core.cache import cache

Value = TypeVar("Value")
Row = TypeVar("Row")

#: A figure that took a second is computed again after twenty: at most a twentieth of a process goes into it.
PATIENCE = 20


def fresh(key: str, compute: Callable[[], Value], *, least: float = 1.5) -> Value:
    """`compute()`, or what it gave less than `least` seconds ago (longer, the longer it takes)."""
    return fresh_many({None: key}, lambda _: {None: compute()}, least=least)[None]


def fresh_many(
    keys: Mapping[Row, str], compute: Callable[[Collection[Row]], Mapping[Row, Value]], *, least: float = 1.5
) -> dict[Row, Value]:
    """The same for many rows, `keys` by row: `compute` gets those whose figure is not there, all at once."""
    found = cache.get_many(keys.values())
    values: dict[Row, Value] = {row: found[key][0] for row, key in keys.items() if key in found}
    missing = [row for row in keys if row not in values]
    if missing:
        began = time.monotonic()
        values |= compute(missing)
        seconds = time.monotonic() - began
        cache.set_many({keys[row]: (values[row],) for row in missing}, max(least, PATIENCE * seconds))
    return values
