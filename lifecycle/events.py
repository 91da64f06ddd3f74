"""What requesters' programs hear of: rows in the outbox, written with their cause, one for each webhook that asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.models import Outbox
from marketplace.models import Assignment, Batch, HitData, Webhook
from marketplace.selectors import design_of
from payments.models import Payout
from quality.models import Belief


def hooks_for(event: str, **owner: Any) -> list[Webhook]:
    return [hook for hook in Webhook.objects.filter(is_active=True, **owner) if event in hook.events]


#: What happened, by its key: who asked to hear of it, and what they hear.
Told = dict[str, tuple[Iterable[Webhook], Mapping[str, Any]]]


def emit(event: str, told: Told) -> None:
    """One outbox row a webhook and key; the same key again adds none."""
    Outbox.objects.bulk_create(
        [
            Outbox(
                kind="webhook",
                key=f"webhook:{hook.pk}:{event}:{key}",
                payload={"webhook": hook.pk, "event": event, "data": dict(payload)},
            )
            for key, (hooks, payload) in told.items()
            for hook in hooks
        ],
        ignore_conflicts=True,
    )


def answers_submitted(assignments: Iterable[Assignment], batch_of: Mapping[int, Batch]) -> None:
    """`batch_of` maps HITs to their batch."""
    event = "answer.submitted"
    hooks = _hooks_by_requester(event, batch_of)
    told: Told = {}
    for assignment in assignments:
        batch = batch_of[assignment.hit_id]
        if asked := hooks[batch.project.requester_id]:
            payload = {"assignment": str(assignment.public_id), "batch": str(batch.public_id)}
            told[str(assignment.public_id)] = (asked, payload)
    emit(event, told)


def _hooks_by_requester(event: str, batch_of: Mapping[int, Batch]) -> dict[int, list[Webhook]]:
    requesters = {batch.project.requester_id for batch in batch_of.values()}
    return {requester: hooks_for(event, requester=requester) for requester in requesters}


def labels_settled(beliefs: Iterable[Belief], batch_of: Mapping[int, Batch]) -> None:
    """`batch_of` maps HITs to their batch."""
    event = "label.settled"
    hooks = _hooks_by_requester(event, batch_of)
    asked = [belief for belief in beliefs if hooks[batch_of[belief.hit_id].project.requester_id]]
    rows = HitData.objects.in_bulk([belief.hit_id for belief in asked])
    told: Told = {}
    for belief in asked:
        batch, row = batch_of[belief.hit_id], rows[belief.hit_id]
        payload = {
            "batch": str(batch.public_id),
            "hit": str(row.public_id),
            "external_id": row.external_id,
            "question": belief.question,
            "part": belief.part,
            "label": belief.value
            if belief.label is None
            else design_of(batch).schema[belief.question].classes[belief.label],
            "confidence": None if belief.sureness is None else round(belief.sureness, 4),
            "is_calibrated": belief.is_calibrated,
        }
        key = f"{belief.hit_id}:{belief.question}:{belief.part}:{belief.seen}"
        told[key] = (hooks[batch.project.requester_id], payload)
    emit(event, told)


def batch_finished(batch: Batch) -> None:
    event = "batch.finished"
    if hooks := hooks_for(event, requester=batch.project.requester_id):
        emit(event, {str(batch.public_id): (hooks, {"batch": str(batch.public_id), "state": batch.state})})


def payout_changed(payout: Payout) -> None:
    event = "payout.changed"
    if hooks := hooks_for(event, worker=payout.worker_id):
        payload = {"payout": str(payout.public_id), "state": payout.state}
        emit(event, {f"{payout.public_id}:{payout.state}:{payout.attempt}": (hooks, payload)})
