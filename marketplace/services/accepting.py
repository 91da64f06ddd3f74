"""Taking a place. One statement claims (CLAIM.md); a slow path says why not, and tries again.

`Participation` is locked first: a worker meets nobody but themselves there, so caps and keys are safe under it.
"""

from __future__ import annotations

import random
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.db import connection, transaction

from core import clock
from marketplace.errors import AlreadyHad, BatchNotOpen, CapReached, Hidden, HitFull, NotEligible, NoWork, TooManyOpen
from marketplace.models import Assignment, Batch, Hit, Participation
from marketplace.models.hit import LAST_POSITION, random_position
from marketplace.selectors import eligibility
from workers_app.models import Worker

#: How long a full check of eligibility stands. Services that take a right away end it at once.
CHECK_STANDS = timedelta(seconds=60)
#: A worker for whom nothing is left is not searched for again at once: a full lap of 10^4 done HITs costs 14 ms.
DRY_FOR = timedelta(seconds=2)
#: SKIP LOCKED says "none" while a locked row may yet be free: look again before saying "no work".
RETRIES = ((0.005, 0.020), (0.010, 0.040), (0.020, 0.080), (0.040, 0.160))

PARTICIPATION_OPEN = """
    p.barred = '' AND p.checked_until > now() AND b.state = 'open'
    AND p.open_places < b.open_cap
    AND (b.place_cap IS NULL OR p.taken_in_all < b.place_cap)
    AND (b.day_cap IS NULL OR p.today <> CURRENT_DATE OR p.taken_today < b.day_cap)
"""
NOT_HAD = """
    (SELECT 1 FROM marketplace_assignment a
     WHERE a.hit_id = h.id AND a.worker_id = %(worker)s AND a.holds LIMIT 1) IS NULL
    AND (h.group_key IS NULL OR (SELECT 1 FROM marketplace_assignment a WHERE a.batch_id = %(batch)s
         AND a.worker_id = %(worker)s AND a.group_key = h.group_key AND a.holds LIMIT 1) IS NULL)
"""
# Counts what was inserted, in the HIT and in the participation. `cand` is whatever the claim chose.
TAKE = """
ins AS (
    INSERT INTO marketplace_assignment
        (hit_id, batch_id, worker_id, group_key, accept_key, reward, is_ahead, opened_at, deadline)
    SELECT cand.id, b.id, %(worker)s, cand.group_key, %(key)s::varchar, b.reward, %(ahead)s,
           CASE WHEN %(ahead)s THEN NULL ELSE now() END,
           now() + make_interval(secs => CASE WHEN %(ahead)s THEN %(lease)s ELSE b.assignment_seconds END)
    FROM cand JOIN marketplace_batch b ON b.id = %(batch)s
    ON CONFLICT DO NOTHING
    RETURNING id, public_id, hit_id, reward, deadline, accepted_at
), upd AS (
    UPDATE marketplace_hit h SET taken = taken + 1 FROM ins WHERE h.id = ins.hit_id
), mov AS (
    UPDATE marketplace_participation p
    -- Behind what was taken: a second claim that waited for this one must not try the same HIT on its old snapshot.
    SET cursor = CASE WHEN cand.lane = 0 THEN least(cand.position, 2147483646) + 1 ELSE p.cursor END,
        -- A lane of a few is small, and its members would all go on from the same place in lane 1.
        lane_cursor = CASE WHEN cand.lane = 1 THEN least(cand.position, 2147483646) + 1 ELSE p.lane_cursor END,
        open_places = p.open_places + 1,
        taken_in_all = p.taken_in_all + 1,
        taken_today = CASE WHEN p.today = CURRENT_DATE THEN p.taken_today + 1 ELSE 1 END,
        today = CURRENT_DATE,
        lane_opened = p.lane_opened + CASE WHEN cand.lane > 0 AND NOT %(ahead)s THEN 1 ELSE 0 END
    FROM cand, ins WHERE p.worker_id = %(worker)s AND p.batch_id = %(batch)s
)
SELECT ins.id, ins.public_id, ins.hit_id, ins.reward, ins.deadline, ins.accepted_at, d.public_id, d.data
FROM ins JOIN marketplace_hitdata d ON d.hit_id = ins.hit_id
"""
# The scalar form of the anti-join matters: NOT EXISTS becomes a join that may read all that the worker ever did.
# Where to look stands in a sorted list of its own: the drawn lane first, then the highest priority, then from the
# cursor on; made whole for both lanes (OFFSET 0), so that both take as long. As three joined lists the planner may run
# them in another order, and did once its statistics changed.
# Gold is only drawn from while lane 0 has something for this worker too: else the last HITs of a batch would all be
# gold, and whoever came late would know. It is asked for both lanes, so that both take as long.
# A few workers' gold comes from a lane of their own first (`quality.services.canaries`), as a number of the row that is
# read and locked anyway; of everybody else that lane is NULL, and falls out before anything is looked for.
CLAIM = f"""
WITH me AS MATERIALIZED (
    SELECT p.cursor, p.lane_cursor, p.gold_lane,
           CASE WHEN random() < p.lane_share THEN p.gold_lane ELSE 0 END AS first, (
        SELECT 1 FROM unnest(b.levels) AS l(priority),
             LATERAL (VALUES (p.cursor, {LAST_POSITION}), (0, p.cursor - 1)) AS r(low, high),
             LATERAL (SELECT 1 FROM marketplace_hit h
                      WHERE h.batch_id = %(batch)s AND h.room AND h.lane = 0 AND h.priority = l.priority
                        AND h.position BETWEEN r.low AND r.high AND {NOT_HAD}
                      ORDER BY h.position LIMIT 1) AS c LIMIT 1) AS ordinary
    FROM marketplace_participation p JOIN marketplace_batch b ON b.id = p.batch_id
    WHERE p.worker_id = %(worker)s AND p.batch_id = %(batch)s AND {PARTICIPATION_OPEN}
      AND (p.dry_until IS NULL OR p.dry_until < now())
      AND (SELECT 1 FROM marketplace_assignment k
           WHERE k.worker_id = %(worker)s AND k.accept_key = %(key)s::varchar) IS NULL
    FOR NO KEY UPDATE OF p
), cand AS (
    SELECT c.*, s.lane
    FROM me, marketplace_batch b,
         LATERAL (
            SELECT d.lane, l.priority, r.low, r.high
            FROM (VALUES (nullif(me.gold_lane, 1), me.lane_cursor), (1, me.lane_cursor), (0, me.cursor))
                      AS d(lane, start),
                 unnest(b.levels) WITH ORDINALITY AS l(priority, n),
                 LATERAL (VALUES (1, d.start, {LAST_POSITION}), (2, 0, d.start - 1)) AS r(lap, low, high)
            ORDER BY d.lane DESC, l.n, r.lap OFFSET 0) AS s,
         LATERAL (
            SELECT h.id, h.position, h.group_key FROM marketplace_hit h
            WHERE h.batch_id = %(batch)s AND h.room AND h.lane = s.lane AND h.priority = s.priority
              AND h.position BETWEEN s.low AND s.high AND {NOT_HAD}
            ORDER BY h.position LIMIT 1 FOR NO KEY UPDATE OF h SKIP LOCKED) AS c
    WHERE b.id = %(batch)s AND me.ordinary IS NOT NULL AND s.lane <= me.first
    LIMIT 1
), {TAKE}
"""  # noqa: S608
CLAIM_NAMED = f"""
WITH me AS MATERIALIZED (
    SELECT p.id FROM marketplace_participation p JOIN marketplace_batch b ON b.id = p.batch_id
    WHERE p.worker_id = %(worker)s AND p.batch_id = %(batch)s AND {PARTICIPATION_OPEN}
    FOR NO KEY UPDATE OF p
), cand AS (
    SELECT h.id, h.position, h.group_key, h.lane FROM me, marketplace_hit h
    WHERE h.id = %(hit)s AND h.room AND {NOT_HAD} FOR NO KEY UPDATE OF h
), {TAKE}
"""  # noqa: S608
# Ignores locks: is there anything at all that this worker could still get?
ANYTHING_LEFT = f"""
SELECT 1 FROM marketplace_batch b, unnest(b.levels) AS l(priority),
     LATERAL (SELECT 1 FROM marketplace_hit h WHERE h.batch_id = %(batch)s AND h.room AND h.lane = 0
                AND h.priority = l.priority AND {NOT_HAD} LIMIT 1) AS c
WHERE b.id = %(batch)s LIMIT 1
"""  # noqa: S608


