"""What the sweep does about gold: scores become verdicts, these reach the claim, gold is shown as it may be.

Nothing of it is on the way of a request, and every step may run at any time, any number of times.
"""

from __future__ import annotations

from lifecycle.digest import digest_hits
from quality.services import exposure, watching
from quality.services.canaries import end_closed, tend
from quality.services.contesting import doubtful_golds, suspend_doubtful
from quality.services.healing import begin_for_key
from quality.services.shares import batches_with_gold, pools_of, set_shares

GROUP = 20


def take_in_scores(limit: int = 500) -> int:
    """Scores since the last time: gate, looks and monitor of their workers; keys that strong workers disagree with."""
    due = watching.due_scores(limit)
    golds: set[int] = set()
    pools: watching.Pools = {}
    for project_id, worker_id, question in due:
        golds |= set(watching.take_in(project_id=project_id, worker_id=worker_id, question=question, pools=pools))
    for gold in doubtful_golds(golds):
        if suspend_doubtful(gold=gold) and gold.hit_id:
            digest_hits(project_id=gold.project_id, hit_ids=[gold.hit_id])
            begin_for_key(gold)
    return len(due)


def carry_pauses() -> int:
    """Pauses that ended, and those that begin, reach the claim."""
    return watching.end_pauses() + watching.bar_paused()


def set_gold_shares() -> int:
    """And canaries to those whom a fit suspects of sharing answers."""
    return end_closed() + sum(set_shares(batch, pools_of(batch)) + tend(batch) for batch in batches_with_gold())


def limit_gold() -> int:
    """Gold that waited to know how often ordinary HITs are opened: settle it like them."""
    by_project: dict[int, list[int]] = {}
    for waiting in exposure.waiting_gold():
        by_project.setdefault(waiting.project_id, []).append(waiting.hit_id)
    for project_id, hit_ids in sorted(by_project.items()):
        for start in range(0, len(hit_ids), GROUP):
            digest_hits(project_id=project_id, hit_ids=hit_ids[start : start + GROUP])
    return sum(map(len, by_project.values()))
