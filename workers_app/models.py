"""Workers: people who answer. What they hold (qualifications), how requesters know them (pseudonyms)."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Worker(models.Model):
    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="worker")
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    country = models.CharField(max_length=2, blank=True, help_text="ISO 3166 code, such as DE.")
    subdivision = models.CharField(max_length=3, blank=True, help_text="Of the country: ISO 3166-2, such as CA.")
    languages = models.JSONField(default=list, blank=True)
    accepts_distressing = models.BooleanField(default=False)
    accepts_messages = models.BooleanField(
        default=True, help_text="Requesters may begin to write to them; answers to what the worker wrote always may."
    )
    payout_details = models.JSONField(default=dict, blank=True)
    suspended_at = models.DateTimeField(null=True, blank=True)
    suspended_reason = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"worker {self.pk}"


class Pseudonym(models.Model):
    """The name by which one requester (or project) knows a worker: stable there, unlinkable elsewhere."""

    scope = models.CharField(max_length=40, help_text="requester:<id> or project:<id>")
    worker = models.ForeignKey(Worker, on_delete=models.PROTECT, related_name="pseudonyms")
    code = models.CharField(max_length=40)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["scope", "worker"], name="pseudonym_once"),
            models.UniqueConstraint(fields=["scope", "code"], name="pseudonym_code_once"),
        ]

    def __str__(self) -> str:
        return self.code


class Qualification(models.Model):
    """A named requirement. A requester's list is one too: whoever holds a grant is on it."""

    class Kind(models.TextChoices):
        VALUE = "value", _("granted with a value")
        LIST = "list", _("requester's list of workers")
        QUIZ = "quiz", _("earned in a quiz")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    requester = models.ForeignKey(
        "marketplace.Requester", null=True, blank=True, on_delete=models.CASCADE, related_name="qualifications"
    )
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.VALUE)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    can_request = models.BooleanField(default=False)
    auto_value = models.IntegerField(null=True, blank=True, help_text="Granted at once, with it, to whoever asks.")
    #: Long enough that nobody asks again.
    NEVER = 2**31 - 1
    retry_seconds = models.PositiveIntegerField(default=0, help_text="Asked for again so long after the last time.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["requester", "name"], name="qualification_name_once")]

    def __str__(self) -> str:
        return self.name


class Grant(models.Model):
    """A worker holds a qualification, with a value."""

    qualification = models.ForeignKey(Qualification, on_delete=models.CASCADE, related_name="grants")
    worker = models.ForeignKey(Worker, on_delete=models.CASCADE, related_name="grants")
    value = models.IntegerField(default=1, null=True, help_text="Empty: held, which is all that can be asked of it.")
    granted_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["qualification", "worker"], name="grant_once")]

    def __str__(self) -> str:
        return f"{self.qualification} = {self.value}"


class QualificationRequest(models.Model):
    """A worker asks for a qualification; the organisation grants it or says why not."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        GRANTED = "granted", _("granted")
        REFUSED = "refused", _("refused")
        WITHDRAWN = "withdrawn", _("withdrawn")

    MOVES = {State.OPEN: {State.GRANTED, State.REFUSED, State.WITHDRAWN}}

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    qualification = models.ForeignKey(Qualification, on_delete=models.CASCADE, related_name="requests")
    worker = models.ForeignKey(Worker, on_delete=models.CASCADE, related_name="qualification_requests")
    note = models.CharField(max_length=1000, blank=True, help_text="Why they should have it.")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    answer = models.CharField(max_length=500, blank=True, help_text="The worker reads it.")
    created_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["qualification", "worker"], condition=models.Q(state="open"), name="qualification_asked_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.worker} asks for {self.qualification}"


class Reputation(models.Model):
    """A worker's standing in one job family (project), written by `quality.services` (QUALITY.md section 5)."""

    worker = models.ForeignKey(Worker, on_delete=models.CASCADE, related_name="reputations")
    project = models.ForeignKey("marketplace.Project", on_delete=models.CASCADE, related_name="reputations")
    a = models.FloatField(default=0)
    b = models.FloatField(default=0)
    score = models.FloatField(default=0, help_text="5 % quantile of Beta(a, b)")
    checked = models.PositiveIntegerField(default=0)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["worker", "project"], name="reputation_once")]

    def __str__(self) -> str:
        return f"{self.score:.2f}"
