"""Names of this server: the site's own, that of frames, and the two under which Amazon's tools look for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import set_urlconf


class HostsMiddleware:
    """Each name serves only its own URLs. Before everything that looks at cookies: frames have none."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        host = request.META.get("HTTP_HOST", "").lower()
        if settings.FRAME_ORIGIN and host == urlsplit(settings.FRAME_ORIGIN).netloc.lower():
            request.urlconf = "mturk.frames.urls"  # type: ignore[attr-defined]
            request.COOKIES = {}
        elif host.partition(":")[0] in settings.AMAZON_HOSTS or _is_signed_root(request):
            request.urlconf = "mturk.amazon"  # type: ignore[attr-defined]
            request.COOKIES = {}
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> None:
        """Whatever name was asked, addresses that services write are of the site's own."""
        set_urlconf(None)

    def process_exception(self, request: HttpRequest, exception: Exception) -> None:
        """Errors are told as the name tells them."""
        set_urlconf(getattr(request, "urlconf", None))


def _is_signed_root(request: HttpRequest) -> bool:
    """From a client that was given our name as endpoint, without the path behind it."""
    return request.method == "POST" and request.path == "/" and "X-Amz-Target" in request.headers


def is_same_site(one: str, other: str) -> bool:
    """Whether two addresses may share cookies. Without a list of public suffixes, two names with the same last two
    parts count as one site, which is too much rather than too little."""
    first, second = (urlsplit(url).hostname or "" for url in (one, other))
    if first == second:
        return True
    if any(name.replace(".", "").isdigit() or ":" in name for name in (first, second)):
        return False  # addresses have no subdomains
    return first.split(".")[-2:] == second.split(".")[-2:] and "." in first
