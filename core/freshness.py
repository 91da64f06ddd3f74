"""Figures that many readers ask for again and again, computed at a bounded share of the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from django.core.cache import cache

Value = TypeVar("Value")

#: A figure that took a second is computed again after twenty: at most a twentieth of a process goes into it.
PATIENCE = 20


def fresh(key: str, compute: Callable[[], Value], *, least: float = 1.5) -> Value:
    """`compute()`, or what it gave less than `least` seconds ago (longer, the longer it takes)."""
    found = cache.get(key)
    if found is not None:
        return found[0]
    began = time.monotonic()
    value = compute()
    cache.set(key, (value,), max(least, PATIENCE * (time.monotonic() - began)))
    return value
