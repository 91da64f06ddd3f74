"""What happened, newest first, and how one wants to hear of it."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.errors import DomainError
from core.pages import tell, undoable
from users.models import Notice, Way
from users.services.notices import GROUPS, choose_ways, read_notices, unread_notice, unread_together, ways_of

A_PAGE = 25


@require_safe
@login_required
def notices(request: HttpRequest) -> HttpResponse:
    rows = Notice.objects.filter(user=request.user).order_by("-pk")  # type: ignore[misc]
    only_unread = request.GET.get("show") == "unread"
    unread = request.user.unread_notices()  # type: ignore[union-attr]
    if only_unread:
        rows = rows.filter(read_at=None)
    page = Paginator(rows, A_PAGE).get_page(request.GET.get("page"))
    context: dict[str, Any] = {
        "page": page,
        "unread": unread,
        "only_unread": only_unread,
        "query": "show=unread&" if only_unread else "",
    }
    return render(request, "people/notices.html", context)


@require_POST
@login_required
def open_notice(request: HttpRequest, notice_id: uuid.UUID) -> HttpResponse:
    """Read it, and go to where it leads."""
    notice = get_object_or_404(Notice, user=request.user, public_id=notice_id)
    read_notices(notices=Notice.objects.filter(pk=notice.pk))
    # Only ever a page of this site, whoever wrote the notice.
    leads = notice.url if url_has_allowed_host_and_scheme(notice.url, allowed_hosts=None) else ""
    return redirect(leads or "notices")


@require_POST
@login_required
def mark_unread(request: HttpRequest, notice_id: uuid.UUID) -> HttpResponse:
    unread_notice(notice=get_object_or_404(Notice, user=request.user, public_id=notice_id))
    return redirect("notices")


@require_POST
@login_required
def read_all(request: HttpRequest) -> HttpResponse:
    at = timezone.now()
    if count := read_notices(notices=Notice.objects.filter(user=request.user), at=at):  # type: ignore[misc]
        said = ngettext("%d notice is read.", "%d notices are read.", count) % count
        undoable(request, said, href=reverse("notices_unread"), fields={"at": at.isoformat()})
    return redirect("notices")


@require_POST
@login_required
def unread_all(request: HttpRequest) -> HttpResponse:
    """Undo of `read_all`: what was marked at that moment is unread again."""
    at = parse_datetime(request.POST.get("at", ""))
    if at is None or timezone.is_naive(at):
        raise Http404
    unread_together(user=request.user, at=at)  # type: ignore[arg-type]
    return redirect("notices")


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def notice_settings(request: HttpRequest) -> HttpResponse:
    """One choice a group of notices."""
    user = request.user
    if request.method == "POST":
        said = {name: request.POST[name] for name in GROUPS if name in request.POST}
        try:
            choose_ways(user=user, ways=said)  # type: ignore[arg-type]
        except DomainError as refusal:
            tell(request, refusal)
        else:
            messages.success(request, _("Saved. It holds from the next notice on."))
        return redirect("notice_settings")
    chosen = ways_of(user)  # type: ignore[arg-type]
    groups = [(name, group, chosen[name]) for name, group in GROUPS.items()]
    return render(request, "people/notice_settings.html", {"groups": groups, "ways": Way.choices})
