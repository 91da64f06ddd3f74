"""What a requester adds to the instructions while a batch is in work. The frozen instructions stay as they are."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone


class GuidelineNote(models.Model):
    """A clarification for everybody who works on a batch; the newest is shown first."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    batch = models.ForeignKey("marketplace.Batch", on_delete=models.PROTECT, related_name="guideline_notes")
    #: What gave rise to it; for the requester only.
    hit = models.ForeignKey("marketplace.Hit", null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    body = models.CharField(max_length=1000)
    by = models.BigIntegerField(help_text="User.")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"note to {self.batch}"
