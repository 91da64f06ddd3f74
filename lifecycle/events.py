"""What requesters' programs hear of: rows in the outbox, written with their cause, one for each webhook that asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from core.models import Outbox
from marketplace.models import Assignment, Batch, Webhook
from payments.models import Payout
from quality.models import Belief


def hooks_for(event: str, **owner: Any) -> list[Webhook]:
    return [hook for hook in Webhook.objects.filter(is_active=True, **owner) if event in hook.events]


def emit(event: str, key: str, hooks: Iterable[Webhook], payload: Mapping[str, Any]) -> None:
    """One outbox row a webhook; the same `key` again adds none."""
    Outbox.objects.bulk_create(
        [
            Outbox(
                kind="webhook",
                key=f"webhook:{hook.pk}:{event}:{key}",
                payload={"webhook": hook.pk, "event": event, "data": dict(payload)},
            )
            for hook in hooks
        ],
        ignore_conflicts=True,
    )


def answers_submitted(assignments: Iterable[Assignment], batches: Mapping[int, Batch]) -> None:
    event = "answer.submitted"
    by_requester = {
        b.project.requester_id: hooks_for(event, requester=b.project.requester_id) for b in batches.values()
    }
    for assignment in assignments:
        batch = batches[assignment.batch_id]
        if hooks := by_requester[batch.project.requester_id]:
            payload = {"assignment": str(assignment.public_id), "batch": str(batch.public_id)}
            emit(event, str(assignment.public_id), hooks, payload)


def label_settled(belief: Belief, batch: Batch) -> None:
    event = "label.settled"
    if hooks := hooks_for(event, requester=batch.project.requester_id):
        payload = {
            "batch": str(batch.public_id),
            "hit": str(belief.hit.data_row.public_id),
            "question": belief.question,
            "part": belief.part,
            "confidence": round(belief.confidence, 4),
        }
        emit(event, f"{belief.hit_id}:{belief.question}:{belief.part}:{belief.seen}", hooks, payload)


def batch_finished(batch: Batch) -> None:
    event = "batch.finished"
    if hooks := hooks_for(event, requester=batch.project.requester_id):
        emit(event, str(batch.public_id), hooks, {"batch": str(batch.public_id), "state": batch.state})


def payout_changed(payout: Payout) -> None:
    event = "payout.changed"
    if hooks := hooks_for(event, worker=payout.worker_id):
        payload = {"payout": str(payout.public_id), "state": payout.state}
        emit(event, f"{payout.public_id}:{payout.state}:{payout.attempt}", hooks, payload)
