"""Failpoints of the web process, for drills only: a request may ask it to die before or after its work."""

import os
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


class DieOnRequest:
    """`X-Die: before` ends the process before the view, `after` when all is committed and nothing was answered yet."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        point = request.headers.get("X-Die")
        if point == "before":
            os._exit(9)
        response = self.get_response(request)
        if point == "after":
            os._exit(9)
        return response
