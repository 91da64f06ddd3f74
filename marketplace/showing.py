"""One HIT as a worker is shown it: the rendered item and its questions. The same code for every HIT there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from marketplace.schema import Schema
from marketplace.selectors import Design
from marketplace.services.accepting import Place
from marketplace.services.media import stored_media
from marketplace.templating import Stored, compile_template, shown
from marketplace.widgets import ADDRESSES, Widget, widgets_of


@dataclass(frozen=True)
class Frame:
    """A place that is shown in a frame of its own. Without an address: the site has no host for frames.

    `nonce` tells messages of this frame from those of others, `height` is in pixels (0 fits the window), `host` is
    whose page it is where it is not shown by us.
    """

    address: str = ""
    nonce: str = ""
    height: int = 0
    host: str = ""


#: Asked in turn whether a place has a frame. Apps that stand above add theirs when they are loaded.
FRAMES: list[Callable[[HttpRequest, Place], Frame | None]] = []


def frame_of(request: HttpRequest, place: Place) -> Frame | None:
    return next((frame for ask in FRAMES if (frame := ask(request, place)) is not None), None)


@dataclass(frozen=True)
class Shown:
    content: SafeString
    widgets: list[Widget]


def show_item(
    design: Design,
    data: Mapping[str, Any],
    requester_id: int,
    answers: Mapping[str, Any] | None = None,
    samples: Mapping[str, str] | None = None,
) -> Shown:
    """What stands on the work page for one row of data; `answers` are those given before, `samples` stand in for
    media that is not fetched yet, by address."""
    template = compile_template(design.template)
    addresses = [data.get(column) for column in template.media_columns] + _paired(design.schema, data)
    files = stored_media(requester_id=requester_id, values=addresses)
    files = {address: Stored(sample) for address, sample in (samples or {}).items()} | files
    content = template.render(data, files.get) if design.template.strip() else _as_facts(design.schema, data)
    return Shown(content, widgets_of(design.schema, data, files.get, answers))


def _paired(schema: Schema, data: Mapping[str, Any]) -> list[Any]:
    """The cells of pairwise questions, which may be addresses of media too."""
    cells: list[Any] = []
    for question in schema:
        if question.kind == "pairwise":
            items = data.get(question.part_column) if question.part_column else [data]
            for item in items if isinstance(items, list) else []:
                if isinstance(item, Mapping):
                    cells += [item.get(question.left), item.get(question.right)]
    return [cell for cell in cells if isinstance(cell, str) and cell.startswith(ADDRESSES)]


def _as_facts(schema: Schema, data: Mapping[str, Any]) -> SafeString:
    """A project without a template shows its columns as they are, but for those that a question shows itself."""
    taken = {column for question in schema if question.kind == "pairwise" for column in (question.left, question.right)}
    rows = [(name, SafeString(shown(value))) for name, value in data.items() if name not in taken]  # allow: escaped
    if not rows:
        return SafeString("")
    return format_html('<dl class="facts start">{}</dl>', format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows))
