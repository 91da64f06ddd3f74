"""JSON in and out. What comes in is bounded and storable, so that no endpoint has to think of it."""

from __future__ import annotations

from typing import Any

import orjson
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

DEEPEST = 20


class Parser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return read_json(stream.read())


class Renderer(JSONRenderer):
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else orjson.dumps(data)


def read_json(raw: bytes) -> Any:
    """JSON at most `DEEPEST` deep, without the NUL characters that no text column holds. Raises `ParseError`."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ParseError(f"No JSON: {error.msg}, character {error.pos + 1}.") from None
    # Counting is a bound from above that almost every body passes.
    if raw.count(b"{") + raw.count(b"[") > DEEPEST and _deeper_than(DEEPEST, value):
        raise ParseError(f"JSON nested more than {DEEPEST} deep.")
    if b"\\u0000" in raw and _has_nul(value):
        raise ParseError("A text holds a NUL character (\\u0000), which cannot be stored. Take it out.")
    return value


def _deeper_than(most: int, value: Any) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inner is not None and (most == 0 or any(_deeper_than(most - 1, one) for one in inner))


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(name) or _has_nul(one) for name, one in value.items())
    return isinstance(value, list) and any(map(_has_nul, value))
