"""The page inside a frame, from the HTML of a requester: what it loads leads to us, where it posts is ours.

Rewriting is for templates to work; what a page may reach, its Content-Security-Policy says, whatever is in it.
"""

from __future__ import annotations

import html as entities
import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import re2
from django.conf import settings
from django.templatetags.static import static
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from core.security import Policy
from mturk.frames import libraries
from mturk.frames.words import words

TAG = re2.compile(r"""<([A-Za-z][A-Za-z0-9-]*)((?:[^<>"']|"[^"]*"|'[^']*')*)>""")
ATTRIBUTE = re.compile(r"""([^\s"'>/=]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)""")
HEAD = re.compile(r"<head\b[^>]*>|<html\b[^>]*>|<!doctype[^>]*>", re.IGNORECASE)
AMAZON = re.compile(
    r"(?:https?:)?//(?:www|workersandbox)\.mturk\.com/+mturk/+externalSubmit|/{0,2}mturk/externalSubmit"
)
#: Marks of a page that hands in by itself.
HANDS_IN = re.compile(r"<form\b|<crowd-form\b|<crowd-entity-annotation\b", re.IGNORECASE)
#: Addresses that are media by where they stand, or by how they end.
SHOWN_BY = {"src", "poster", "image", "icon-url"}
ENDS_AS_MEDIA = re.compile(
    r"https?://[^\s\"'<>\\)]+\.(?:png|jpe?g|gif|webp|svg|mp3|wav|ogg|m4a|flac|mp4|webm)(?:\?[^\s\"'<>\\)]*)?",
    re.IGNORECASE,
)
NO_MEDIA = {"script", "iframe", "embed", "frame", "object"}
MOST_MEDIA = 200


def policy(submit: str) -> Policy:
    """What the page in a frame may do: nothing but run, show our media, and post to where answers go."""
    frames = settings.FRAME_ORIGIN
    return {
        "default-src": ["'none'"],
        "script-src": ["'unsafe-inline'", frames],
        "style-src": ["'unsafe-inline'", frames],
        "img-src": [frames, "data:", "blob:"],
        "media-src": [frames, "data:", "blob:"],
        "font-src": [frames, "data:"],
        "connect-src": ["'none'"],
        "form-action": [submit, f"{frames}/mturk/externalSubmit"],
        "frame-ancestors": [settings.SITE_URL, frames],
        "base-uri": ["'none'"],
        "object-src": ["'none'"],
        "sandbox": ["allow-scripts", "allow-forms"],
    }


def media_in(html: str) -> list[str]:
    """Addresses of pictures, sounds and films that the HTML names, each once."""
    found: dict[str, None] = {}
    for tag in TAG.finditer(html):
        if tag[1].lower() in NO_MEDIA:
            continue
        for name, _equals, raw in ATTRIBUTE.findall(tag[2]):
            value = _value(raw)
            if name.lower() in SHOWN_BY and value.startswith(("https://", "http://")):
                found[value] = None
            elif name.lower() in ("overlay", "initial-value"):
                found.update(dict.fromkeys(re.findall(r"https?://[^\s\"'<>\\]+", value)))
    found.update(dict.fromkeys(entities.unescape(address) for address in ENDS_AS_MEDIA.findall(html)))
    return list(found)[:MOST_MEDIA]


def _value(raw: str) -> str:
    return entities.unescape(raw[1:-1] if raw[:1] in "\"'" else raw).strip()


