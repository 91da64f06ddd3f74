"""A guideline note: shown beside the task from the next HIT on, and told to everybody who works on the batch."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core import audit
from core.errors import Invalid
from core.models import Operation
from core.operations import Turn
from marketplace.models import Batch, GuidelineNote, Hit, Participation
from users.services.notices import notify

KIND = "clarify"
LONGEST = 1000
AT_ONCE = 100


@transaction.atomic
def clarify(*, batch: Batch, body: str, by: Any, hit: Hit | None = None) -> GuidelineNote:
    """Write a note; the sweep tells the workers who have taken part.

    Raises
    ------
    Invalid
    """
    body = body.strip()
    if not 0 < len(body) <= LONGEST or "\0" in body:
        raise Invalid(errors={"body": f"1 to {LONGEST} characters: the workers read it beside the task."})
    note = GuidelineNote.objects.create(batch=batch, hit=hit, body=body, by=by.pk)
    workers = Participation.objects.filter(batch=batch, taken_in_all__gt=0).count()
    Operation.objects.create(
        kind=KIND,
        subject=f"batch:{batch.pk}",
        requester_id=batch.project.requester_id,
        total=workers,
        arguments={"note": note.pk},
    )
    audit.record(act="batch.clarify", subject=f"batch:{batch.pk}", actor=by, note=str(note.public_id), workers=workers)
    return note


def work(turn: Turn) -> None:
    """Tell one group of workers; the key has each told once, also when a turn is done again."""
    note = GuidelineNote.objects.select_related("batch__project").get(pk=turn.operation.arguments["note"])
    taking_part = Participation.objects.filter(batch=note.batch, taken_in_all__gt=0, pk__gt=turn.cursor.get("after", 0))
    group = list(taking_part.select_related("worker__user").order_by("pk")[:AT_ONCE])
    if turn.cancel_is_asked():
        turn.finish(Operation.State.CANCELLED)
        return
    if not group:
        turn.finish(result={"told": turn.operation.done})
        return
    with transaction.atomic():
        for one in group:
            notify(
                user=one.worker.user,
                kind="project.guideline",
                title=format_lazy(_("A note on {name}"), name=note.batch.project.name),
                body=note.body,
                key=f"guideline:{note.public_id}",
            )
        turn.save(cursor={"after": group[-1].pk}, done=turn.operation.done + len(group))
