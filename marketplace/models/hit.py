"""A HIT is a narrow row that claims update; its payload is written once, apart (CLAIM.md, decision 1)."""

from __future__ import annotations

import random
import uuid

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

LAST_POSITION = 2**31 - 1


def random_position() -> int:
    return random.randint(0, LAST_POSITION)  # noqa: S311  spreads workers, guards nothing


class Hit(models.Model):
    class State(models.IntegerChoices):
        OPEN = 0, "open"
        RETIRED = 1, "retired"
        PARKED = 2, "parked"
        CANCELLED = 3, "cancelled"

    MOVES = {
        State.OPEN: {State.RETIRED, State.PARKED, State.CANCELLED},
        State.RETIRED: {State.OPEN},
        State.PARKED: {State.OPEN, State.CANCELLED},
    }

    # Without a constraint in the database: batches are never deleted, and it would be looked up for each copied row.
    batch = models.ForeignKey(
        "marketplace.Batch", on_delete=models.PROTECT, related_name="hits", db_index=False, db_constraint=False
    )
    #: 0 ordinary, 1 gold, 2 gold kept back, from 3 on gold for some workers alone (`Participation.gold_lane`). Never
    #: leaves the server; the claim draws a lane, then claims in it.
    lane = models.SmallIntegerField(default=0, db_default=0)
    priority = models.SmallIntegerField(default=0, db_default=0)
    position = models.IntegerField(default=random_position)
    group_key = models.BigIntegerField(null=True, blank=True)
    max_assignments = models.SmallIntegerField()
    taken = models.SmallIntegerField(default=0, db_default=0)
    funded = models.SmallIntegerField(
        default=0, db_default=0, help_text="Places put aside for, not yet paid or released."
    )
    state = models.SmallIntegerField(choices=State.choices, default=State.OPEN, db_default=0)
    #: Keeps `taken` and `state` out of index predicates, else no claim is a heap-only update.
    room = models.GeneratedField(
        expression=Q(taken__lt=F("max_assignments"), state=0),  # type: ignore[arg-type]
        output_field=models.BooleanField(),
        db_persist=True,
    )

    class Meta:
        verbose_name = "HIT"
        constraints = [
            models.CheckConstraint(condition=Q(taken__lte=F("max_assignments")), name="hit_never_overfull"),
            models.CheckConstraint(condition=Q(taken__gte=0), name="hit_taken_not_negative"),
            models.CheckConstraint(condition=Q(funded__gte=0), name="hit_funded_not_negative"),
            models.CheckConstraint(condition=Q(priority__gte=-100, priority__lte=100), name="hit_priority_range"),
        ]
        indexes = [
            models.Index("batch", "lane", F("priority").desc(), "position", name="hit_room", condition=Q(room=True)),
            models.Index(fields=["batch", "id"], name="hit_by_batch"),
        ]

    def __str__(self) -> str:
        return f"HIT {self.pk}"


class HitData(models.Model):
    """One row of the requester's data."""

    hit = models.OneToOneField(Hit, primary_key=True, on_delete=models.CASCADE, related_name="data_row")
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    batch = models.ForeignKey(
        "marketplace.Batch", on_delete=models.PROTECT, related_name="+", db_index=False, db_constraint=False
    )
    row_number = models.IntegerField(null=True, blank=True)
    external_id = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001  NULL: may repeat
    row_hash = models.BigIntegerField(db_index=True)
    data = models.JSONField()
    #: `ended_at`: when its own time was over, before that of its batch.
    overrides = models.JSONField(null=True, blank=True, help_text="Question, expiry or annotation of this HIT alone.")
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())

    class Meta:
        verbose_name = "HIT data"
        verbose_name_plural = "HIT data"
        constraints = [
            models.UniqueConstraint(
                fields=["batch", "external_id"], condition=Q(external_id__isnull=False), name="hit_external_id_once"
            )
        ]

    def __str__(self) -> str:
        return str(self.public_id)
