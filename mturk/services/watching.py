"""Which HITs' changes are noted: those with a review policy, or of a type whose events are told to somebody."""

from __future__ import annotations

from marketplace.models import Batch
from mturk.models import Change, HitType, MturkHit, Notification, Watch


def watch(row: MturkHit) -> None:
    """Begin to note changes of the HIT's batch, where anything follows from them."""
    if is_watched(row):
        Watch.objects.bulk_create([Watch(batch_id=row.hit.batch_id)], ignore_conflicts=True)


def watch_type(hit_type: HitType) -> None:
    """From now on every change of its HITs is noted."""
    projects = Batch.objects.filter(mturk_standing__hit_type=hit_type).values("project")
    batches = Batch.objects.filter(project__in=projects)
    Watch.objects.bulk_create([Watch(batch=batch) for batch in batches], ignore_conflicts=True)


def note(row: MturkHit, event: str) -> None:
    """An event of the HIT itself; those of assignments are noted by a trigger."""
    if is_watched(row):
        Change.objects.create(hit_id=row.pk, event=event)


def is_watched(row: MturkHit) -> bool:
    if row.assignment_policy or row.hit_policy:
        return True
    return Notification.objects.filter(hit_type=row.hit_type_id, is_active=True).exists()
