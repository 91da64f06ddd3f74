"""What a worker is shown of an item: Markdown with placeholders, rendered to HTML that holds nothing of others' hosts.

`{{column}}` shows a value as text, escaped and never read as Markdown. `{{image column}}`, `{{audio column}}` and
`{{video column}}` show the media whose address stands in the column; `{{link column}}` is a link to it. After a bar
comes what a screen reader says: `{{image photo | A bird on a branch}}`. A column whose own name begins with one of
these words is shown by `{{text image 1}}`. HTML in the Markdown is shown as text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from html import escape
from typing import Any

import nh3
import orjson
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt

from core.errors import Invalid

MEDIA_KINDS = ("image", "audio", "video")
KINDS = ("text", "link", *MEDIA_KINDS)
LONGEST = 100_000
MOST_PLACEHOLDERS = 200

PLACEHOLDER = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
IMAGE_TAG = re.compile(r'<img\b[^>]*?\ssrc="([^"]*)"[^>]*>')
TAGS = {
    *("p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "em", "strong", "s", "code", "pre", "blockquote"),
    *("ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td", "a", "img"),
}
ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "ol": {"start"}}


@dataclass(frozen=True)
class Stored:
    """A file in our own storage: its address and, of a picture, its size in points where that is known."""

    address: str
    width: int | None = None
    height: int | None = None


#: The stored file that a value of a media column names, or None while there is none.
FindMedia = Callable[[str], Stored | None]


@dataclass(frozen=True)
class Placeholder:
    kind: str
    column: str
    words: str = ""

    def render(self, value: Any, find: FindMedia) -> str:
        if self.kind == "text":
            return shown(value)
        if self.kind == "link":
            return link(str(value), self.words)
        stored = find(str(value))
        if stored is None:
            return f'<span class="media-missing">{escape(self.words or self.column)}</span>'
        words, source = escape(self.words or self.column), escape(stored.address)
        if self.kind == "image":
            shape = f' width="{stored.width}" height="{stored.height}"' if stored.width and stored.height else ""
            return f'<img class="media" src="{source}"{shape} alt="{words}">'
        return f'<{self.kind} class="media" src="{source}" aria-label="{words}" controls preload="auto"></{self.kind}>'


@dataclass(frozen=True)
class Template:
    """A template that was read. `pieces` is HTML and placeholders in turn, beginning and ending with HTML."""

    pieces: tuple[str | Placeholder, ...]

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        return tuple(piece for piece in self.pieces if isinstance(piece, Placeholder))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns shown, each once, in order."""
        return tuple(dict.fromkeys(placeholder.column for placeholder in self.placeholders))

    @cached_property
    def media_columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(p.column for p in self.placeholders if p.kind in MEDIA_KINDS))

    def check(self, columns: Collection[str], *, field: str = "template") -> None:
        """Raise Invalid if a placeholder names no column of the data."""
        unknown = [column for column in self.columns if column not in columns]
        if unknown:
            there = ", ".join(sorted(columns)[:50]) or "none"
            raise Invalid(
                "The template shows a column that the data does not have.",
                code="unknown_column",
                errors={field: f'There is no column "{unknown[0]}". The columns are: {there}.'},
            )

    def render(self, data: Mapping[str, Any], find: FindMedia) -> SafeString:
        """HTML of one item. Raises Invalid as `check` does."""
        self.check(data.keys())
        rendered = (
            piece if isinstance(piece, str) else piece.render(data[piece.column], find) for piece in self.pieces
        )
        return SafeString("".join(rendered))  # allow: the pieces went through nh3, the values through escape


@lru_cache(maxsize=512)
def compile_template(source: str) -> Template:
    """Read a template, once a process.

    Raises
    ------
    Invalid
        Saying under "template" what would be right.
    """
    if len(source) > LONGEST:
        raise wrong(f"At most {LONGEST} characters.")
    if "\x00" in source:
        raise wrong("Holds a NUL character. Take it out.")
    placeholders: list[Placeholder] = []

    def remember(match: re.Match[str]) -> str:
        placeholders.append(read_placeholder(match[1]))
        return mark(len(placeholders) - 1)

    marked = PLACEHOLDER.sub(remember, re.sub("[\ue000\ue001]", "", source))
    if "{{" in marked:
        raise wrong("A placeholder is opened and not closed. Write {{column}}.")
    if len(placeholders) > MOST_PLACEHOLDERS:
        raise wrong(f"At most {MOST_PLACEHOLDERS} placeholders.")
    html = to_html(marked)
    parts = re.split("\ue000(\\d+)\ue001", html)
    if sorted(int(index) for index in parts[1::2]) != list(range(len(placeholders))) or inside_tag(parts[::2]):
        raise wrong(
            "A placeholder stands inside a link or an image. Write {{link column}} or {{image column}} instead."
        )
    return Template(tuple(placeholders[int(part)] if index % 2 else part for index, part in enumerate(parts)))


def render_markdown(source: str) -> SafeString:
    """Markdown without placeholders, such as instructions, as safe HTML. Raises Invalid as `compile_template` does."""
    if len(source) > LONGEST:
        raise wrong(f"At most {LONGEST} characters.")
    return SafeString(to_html(source))  # allow: went through nh3


def to_html(markdown: str) -> str:
    html = nh3.clean(
        PARSER.render(markdown),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    for source in IMAGE_TAG.findall(html):
        if not source.startswith("/media/"):
            raise wrong(f"The picture {source[:200]} lies elsewhere. Upload it and use its /media/ address.")
    return html


PARSER = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])


def mark(index: int) -> str:
    """Stands for a placeholder while Markdown is read: characters of private use, which nothing else has."""
    return f"\ue000{index}\ue001"


def inside_tag(pieces: list[str]) -> bool:
    """Whether a cut between the pieces lies within a tag: nh3 escapes every other < and >."""
    return any(piece.rfind("<") > piece.rfind(">") for piece in pieces[:-1])


def read_placeholder(inside: str) -> Placeholder:
    name, _, words = (part.strip() for part in inside.partition("|"))
    first, _, rest = name.partition(" ")
    kind, column = (first, rest.strip()) if first in KINDS and rest.strip() else ("text", name)
    if not column or "{" in column or "\n" in column:
        raise wrong("An empty or broken placeholder. Write {{column}}, or {{image column}} for a picture.")
    return Placeholder(kind, column, words)


def shown(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return escape(text).replace("\r\n", "\n").replace("\n", "<br>")


def link(address: str, words: str) -> str:
    if not address.startswith(("https://", "http://")):
        return shown(address)
    text = escape(words or address)
    return f'<a href="{escape(address)}" rel="noopener noreferrer nofollow" target="_blank">{text}</a>'


def wrong(sentence: str) -> Invalid:
    return Invalid("The template has an error.", errors={"template": sentence})
