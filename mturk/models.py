"""What only the dialect needs: keys, HIT types, a HIT's question as sent. All else is the market's own rows."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone


class AccessKey(models.Model):
    """A key pair with which a program signs. The secret is kept encrypted: checking a signature needs it."""

    requester = models.ForeignKey("marketplace.Requester", on_delete=models.CASCADE, related_name="access_keys")
    made_by = models.ForeignKey("users.User", on_delete=models.CASCADE, related_name="access_keys")
    key_id = models.CharField(max_length=20, unique=True)
    sealed = models.BinaryField(help_text="The secret, encrypted with a key that is not in the database.")
    name = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.key_id


class HitType(models.Model):
    """Seven values under one id. Its HITs stand in standing batches of the market, see `Standing`."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    group_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    requester = models.ForeignKey("marketplace.Requester", on_delete=models.PROTECT, related_name="hit_types")
    fingerprint = models.CharField(max_length=64, help_text="SHA-256 of the seven values, normalised.")
    title = models.CharField(max_length=128)
    description = models.TextField()
    keywords = models.CharField(max_length=1000, blank=True)
    reward = models.BigIntegerField(help_text="Micros.")
    assignment_seconds = models.PositiveIntegerField()
    auto_approve_seconds = models.PositiveIntegerField()
    requirements = models.JSONField(default=list, help_text="As sent.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["requester", "fingerprint"], name="hit_type_once")]

    def __str__(self) -> str:
        return self.title


class Standing(models.Model):
    """The standing batch that takes the HITs of one type that ask the same questions."""

    hit_type = models.ForeignKey(HitType, on_delete=models.PROTECT, related_name="standings")
    questions_hash = models.CharField(max_length=64)
    batch = models.OneToOneField("marketplace.Batch", on_delete=models.PROTECT, related_name="mturk_standing")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["hit_type", "questions_hash"], name="standing_once")]

    def __str__(self) -> str:
        return f"{self.hit_type} in {self.batch}"


