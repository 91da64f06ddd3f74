"""The first page with its two doors, and the way through them."""

from __future__ import annotations

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    floor = getattr(settings, "HOURLY_FLOOR", "8.00")
    return render(request, "public/home.html", {"floor": floor})


@require_safe
def enter(request: HttpRequest, role: str) -> HttpResponse:
    """Through a door: to the work or the studio; a stranger signs up first, and the form knows the door."""
    if role not in {"worker", "requester"}:
        raise Http404
    if not request.user.is_authenticated:
        return redirect(f"{reverse('account_signup')}?role={role}")
    return redirect("/work/" if role == "worker" else "/studio/")
