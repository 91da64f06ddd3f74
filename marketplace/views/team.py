"""Who belongs to an organisation, and the tokens that one's programs use."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.errors import DomainError
from core.pages import tell
from marketplace.models import Membership, Requester
from marketplace.selectors import requesters_of
from marketplace.services.members import change_role, invite_member, remove_member, rename_organisation
from marketplace.views.requester import for_requesters
from users.models import ApiToken
from users.services import create_token, revoke_token

#: What requesters give their programs.
SCOPES = (ApiToken.Scope.READ, ApiToken.Scope.WRITE, ApiToken.Scope.MONEY)
PAGE = 50


@require_safe
@for_requesters
def studio_team(request: HttpRequest, requester: Requester) -> HttpResponse:
    return _page(request, requester)


def _page(request: HttpRequest, requester: Requester, secret: str = "", link: str = "") -> HttpResponse:
    context = {
        "requester": requester,
        "members": Paginator(requester.memberships.select_related("user").order_by("pk"), PAGE).get_page(
            request.GET.get("page")
        ),
        "may_invite": _owns(request, requester),
        "roles": Membership.Role.choices,
        "tokens": ApiToken.objects.filter(user=request.user, revoked_at=None).order_by("-pk"),  # type: ignore[misc]
        "scopes": SCOPES,
        "secret": secret,
        "link": link,
    }
    return render(request, "studio/team.html", context)


def _owns(request: HttpRequest, requester: Requester) -> bool:
    return requesters_of(request.user, Membership.Role.OWNER).filter(pk=requester.pk).exists()


@require_POST
@for_requesters
def invite(request: HttpRequest, requester: Requester) -> HttpResponse:
    """A link that makes one person a member. It is shown once, here."""
    if not _owns(request, requester):
        messages.error(request, _("Owners invite. Nobody was invited."))
        return redirect("studio_team")
    try:
        invitation = invite_member(requester=requester, email="", role=request.POST.get("role", ""))
    except DomainError as refusal:
        tell(request, refusal)
        return redirect("studio_team")
    address = f"{reverse('account_signup')}?invitation={invitation.code}"
    return _page(request, requester, link=request.build_absolute_uri(address))


@require_POST
@for_requesters
def change_member(request: HttpRequest, requester: Requester, member_id: int) -> HttpResponse:
    """Another role, or out of the organisation. Anybody may leave it themselves."""
    membership = get_object_or_404(requester.memberships.select_related("user"), pk=member_id)
    is_leaving = membership.user_id == request.user.pk and request.POST.get("do") == "remove"
    if not (is_leaving or _owns(request, requester)):
        raise Http404
    try:
        if request.POST.get("do") == "remove":
            remove_member(membership=membership, by=request.user)
            messages.success(request, _("%s is no member any more.") % membership.user.email)
        else:
            change_role(membership=membership, role=request.POST.get("role", ""), by=request.user)
            messages.success(request, _("%s has another role now.") % membership.user.email)
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("enter_any" if is_leaving else "studio_team")


@require_POST
@for_requesters
def rename(request: HttpRequest, requester: Requester) -> HttpResponse:
    if not _owns(request, requester):
        raise Http404
    try:
        rename_organisation(requester=requester, name=request.POST.get("name", ""))
        messages.success(request, _("Workers see the new name from now on."))
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("studio_team")


@require_POST
@for_requesters
def new_token(request: HttpRequest, requester: Requester) -> HttpResponse:
    """A token of this user; its secret is in this one response and nowhere else."""
    scopes = [scope for scope in request.POST.getlist("scopes") if scope in SCOPES]
    try:
        name = request.POST.get("name", "")[:80]
        _token, secret = create_token(user=request.user, scopes=scopes, name=name)  # type: ignore[arg-type]
    except DomainError as refusal:
        tell(request, refusal)
        return redirect("studio_team")
    response = _page(request, requester, secret=secret)
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@for_requesters
def end_token(request: HttpRequest, requester: Requester, prefix: str) -> HttpResponse:
    mine = ApiToken.objects.filter(user=request.user, prefix=prefix, revoked_at=None)  # type: ignore[misc]
    if not mine:
        raise Http404
    for token in mine:
        revoke_token(token=token)
    messages.success(request, _("The token is dead. Programs that used it are refused from now on."))
    return redirect("studio_team")
