"""What the answers say, for staff: flags to close, disputes to rule on, fits to read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from core.staff import LookOnly, act, reason_of
from lifecycle.gold import rule
from quality.models import AggregationRun, Contest, Flag
from quality.services.flagging import close_flag


@admin.register(Flag)
class FlagAdmin(LookOnly):
    list_display = ("created_at", "kind", "state", "message", "project", "expires_at", "closed_reason")
    list_filter = ("state", "kind")
    list_select_related = ("project",)
    ordering = ("-pk",)
    actions = ("close",)

    @admin.action(description="Close, with a reason")
    def close(self, request: HttpRequest, rows: QuerySet[Flag]) -> None:
        def do(row: Flag) -> Any:
            return close_flag(flag=row, by=request.user, reason=reason_of(request))

        act(request, rows, do, one="%d flag closed.", many="%d flags closed.")


@admin.register(Contest)
class ContestAdmin(LookOnly):
    list_display = ("created_at", "state", "reason", "ruling", "ruled_at")
    list_filter = ("state",)
    ordering = ("state", "pk")
    actions = ("uphold", "dismiss")

    @admin.action(description="Uphold: the key is doubtful (reason: your ruling)")
    def uphold(self, request: HttpRequest, rows: QuerySet[Contest]) -> None:
        self._rule(request, rows, is_upheld=True)

    @admin.action(description="Dismiss: the key stands (reason: your ruling)")
    def dismiss(self, request: HttpRequest, rows: QuerySet[Contest]) -> None:
        self._rule(request, rows, is_upheld=False)

    def _rule(self, request: HttpRequest, rows: QuerySet[Contest], *, is_upheld: bool) -> None:
        def do(row: Contest) -> Any:
            return rule(contest=row, is_upheld=is_upheld, ruling=reason_of(request), by=request.user)

        act(request, rows, do, one="%d dispute ruled on.", many="%d disputes ruled on.")


@admin.register(AggregationRun)
class AggregationRunAdmin(LookOnly):
    list_display = ("created_at", "project", "question", "method", "version", "guard", "answers", "items", "workers")
    list_select_related = ("project",)
    list_filter = ("method", "guard")
    ordering = ("-pk",)
