"""Organisations that post work: their members, blocks, media and webhooks."""

from __future__ import annotations

import secrets
import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


def ledger_currency() -> str:
    return settings.LEDGER_CURRENCY


class Requester(models.Model):
    class World(models.TextChoices):
        LIVE = "live", _("live")
        SANDBOX = "sandbox", _("sandbox")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=120)
    currency = models.CharField(max_length=3, default=ledger_currency)
    world = models.CharField(max_length=8, choices=World.choices, default=World.LIVE)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, through="Membership", related_name="requesters")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    class Role(models.TextChoices):
        OWNER = "owner", _("owner")
        MANAGER = "manager", _("manager")
        REVIEWER = "reviewer", _("reviewer")
        VIEWER = "viewer", _("viewer")

    #: What each role may do; a role may do all of the roles after it.
    RANK = (Role.OWNER, Role.MANAGER, Role.REVIEWER, Role.VIEWER)

    requester = models.ForeignKey(Requester, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.OWNER)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["requester", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} as {self.role}"

    def is_at_least(self, role: str) -> bool:
        return self.RANK.index(self.Role(self.role)) <= self.RANK.index(self.Role(role))


class Block(models.Model):
    """A requester does not want this worker on its work. It costs the worker nothing elsewhere."""

    requester = models.ForeignKey(Requester, on_delete=models.CASCADE, related_name="blocks")
    worker = models.ForeignKey("workers_app.Worker", on_delete=models.CASCADE, related_name="blocks")
    reason = models.CharField(max_length=300)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["requester", "worker"], name="block_once")]

    def __str__(self) -> str:
        return f"{self.requester}: {self.worker}"


class Media(models.Model):
    """A picture, sound or film, in our storage under a random name: no worker page loads another host."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        READY = "ready", _("ready")
        FAILED = "failed", _("failed")

    MOVES = {State.WAITING: {State.READY, State.FAILED}, State.FAILED: {State.WAITING}}

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    requester = models.ForeignKey(Requester, on_delete=models.PROTECT, related_name="media")
    source_url = models.URLField(max_length=2000, blank=True)
    file = models.FileField(upload_to="media/%Y/%m/", blank=True)
    content_type = models.CharField(max_length=80, blank=True)
    size = models.BigIntegerField(default=0)
    #: Of a picture, in points: pages keep its place free until it has come.
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True, db_index=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    error = models.CharField(max_length=300, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "media"
        constraints = [
            models.UniqueConstraint(
                fields=["requester", "source_url"], condition=~models.Q(source_url=""), name="media_url_once"
            )
        ]
        indexes = [models.Index(fields=["due_at"], name="media_due", condition=models.Q(state="waiting"))]

    def __str__(self) -> str:
        return self.source_url or str(self.public_id)


class MediaWait(models.Model):
    """A parked HIT that is offered once this media is there."""

    hit = models.ForeignKey("marketplace.Hit", on_delete=models.CASCADE, related_name="media_waits", db_index=False)
    media = models.ForeignKey(Media, on_delete=models.CASCADE, related_name="waits")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["hit", "media"], name="media_wait_once")]

    def __str__(self) -> str:
        return f"HIT {self.hit_id} waits for {self.media}"


class Webhook(models.Model):
    """Where a requester's programs hear of events: signed, retried, logged (Standard Webhooks)."""

    EVENTS = ("batch.finished", "answer.submitted", "label.settled", "payout.changed")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    requester = models.ForeignKey(Requester, on_delete=models.CASCADE, related_name="webhooks", null=True, blank=True)
    worker = models.ForeignKey(
        "workers_app.Worker", on_delete=models.CASCADE, related_name="webhooks", null=True, blank=True
    )
    url = models.URLField(max_length=500)
    secret = models.CharField(max_length=64, default=secrets.token_hex)
    old_secret = models.CharField(max_length=64, blank=True)
    events = models.JSONField(default=list)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.url


class WebhookDelivery(models.Model):
    """One attempt to deliver, as it went."""

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    outbox_key = models.CharField(max_length=200, db_index=True)
    event = models.CharField(max_length=40)
    attempt = models.PositiveSmallIntegerField()
    response_code = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    took_ms = models.PositiveIntegerField(default=0)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "webhook deliveries"

    def __str__(self) -> str:
        return f"{self.event} #{self.attempt}"
