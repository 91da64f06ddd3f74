"""Who comes in, and what each page asks of its reader."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from core.errors import DomainError
from core.pages import View, tell
from core.staff import may_enter


def for_staff(view: View) -> View:
    """A page that only staff know of, behind the second factor where the site asks for one."""

    @wraps(view)
    @login_required
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_staff:
            raise Http404
        if not may_enter(request.user):
            messages.warning(request, _("Staff sign in with a second factor here. Set one up, then go on."))
            return redirect("mfa_index")
        return view(request, *args, **kwargs)

    return checked


def done(
    request: HttpRequest, do: Callable[[], Any], words: str | Callable[[], str], to: str, *args: Any
) -> HttpResponseRedirect:
    """Do what a form asks and lead on: what was done, or why not, stands above the next page."""
    try:
        do()
    except DomainError as refusal:
        tell(request, refusal)
    else:
        messages.success(request, words() if callable(words) else words)
    return redirect(to, *args)


def reason_in(request: HttpRequest) -> str:
    return request.POST.get("reason", "").strip()
