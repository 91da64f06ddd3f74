"""What the site goes by: every setting with its meaning and where it comes from; a few that staff may change."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.models import Preference
from core.preferences import CHANGEABLE, change_preference, preference, source_of
from staff.doors import done, for_staff, reason_in
from staff.explanations import SETTINGS


def standing_settings() -> list[dict[str, Any]]:
    """Those that the environment decides, as they are; secrets say only whether they are set."""
    return [
        {
            "name": name,
            "meaning": meaning,
            "value": (_("set") if value else _("not set")) if is_secret else _written(value),
            "source": "environment" if settings.ENV.str(name, "") else "default",
        }
        for name, meaning, is_secret in SETTINGS
        for value in [getattr(settings, name, "")]
    ]


def _written(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


@require_safe
@for_staff
def staff_settings(request: HttpRequest) -> HttpResponse:
    stored = {row.name: row for row in Preference.objects.select_related("changed_by")}
    changeable = [
        {
            "name": name,
            "kind": kind,
            "value": str(preference(name)),
            "standing": getattr(settings, name),
            "source": source_of(name),
            "stored": stored.get(name),
        }
        for name, kind in CHANGEABLE.items()
    ]
    return render(request, "staff/settings.html", {"changeable": changeable, "standing": standing_settings()})


@require_POST
@for_staff
def staff_setting_change(request: HttpRequest, name: str) -> HttpResponse:
    if name not in CHANGEABLE:
        raise Http404
    value = None if "forget" in request.POST else request.POST.get("value", "")
    return done(
        request,
        lambda: change_preference(name=name, value=value, by=request.user, reason=reason_in(request)),
        _("Changed. All of the site goes by it within seconds."),
        "staff_settings",
    )
