"""Libraries that templates load from addresses which everybody knows: here they come from packages, or are ours."""

from __future__ import annotations

import re

from django.templatetags.static import static

JQUERY, BOOTSTRAP_CSS, BOOTSTRAP_JS = (
    "rest_framework/js/jquery-3.7.1.min.js",
    "rest_framework/css/bootstrap.min.css",
    "rest_framework/js/bootstrap.min.js",
)
CROWD = "mturk/crowd/elements.js"
CDN = (
    r"(?:https?:)?//(?:[\w.-]+\.)?(?:jquery\.com|googleapis\.com|aspnetcdn\.com|jsdelivr\.net|unpkg\.com|cloudflare\.com"
    r"|bootstrapcdn\.com|fontawesome\.com|amazonaws\.com/mturk-public|mturk-public\.s3\.amazonaws\.com)/"
)
#: The address as a template writes it, and what is served in its place.
KNOWN: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"(?:https?:)?//assets\.crowd\.aws/crowd-html-elements[\w.-]*\.js"), CROWD),
    (re.compile(r"(?:https?:)?//[^\s\"']*/externalHIT_v1\.js"), "mturk/externalHIT_v1.js"),
    (re.compile(CDN + r"[^\s\"'?]*bootstrap[\w.-]*\.css"), BOOTSTRAP_CSS),
    (re.compile(CDN + r"[^\s\"'?]*bootstrap[\w.-]*\.js"), BOOTSTRAP_JS),
    (re.compile(CDN + r"[^\s\"'?]*font-?awesome[\w./-]*\.css"), "rest_framework/css/font-awesome-4.0.3.css"),
    (re.compile(CDN + r"[^\s\"'?]*jquery(?:-\d[\w.]*|\.min|\.slim|[\w.]*)*\.js"), JQUERY),
]


def answered(address: str) -> str | None:
    """Our own address, from the root of the frame host, for a library that we know."""
    for pattern, path in KNOWN:
        if pattern.match(address.strip()):
            return static(path)
    return None


def is_module(address: str) -> bool:
    return "crowd-html-elements" in address
