"""Workers for staff: each leads to its audit."""

from __future__ import annotations

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from core.staff import LookOnly
from workers_app.models import Qualification, Worker


@admin.register(Worker)
class WorkerAdmin(LookOnly):
    list_display = ("public_id", "country", "accepts_distressing", "suspended_at", "created_at", "audit")
    list_filter = ("accepts_distressing", ("suspended_at", admin.EmptyFieldListFilter))
    search_fields = ("=public_id", "pseudonyms__code", "=user__email")
    exclude = ("payout_details",)
    ordering = ("-pk",)

    @admin.display(description="audit")
    def audit(self, row: Worker) -> str:
        return format_html('<a href="{}">Look</a>', reverse("staff_worker", args=[row.public_id]))


@admin.register(Qualification)
class QualificationAdmin(LookOnly):
    list_display = ("name", "requester", "kind", "can_request", "created_at")
    list_filter = ("kind",)
    list_select_related = ("requester",)
    ordering = ("-pk",)
