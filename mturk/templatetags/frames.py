"""Content of a QuestionForm, drawn."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django import template
from django.utils.html import format_html, format_html_join, linebreaks, strip_tags
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from mturk.form import Content
from mturk.formatted import shown

register = template.Library()


@register.simple_tag
def show_content(piece: Content, media: Mapping[str, str]) -> SafeString:
    """One piece; pictures, sounds and films from our own storage."""
    if piece.kind == "title":
        return format_html("<h2>{}</h2>", piece.text)
    if piece.kind == "text":
        return SafeString(linebreaks(piece.text, autoescape=True))  # allow: linebreaks escapes
    if piece.kind == "list":
        return format_html("<ul>{}</ul>", format_html_join("", "<li>{}</li>", ((item,) for item in piece.items)))
    if piece.kind == "formatted":
        return _with_media(shown(piece.text), media)
    if piece.kind == "application":
        return format_html('<p class="hint">{}</p>', _("This part needs a program that browsers no longer run."))
    return _medium(piece, media.get(piece.url))


def _medium(piece: Content, address: str | None) -> SafeString:
    if address is None:
        return format_html('<p class="hint">{}</p>', piece.text or _("The media cannot be shown."))
    if piece.mime == "audio":
        return format_html('<audio controls preload="auto" src="{}" aria-label="{}"></audio>', address, piece.text)
    if piece.mime == "video":
        return format_html('<video controls preload="auto" src="{}" aria-label="{}"></video>', address, piece.text)
    size = format_html_join(
        "", ' {}="{}"', [(k, v) for k, v in (("width", piece.width), ("height", piece.height)) if v.isdecimal()]
    )
    return format_html('<img src="{}" alt="{}"{}>', address, piece.text, size)


def _with_media(html: SafeString, media: Mapping[str, str]) -> SafeString:
    """nh3 writes every attribute in double quotes, so an address is found as it stands."""
    return SafeString(  # allow: only addresses of ours are put in
        re.sub(
            r'(<img\b[^>]*?\ssrc=")([^"]*)(")', lambda m: m[1] + media.get(m[2].replace("&amp;", "&"), "") + m[3], html
        )
    )


@register.simple_tag
def plain_content(piece: Content) -> str:
    """For where no markup can stand."""
    return " ".join(strip_tags(piece.text).split())
