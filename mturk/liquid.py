"""Liquid in templates, as Ground Truth writes them: values are escaped, `task.input` holds the data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import orjson
from liquid import Environment, Mode
from liquid.exceptions import LiquidError
from liquid.template import BoundTemplate
from markupsafe import Markup

from core.errors import Invalid

#: A page is at most as long as a question; a template that multiplies itself is stopped.
LONGEST_OUTPUT = 1_000_000
#: JSON that can stand in an attribute of either quotes and in a script, and still is the same JSON.
INERT = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026", ord("'"): "\\u0027"}


class _Environment(Environment):
    loop_iteration_limit = 100_000
    output_stream_limit = LONGEST_OUTPUT
    context_depth_limit = 20


def to_json(value: Any) -> Markup:
    """
    >>> to_json(["it's", "<b>"])
    Markup('["it\\\\u0027s","\\\\u003cb\\\\u003e"]')
    """
    return Markup(orjson.dumps(value, default=str).decode().translate(INERT))  # noqa: S704  allow: nothing in it ends a tag or a quote


def skip_autoescape(value: Any) -> Markup:
    """What a template says is markup; it is shown in a frame that reaches nothing."""
    return Markup("" if value is None else str(value))  # noqa: S704  allow: the requester's own markup, for their frame


def grant_read_access(value: Any) -> str:
    """The address of an object in S3 as a page can load it; any other address as it is.

    >>> grant_read_access("s3://bucket/a folder/cat.png")
    'https://bucket.s3.amazonaws.com/a%20folder/cat.png'
    """
    text = "" if value is None else str(value)
    found = re.fullmatch(r"s3://([a-z0-9.-]+)/(.+)", text.strip())
    if found is None:
        return text
    return f"https://{found[1]}.s3.amazonaws.com/{quote(found[2])}"


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = _Environment(autoescape=True, tolerance=Mode.STRICT)
    environment.filters |= {
        "to_json": to_json,
        "skip_autoescape": skip_autoescape,
        "grant_read_access": grant_read_access,
        "s3_presign": grant_read_access,
    }
    return environment


@lru_cache(maxsize=256)
def _compiled(source: str) -> BoundTemplate:
    return _environment().from_string(source)


def render(source: str, data: Mapping[str, Any]) -> str:
    """The page of one row of data.

    Raises
    ------
    Invalid
        Saying under "template" what is wrong, and in which line.
    """
    try:
        return _compiled(source).render(task={"input": data}, event={"dataObject": data})
    except LiquidError as error:
        raise Invalid("The template cannot be rendered.", errors={"template": str(error)[:300]}) from None
    except RecursionError:
        raise Invalid("The template cannot be rendered.", errors={"template": "It is nested too deeply."}) from None


def check(source: str) -> None:
    """Raises `Invalid` as `render` does, without data."""
    try:
        _compiled(source)
    except LiquidError as error:
        raise Invalid("The template cannot be read.", errors={"template": str(error)[:300]}) from None
