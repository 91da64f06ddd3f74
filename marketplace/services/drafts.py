"""What is typed and not handed in: kept with the place, so that no closed lid and no late hour loses it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from core import clock
from core.errors import Invalid
from marketplace.errors import NotYours
from marketplace.models import Assignment, Draft

MOST_FIELDS, LONGEST_FIELD, LARGEST_DRAFT = 2000, 500_000, 1_000_000
#: Out of these an answer can still come; from an expired one late.
LATE = (Assignment.State.EXPIRED, Assignment.State.LAPSED)
LIVE = (Assignment.State.ACCEPTED, Assignment.State.REVISING, Assignment.State.SUBMITTED, *LATE)
KEPT_FOR = timedelta(days=14)


def keep_draft(*, assignment: Assignment, fields: Any) -> datetime:
    """Keep the fields of the form as they are, `[[name, value], ...]`; when it was kept. An empty list forgets them.

    Raises
    ------
    Invalid, NotYours
    """
    pairs = fields if isinstance(fields, list) else None
    if pairs is None or len(pairs) > MOST_FIELDS or not all(_is_pair(pair) for pair in pairs):
        raise Invalid(errors={"fields": f"A list of at most {MOST_FIELDS} pairs of texts: name and value."})
    if sum(len(name) + len(value) for name, value in pairs) > LARGEST_DRAFT:
        raise Invalid(errors={"fields": f"At most {LARGEST_DRAFT} characters in all."})
    if assignment.state not in LIVE:
        raise NotYours
    now = clock.now()
    clean = [[name.replace("\0", ""), value.replace("\0", "")] for name, value in pairs]
    Draft.objects.bulk_create(
        [Draft(assignment=assignment, fields=clean, saved_at=now)],
        update_conflicts=True,
        unique_fields=["assignment"],
        update_fields=["fields", "saved_at"],
    )
    return now


def _is_pair(pair: Any) -> bool:
    is_two = isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair)
    return is_two and len(pair[0]) <= 200 and len(pair[1]) <= LONGEST_FIELD


def forget_drafts(now: datetime) -> int:
    """Delete drafts from which no answer can come any more. A day is left to look back at one."""
    old = Draft.objects.filter(saved_at__lt=now - KEPT_FOR)
    over = Draft.objects.filter(saved_at__lt=now - timedelta(days=1)).exclude(
        assignment__state__in=[Assignment.State.ACCEPTED, Assignment.State.REVISING, *LATE]
    )
    return old.delete()[0] + over.delete()[0]
