"""People for staff: sign-ups to approve, invitations, tokens to end."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core import audit
from core.staff import LookOnly, act, reason_of
from users.models import ApiToken, Invitation, User
from users.services import revoke_token


@admin.register(User)
class UserAdmin(LookOnly):
    list_display = ("email", "name", "is_active", "is_staff", "approved_at", "date_joined", "last_login")
    list_filter = ("is_active", "is_staff", ("approved_at", admin.EmptyFieldListFilter))
    search_fields = ("email", "name")
    ordering = ("-pk",)
    exclude = ("password",)
    actions = ("approve",)

    @admin.action(description=_("Approve the sign-up"))
    def approve(self, request: HttpRequest, rows: QuerySet[User]) -> None:
        def do(row: User) -> None:
            if User.objects.filter(pk=row.pk, approved_at=None).update(approved_at=timezone.now()):
                reason = reason_of(request)
                audit.record(act="user.approve", subject=f"user:{row.pk}", actor=request.user, reason=reason)

        act(request, rows, do, one=_("%d person may come in."), many=_("%d people may come in."))


@admin.register(Invitation)
class InvitationAdmin(admin.ModelAdmin):
    list_display = ("email", "role", "member_role", "created_at", "expires_at", "used_by")
    readonly_fields = ("code", "used_by")
    fields = ("email", "role", "expires_at", "code", "used_by")
    ordering = ("-pk",)


@admin.register(ApiToken)
class ApiTokenAdmin(LookOnly):
    list_display = ("prefix", "user", "name", "scopes", "created_at", "expires_at", "revoked_at", "last_used_on")
    list_select_related = ("user",)
    exclude = ("digest",)
    ordering = ("-pk",)
    actions = ("end",)

    @admin.action(description=_("End: programs that use it are refused"))
    def end(self, request: HttpRequest, rows: QuerySet[ApiToken]) -> None:
        act(request, rows, lambda row: revoke_token(token=row), one=_("%d token ended."), many=_("%d tokens ended."))
