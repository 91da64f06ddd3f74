"""How a reader wants the pages: their language, and, for a look, their direction."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from core.viewer import DIRECTION_COOKIE, YEAR, remember_language


@require_POST
def choose_language(request: HttpRequest) -> HttpResponse:
    """Kept in this browser; for mails, with the account as well."""
    language = request.POST.get("language", "")
    if language not in dict(settings.LANGUAGES):
        raise Http404
    response = _back(request)
    remember_language(response, language)
    if request.user.is_authenticated:
        get_user_model().objects.filter(pk=request.user.pk).update(language=language)
    return response


@require_POST
def choose_direction(request: HttpRequest) -> HttpResponse:
    """Turn every page round, or back."""
    response = _back(request)
    if request.POST.get("direction") == "rtl":
        response.set_cookie(DIRECTION_COOKIE, "rtl", max_age=YEAR, samesite="Lax")
    else:
        response.delete_cookie(DIRECTION_COOKIE, samesite="Lax")
    return response


def _back(request: HttpRequest) -> HttpResponse:
    """To the page that the reader came from, if it is one of ours."""
    wanted = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None, require_https=request.is_secure())
    return redirect(wanted if is_ours else "/")
