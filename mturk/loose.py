"""JSON as people write it into attributes: single quotes, bare keys, commas at the end (as crowd/base.js reads it)."""

from __future__ import annotations

from typing import Any

import orjson
import re2

#: One token: a string of either quotes, a sign, or a bare word.
TOKEN = re2.compile(r"""\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[\[\]{}:,]|[\w$.+-]+)""")
WORDS = {"true": True, "false": False, "null": None}
DEEPEST = 50


def loose(text: str) -> Any:
    """The value; None for what is none.

    >>> loose("['Cat', 'Dog',]"), loose("{ text: 'None' }"), loose("cat")
    (['Cat', 'Dog'], {'text': 'None'}, 'cat')
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    tokens, at = [], 0
    stripped = text.strip()
    while at < len(stripped):
        found = TOKEN.match(stripped, at)
        if found is None:
            return None
        tokens.append(found[1])
        at = found.end()
    try:
        value, end = _value(tokens, 0, 0)
    except (IndexError, ValueError):
        return None
    return value if end == len(tokens) else None


def _value(tokens: list[str], at: int, depth: int) -> tuple[Any, int]:
    if depth > DEEPEST:
        raise ValueError
    token = tokens[at]
    if token == "[":  # noqa: S105
        items, at = [], at + 1
        while tokens[at] != "]":
            if tokens[at] == ",":
                at += 1
                continue
            item, at = _value(tokens, at, depth + 1)
            items.append(item)
        return items, at + 1
    if token == "{":  # noqa: S105
        members, at = {}, at + 1
        while tokens[at] != "}":
            if tokens[at] == ",":
                at += 1
                continue
            key = _text(tokens[at])
            if tokens[at + 1] != ":":
                raise ValueError
            members[key], at = _value(tokens, at + 2, depth + 1)
        return members, at + 1
    if token in tuple(":,]}"):
        raise ValueError
    if token[0] in "\"'":
        return _text(token), at + 1
    if token in WORDS:
        return WORDS[token], at + 1
    try:
        return (int(token) if token.lstrip("+-").isdigit() else float(token)), at + 1
    except ValueError:
        return token, at + 1


def _text(token: str) -> str:
    if token[0] not in "\"'":
        return token
    inside = token[1:-1]
    try:
        return str(orjson.loads('"' + inside.replace("\\'", "'").replace('\\"', '"').replace('"', '\\"') + '"'))
    except orjson.JSONDecodeError:
        return inside
