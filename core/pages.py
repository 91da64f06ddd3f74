"""Refusals on pages: as JSON for the scripts of our own pages, as a message for the reader of a form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

from django.contrib import messages
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase

from core.api.problems import FAMILIES
from core.errors import DomainError

View = Callable[..., HttpResponseBase]


def refused(refusal: DomainError) -> JsonResponse:
    """A refusal for the script of a page, in the shape of the API's errors."""
    status = next(code for family, code in FAMILIES if isinstance(refusal, family))
    told = {"code": refusal.code, "title": refusal.message, "detail": refusal.message, "errors": refusal.errors}
    return JsonResponse(told, status=status)


def tell(request: HttpRequest, refusal: DomainError) -> None:
    """A refusal for people, above the page that comes next: what happened, then each field and its remedy."""
    named = [f"{name.replace('_', ' ').capitalize()}: {sentence}" for name, sentence in refusal.errors.items()]
    messages.error(request, " ".join([refusal.message, *named]))


#: Marks a message that can be undone; its form follows.
UNDO = "undo "


def undoable(request: HttpRequest, words: str, *, href: str, fields: Mapping[str, Any] | None = None) -> None:
    """Say what was done, with a button that undoes it: a POST of `fields` to `href`. Better than asking before."""
    messages.success(request, words, extra_tags=f"{UNDO}{href}?{urlencode(fields or {})}")


def undo_of(message: Message) -> dict[str, Any] | None:
    """The form of a message that can be undone: href and fields."""
    tags = message.extra_tags or ""
    if not tags.startswith(UNDO):
        return None
    href, _mark, query = tags.removeprefix(UNDO).partition("?")
    return {"href": href, "fields": parse_qsl(query)}