def build(html: str, *, media: Mapping[str, str], submit: str, about: Mapping[str, Any]) -> str:
    """The whole page. `media` maps addresses to ours; `about` is told to the frame's own script as JSON."""
    if not HANDS_IN.search(html):
        html = _wrapped(html, str(about["assignment"]))
    html = _rewritten(html, media, submit)
    language = get_language() or "en"
    head = (
        f'<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="stylesheet" href="{static("mturk/frame.css")}">'
        f"{data_block('frame-about', {**about, 'media': dict(media), 'submit': submit})}"
        f"{data_block('frame-words', words())}"
        f'<script src="{static("mturk/frame.js")}"></script>'
    )
    tags = list(HEAD.finditer(html))
    if not tags:
        title = f"<title>{entities.escape(str(about['title']))}</title>"
        start = f'<!DOCTYPE html><html lang="{language}"><head>{head}{title}</head>'
        return f"{start}<body>{html}</body></html>"
    last = max(match.end() for match in tags[:3])
    return html[:last] + head + html[last:]


def data_block(id: str, data: Any) -> str:
    """JSON in a page, such that nothing in it ends the script element."""
    text = orjson.dumps(data).decode().replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f'<script type="application/json" id="{id}">{text}</script>'


def marked(html: str) -> SafeString:
    """For our own templates: what `data_block` made."""
    return SafeString(html)  # allow: data_block escapes


def _wrapped(html: str, assignment: str) -> str:
    """A layout without a form, as Amazon's site wrapped it."""
    body = re.search(r"<body\b[^>]*>", html, re.IGNORECASE)
    end = re.search(r"</body\s*>", html, re.IGNORECASE)
    start = body.end() if body else 0
    stop = end.start() if end and end.start() >= start else len(html)
    form = (
        '<form name="mturk_form" id="mturk_form" method="post" action="/mturk/externalSubmit">'
        f'<input type="hidden" name="assignmentId" id="assignmentId" value="{entities.escape(assignment)}">'
        f"{html[start:stop]}"
        f'<p><input type="submit" id="submitButton" value="{entities.escape(_("Submit"))}"></p></form>'
    )
    return html[:start] + form + html[stop:]


def _rewritten(html: str, media: Mapping[str, str], submit: str) -> str:
    def tag(match: Any) -> str:
        name, attributes = match[1].lower(), match[2]
        handle: Callable[[str], str] | None = {"script": _library, "link": _library}.get(name)
        if handle is not None:
            return f"<{match[1]}{handle(attributes)}>"
        return f"<{match[1]}{_attributes(name, attributes, media, submit)}>"

    pieces, last = [], 0
    for match in TAG.finditer(html):
        pieces += [html[last : match.start()], tag(match)]
        last = match.end()
    return "".join([*pieces, html[last:]])


def _library(attributes: str) -> str:
    """Of a script or style sheet that we know: our own address, and no checksum of another file."""
    given = {name.lower(): _value(raw) for name, _equals, raw in ATTRIBUTE.findall(attributes)}
    address = given.get("src") or given.get("href") or ""
    ours = libraries.answered(address)
    if ours is None:
        return attributes
    kept = ATTRIBUTE.sub(
        lambda m: "" if m[1].lower() in ("integrity", "crossorigin", "src", "href", "type", "defer", "async") else m[0],
        attributes,
    ).rstrip("/ ")
    kept = re.sub(r"\b(defer|async|crossorigin)\b(?!\s*=)", "", kept)
    if "href" in given:
        return f'{kept} href="{ours}"'
    return f'{kept} src="{ours}"' + (' type="module"' if libraries.is_module(address) else "")


def _attributes(tag: str, attributes: str, media: Mapping[str, str], submit: str) -> str:
    def one(match: re.Match[str]) -> str:
        name, value = match[1].lower(), _value(match[3])
        if tag == "form" and name == "action" and AMAZON.fullmatch(value.partition("?")[0]):
            return f'{match[1]}="{entities.escape(submit)}"'
        if name in SHOWN_BY and tag not in NO_MEDIA and value in media:
            return f'{match[1]}="{entities.escape(media[value])}"'
        if name in ("overlay", "initial-value") and "://" in value:
            for address, ours in media.items():
                value = value.replace(address, ours)
            return f'{match[1]}="{entities.escape(value)}"'
        return match[0]

    return ATTRIBUTE.sub(one, attributes)
