"""Flags: raised by rules, closed by a person who says why."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from core import audit, clock
from core.errors import Invalid
from core.states import move
from quality.models import Flag


@transaction.atomic
def close_flag(*, flag: Flag, by: Any, reason: str, verdict: str = Flag.Verdict.DISMISSED) -> Flag:
    """A person has looked, and finds the flag right or not. It follows nothing by itself: acts are a decision apart.

    Raises
    ------
    Invalid
        Without a reason, or with another verdict than `confirmed` and `dismissed`.
    IllegalMove
        When it is closed already.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= 300:
        raise Invalid(errors={"reason": "Say why, in at most 300 characters; it stays with the flag."})
    if verdict not in Flag.Verdict.values:
        raise Invalid(errors={"verdict": f"One of {', '.join(Flag.Verdict.values)}."})
    changes = {"closed_reason": reason, "verdict": verdict, "closed_by": getattr(by, "pk", None)}
    move(flag, Flag.State.CLOSED, closed_at=clock.now(), **changes)
    subject = f"worker:{flag.worker_id}" if flag.worker_id else f"flag:{flag.pk}"
    audit.record(act=f"flag.{verdict}", subject=subject, actor=by, reason=reason, flag=flag.pk, kind=flag.kind)
    return flag
