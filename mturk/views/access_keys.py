"""Keys with which an organisation's programs sign: made, told once, replaced, revoked."""

from __future__ import annotations

from datetime import timedelta

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from core.errors import DomainError
from core.pages import tell
from marketplace.models import Membership, Requester
from marketplace.selectors import requesters_of
from marketplace.views.requester import for_requesters, need_manager
from mturk.models import AccessKey
from mturk.services import keys
from mturk.services.layouts import layouts_of
from mturk.services.sandbox import is_sandbox, sandbox_for, sandbox_of
from mturk.services.sandbox_clock import move_clock

PAGE = 25
UNITS = {"days": gettext_lazy("days"), "hours": gettext_lazy("hours"), "minutes": gettext_lazy("minutes")}


def _mine(request: HttpRequest) -> list[int]:
    """Organisations, and sandboxes, whose keys this user looks after."""
    return list(requesters_of(request.user, Membership.Role.MANAGER).values_list("pk", flat=True))


@require_safe
@for_requesters
def access_keys(request: HttpRequest, requester: Requester) -> HttpResponse:
    need_manager(request, requester)
    return _page(request, requester)


def _page(request: HttpRequest, requester: Requester, made: AccessKey | None = None, secret: str = "") -> HttpResponse:
    mine = _mine(request)
    found = AccessKey.objects.filter(requester__in=mine, revoked_at=None)
    context = {
        "requester": requester,
        "is_sandbox": is_sandbox(requester),
        "keys": Paginator(found.select_related("requester", "made_by").order_by("-pk"), PAGE).get_page(
            request.GET.get("page")
        ),
        "made": made,
        "secret": secret,
        "endpoint": request.build_absolute_uri("/mturk/"),
        "most": keys.MOST_KEYS,
        "layouts": layouts_of(mine),
        "sandbox": sandbox_of(request.user),  # type: ignore[arg-type]
        "units": UNITS.items(),
    }
    response = render(request, "mturk/access_keys.html", context)
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@for_requesters
def access_key_new(request: HttpRequest, requester: Requester) -> HttpResponse:
    """The secret is in this one response and nowhere else."""
    need_manager(request, requester)
    name = request.POST.get("name", "").strip()
    if not name:
        messages.error(request, _("Say what the key is for, so that you know later which one to revoke."))
        return redirect("access_keys")
    try:
        if request.POST.get("world") == Requester.World.SANDBOX:
            requester = sandbox_for(user=request.user)  # type: ignore[arg-type]
        key, secret = keys.create_access_key(
            requester=requester,
            by=request.user,  # type: ignore[arg-type]
            name=name,
        )
    except DomainError as refusal:
        tell(request, refusal)
        return redirect("access_keys")
    return _page(request, requester, made=key, secret=secret)


@require_POST
@for_requesters
def sandbox_clock(request: HttpRequest, requester: Requester) -> HttpResponse:
    """Move the business clock of one's sandbox forward."""
    sandbox = sandbox_of(request.user)  # type: ignore[arg-type]
    if sandbox is None:
        raise Http404
    amount, unit = request.POST.get("forward", ""), request.POST.get("unit", "")
    is_told = amount.isascii() and amount.isdecimal() and len(amount) < 6 and unit in UNITS
    try:
        forward = timedelta(**{unit: int(amount)}) if is_told else timedelta()
        move_clock(requester=sandbox, forward=forward, by=request.user)  # type: ignore[arg-type]
    except DomainError:
        messages.error(request, _("Say how far: a whole number, forward only, a year at once."))
    else:
        messages.success(request, _("It is later in the sandbox now. What falls due is done within seconds."))
    return redirect("access_keys")


@require_POST
@for_requesters
def access_key_end(request: HttpRequest, requester: Requester, key_id: str) -> HttpResponse:
    key = get_object_or_404(AccessKey, requester__in=_mine(request), key_id=key_id, revoked_at=None)
    keys.revoke_access_key(key=key, by=request.user)  # type: ignore[arg-type]
    messages.success(request, _("%s is dead. Programs that sign with it are refused from now on.") % key.key_id)
    return redirect("access_keys")
