"""Bring a healing to its end, as the clock does it."""

from core.models import Operation
from lifecycle.heal import heal_due
from lifecycle.operations import run_to_end
from marketplace.models import Batch
from quality.models import Healing


def heal(batch: Batch) -> Healing:
    for work in Operation.objects.filter(kind="weigh", finished_at=None):
        run_to_end(work)
    heal_due()
    healing = Healing.objects.get(batch=batch, done_at=None)
    run_to_end(healing.fit)
    heal_due()
    healing.refresh_from_db()
    return healing
