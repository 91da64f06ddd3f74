"""What a HIT needs after its belief has changed: nothing more, one answer more, or a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import F

from core.errors import InsufficientFunds
from core.states import move
from marketplace.models import Batch, Hit
from marketplace.selectors import Design
from marketplace.services.judging import purses_of
from marketplace.services.places import release_unneeded
from payments.services.escrow import put_aside, use_repair
from quality.services.beliefs import Learned

#: Two of the first three who say so park a HIT.
CANNOT_BE_ANSWERED = 2
FIRST_FEW = 3

#: Who says so more often than 3 x the batch's median, from 10 answers on, is not heard here. Where hardly anyone says
#: so, one in ten is still usual.
FEW_ANSWERS, USUAL_SHARE = 10, 0.10

CREDIBLE = """
WITH said AS (
    SELECT a.worker_id, count(*) AS answers, avg((n.data ? 'cannot_answer')::int) AS share,
           bool_or(a.hit_id = %(hit)s AND n.data ? 'cannot_answer') AS here
    FROM marketplace_assignment a JOIN marketplace_answer n ON n.assignment_id = a.id
    WHERE a.batch_id = %(batch)s AND a.state IN ('submitted', 'approved', 'rejected')
      AND a.worker_id IN (SELECT worker_id FROM marketplace_participation WHERE batch_id = %(batch)s)
    GROUP BY a.worker_id
), usual AS (SELECT percentile_cont(.5) WITHIN GROUP (ORDER BY share) AS median FROM said)
SELECT count(*) FROM said, usual WHERE here AND (answers < %(few)s OR share <= greatest(3 * median, %(usual)s))
"""

COUNT = """
SELECT a.hit_id,
       count(*) FILTER (WHERE a.state IN ('accepted', 'revising')
                        OR (a.state = 'submitted' AND NOT EXISTS (
                            SELECT 1 FROM marketplace_answer n
                            WHERE n.assignment_id = a.id AND n.digested_at IS NOT NULL)
                        )) AS pending,
       count(*) FILTER (WHERE a.state IN ('accepted', 'submitted', 'revising')
                        OR (a.state = 'rejected' AND a.decide_at IS NOT NULL)) AS standing,
       count(*) FILTER (WHERE a.state IN ('submitted', 'approved') AND (
            SELECT n.data ? 'cannot_answer' FROM marketplace_answer n WHERE n.assignment_id = a.id
            ORDER BY n.version DESC LIMIT 1)) AS cannot
FROM marketplace_assignment a WHERE a.hit_id = ANY(%(hits)s) GROUP BY a.hit_id
"""


@dataclass(frozen=True)
class Count:
    """Assignments of a HIT: not digested yet, standing on a funded place, and saying it cannot be answered."""

    pending: int = 0
    standing: int = 0
    cannot: int = 0


def settle_hits(
    *,
    hits: Sequence[Hit],
    learned: Mapping[int, Learned],
    batches: Mapping[int, Batch],
    designs: Mapping[int, Design],
) -> None:
    """Retire, park or ask once more, and give back what the stop saved, in the transaction that stops.

    The HITs are locked by the caller.
    """
    counts = _count([hit.pk for hit in hits])
    for hit in hits:
        count = counts.get(hit.pk, Count())
        known, design = learned.get(hit.pk, Learned()), designs[hit.batch_id]
        if hit.state == Hit.State.OPEN:
            _settle_open(hit, known, count, design, batches[hit.batch_id])
        elif hit.state == Hit.State.RETIRED and hit.lane == 0 and known.verdicts and known.action == "ask":
            _reopen(hit, count, batches[hit.batch_id])
    closed = [hit.pk for hit in hits if hit.state != Hit.State.OPEN]
    release_unneeded(hit_ids=closed, purses=purses_of(batches.values()))


def _settle_open(hit: Hit, known: Learned, count: Count, design: Design, batch: Batch) -> None:
    if _cannot_be_answered(hit, known, count):
        move(hit, Hit.State.PARKED)
        return
    if hit.lane == 0 and known.verdicts and known.action != "ask":
        move(hit, Hit.State.RETIRED)  # sure enough, or as sure as it gets
        return
    if hit.taken < hit.max_assignments or count.pending:
        return  # answers are still to come
    # In lane 1 it was shown as often as it may be, and ends like any other.
    is_done = hit.lane == 1 or (not known.verdicts and known.answers >= _enough(design))
    if is_done or not _ask_once_more(hit, count, batch):
        move(hit, Hit.State.RETIRED)


def _cannot_be_answered(hit: Hit, known: Learned, count: Count) -> bool:
    answered = known.answers + count.cannot
    if hit.lane or count.cannot < CANNOT_BE_ANSWERED or answered > FIRST_FEW:
        return False
    with connection.cursor() as cursor:
        cursor.execute(CREDIBLE, {"hit": hit.pk, "batch": hit.batch_id, "few": FEW_ANSWERS, "usual": USUAL_SHARE})
        return cursor.fetchone()[0] >= CANNOT_BE_ANSWERED


def _enough(design: Design) -> int:
    """Answers to collect where no question decides when to stop."""
    rules = design.rules
    return rules.max_answers if rules.is_adaptive else max(rules.first_places, 1)


def _ask_once_more(hit: Hit, count: Count, batch: Batch) -> bool:
    """One more place: from what the HIT has put aside, else from the repair reserve."""
    if hit.funded <= count.standing and not _fund_one(hit, batch):
        return False
    Hit.objects.filter(pk=hit.pk).update(max_assignments=F("max_assignments") + 1)
    hit.refresh_from_db(fields=["max_assignments", "funded"])
    return True


def _fund_one(hit: Hit, batch: Batch) -> bool:
    (purse, price) = purses_of([batch])[batch.pk]
    key = f"ask:{hit.pk}:{hit.max_assignments + 1}"
    if price:
        try:
            use_repair(purse=purse, amount=price, key=key)
        except InsufficientFunds:
            return False
    Hit.objects.filter(pk=hit.pk).update(funded=F("funded") + 1)
    return True


def _reopen(hit: Hit, count: Count, batch: Batch) -> None:
    """An answer lost its weight and the label with it: ask again, on the repair reserve, while the batch is open."""
    if batch.state not in (Batch.State.OPEN, Batch.State.PAUSED) or hit.taken < hit.max_assignments:
        return
    if _ask_once_more(hit, count, batch):
        move(hit, Hit.State.OPEN)


def fund_places(*, hit: Hit, batch: Batch, places: int, key: str) -> None:
    """Put aside for `places` more places of a locked HIT. Raises `InsufficientFunds`."""
    (purse, price) = purses_of([batch])[batch.pk]
    if price:
        put_aside(purse=purse, amount=places * price, key=key)
    Hit.objects.filter(pk=hit.pk).update(funded=F("funded") + places)


def _count(hit_ids: Sequence[int]) -> dict[int, Count]:
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"hits": list(hit_ids)})
        return {hit_id: Count(*row) for hit_id, *row in cursor.fetchall()}
