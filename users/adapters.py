"""Where the site's own rules meet allauth: who may sign up, and who may come in."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.stagekit import clear_login
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from core.preferences import preference
from users.models import Invitation, User
from users.services import find_invitation


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return preference("SIGNUP") != "invitation" or invitation_of(request) is not None

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:
        """Where staff approve sign-ups, a newcomer without an invitation waits for them."""
        if preference("SIGNUP") == "approval" and invitation_of(request) is None:
            user.approved_at = None
        return super().save_user(request, user, form, commit)

    def pre_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse | None:
        if refusal := super().pre_login(request, user, **kwargs):
            return refusal
        if user.approved_at is None:
            clear_login(request)
            return self.respond_user_inactive(request, user)
        return None

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Whoever opens an invitation and has an account is asked whether to join with it."""
        code = request.GET.get("invitation", "") if request.method == "GET" else ""
        return reverse("join", query={"invitation": code}) if code else reverse("enter_any")

    get_signup_redirect_url = get_login_redirect_url


def invitation_of(request: HttpRequest) -> Invitation | None:
    """The invitation that the sign-up link (?invitation=CODE), or its form, carries."""
    return find_invitation(request.POST.get("invitation") or request.GET.get("invitation") or "")
