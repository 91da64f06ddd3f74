"""Where and how somebody reads: the zone, the language and the direction of the page, kept in cookies of the browser.

A browser tells its zone by the cookie that ui.js sets, so times on pages are those on the reader's wall. The language
is Django's own affair (`LocaleMiddleware`: the cookie, else what the browser asks for).
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone, translation

from core.zones import zone_of

ZONE_COOKIE = "zone"
#: "rtl" turns every page round, to look at it as readers of Arabic or Hebrew would; the style guide has the switch.
DIRECTION_COOKIE = "direction"
YEAR = 365 * 24 * 3600


class ViewerMiddleware:
    """Times are written in the zone of the browser; UTC until it has told one. The language that `LocaleMiddleware`,
    inside of this, chooses ends with the request: a program's next call in this thread is answered in English."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            with timezone.override(zone_of(zone_name(request))):
                return self.get_response(request)
        finally:
            translation.deactivate()


def zone_name(request: HttpRequest) -> str:
    """What the browser says; "UTC" when it says nothing."""
    return unquote(request.COOKIES.get(ZONE_COOKIE, ""))[:60] or "UTC"


def remember_language(response: HttpResponse, language: str) -> None:
    """The cookie that `LocaleMiddleware` reads."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=YEAR,
        samesite="Lax",
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=True,
    )
