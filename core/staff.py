"""What every table of the administration shares: rows are looked at, and changed only by acts that call a service."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from allauth.account.decorators import secure_admin_login
from allauth.mfa.utils import is_mfa_enabled
from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.errors import DomainError
from core.templatetags.touchstone import money_words

if TYPE_CHECKING:
    from django.utils.functional import _StrOrPromise as Words


class ReasonForm(ActionForm):
    """Beside the choice of an act: why. Those whom it is about read it."""

    reason = forms.CharField(
        required=False,
        max_length=300,
        label="",
        widget=forms.TextInput(
            attrs={"placeholder": _("Reason, read by those it is about"), "aria-label": _("Reason")}
        ),
    )


class LookOnly(admin.ModelAdmin):
    """Rows that no form changes: the ledger, the log and the states of things have their own ways."""

    action_form = ReasonForm
    list_per_page = 50
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def act(request: HttpRequest, rows: Iterable[Any], do: Callable[[Any], Any], *, one: Words, many: Words) -> None:
    """Do something with each chosen row; what is refused is said row by row, and the others are done."""
    done = 0
    for row in rows:
        try:
            do(row)
        except DomainError as refusal:
            told = " ".join([refusal.message, *refusal.errors.values()])
            messages.error(request, f"{row}: {told}")
        else:
            done += 1
    if done:
        messages.success(request, (one if done == 1 else many) % done)


def reason_of(request: HttpRequest) -> str:
    return request.POST.get("reason", "").strip()


def amount_column(field: str = "amount", label: str = "") -> Callable[[Any, Any], str]:
    """A column that writes micros as money."""

    @admin.display(description=label or field, ordering=field)
    def column(_admin: Any, row: Any) -> str:
        return money_words(getattr(row, field), getattr(row, "currency", "EUR"))

    return column


def may_enter(user: Any) -> bool:
    """Whether the doors of the staff open: where STAFF_MFA asks for it, only with a second factor."""
    return bool(user.is_active and user.is_staff and (not settings.STAFF_MFA or is_mfa_enabled(user)))


# The site's own sign-in, so that the administration has no door beside it without a second factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]
admin.site.has_permission = lambda request: may_enter(request.user)  # type: ignore[method-assign]
admin.site.site_header = "Touchstone"
admin.site.site_title = "Touchstone"
admin.site.index_title = _("Administration")
