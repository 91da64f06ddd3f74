"""Places on HITs, counted: in the HIT (`taken`), in the worker's participation, and in money (`funded`).

Locks are taken in the house order: Participation, Hit, Assignment.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Collection

from django.db import connection
from django.db.models import F, Q
from django.db.models.functions import Least

from core import clock
from core.states import move
from marketplace.models import Assignment, Hit, Participation
from payments.services.escrow import Purse, give_back


def lock_places(assignment: Assignment) -> None:
    """Lock what a change of this assignment touches."""
    list(
        Participation.objects.select_for_update(no_key=True)
        .filter(worker_id=assignment.worker_id, batch_id=assignment.batch_id)
        .values_list("pk")
    )
    list(Hit.objects.select_for_update(no_key=True).filter(pk=assignment.hit_id).values_list("pk"))
    list(Assignment.objects.select_for_update(no_key=True).filter(pk=assignment.pk).values_list("pk"))


def count_open_place(assignment: Assignment, change: int) -> None:
    Participation.objects.filter(worker_id=assignment.worker_id, batch_id=assignment.batch_id).update(
        open_places=F("open_places") + change
    )


def retake_place(assignment: Assignment) -> bool:
    """An expired place, if it is still free and nobody but its worker wants it back."""
    again = Q(hit=assignment.hit_id)
    if assignment.group_key is not None:
        again |= Q(batch=assignment.batch_id, group_key=assignment.group_key)
    if Assignment.objects.filter(again, worker=assignment.worker_id, holds=True).exists():
        return False
    # Of gold nobody else was given the place, since it was seen already (`give_up_place`).
    free = Hit.objects.filter(Q(room=True) | Q(lane__gt=0, state=Hit.State.OPEN), pk=assignment.hit_id)
    return bool(free.update(taken=F("taken") + 1, max_assignments=F("max_assignments") + Least(F("lane"), 1)))


def retake_lapsed(assignment: Assignment) -> bool:
    """A place that lapsed although it was shown, if it is still free: opened now, and counted as if it had stayed."""
    again = Q(hit=assignment.hit_id)
    if assignment.group_key is not None:
        again |= Q(batch=assignment.batch_id, group_key=assignment.group_key)
    if Assignment.objects.filter(again, worker=assignment.worker_id, holds=True).exists():
        return False
    rows = Participation.objects.filter(worker_id=assignment.worker_id, batch_id=assignment.batch_id)
    if rows.filter(batch__place_cap__isnull=False, taken_in_all__gte=F("batch__place_cap")).exists():
        return False
    gold = min(Hit.objects.values_list("lane", flat=True).get(pk=assignment.hit_id), 1)
    # A preview was counted as an opening when it was shown, and its lapse took that place away.
    back, new = (gold, 0) if assignment.opened_at else (0, gold)
    free = Hit.objects.filter(pk=assignment.hit_id, room=True)
    if not free.update(taken=F("taken") + 1, max_assignments=F("max_assignments") + back):
        return False
    Assignment.objects.filter(pk=assignment.pk).update(is_ahead=False, opened_at=clock.now())
    rows.update(taken_in_all=F("taken_in_all") + 1, lane_opened=F("lane_opened") + new)
    rows.filter(today=assignment.accepted_at.date()).update(taken_today=F("taken_today") + 1)
    return True


def give_up_place(assignment: Assignment, to: str, *, uncount: bool = False, **changes: object) -> Assignment:
    """Return, expire or lapse a place: the HIT has room again. `uncount`: it also counts in no cap of the worker.

    Call it under `lock_places`. Raises `IllegalMove` when the place is no longer held.
    """
    move(assignment, to, **changes)
    hit = Hit.objects.filter(pk=assignment.hit_id)
    hit.update(taken=F("taken") - 1)
    if assignment.opened_at:  # an opening counts as one, whatever came of it, where openings are limited
        hit.filter(lane__gt=0).update(max_assignments=F("max_assignments") - 1)
    count_open_place(assignment, -1)
    if uncount:
        rows = Participation.objects.filter(worker_id=assignment.worker_id, batch_id=assignment.batch_id)
        rows.update(taken_in_all=F("taken_in_all") - 1)
        rows.filter(today=assignment.accepted_at.date(), taken_today__gt=0).update(taken_today=F("taken_today") - 1)
    return assignment


def give_up_own_ahead(assignment: Assignment) -> None:
    """What a page fetched ahead for its worker does not stand in the way of their late answer to the same HIT."""
    ahead = Assignment.objects.select_for_update(no_key=True).filter(
        hit=assignment.hit_id, worker=assignment.worker_id, state=Assignment.State.ACCEPTED, is_ahead=True
    )
    for place in ahead:
        give_up_place(place, Assignment.State.LAPSED, uncount=True)


# Funded places that nothing needs any more: the HIT takes no more answers, and neither an undecided assignment
# nor a rejection that may still be turned round stands on them.
RELEASE = """
WITH needed AS (
    SELECT h.id, h.funded - s.places AS free
    -- Correlated, so that it goes by the index: as a join of thousands of HITs it may read every assignment there is.
    FROM marketplace_hit h, LATERAL (
        SELECT count(*) AS places FROM marketplace_assignment a WHERE a.hit_id = h.id AND (
            a.state IN ('accepted', 'submitted', 'revising') OR (a.state = 'rejected' AND a.decide_at IS NOT NULL))
    ) s
    WHERE h.id = ANY(%s) AND h.state <> 0
)
UPDATE marketplace_hit h SET funded = h.funded - needed.free FROM needed
WHERE h.id = needed.id AND needed.free > 0
RETURNING needed.free, h.batch_id
"""


def release_unneeded(*, hit_ids: Collection[int], purses: dict[int, tuple[Purse, int]]) -> int:
    """Give back the money of places that no longer need it; returns how many. The HITs are locked by the caller.

    `purses` maps a batch to its purse and price.
    """
    if not hit_ids:
        return 0
    free_of: Counter[int] = Counter()
    with connection.cursor() as cursor:
        cursor.execute(RELEASE, [sorted(hit_ids)])
        for free, batch_id in cursor.fetchall():
            free_of[batch_id] += free
    # One transfer a batch. Its key says nothing, because `funded` is what makes a second release of a place impossible.
    give_back(
        amounts=[
            (purses[batch_id][0], f"release:{batch_id}:{uuid.uuid4().hex}", free * purses[batch_id][1])
            for batch_id, free in sorted(free_of.items())
        ]
    )
    return free_of.total()
