"""An assignment is one worker's place on one HIT; its answers are versions, and the latest counts."""

from __future__ import annotations

import uuid

import pgtrigger
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from marketplace.models.hit import random_position

GENERATED_UUID = models.Func(function="gen_random_uuid", output_field=models.UUIDField())


class Participation(models.Model):
    """A worker in a batch: where the claim goes on, what they took, whether they may go on.

    Locked first by every claim, so it serialises a worker with themselves only; caps are checked under that lock.
    """

    worker = models.ForeignKey("workers_app.Worker", on_delete=models.CASCADE, related_name="participations")
    batch = models.ForeignKey("marketplace.Batch", on_delete=models.CASCADE, related_name="participations")
    cursor = models.IntegerField(default=random_position, help_text="Position to go on from, lane 0.")
    lane_cursor = models.IntegerField(default=random_position, help_text="Position to go on from, gold.")
    open_places = models.SmallIntegerField(default=0, db_default=0)
    taken_in_all = models.IntegerField(default=0, db_default=0)
    taken_today = models.IntegerField(default=0, db_default=0)
    today = models.DateField(default=timezone.localdate)
    lane_opened = models.IntegerField(default=0, db_default=0)
    lane_share = models.FloatField(default=0, db_default=0, help_text="How often the claim draws gold first.")
    gold_lane = models.SmallIntegerField(default=1, db_default=1, help_text="The lane whose gold comes first.")
    barred = models.CharField(max_length=40, blank=True, default="", db_default="", help_text="Code of the reason.")
    barred_text = models.CharField(
        max_length=300, blank=True, default="", db_default="", help_text="Why and until when; both sides read it."
    )
    #: Until when the last full check of eligibility stands; services that take a right away set it to the past.
    checked_until = models.DateTimeField(default=timezone.now)
    dry_until = models.DateTimeField(null=True, blank=True, help_text="Nothing is left for them until then.")
    instruction_version_seen = models.IntegerField(default=0, db_default=0)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["worker", "batch"], name="participation_once")]

    def __str__(self) -> str:
        return f"{self.worker} in {self.batch}"


class Assignment(models.Model):
    class State(models.TextChoices):
        ACCEPTED = "accepted", _("accepted")
        SUBMITTED = "submitted", _("submitted")
        RETURNED = "returned", _("returned")
        EXPIRED = "expired", _("expired")
        LAPSED = "lapsed", _("lapsed")
        REVISING = "revising", _("revising")
        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("rejected")

    #: Every legal move. A state without a row here is final.
    MOVES = {
        State.ACCEPTED: {State.SUBMITTED, State.RETURNED, State.EXPIRED, State.LAPSED},
        State.EXPIRED: {State.SUBMITTED},  # late, place still free
        State.LAPSED: {State.SUBMITTED},  # shown and answered without a connection, place still free
        State.SUBMITTED: {State.APPROVED, State.REJECTED, State.REVISING},
        State.REVISING: {State.SUBMITTED},
        State.REJECTED: {State.APPROVED},  # an appeal was upheld, or the requester thought better of it
    }
    #: States that take one of the HIT's places (W1).
    TAKING = (State.ACCEPTED, State.SUBMITTED, State.REVISING, State.APPROVED, State.REJECTED)
    #: States whose pay is still open.
    UNDECIDED = (State.ACCEPTED, State.SUBMITTED, State.REVISING)

    class ReturnReason(models.TextChoices):
        UNCLEAR = "unclear", _("the question is unclear")
        TOO_LONG = "too_long", _("it takes too long")
        BROKEN = "broken", _("something is broken")
        UNDERPAID = "underpaid", _("the pay is too low")
        DISTRESSING = "distressing", _("it is distressing")
        PERSONAL = "personal", _("it shows personal data")
        OTHER = "other", _("another reason")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False, db_default=GENERATED_UUID)
    hit = models.ForeignKey("marketplace.Hit", on_delete=models.PROTECT, related_name="assignments", db_index=False)
    # Guarded through the HIT and the participation; two constraints less to check on the hottest insert.
    batch = models.ForeignKey(
        "marketplace.Batch", on_delete=models.PROTECT, related_name="assignments", db_index=False, db_constraint=False
    )
    worker = models.ForeignKey(
        "workers_app.Worker", on_delete=models.PROTECT, related_name="assignments", db_index=False, db_constraint=False
    )
    group_key = models.BigIntegerField(null=True, blank=True)
    accept_key = models.CharField(max_length=80, null=True, blank=True)  # noqa: DJ001  NULL: no key given
    state = models.CharField(max_length=10, choices=State.choices, default=State.ACCEPTED, db_default="accepted")
    #: True while this HIT must not be offered to the worker again. No index predicate names `state`, so submit is HOT.
    holds = models.GeneratedField(
        expression=~Q(state__in=["expired", "lapsed"]),  # type: ignore[arg-type]
        output_field=models.BooleanField(),
        db_persist=True,
    )
    reward = models.BigIntegerField(help_text="Micros, frozen at accept.")
    is_ahead = models.BooleanField(default=False, db_default=False, help_text="Accepted ahead and not opened yet.")
    counts = models.BooleanField(default=True, db_default=True, help_text="Used for the label; apart from pay.")
    accepted_at = models.DateTimeField(default=timezone.now, db_default=Now())
    opened_at = models.DateTimeField(null=True, blank=True)
    deadline = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    active_seconds = models.FloatField(null=True, blank=True)
    decide_at = models.DateTimeField(null=True, blank=True, help_text="When silence approves it; set by the digest.")
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.BigIntegerField(null=True, blank=True, help_text="User; empty: by the clock.")
    decision_reason = models.CharField(max_length=1000, blank=True, default="", db_default="")
    return_reason = models.CharField(max_length=12, choices=ReturnReason.choices, blank=True, default="", db_default="")
    return_note = models.CharField(max_length=500, blank=True, default="", db_default="")
    revisions = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hit", "worker"], condition=Q(holds=True), name="assignment_once"),
            models.UniqueConstraint(
                fields=["batch", "worker", "group_key"],
                condition=Q(holds=True, group_key__isnull=False),
                name="assignment_once_in_group",
            ),
            models.UniqueConstraint(
                fields=["worker", "accept_key"], condition=Q(accept_key__isnull=False), name="assignment_accept_key"
            ),
        ]
        indexes = [
            models.Index("worker", "batch", F("id").desc(), name="assignment_by_worker"),
            models.Index(fields=["hit"], name="assignment_by_hit"),
            models.Index(fields=["deadline"], name="assignment_deadline"),
            models.Index(fields=["decide_at"], name="assignment_decide", condition=Q(decide_at__isnull=False)),
            models.Index(
                "worker", "batch", F("id").desc(), name="assignment_decided", condition=Q(decided_at__isnull=False)
            ),
            # What workers gave back: few of many, and no submit touches the column.
            models.Index("batch", F("id").desc(), name="assignment_given_back", condition=~Q(return_reason="")),
        ]

    def __str__(self) -> str:
        return f"assignment {self.public_id}"


