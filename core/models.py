"""Words every app may use: long work, effects to the outside, repeated requests, the record of who did what."""

from __future__ import annotations

import uuid

import pgtrigger
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Operation(models.Model):
    """A long piece of work (publish, import, export, refit): done in turns, picked up again by the sweep.

    Whoever holds the lease works; a lease that ran out is anybody's. `cursor` says how far it came and is saved with
    the work itself, so that a turn that dies is simply done again.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    MOVES = {
        State.WAITING: {State.RUNNING, State.CANCELLED, State.FAILED},
        State.RUNNING: {State.WAITING, State.DONE, State.FAILED, State.CANCELLED},
        State.FAILED: {State.WAITING},
    }

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=40)
    subject = models.CharField(max_length=80, help_text="What it works on, such as batch:12.")
    requester_id = models.BigIntegerField(null=True, blank=True, db_index=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.WAITING)
    cursor = models.JSONField(default=dict, blank=True)
    arguments = models.JSONField(default=dict, blank=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(null=True, blank=True)
    result = models.JSONField(default=dict, blank=True)
    error = models.TextField(blank=True)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="Leases since something was last saved.")
    failures = models.PositiveSmallIntegerField(default=0, help_text="Exceptions in a row.")
    cancel_asked = models.BooleanField(default=False)
    lease_until = models.DateTimeField(null=True, blank=True)
    due_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["due_at"], name="operation_due", condition=Q(state__in=["waiting", "running"])),
            models.Index(fields=["kind", "subject"], name="operation_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject}"

    @property
    def can_resume(self) -> bool:
        """Whether it failed with some of its work done, and can go on from there. Work that has been undone, or must
        begin anew, leaves no cursor."""
        return self.state == self.State.FAILED and bool(self.cursor)


class Outbox(models.Model):
    """An effect outside the database (webhook, mail, provider), written with its cause and delivered at least once."""

    kind = models.CharField(max_length=40)
    key = models.CharField(max_length=200, unique=True, help_text="The receiver may drop a repeat by it.")
    payload = models.JSONField(default=dict)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    lease_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    delivered_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)
    last_error = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "outbox"
        indexes = [
            models.Index(
                fields=["due_at"],
                name="outbox_due",
                condition=Q(delivered_at__isnull=True, given_up_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.key


class IdempotencyKey(models.Model):
    """The first answer to a POST that creates or pays, kept to be given again (RELIABILITY.md T9)."""

    principal = models.CharField(max_length=80)
    method = models.CharField(max_length=8)
    path = models.CharField(max_length=300)
    key = models.CharField(max_length=200)
    request_hash = models.CharField(max_length=64)
    response_code = models.PositiveSmallIntegerField(null=True, blank=True)
    response_body = models.BinaryField(null=True, blank=True)
    content_type = models.CharField(max_length=100, blank=True)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["principal", "method", "path", "key"], name="idempotency_key_once")
        ]

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.key}"


class AuditEntry(models.Model):
    """Who did what to what, and why. Never changed; each row seals the one before with its hash."""

    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    act = models.CharField(max_length=60)
    subject = models.CharField(max_length=120, db_index=True)
    reason = models.TextField(blank=True)
    details = models.JSONField(default=dict, blank=True)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64, unique=True)

    class Meta:
        verbose_name_plural = "audit entries"
        triggers = [
            pgtrigger.Protect(name="audit_append_only", operation=pgtrigger.Update | pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.act} {self.subject}"


class Watermark(models.Model):
    """Up to when a periodic scan has looked, so that it need not look at all of history again."""

    name = models.CharField(max_length=60, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name}: {self.at}"


class Note(models.Model):
    """What staff write down about a person or an organisation for each other. Never changed, and part of the data that
    a person may ask for."""

    subject = models.CharField(max_length=80, help_text="Such as user:12 or requester:3.")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["subject", "id"], name="note_by_subject")]

    def __str__(self) -> str:
        return f"note on {self.subject}"


class Bucket(models.Model):
    """How many calls a token may still make by one scope (`core.api.throttling`); forgotten when it is full again."""

    scope = models.CharField(max_length=20)
    principal = models.BigIntegerField()
    level = models.FloatField()
    taken = models.IntegerField(help_text="What the last who asked was given.")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "principal"], name="bucket_once")]
        indexes = [models.Index(fields=["at"], name="bucket_by_age")]

    def __str__(self) -> str:
        return f"{self.scope} of {self.principal}"


class Preference(models.Model):
    """A setting that staff changed while the site runs; it stands before what the environment says."""

    name = models.CharField(max_length=40, primary_key=True)
    value = models.JSONField()
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    def __str__(self) -> str:
        return f"{self.name} = {self.value}"


class PolicyViolation(models.Model):
    """Something that a page tried and our content policy forbids, as browsers reported it: a fault of ours, an
    extension of the reader's, or an attack. One row for each kind, counted."""

    directive = models.CharField(max_length=60)
    blocked = models.CharField(max_length=200, blank=True)
    page = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=200, blank=True)
    count = models.PositiveIntegerField(default=1)
    first_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["directive", "blocked", "page", "source"], name="policy_violation_once")
        ]

    def __str__(self) -> str:
        return f"{self.directive} {self.blocked} on {self.page}"
