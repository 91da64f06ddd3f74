"""What a question names by its address, as far as we keep it."""

from __future__ import annotations

from uuid import UUID

from marketplace.models import Media
from mturk.questions import media_of


def stored_media(question: str, requester_id: int | None) -> dict[str, UUID]:
    """Address in the question -> id of our copy, which may still be on its way; without those that could not be had."""
    named = Media.objects.filter(requester=requester_id, source_url__in=media_of(question))
    return dict(named.exclude(state=Media.State.FAILED).values_list("source_url", "public_id"))
