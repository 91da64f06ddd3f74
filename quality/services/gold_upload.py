"""Keys that come with a requester's rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from quality.models import GoldQuestion


class KeyedHit(NamedTuple):
    """A HIT and its key: question -> accepted answers (by part, where the question is asked of parts)."""

    hit_id: int
    keys: dict[str, Any]
    explanation: str = ""


def add_uploaded_gold(*, project_id: int, keyed: Sequence[KeyedHit]) -> None:
    """Make gold questions of HITs that were just written with `lane=1`."""
    GoldQuestion.objects.bulk_create(
        [
            GoldQuestion(project_id=project_id, hit_id=one.hit_id, keys=one.keys, explanation=one.explanation)
            for one in keyed
        ],
        batch_size=1000,
    )


def remove_uploaded_gold(*, hit_ids: Sequence[int]) -> None:
    """Take back what `add_uploaded_gold` wrote for HITs that nobody was ever offered."""
    GoldQuestion.objects.filter(hit_id__in=hit_ids).delete()
