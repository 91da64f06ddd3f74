"""Becoming a member of an organisation with an account that exists."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from core.errors import DomainError
from core.pages import tell
from marketplace.services.members import join_by_invitation


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def join(request: HttpRequest) -> HttpResponse:
    """The code of an invitation, from its link or typed; nothing happens before the button is pressed."""
    code = request.POST.get("code", request.GET.get("invitation", "")).strip()[:100]
    if request.method == "POST":
        try:
            membership = join_by_invitation(user=request.user, code=code)  # type: ignore[arg-type]
        except DomainError as refusal:
            tell(request, refusal)
        else:
            request.session["org"] = str(membership.requester.public_id)
            messages.success(request, _("You belong to %s now.") % membership.requester.name)
            return redirect("studio")
    return render(request, "studio/join.html", {"code": code})
