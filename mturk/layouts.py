"""Layouts: a page with placeholders, and the values of one HIT put into it.

`${name}` stands for a value as it is, markup and all, as on Amazon's requester site. A page in Liquid finds the same
values as `task.input.name` (a dotted name or JSON makes objects of them), escaped unless it says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson

from core.errors import Invalid
from mturk import liquid

PLACEHOLDER = re.compile(r"\$\{\s*([^{}\s]{1,200})\s*\}")
INPUT = re.compile(r"\btask\.input\.([A-Za-z_][\w-]*)")


def names_in(source: str) -> list[str]:
    """The placeholders of a page, each once, in order: those of `${...}`, then those of `task.input`."""
    return list(dict.fromkeys(PLACEHOLDER.findall(source) or INPUT.findall(source)))


def fill(source: str, values: Mapping[str, str]) -> str:
    """The page with the values in it.

    Raises
    ------
    Invalid
        `errors` by the name that has no value, or that the page does not know; or of the Liquid in it.
    """
    plain = set(PLACEHOLDER.findall(source))
    wanted = set(names_in(source))
    given = {name.partition(".")[0] if name not in plain else name for name in values}
    errors = dict.fromkeys(sorted(wanted - given), "The layout has no value for this placeholder.")
    errors |= dict.fromkeys(sorted(given - wanted), "The layout has no such placeholder.")
    if errors:
        raise Invalid("The values do not fit the layout.", code="layout_values", errors=errors)
    filled = PLACEHOLDER.sub(lambda match: values[match[1]], source)
    # What a value holds is no template, whatever it looks like.
    return filled if plain or not INPUT.search(source) else liquid.render(source, _nested(values))


def _nested(values: Mapping[str, str]) -> dict[str, Any]:
    """
    >>> _nested({"original.text": "a", "labels": '["x"]'})
    {'original': {'text': 'a'}, 'labels': ['x']}
    """
    data: dict[str, Any] = {}
    for name, value in values.items():
        *path, last = name.split(".")
        into = data
        for step in path:
            into = into.setdefault(step, {})
        into[last] = _read(value)
    return data


def _read(value: str) -> Any:
    if value[:1] in ("{", "["):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            pass
    return value
