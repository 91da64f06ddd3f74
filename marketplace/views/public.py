"""The first page with its two doors, and the way through them."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from core import money
from core.preferences import preference
from lifecycle.enrol import enrol
from marketplace.models import Batch, Participation

ROLES = {"worker": "find_work", "requester": "studio"}


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    figures = {
        "floor": money.parse(preference("HOURLY_FLOOR")),
        "fee_share": preference("FEE_BASIS_POINTS") / 10_000,
        "currency": settings.LEDGER_CURRENCY,
        "open_batches": Batch.objects.filter(
            state=Batch.State.OPEN, project__trial_of=None, hidden_by__isnull=True
        ).count(),
    }
    return render(request, "public/home.html", figures)


@require_safe
def enter(request: HttpRequest, role: str) -> HttpResponse:
    """Through a door: to the work or the studio. A stranger signs up first, and the form knows the door."""
    if role not in ROLES:
        raise Http404
    if not request.user.is_authenticated:
        return redirect(f"{reverse('account_signup')}?role={role}")
    if not _is(request, role):
        return render(request, "public/start.html", {"role": role})
    return redirect(ROLES[role])


@require_safe
@login_required
def enter_any(request: HttpRequest) -> HttpResponse:
    """Where signing in leads: to the work, the studio, or the administration."""
    if _is(request, "requester") and not _works(request):
        return redirect("studio")
    for role, name in ROLES.items():
        if _is(request, role):
            return redirect(name)
    return redirect("admin:index" if request.user.is_staff else "home")  # type: ignore[union-attr]


@require_POST
@login_required
def start(request: HttpRequest, role: str) -> HttpResponse:
    """Become a worker, or the owner of an organisation."""
    if role not in ROLES:
        raise Http404
    enrol(user=request.user, role=role, organisation=request.POST.get("name", "")[:120])  # type: ignore[arg-type]
    return redirect(ROLES[role])


def _works(request: HttpRequest) -> bool:
    """Whether somebody has taken work of others; trying one's own makes nobody a worker who looks for some."""
    taken = Participation.objects.filter(worker__user=request.user, batch__project__trial_of=None)  # type: ignore[misc]
    return taken.exists()


def _is(request: HttpRequest, role: str) -> bool:
    user = request.user
    return hasattr(user, "worker") if role == "worker" else user.memberships.exists()  # type: ignore[union-attr]
