"""How often gold is shown: as often as ordinary HITs are, and at the same pace (QUALITY.md section 4).

An exposure is an opening. When all places of an ordinary HIT are answered its belief decides whether one more is asked
for; gold draws that decision from what became of ordinary HITs that had been opened as often. So its exposures have
their distribution at every moment, not only once many have ended: a distribution of those that have ended already
would be short of long ones, and gold that waits for it could be told by that.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

from django.core.cache import cache
from django.db import connection

from marketplace.models import Batch, Hit
from quality.models import GoldQuestion

#: Ordinary HITs whose fate at a number of openings must be known before gold draws from it; until then it waits.
KNOWN_FROM = 10
#: Ordinary HITs that must have ended before their mean says how often HITs are opened.
ENDED_FROM, LATEST = 50, 1000
#: The newest HITs of a batch are looked through for those in work: positions are random, so they are any HITs.
NEWEST, SAMPLE = 50_000, 2000
STALE_SECONDS = 3
#: Lanes from this on are for some workers alone.
FOR_SOME = 3

OPENINGS = """
SELECT h.state = 1, h.room, o.n
FROM (SELECT * FROM (SELECT id, state, room, taken, lane FROM marketplace_hit WHERE batch_id = %(batch)s
                     ORDER BY id DESC LIMIT %(newest)s) newest
      WHERE lane = 0 AND state IN (0, 1) AND taken > 0 ORDER BY id DESC LIMIT %(sample)s) h
CROSS JOIN LATERAL (SELECT count(*) AS n FROM marketplace_assignment a
                    WHERE a.hit_id = h.id AND a.opened_at IS NOT NULL) o
"""


def openings_of_ended(batch_id: int) -> list[int]:
    """How often each of the latest ordinary HITs that ended was opened."""
    return [n for is_ended, _, n in _openings(batch_id) if is_ended and n][:LATEST]


def _openings(batch_id: int) -> list[tuple[bool, bool, int]]:
    with connection.cursor() as cursor:
        cursor.execute(OPENINGS, {"batch": batch_id, "newest": NEWEST, "sample": SAMPLE})
        return cursor.fetchall()


def ending_chances(rows: Sequence[tuple[bool, bool, int]]) -> dict[int, float]:
    """Openings -> part of the HITs opened so often that ended there, where enough is known.

    `rows` say of each HIT whether it ended, whether it has room, and its openings. One with room will be opened again;
    one that waits for answers is known to have gone on before its last opening, and no more (Kaplan and Meier, 1958).
    """
    ended: dict[int, int] = {}
    known: dict[int, int] = {}
    for is_ended, has_room, n in rows:
        if is_ended:
            ended[n] = ended.get(n, 0) + 1
        for k in range(1, n + 1 if is_ended or has_room else n):
            known[k] = known.get(k, 0) + 1
    return {k: ended.get(k, 0) / count for k, count in known.items() if count >= KNOWN_FROM}


def chance_to_end(batch_id: int, openings: int) -> float | None:
    """How likely an ordinary HIT of the batch ends after so many openings; None while too few have come so far."""
    chances = cache.get_or_set(f"ending:{batch_id}", lambda: ending_chances(_openings(batch_id)), STALE_SECONDS)
    return (chances or {}).get(openings)


def draw_end(*, batch_id: int, hit_id: int, most: int) -> bool | None:
    """Does this gold, all of whose places are answered, end here? None: it waits until more is known.

    `most` is how often an ordinary HIT may be answered at all.
    """
    openings = openings_of([hit_id])[hit_id]
    if openings >= most:
        return True
    chance = chance_to_end(batch_id, openings)
    return None if chance is None else random.random() < chance  # noqa: S311  hides gold among equals, guards nothing


def openings_of(hit_ids: Sequence[int]) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT h.id, count(a.id) FROM unnest(%s::bigint[]) AS h(id) LEFT JOIN marketplace_assignment a"
            " ON a.hit_id = h.id AND a.opened_at IS NOT NULL GROUP BY h.id",
            [list(hit_ids)],
        )
        return dict(cursor.fetchall())


def open_in_lane(*, gold: GoldQuestion, hit: Hit) -> None:
    """Put a locked HIT that became gold where the claim finds it; a finished one has been shown often enough."""
    if hit.state == Hit.State.OPEN:
        Hit.objects.filter(pk=hit.pk).update(lane=1)
    else:
        retire_gold([hit.pk])
        gold.refresh_from_db(fields=["state", "limit"])


class Waiting(NamedTuple):
    hit_id: int
    batch_id: int
    project_id: int
    lane: int
    openings: int


# All places answered and digested, or given up, and no decision yet.
WAITING = """
SELECT h.id, h.batch_id, g.project_id, h.lane, (
    SELECT count(*) FROM marketplace_assignment a WHERE a.hit_id = h.id AND a.opened_at IS NOT NULL)
FROM quality_goldquestion g JOIN marketplace_hit h ON h.id = g.hit_id
WHERE g.pool = 'test' AND g.state = 'active' AND h.lane > 0 AND h.state = 0 AND h.taken >= h.max_assignments
  AND NOT EXISTS (SELECT FROM marketplace_assignment a WHERE a.hit_id = h.id AND (
      a.state IN ('accepted', 'revising') OR (a.state = 'submitted' AND NOT EXISTS (
          SELECT FROM marketplace_answer n WHERE n.assignment_id = a.id AND n.digested_at IS NOT NULL))))
ORDER BY h.id LIMIT %s
"""


def waiting_gold(limit: int = 1000) -> list[Waiting]:
    """Gold whose next step can be drawn now: what was not known when its last answer was digested is known since."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [limit])
        rows = [Waiting(*row) for row in cursor.fetchall()]
    return [row for row in rows if row.lane >= FOR_SOME or chance_to_end(row.batch_id, row.openings) is not None]


# Locked in the order of their HITs, as digests do it.
RETIRE = """
WITH l AS MATERIALIZED (
    SELECT id FROM quality_goldquestion WHERE hit_id = ANY(%s) AND pool = 'test' AND state = 'active'
    ORDER BY hit_id FOR NO KEY UPDATE
)
UPDATE quality_goldquestion g SET state = 'retired', "limit" = (
    SELECT count(*) FROM marketplace_assignment a WHERE a.hit_id = g.hit_id AND a.opened_at IS NOT NULL)
FROM l WHERE g.id = l.id
"""


def retire_gold(hit_ids: Sequence[int]) -> None:
    """The gold of these HITs is shown no more; answers under way are scored all the same."""
    with connection.cursor() as cursor:
        cursor.execute(RETIRE, [list(hit_ids)])


def retire_gold_of(batch: Batch) -> None:
    """At the close of a batch no gold of it is active any more."""
    active = GoldQuestion.objects.filter(hit__batch=batch, pool="test", state="active")
    retire_gold(list(active.values_list("hit_id", flat=True)))
