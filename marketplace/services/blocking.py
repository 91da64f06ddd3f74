"""Workers with whom a requester does not work: no reproach, and without effect anywhere else."""

from __future__ import annotations

from django.db import transaction

from core.errors import Invalid
from marketplace.models import Batch, Block, Requester
from marketplace.services.accepting import recheck
from workers_app.models import Worker


@transaction.atomic
def block_worker(*, requester: Requester, worker: Worker, reason: str) -> Block:
    """Not offered to this worker any more; places that are held can still be answered and are paid."""
    if not 0 < len(reason.strip()) <= 300:
        raise Invalid(errors={"reason": "Say why, in at most 300 characters."})
    block, _ = Block.objects.update_or_create(requester=requester, worker=worker, defaults={"reason": reason.strip()})
    recheck(worker_id=worker.pk, batch_ids=Batch.objects.filter(project__requester=requester).values("pk"))
    return block


def unblock_worker(*, requester: Requester, worker: Worker) -> bool:
    deleted, _ = Block.objects.filter(requester=requester, worker=worker).delete()
    return bool(deleted)
