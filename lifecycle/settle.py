"""What a HIT needs after its belief has changed: nothing more, one answer more, or a person."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from django.db import connection
from django.db.models import F

from core.states import move_all
from marketplace.models import Batch, Hit
from marketplace.selectors import Design
from marketplace.services.judging import purses_of
from marketplace.services.places import release_unneeded
from payments.services.escrow import Purse, lock_purses, use_repair
from quality.services.beliefs import Learned
from quality.services.exposure import FOR_SOME, draw_end, retire_gold

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


class Next(Enum):
    WAIT = "wait"
    ASK = "ask once more"
    REOPEN = "open again, and ask once more"
    RETIRE = "retire"
    PARK = "park"


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
    is_their_turn: bool = False,
) -> None:
    """Retire, park or ask once more, and give back what the stop saved, in the transaction that stops.

    The HITs are locked by the caller. Where a budget is shared, one more is asked only of those whose turn it is.
    """
    counts = _count([hit.pk for hit in hits])
    purses = purses_of(batches.values())
    wanted: dict[Next, list[Hit]] = {step: [] for step in Next}
    may_reopen: dict[int, bool] = {}
    for hit in hits:
        count = counts.get(hit.pk, Count())
        step = next_step(hit, learned.get(hit.pk, Learned()), count, designs[hit.batch_id], batches[hit.batch_id])
        if step == Next.ASK and not is_their_turn and _waits_for_its_turn(hit, designs[hit.batch_id], purses):
            step = Next.WAIT
        if step == Next.REOPEN:
            if hit.batch_id not in may_reopen:
                may_reopen[hit.batch_id] = _may_reopen(hit.batch_id)
            step = Next.REOPEN if may_reopen[hit.batch_id] else Next.WAIT
        wanted[step].append(hit)
    poor = _without_money(sorted(wanted[Next.ASK] + wanted[Next.REOPEN], key=lambda hit: hit.pk), counts, purses)
    for step, instead in ((Next.ASK, Next.RETIRE), (Next.REOPEN, Next.WAIT)):
        wanted[instead] += [hit for hit in wanted[step] if hit.pk in poor]
        wanted[step] = [hit for hit in wanted[step] if hit.pk not in poor]
    more = ids_of(wanted[Next.ASK] + wanted[Next.REOPEN])
    if more:
        # Not `max_assignments + 1`: places that a HIT had left when it ended have no money any more.
        Hit.objects.filter(pk__in=more).update(max_assignments=F("taken") + 1)
    move_all(Hit, ids_of(wanted[Next.REOPEN]), Hit.State.OPEN)
    move_all(Hit, ids_of(wanted[Next.RETIRE]), Hit.State.RETIRED)
    retire_gold([hit.pk for hit in wanted[Next.RETIRE] if hit.lane])
    move_all(Hit, ids_of(wanted[Next.PARK]), Hit.State.PARKED)
    # Those that ended earlier may hold money too: a place came back since.
    ended = [hit for hit in wanted[Next.WAIT] if hit.state != Hit.State.OPEN]
    ended += wanted[Next.RETIRE] + wanted[Next.PARK]
    release_unneeded(hit_ids=ids_of(ended), purses=purses)


def next_step(hit: Hit, known: Learned, count: Count, design: Design, batch: Batch) -> Next:
    """What becomes of a HIT, from what is known now."""
    all_in = hit.taken >= hit.max_assignments and not count.pending
    if hit.state == Hit.State.RETIRED:
        # An answer lost its weight and the label with it: ask again while the batch is open.
        lost = hit.lane == 0 and known.verdicts and known.action == "ask"
        return Next.REOPEN if lost and batch.takes_more and not count.pending else Next.WAIT
    if hit.state != Hit.State.OPEN:
        return Next.WAIT
    if _cannot_be_answered(hit, known, count):
        return Next.PARK
    if hit.lane == 0 and known.verdicts and known.action != "ask":
        return Next.RETIRE  # sure enough, or as sure as it gets
    if not all_in:
        return Next.WAIT
    if hit.lane >= FOR_SOME:
        return Next.RETIRE  # how often it is asked was drawn when it was set aside
    if hit.lane == 1:  # as an ordinary one may fare; while that is not known, `lifecycle.watch` looks again
        ends = draw_end(batch_id=batch.pk, hit_id=hit.pk, most=design.rules.most_places)
        return Next.WAIT if ends is None else Next.RETIRE if ends else Next.ASK
    is_done = not known.verdicts and known.answers >= design.rules.wanted(hit.max_assignments)
    return Next.RETIRE if is_done else Next.ASK


def _waits_for_its_turn(hit: Hit, design: Design, purses: Mapping[int, tuple[Purse, int]]) -> bool:
    """Work without pay has no budget to share."""
    return hit.lane == 0 and design.rules.mode == "budget" and purses[hit.batch_id][1] > 0


def _cannot_be_answered(hit: Hit, known: Learned, count: Count) -> bool:
    answered = known.answers + count.cannot
    if hit.lane or count.cannot < CANNOT_BE_ANSWERED or answered > FIRST_FEW:
        return False
    with connection.cursor() as cursor:
        cursor.execute(CREDIBLE, {"hit": hit.pk, "batch": hit.batch_id, "few": FEW_ANSWERS, "usual": USUAL_SHARE})
        return cursor.fetchone()[0] >= CANNOT_BE_ANSWERED


def _without_money(
    asked: Sequence[Hit], counts: Mapping[int, Count], purses: Mapping[int, tuple[Purse, int]]
) -> set[int]:
    """Ids of those that one more place has no money for: it comes from what the HIT has put aside, else from the
    repair reserve, as far as that goes."""
    short: dict[int, list[int]] = {}
    for hit in asked:
        if hit.funded <= counts.get(hit.pk, Count()).standing:
            short.setdefault(hit.batch_id, []).append(hit.pk)
    if any(purses[batch_id][1] for batch_id in short):
        # More is posted after this (for the next batch, what others no longer need): lock all of it now, in order.
        lock_purses(purse for purse, _ in purses.values())
    poor: set[int] = set()
    for batch_id, ids in sorted(short.items()):
        purse, price = purses[batch_id]
        keys = [f"ask:{pk}:{uuid.uuid4().hex}" for pk in ids]
        many = use_repair(purse=purse, price=price, keys=keys) if price else len(ids)
        Hit.objects.filter(pk__in=ids[:many]).update(funded=F("funded") + 1)
        poor |= set(ids[many:])
    return poor


def ids_of(hits: Sequence[Hit]) -> list[int]:
    return [hit.pk for hit in hits]


def _may_reopen(batch_id: int) -> bool:
    """Read under a lock that closing waits for, else a HIT could open behind its back in a closed batch."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT state, paused_because FROM marketplace_batch WHERE id = %s FOR SHARE", [batch_id])
        state, paused_because = cursor.fetchone()
    return Batch(state=state, paused_because=paused_because).takes_more


def _count(hit_ids: Sequence[int]) -> dict[int, Count]:
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"hits": list(hit_ids)})
        return {hit_id: Count(*row) for hit_id, *row in cursor.fetchall()}
