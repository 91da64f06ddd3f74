"""What staff write down for each other about a person or an organisation."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from core.errors import Invalid
from core.models import Note

LONGEST = 2000


def add_note(*, subject: str, by: Any, text: str) -> Note:
    """Raises `Invalid` without 1 to 2000 characters."""
    text = text.strip()
    if not 0 < len(text) <= LONGEST:
        raise Invalid(errors={"text": f"Write 1 to {LONGEST} characters."})
    return Note.objects.create(subject=subject, author=by, text=text)


def notes_on(subject: str) -> QuerySet[Note]:
    """Newest first."""
    return Note.objects.filter(subject=subject).select_related("author").order_by("-pk")
