"""Work for staff: appeals to rule on, and what requesters run."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from core.staff import LookOnly, act, amount_column, reason_of
from lifecycle.decide import rule
from marketplace.models import Appeal, Assignment, Batch, Media, Membership, Message, Project, Requester
from marketplace.services.messaging import rule_on_report
from marketplace.services.posting import pause_batch, resume_batch


@admin.register(Appeal)
class AppealAdmin(LookOnly):
    list_display = ("created_at", "state", "why_rejected", "reason", "rule_by", "ruling")
    list_filter = ("state",)
    list_select_related = ("assignment",)
    ordering = ("state", "rule_by")
    actions = ("uphold", "dismiss")

    @admin.display(description="rejected because")
    def why_rejected(self, row: Appeal) -> str:
        return row.assignment.decision_reason

    @admin.action(description="Uphold: the worker is paid (reason: your ruling)")
    def uphold(self, request: HttpRequest, rows: QuerySet[Appeal]) -> None:
        self._rule(request, rows, is_upheld=True)

    @admin.action(description="Dismiss: the rejection stands (reason: your ruling)")
    def dismiss(self, request: HttpRequest, rows: QuerySet[Appeal]) -> None:
        self._rule(request, rows, is_upheld=False)

    def _rule(self, request: HttpRequest, rows: QuerySet[Appeal], *, is_upheld: bool) -> None:
        def do(row: Appeal) -> Any:
            return rule(appeal=row, is_upheld=is_upheld, ruling=reason_of(request), by=request.user)

        act(request, rows, do, one="%d appeal ruled on.", many="%d appeals ruled on.")


@admin.register(Message)
class ReportedMessageAdmin(LookOnly):
    """Messages that somebody reported, those that nobody has looked at on top."""

    list_display = ("reported_at", "report_reason", "body", "is_by_worker", "looked_at", "hidden_at")
    list_filter = (("looked_at", admin.EmptyFieldListFilter), ("hidden_at", admin.EmptyFieldListFilter))
    ordering = ("-looked_at", "reported_at")
    actions = ("hide", "keep")
    # Who wrote it is nothing that staff need for a ruling.
    fields = ("body", "is_by_worker", "created_at", "reported_at", "report_reason", "looked_at", "hidden_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return super().get_queryset(request).filter(reported_at__isnull=False)

    @admin.action(description="Hide from both sides")
    def hide(self, request: HttpRequest, rows: QuerySet[Message]) -> None:
        self._rule(request, rows, is_hidden=True)

    @admin.action(description="Let it stand")
    def keep(self, request: HttpRequest, rows: QuerySet[Message]) -> None:
        self._rule(request, rows, is_hidden=False)

    def _rule(self, request: HttpRequest, rows: QuerySet[Message], *, is_hidden: bool) -> None:
        def do(row: Message) -> Any:
            return rule_on_report(message=row, is_hidden=is_hidden, by=request.user, reason=reason_of(request))

        act(request, rows, do, one="%d message looked at.", many="%d messages looked at.")


class MembershipInline(admin.TabularInline):
    model = Membership
    extra = 0
    can_delete = False
    fields = ("user", "role", "created_at")
    readonly_fields = fields


@admin.register(Requester)
class RequesterAdmin(LookOnly):
    list_display = ("name", "world", "currency", "created_at")
    list_filter = ("world",)
    search_fields = ("name", "=public_id")
    ordering = ("-pk",)
    inlines = (MembershipInline,)


@admin.register(Project)
class ProjectAdmin(LookOnly):
    list_display = ("name", "requester", "audience", "is_distressing", "created_at")
    list_filter = ("audience", "is_distressing")
    list_select_related = ("requester",)
    search_fields = ("name", "=public_id")
    ordering = ("-pk",)


@admin.register(Batch)
class BatchAdmin(LookOnly):
    list_display = ("name", "project", "state", "paused_because", "reward_shown", "published_at")
    list_filter = ("state", "paused_because")
    list_select_related = ("project",)
    search_fields = ("name", "=public_id")
    ordering = ("-pk",)
    actions = ("pause", "resume")
    reward_shown = amount_column("reward")

    @admin.action(description="Pause: no new work; what is accepted can be finished and is paid")
    def pause(self, request: HttpRequest, rows: QuerySet[Batch]) -> None:
        def do(row: Batch) -> Any:
            return pause_batch(batch=row, reason=Batch.Pause.STAFF, by=request.user)

        act(request, rows, do, one="%d batch paused.", many="%d batches paused.")

    @admin.action(description="Open again")
    def resume(self, request: HttpRequest, rows: QuerySet[Batch]) -> None:
        def do(row: Batch) -> Any:
            return resume_batch(batch=row, by_staff=True, by=request.user)

        act(request, rows, do, one="%d batch is open again.", many="%d batches are open again.")


@admin.register(Assignment)
class AssignmentAdmin(LookOnly):
    list_display = ("public_id", "worker", "batch", "state", "reward_shown", "accepted_at", "submitted_at")
    list_select_related = ("worker", "batch")
    search_fields = ("=public_id",)
    ordering = ("-pk",)
    reward_shown = amount_column("reward")


@admin.register(Media)
class MediaAdmin(LookOnly):
    list_display = ("source_url", "state", "content_type", "size", "attempts", "error")
    list_filter = ("state",)
    ordering = ("-pk",)
