"""Flags: raised by rules, closed by a person who says why."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from core import audit, clock
from core.errors import Invalid
from core.states import move
from quality.models import Flag


@transaction.atomic
def close_flag(*, flag: Flag, by: Any, reason: str) -> Flag:
    """A person has looked.

    Raises
    ------
    Invalid
        Without a reason.
    IllegalMove
        When it is closed already.
    """
    if not reason.strip():
        raise Invalid(errors={"reason": "Say why; it stays with the flag."})
    move(flag, Flag.State.CLOSED, closed_at=clock.now(), closed_reason=reason.strip()[:300])
    audit.record(act="flag.close", subject=f"flag:{flag.pk}", actor=by, reason=reason)
    return flag
