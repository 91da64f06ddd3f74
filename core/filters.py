"""Filters that a list remembers: one comes back to it as one left it, and its address always says what is shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase, HttpResponseRedirect

from core.viewer import YEAR

View = Callable[..., HttpResponseBase]
LONGEST = 500


def remembers(*names: str) -> Callable[[View], View]:
    """The filters `names` of a list, kept in a cookie of this very page.

    A request with any of them is remembered; one without a query is led to the filters of last time; a form that
    sends them all empty forgets them. A request with another query (a page, a search) is left as it is.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def remembering(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            cookie = f"filters_{view.__name__}"
            kept = request.COOKIES.get(cookie, "")
            last = _only(parse_qsl(kept), names)
            if request.method == "GET" and not request.GET and last:
                return HttpResponseRedirect(f"{request.path}?{urlencode(last)}")
            response = view(request, *args, **kwargs)
            if any(name in request.GET for name in names):
                chosen = urlencode(_only(_pairs(request.GET), names))[:LONGEST]
                if chosen:
                    response.set_cookie(cookie, chosen, max_age=YEAR, path=request.path, samesite="Lax", httponly=True)
                elif kept:
                    response.delete_cookie(cookie, path=request.path, samesite="Lax")
            return response

        return remembering

    return decorate


def _pairs(query: QueryDict) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, values in query.lists() for value in values]


def _only(pairs: list[tuple[str, str]], names: tuple[str, ...]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in pairs if name in names and value]
