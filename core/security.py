"""Headers that every response carries: what a page of ours may load, and what it may do.

The names follow Django 6 (`SECURE_CSP`, `csp_nonce`), which brings its own middleware for this.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.functional import SimpleLazyObject

NONCE = "<nonce>"  # stands in a policy for the nonce of the request
FRAMES = "<frames>"  # stands for the host on which pages of others are shown in frames
Policy = Mapping[str, Sequence[str]]


class SecurityHeadersMiddleware:
    """Content-Security-Policy with a fresh nonce, and Permissions-Policy.

    A nonce goes into the header only when the template asked for it. A view with another policy sets it by
    `csp_override`; a response that already has the header keeps it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        drawn: list[str] = []

        def draw() -> str:
            drawn.append(secrets.token_urlsafe(16))
            return drawn[0]

        request.csp_nonce = SimpleLazyObject(draw)  # type: ignore[attr-defined]
        response = self.get_response(request)
        policy = getattr(response, "csp_policy", settings.SECURE_CSP)
        if policy and "Content-Security-Policy" not in response:
            response["Content-Security-Policy"] = build_policy(policy, drawn[0] if drawn else None)
        response.setdefault("Permissions-Policy", settings.PERMISSIONS_POLICY)
        return response


def build_policy(policy: Policy, nonce: str | None) -> str:
    """The header's value; without a nonce its placeholder is left out."""
    parts = []
    for directive, sources in policy.items():
        stands_for = {NONCE: nonce and f"'nonce-{nonce}'", FRAMES: settings.FRAME_ORIGIN}
        named = [named for source in sources if (named := stands_for.get(source, source))]
        parts.append(" ".join([directive, *named]))
    return "; ".join(parts)


def csp_override(policy: Policy | None) -> Callable[[Callable], Callable]:
    """Give the responses of one view another policy; None for none at all."""

    def decorate(view: Callable) -> Callable:
        @wraps(view)
        def with_policy(*args: Any, **kwargs: Any) -> HttpResponse:
            response = view(*args, **kwargs)
            response.csp_policy = policy
            return response

        return with_policy

    return decorate


def csp(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `csp_nonce` for templates."""
    return {"csp_nonce": getattr(request, "csp_nonce", "")}
