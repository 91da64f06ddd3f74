"""What the sweep does about gold: scores become verdicts, these reach the claim, gold is shown as it may be.

Nothing of it is on the way of a request, and every step may run at any time, any number of times.
"""

from __future__ import annotations

from django.db import transaction

from lifecycle.digest import batches_of_hits, digest_hits, lock_hits
from marketplace.services.judging import purses_of
from marketplace.services.places import release_unneeded
from quality.services import exposure, watching
from quality.services.contesting import doubtful_golds, suspend_doubtful
from quality.services.shares import batches_with_gold, pools_of, set_shares

GROUP = 50


def take_in_scores(limit: int = 500) -> int:
    """Scores since the last time: gate, looks and monitor of their workers; keys that strong workers disagree with."""
    due, golds = watching.due_scores(limit), set()
    for project_id, worker_id, question in due:
        golds |= set(watching.take_in(project_id=project_id, worker_id=worker_id, question=question))
    for gold in doubtful_golds(golds):
        if suspend_doubtful(gold=gold) and gold.hit_id:
            digest_hits(project_id=gold.project_id, hit_ids=[gold.hit_id])
    return len(due)


def carry_pauses() -> int:
    """Pauses that ended, and those that begin, reach the claim."""
    return watching.end_pauses() + watching.bar_paused()


def set_gold_shares() -> int:
    return sum(set_shares(batch, pools_of(batch)) for batch in batches_with_gold())


def limit_gold() -> int:
    """Draw how often gold is shown, and end what was shown as often."""
    drawn = sum(exposure.draw_limits(batch_id=batch_id) for batch_id in exposure.undrawn_batches())
    ids = exposure.shown_out()
    for start in range(0, len(ids), GROUP):
        end_gold(ids[start : start + GROUP])
    return drawn + len(ids)


@transaction.atomic
def end_gold(hit_ids: list[int]) -> None:
    """The gold of these HITs retires; the places that nothing needs go back."""
    hits = lock_hits(hit_ids)
    exposure.retire_gold(hits=hits)
    release_unneeded(hit_ids=hit_ids, purses=purses_of(batches_of_hits(hits).values()))
