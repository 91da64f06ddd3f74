"""JSON that comes in, bounded so that it can be stored, read again and written out: no endpoint has to think of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

DEEPEST = 20
#: Whole numbers from here on come back from a jsonb column as integers that no JSON writer of 64 bits takes.
TOO_LARGE = 2**63
_MAY_BE_LARGE = re.compile(r"\d{19}|\d[eE]")


def why_not_storable(text: str, value: Any) -> str | None:
    """What keeps `value`, read from the JSON `text`, from being stored; None if nothing does.

    The text is searched first, as a bound from above that almost every value passes.
    """
    if text.count("{") + text.count("[") > DEEPEST and _deeper_than(DEEPEST, value):
        return f"Nested more than {DEEPEST} deep."
    if "\\u0000" in text and _holds(value, lambda one: isinstance(one, str) and "\0" in one):
        return "Holds a NUL character (\\u0000), which cannot be stored. Take it out."
    if _MAY_BE_LARGE.search(text) and _holds(value, _is_too_large):
        return f"Holds a number of {TOO_LARGE} or more, which cannot be stored. Write it as text, in quotes."
    return None


def _is_too_large(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) >= TOO_LARGE


def _deeper_than(most: int, value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inner is not None and (most == 0 or any(_deeper_than(most - 1, one) for one in inner))


def _holds(value: Any, is_bad: Callable[[Any], bool]) -> bool:
    if isinstance(value, dict):
        return any(is_bad(name) or _holds(one, is_bad) for name, one in value.items())
    return any(_holds(one, is_bad) for one in value) if isinstance(value, list) else is_bad(value)