class Draft(models.Model):
    """What a worker has typed and not handed in, as the fields of the form hold it: `[[name, value], ...]`.

    The browser keeps it too; this copy is for another device, and for a browser that forgets.
    """

    assignment = models.OneToOneField(Assignment, primary_key=True, on_delete=models.CASCADE, related_name="draft")
    fields = models.JSONField(default=list)
    saved_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [models.Index(fields=["saved_at"], name="draft_by_age")]

    def __str__(self) -> str:
        return f"draft of {self.assignment_id}"


class Answer(models.Model):
    """One version of what a worker said: the bytes as sent and their hash, and the parsed form beside."""

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="answers", db_index=False)
    version = models.PositiveSmallIntegerField(default=1)
    raw = models.BinaryField(null=True)
    sha256 = models.BinaryField(max_length=32)
    data = models.JSONField(null=True)
    received_at = models.DateTimeField(default=timezone.now, db_default=Now())
    final_at = models.DateTimeField()
    digested_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["assignment", "version"], name="answer_version_once")]
        indexes = [
            # Rows are the queue: what has become final and is not digested yet.
            models.Index(fields=["final_at"], name="answer_due", condition=Q(digested_at__isnull=True))
        ]
        triggers = [
            pgtrigger.Trigger(
                name="answer_append_only",
                when=pgtrigger.Before,
                operation=pgtrigger.Update,
                # An erased answer keeps its hash: bytes and text may become NULL, nothing else ever changes.
                condition=pgtrigger.Condition(
                    "OLD.assignment_id <> NEW.assignment_id OR OLD.version <> NEW.version OR OLD.sha256 <> NEW.sha256"
                    " OR OLD.received_at <> NEW.received_at"
                    " OR (NEW.raw IS NOT NULL AND OLD.raw IS DISTINCT FROM NEW.raw)"
                    " OR (NEW.data IS NOT NULL AND OLD.data IS DISTINCT FROM NEW.data)"
                ),
                func="RAISE EXCEPTION 'an answer is never changed' USING ERRCODE = 'insufficient_privilege';",
            ),
            pgtrigger.Protect(name="answer_never_deleted", operation=pgtrigger.Delete),
        ]

    def __str__(self) -> str:
        return f"answer {self.assignment_id}.{self.version}"


class Appeal(models.Model):
    """A worker asks for a rejection to be looked at again. Without a ruling in time, the worker wins."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        UPHELD = "upheld", _("upheld")
        DISMISSED = "dismissed", _("dismissed")

    MOVES = {State.OPEN: {State.UPHELD, State.DISMISSED}}

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    assignment = models.OneToOneField(Assignment, on_delete=models.PROTECT, related_name="appeal")
    reason = models.TextField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    ruling = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    rule_by = models.DateTimeField(help_text="After this the worker wins.")
    ruled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["rule_by"], name="appeal_due", condition=Q(state="open"))]

    def __str__(self) -> str:
        return f"appeal of {self.assignment}"
