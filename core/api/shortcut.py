"""The API answers before sessions, CSRF tokens and messages are looked at: it uses none of them; no cookie counts."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.urls import resolve

PREFIX = "/api/v1/"


class ApiMiddleware:
    """Stands before the middleware of pages and calls the endpoint itself. Endpoints raise nothing (problems.py)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(PREFIX):
            return self.get_response(request)
        match = request.resolver_match = resolve(request.path_info)
        response = match.func(request, *match.args, **match.kwargs)
        return response.render() if getattr(response, "is_rendered", True) is False else response