@dataclass(frozen=True)
class Place:
    """What a worker receives with a place: the same for every kind of HIT."""

    assignment_id: int
    public_id: uuid.UUID
    hit_id: int
    reward: int
    deadline: datetime
    accepted_at: datetime
    hit_public_id: uuid.UUID
    data: dict[str, Any]


def claim(*, worker_id: int, batch_id: int, key: str | None, ahead: bool = False, lease: int = 120) -> Place | None:
    """One statement: a place on the next HIT with room that this worker has not had, or None."""
    return _take(CLAIM, {"worker": worker_id, "batch": batch_id, "key": key, "ahead": ahead, "lease": lease})


def accept_next(
    *, worker: Worker, batch: Batch, key: str | None = None, ahead: bool = False, lease: int = 120
) -> Place:
    """Give `worker` a place on some HIT of `batch`.

    The same `key` gives the same place again. With `ahead` the place is a lease of `lease` seconds until it is opened.

    Raises
    ------
    BatchNotOpen, NotEligible, TooManyOpen, CapReached, NoWork
    """
    place = claim(worker_id=worker.pk, batch_id=batch.pk, key=key, ahead=ahead, lease=lease)
    return place or accept_slowly(worker=worker, batch=batch, key=key, ahead=ahead, lease=lease)


