"""How workers choose their work: favourites, saved searches, and what they say of those who post it."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils import timezone


class Rating(models.Model):
    """One worker's word on one requester, after paid work. Nobody but the worker ever sees it by itself."""

    STARS = (1, 2, 3, 4, 5)

    worker = models.ForeignKey("workers_app.Worker", on_delete=models.CASCADE, related_name="ratings")
    requester = models.ForeignKey("marketplace.Requester", on_delete=models.CASCADE, related_name="ratings")
    stars = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(default=timezone.now)
    #: Not in the requester's sum yet, or with an older number of stars.
    is_fresh = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["worker", "requester"], name="rating_once"),
            models.CheckConstraint(condition=Q(stars__range=(1, 5)), name="rating_one_to_five"),
        ]

    def __str__(self) -> str:
        return f"{self.stars} of 5"


class RatingSum(models.Model):
    """What everybody is told of a requester's ratings. It moves only when at least five workers spoke since it last
    did: from the difference of two sums nobody can tell who said what."""

    requester = models.OneToOneField("marketplace.Requester", on_delete=models.CASCADE, related_name="rating_sum")
    raters = models.PositiveIntegerField()
    stars = models.PositiveIntegerField(help_text="The sum over all raters.")
    made_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.stars} from {self.raters}"


class Favourite(models.Model):
    """A project that a worker wants to find again."""

    worker = models.ForeignKey("workers_app.Worker", on_delete=models.CASCADE, related_name="favourites")
    project = models.ForeignKey("marketplace.Project", on_delete=models.CASCADE, related_name="favourites")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["worker", "project"], name="favourite_once")]

    def __str__(self) -> str:
        return f"{self.worker} likes {self.project}"


class SavedSearch(models.Model):
    """Filters of the list of work under a name; with `tells`, new work that fits is announced."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    worker = models.ForeignKey("workers_app.Worker", on_delete=models.CASCADE, related_name="saved_searches")
    name = models.CharField(max_length=80)
    filters = models.JSONField(default=dict, help_text="As in the address of the list of work.")
    tells = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "saved searches"
        constraints = [models.UniqueConstraint(fields=["worker", "name"], name="saved_search_name_once")]

    def __str__(self) -> str:
        return self.name
