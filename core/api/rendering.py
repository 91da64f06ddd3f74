"""JSON in and out."""

from __future__ import annotations

from typing import Any

import orjson
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from core.storable import why_not_storable


class Parser(BaseParser):
    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return read_json(stream.read())


class Renderer(JSONRenderer):
    charset = None

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        return b"" if data is None else orjson.dumps(data)


def read_json(raw: bytes) -> Any:
    """JSON that can be stored. Raises `ParseError`."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ParseError(f"No JSON: {error.msg}, character {error.pos + 1}.") from None
    if why := why_not_storable(raw.decode(), value):
        raise ParseError(why)
    return value