def accept_slowly(
    *, worker: Worker, batch: Batch, key: str | None = None, ahead: bool = False, lease: int = 120
) -> Place:
    """After a claim that gave nothing: the place of this key, a full check, further tries. Raises as `accept_next`."""
    if earlier := _place_by_key(worker, key):
        return earlier
    if batch.state == Batch.State.OPEN and batch.hidden_by is None and _comes_too_late(worker, batch):
        raise NoWork
    participation = check_in(worker=worker, batch=batch)
    if participation.dry_until and participation.dry_until > clock.now():
        raise NoWork
    place = claim(worker_id=worker.pk, batch_id=batch.pk, key=key, ahead=ahead, lease=lease)
    if not place:
        _raise_if_capped(participation, batch)  # now, not after the tries: they hold up the process that makes them
    for low, high in RETRIES:
        if place or not _anything_left(worker.pk, batch.pk):
            break
        time.sleep(random.uniform(low, high))  # noqa: S311
        place = claim(worker_id=worker.pk, batch_id=batch.pk, key=key, ahead=ahead, lease=lease)
    if place or (place := _place_by_key(worker, key)):
        return place
    _raise_if_capped(participation, batch)
    Participation.objects.filter(pk=participation.pk).update(dry_until=clock.now() + DRY_FOR)
    raise NoWork


def _comes_too_late(worker: Worker, batch: Batch) -> bool:
    """A stranger to a batch in which nothing is left: a thousand of them at its last place need no full check each."""
    is_new = not Participation.objects.filter(worker=worker, batch=batch).exists()
    return is_new and not _anything_left(worker.pk, batch.pk)


def accept_hit(*, worker: Worker, hit: Hit, key: str | None = None) -> Place:
    """Give `worker` a place on this very HIT: for replay, and for a preview that the claim chose.

    Raises
    ------
    HitFull, AlreadyHad, and those of `accept_next`
    """
    arguments = {"worker": worker.pk, "batch": hit.batch_id, "hit": hit.pk, "key": key, "ahead": False, "lease": 0}
    if place := _take(CLAIM_NAMED, arguments):
        return place
    if earlier := _place_by_key(worker, key):
        return earlier
    batch = Batch.objects.select_related("project__requester").get(pk=hit.batch_id)
    participation = check_in(worker=worker, batch=batch)
    if place := _take(CLAIM_NAMED, arguments):
        return place
    _raise_if_capped(participation, batch)
    if Assignment.objects.filter(hit=hit, worker=worker, holds=True).exists():
        raise AlreadyHad
    raise HitFull


def check_in(*, worker: Worker, batch: Batch) -> Participation:
    """The worker's participation in `batch`, freshly checked.

    Raises
    ------
    BatchNotOpen, NotEligible
        `Hidden` before everything else, and without a trace.
    """
    batch.refresh_from_db(fields=["state", "lane_share"])
    reasons = eligibility(worker, batch)
    told = {r.code: f"{r.message} {r.remedy}".strip() for r in reasons}
    if any(reason.guards == "discover" for reason in reasons):
        raise Hidden(" ".join(told.values()), errors=told)
    # Both lanes go on from the same position and at the same pace: what two workers have in common in one lane, they
    # have in the other.
    start = random_position()
    participation, _ = Participation.objects.get_or_create(
        worker=worker,
        batch=batch,
        defaults={"cursor": start, "lane_cursor": start, "lane_share": batch.lane_share},
    )
    if "batch_not_open" in told:
        raise BatchNotOpen
    if reasons:
        raise NotEligible(" ".join(told.values()), errors=told)
    participation.checked_until = clock.now() + CHECK_STANDS
    participation.save(update_fields=["checked_until"])
    return participation


def recheck(*, worker_id: int, batch_ids: Any = None) -> None:
    """Something that eligibility looks at has changed: the next claim checks in full."""
    rows = Participation.objects.filter(worker_id=worker_id)
    if batch_ids is not None:
        rows = rows.filter(batch_id__in=batch_ids)
    # Well in the past: a claim compares with the time at which its transaction began.
    rows.update(checked_until=clock.now() - CHECK_STANDS)