class MturkHit(models.Model):
    """What this dialect knows of a HIT beside the market's row; its status is computed, never stored."""

    hit = models.OneToOneField("marketplace.Hit", primary_key=True, on_delete=models.PROTECT, related_name="mturk")
    requester = models.ForeignKey(
        "marketplace.Requester", on_delete=models.PROTECT, related_name="mturk_hits", db_index=False
    )
    hit_type = models.ForeignKey(HitType, on_delete=models.PROTECT, related_name="hits", db_index=False)
    question = models.TextField(help_text="The XML, exactly as sent.")
    annotation = models.CharField(max_length=255, blank=True)
    layout_id = models.CharField(max_length=64, blank=True)
    layout_values = models.JSONField(null=True, blank=True, help_text="What stands in the layout's placeholders.")
    expires_at = models.DateTimeField()
    is_reviewing = models.BooleanField(default=False, help_text="Set aside by UpdateHITReviewStatus.")
    disposed_at = models.DateTimeField(null=True, blank=True)
    assignment_policy = models.JSONField(null=True, blank=True, help_text="AssignmentReviewPolicy, as sent.")
    hit_policy = models.JSONField(null=True, blank=True, help_text="HITReviewPolicy, as sent.")
    is_announced = models.BooleanField(default=False, help_text="Its being Reviewable has been acted upon.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name = "Mechanical Turk HIT"
        indexes = [
            models.Index("requester", models.F("hit").desc(), name="mturk_hit_newest"),
            models.Index("hit_type", models.F("hit").desc(), name="mturk_hit_of_type"),
            models.Index(fields=["expires_at"], name="mturk_hit_expiry"),
            models.Index(fields=["created_at", "hit"], name="mturk_hit_kept", condition=models.Q(disposed_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.hit}"


class Watch(models.Model):
    """A batch whose changes are written into `Change`, by a trigger on assignments (migration 0003)."""

    batch = models.OneToOneField(
        "marketplace.Batch", primary_key=True, on_delete=models.CASCADE, related_name="mturk_watch"
    )

    def __str__(self) -> str:
        return f"{self.batch}"


class Change(models.Model):
    """What happened to a HIT or an assignment and has not been acted upon: rows are the queue."""

    hit = models.ForeignKey("marketplace.Hit", on_delete=models.CASCADE, related_name="+", db_index=False)
    assignment = models.ForeignKey(
        "marketplace.Assignment", null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    event = models.CharField(max_length=24, help_text="An assignment's new state, or an event of the HIT.")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.event


class ReviewEntry(models.Model):
    """A result or an action of a review policy, in the order in which they came."""

    class Kind(models.TextChoices):
        RESULT = "result", "result"
        ACTION = "action", "action"

    hit = models.ForeignKey(MturkHit, on_delete=models.CASCADE, related_name="reviews", db_index=False)
    assignment = models.ForeignKey(
        "marketplace.Assignment", null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    level = models.CharField(max_length=10, help_text="Assignment or HIT: whose policy said it.")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    action_id = models.UUIDField(help_text="Of the action; of a result, that of the review.")
    question = models.CharField(max_length=200, blank=True)
    name = models.CharField(max_length=40, help_text="Key of a result, name of an action.")
    value = models.TextField(blank=True, help_text="Of a result; what came of an action.")
    status = models.CharField(max_length=10, blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "review entries"
        indexes = [models.Index(fields=["hit", "id"], name="review_of_hit")]

    def __str__(self) -> str:
        return self.name


class Notification(models.Model):
    """Where the events of a HIT type are told."""

    hit_type = models.OneToOneField(HitType, primary_key=True, on_delete=models.CASCADE, related_name="notification")
    destination = models.CharField(max_length=500)
    transport = models.CharField(max_length=5)
    version = models.CharField(max_length=20)
    event_types = models.JSONField(default=list)
    is_active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.destination


class QualificationType(models.Model):
    """What this dialect knows of a qualification beside the market's row. One made in the studio has none."""

    qualification = models.OneToOneField(
        "workers_app.Qualification", primary_key=True, on_delete=models.CASCADE, related_name="mturk"
    )
    keywords = models.CharField(max_length=1000, blank=True)
    is_active = models.BooleanField(default=True)
    test = models.TextField(blank=True, help_text="The QuestionForm, exactly as sent.")
    test_seconds = models.PositiveIntegerField(null=True, blank=True)
    answer_key = models.TextField(blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.qualification}"


class TestTaken(models.Model):
    """The test that a worker took to ask for a qualification, and what they answered."""

    request = models.OneToOneField(
        "workers_app.QualificationRequest", primary_key=True, on_delete=models.CASCADE, related_name="mturk"
    )
    test = models.TextField()
    answer = models.TextField(help_text="QuestionFormAnswers.")

    def __str__(self) -> str:
        return f"{self.request}"


class Revocation(models.Model):
    """A qualification that was taken back: this API goes on to tell of it."""

    qualification = models.ForeignKey("workers_app.Qualification", on_delete=models.CASCADE, related_name="revocations")
    worker = models.ForeignKey("workers_app.Worker", on_delete=models.CASCADE, related_name="revocations")
    value = models.IntegerField(null=True)
    granted_at = models.DateTimeField()
    revoked_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["qualification", "worker"], name="revocation_once")]

    def __str__(self) -> str:
        return f"{self.qualification} of {self.worker}"


class RequestToken(models.Model):
    """A UniqueRequestToken that was used. The row is held before the work, so equal calls at once do it once."""

    requester = models.ForeignKey("marketplace.Requester", on_delete=models.CASCADE, related_name="+")
    operation = models.CharField(max_length=40)
    token = models.CharField(max_length=64)
    made = models.CharField(max_length=64, blank=True, help_text="Id of what came of it.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["requester", "operation", "token"], name="request_token_once")]
        indexes = [models.Index(fields=["created_at"], name="request_token_by_age")]

    def __str__(self) -> str:
        return self.token


class PendingAnswer(models.Model):
    """What was posted in an assignment's name without its frame's ticket: nothing, until the worker confirms it."""

    assignment = models.OneToOneField(
        "marketplace.Assignment", primary_key=True, on_delete=models.CASCADE, related_name="pending_answer"
    )
    fields = models.JSONField(help_text="[[name, value], ...]")
    received_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"waiting for {self.assignment}"


class AnswerFile(models.Model):
    """A file that a worker handed in with a FileUploadAnswer."""

    assignment = models.ForeignKey("marketplace.Assignment", on_delete=models.CASCADE, related_name="answer_files")
    question = models.CharField(max_length=1000)
    key = models.CharField(max_length=80, unique=True)
    size = models.BigIntegerField()
    file = models.FileField(upload_to="answers/%Y/%m")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.key
