"""Long work, effects outside, and the record of who did what: to look at."""

from __future__ import annotations

from django.contrib import admin

from core.models import AuditEntry, Operation, Outbox, PolicyViolation
from core.staff import LookOnly


@admin.register(AuditEntry)
class AuditEntryAdmin(LookOnly):
    list_display = ("at", "act", "subject", "actor", "reason")
    list_filter = ("act",)
    search_fields = ("subject", "reason")
    list_select_related = ("actor",)
    ordering = ("-pk",)


@admin.register(Operation)
class OperationAdmin(LookOnly):
    list_display = ("kind", "subject", "state", "done", "total", "created_at", "finished_at", "error")
    list_filter = ("state", "kind")
    ordering = ("-pk",)


@admin.register(Outbox)
class OutboxAdmin(LookOnly):
    list_display = ("key", "kind", "attempts", "created_at", "delivered_at", "given_up_at", "last_error")
    list_filter = ("kind",)
    ordering = ("-pk",)


@admin.register(PolicyViolation)
class PolicyViolationAdmin(LookOnly):
    list_display = ("directive", "blocked", "page", "source", "count", "first_at", "last_at")
    ordering = ("-last_at",)