@transaction.atomic
def open_place(*, assignment: Assignment) -> Assignment:
    """The worker sees a HIT that was accepted ahead: work time and deadline start now. Safe to call again."""
    batch = assignment.batch
    with connection.cursor() as cursor:  # in the house order: expiry of this place goes the same way
        cursor.execute(
            "SELECT 1 FROM marketplace_participation WHERE worker_id = %s AND batch_id = %s FOR NO KEY UPDATE",
            [assignment.worker_id, assignment.batch_id],
        )
    now = clock.now()
    is_new = Assignment.objects.filter(pk=assignment.pk, opened_at=None).exists()
    opened = Assignment.objects.filter(
        pk=assignment.pk, state=Assignment.State.ACCEPTED, is_ahead=True, deadline__gt=now
    ).update(is_ahead=False, opened_at=now, deadline=now + timedelta(seconds=batch.assignment_seconds))
    if opened and is_new:
        _count_opening(assignment)
    assignment.refresh_from_db()
    return assignment


@transaction.atomic
def preview_place(*, assignment: Assignment) -> None:
    """The worker looks at a HIT that was accepted ahead, before they take it: it was seen, so that counts as an
    opening; its time has not begun. Safe to call again."""
    Participation.objects.select_for_update(no_key=True).get(worker=assignment.worker_id, batch=assignment.batch_id)
    seen = Assignment.objects.filter(
        pk=assignment.pk, state=Assignment.State.ACCEPTED, is_ahead=True, opened_at=None
    ).update(opened_at=clock.now())
    if seen:
        _count_opening(assignment)


def _count_opening(assignment: Assignment) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE marketplace_participation p SET lane_opened = lane_opened + least(h.lane, 1) FROM marketplace_hit h"
            " WHERE h.id = %s AND p.worker_id = %s AND p.batch_id = %s",
            [assignment.hit_id, assignment.worker_id, assignment.batch_id],
        )


def renew_lease(*, assignment: Assignment, lease: int = 120) -> bool:
    """The open page keeps the next HIT for another while."""
    now = clock.now()
    return bool(
        Assignment.objects.filter(
            pk=assignment.pk, state=Assignment.State.ACCEPTED, is_ahead=True, deadline__gt=now
        ).update(deadline=now + timedelta(seconds=lease))
    )


# --- inside -----------------------------------------------------------------------------------------------------------


def _take(statement: str, arguments: dict[str, Any]) -> Place | None:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        row = cursor.fetchone()
    if row is None:
        return None
    return Place(*row[:-1], data=from_jsonb(row[-1]))  # type: ignore[misc]


def from_jsonb(value: Any) -> Any:
    """A jsonb column of a raw statement: Django's cursor gives its text."""
    return orjson.loads(value) if isinstance(value, (str, bytes)) else value


def _place_by_key(worker: Worker, key: str | None) -> Place | None:
    if key is None:
        return None
    earlier = Assignment.objects.filter(worker=worker, accept_key=key).select_related("hit__data_row").first()
    return place_of(earlier) if earlier else None


def place_of(assignment: Assignment) -> Place:
    data_row = assignment.hit.data_row
    return Place(
        assignment_id=assignment.pk,
        public_id=assignment.public_id,
        hit_id=assignment.hit_id,
        reward=assignment.reward,
        deadline=assignment.deadline,
        accepted_at=assignment.accepted_at,
        hit_public_id=data_row.public_id,
        data=data_row.data,
    )


def shown_to_lookers(batch: Batch) -> Place | None:
    """What is shown to those who may look and not accept: nothing is taken, so `assignment_id` is 0, and the place goes
    by the id of its HIT. Whoever looks sees the same HIT, so that nobody leafs through a batch."""
    hits = Hit.objects.filter(batch=batch, room=True, state=Hit.State.OPEN).select_related("data_row")
    hit = hits.order_by("lane", "-priority", "position").first()
    if hit is None:
        return None
    now, data = clock.now(), hit.data_row
    deadline = now + timedelta(seconds=batch.assignment_seconds)
    return Place(0, data.public_id, hit.pk, batch.reward, deadline, now, data.public_id, data.data)


def _anything_left(worker_id: int, batch_id: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(ANYTHING_LEFT, {"worker": worker_id, "batch": batch_id})
        return cursor.fetchone() is not None


def _raise_if_capped(participation: Participation, batch: Batch) -> None:
    participation.refresh_from_db()
    if participation.open_places >= batch.open_cap:
        raise TooManyOpen
    if batch.place_cap is not None and participation.taken_in_all >= batch.place_cap:
        raise CapReached
    is_today = participation.today == clock.now().date()
    if batch.day_cap is not None and is_today and participation.taken_today >= batch.day_cap:
        raise CapReached("You have done as many HITs of this batch as one person may in a day. Come back tomorrow.")
