"""A worker says that something is wrong with a HIT, and may go on answering it."""

from __future__ import annotations

from datetime import timedelta

from core import clock
from core.errors import Invalid
from marketplace.errors import NotYours
from marketplace.models import Assignment
from quality.models import Flag

WORDS = {
    "unclear": "that the question is unclear",
    "too_long": "that it takes too long",
    "broken": "that something is broken",
    "underpaid": "that the pay is too low",
    "distressing": "that it is distressing",
    "personal": "that it shows personal data",
    "other": "a problem",
}


def report_problem(*, assignment: Assignment, reason: str, note: str = "") -> Flag:
    """A person looks at it; the place stays as it is. The same reason again is the same report.

    Raises
    ------
    Invalid, NotYours
    """
    if reason not in Assignment.ReturnReason.values:
        raise Invalid(errors={"reason": f"One of {', '.join(Assignment.ReturnReason.values)}."})
    if assignment.state == Assignment.State.LAPSED:
        raise NotYours
    said = f" “{note.strip()[:380]}”" if note.strip() else ""
    flag, _ = Flag.objects.get_or_create(
        key=f"report:{assignment.pk}:{reason}",
        defaults={
            "kind": "distress" if reason == Assignment.ReturnReason.DISTRESSING else "report",
            "project_id": assignment.batch.project_id,
            "batch": assignment.batch,
            "hit_id": assignment.hit_id,
            "message": f"A worker reports {WORDS[reason]}.{said}",
            "evidence": {"assignment": str(assignment.public_id), "reason": reason, "note": note[:500]},
            "expires_at": clock.now() + timedelta(days=90),
        },
    )
    return flag
