"""What workers and requesters write to each other: a thread about a project, or one answer of it."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class Thread(models.Model):
    """One worker and one requester. The worker is a pseudonym there; members are their organisation here."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    project = models.ForeignKey("marketplace.Project", on_delete=models.PROTECT, related_name="threads")
    worker = models.ForeignKey("workers_app.Worker", on_delete=models.PROTECT, related_name="threads", db_index=False)
    #: The answer it is about; empty: the project as a whole.
    assignment = models.ForeignKey(
        "marketplace.Assignment", null=True, blank=True, on_delete=models.PROTECT, related_name="threads"
    )
    # What lists go by, beside the messages themselves.
    last_at = models.DateTimeField(default=timezone.now)
    last_by_worker = models.BooleanField(default=True)
    unread_by_worker = models.BooleanField(default=False)
    unread_by_requester = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["project", "worker", "assignment"], nulls_distinct=False, name="thread_once_about"
            )
        ]
        indexes = [
            models.Index("worker", F("last_at").desc(), name="thread_by_worker"),
            models.Index("project", F("last_at").desc(), name="thread_by_project"),
        ]

    def __str__(self) -> str:
        return f"thread {self.public_id}"


class Message(models.Model):
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    thread = models.ForeignKey(Thread, on_delete=models.PROTECT, related_name="messages", db_index=False)
    is_by_worker = models.BooleanField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    body = models.TextField(blank=True, help_text="Empty: erased with its writer's account.")
    created_at = models.DateTimeField(default=timezone.now)
    reported_at = models.DateTimeField(null=True, blank=True)
    report_reason = models.CharField(max_length=500, blank=True)
    #: Staff have looked at the report; with `hidden_at`, nobody reads the message any more.
    looked_at = models.DateTimeField(null=True, blank=True)
    hidden_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["thread", "id"], name="message_by_thread"),
            models.Index(fields=["author", "created_at"], name="message_by_author"),
            models.Index(
                fields=["reported_at"],
                name="message_reported",
                condition=Q(reported_at__isnull=False, looked_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"message {self.public_id}"
