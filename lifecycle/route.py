"""Under a budget the order of asking is everything: the next answer goes where it tells most (QUALITY.md 3).

A HIT opens with its fewest answers; the rest of the budget lies in the batch's reserve. When few places are left open,
the unsure HITs with the largest expected gain are asked once more, a tenth of them by chance.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from django.db import connection

from lifecycle.digest import GROUP, digest_hits
from marketplace.models import Batch, Hit
from marketplace.selectors import design_of
from marketplace.services.judging import purses_of
from quality.services.routing import expected_gains

#: Places kept open at least, and at most HITs chosen in one step.
FEWEST_OPEN, MOST_CHOSEN = 10, 2_000
#: Of the HITs that wait, the part that is asked in one round: the smaller, the more the next round knows.
ROUND = 0.1
#: Chosen by chance, so that what is believed wrongly is found out.
EXPLORED = 0.1
#: The least sure are looked at, so many times what is chosen.
LOOKED_AT = 4

PLACES = """
SELECT (SELECT count(*) FROM (SELECT FROM marketplace_hit WHERE batch_id = %(batch)s AND lane = 0 AND room
                              LIMIT %(most)s) o),
       (SELECT count(*) FROM marketplace_assignment WHERE batch_id = %(batch)s AND state IN ('accepted', 'revising')
                                                      AND deadline > statement_timestamp())
"""
WAITING = """
SELECT h.id, count(*) OVER () FROM marketplace_hit h
WHERE h.batch_id = %(batch)s AND h.lane = 0 AND h.state = 0 AND NOT h.room AND NOT EXISTS (
    SELECT FROM marketplace_assignment a WHERE a.hit_id = h.id AND (a.state IN ('accepted', 'revising') OR
        (a.state = 'submitted' AND EXISTS (
            SELECT FROM marketplace_answer n WHERE n.assignment_id = a.id AND n.digested_at IS NULL))))
ORDER BY (SELECT min(b.confidence) FROM quality_belief b
          WHERE b.hit_id = h.id AND b.state IN ('collecting', 'disputed')) NULLS FIRST, h.id
LIMIT %(most)s
"""


def route_budgets() -> int:
    """Ask once more in the open batches that have a budget; how many HITs were asked, or ended for want of money."""
    batches = Batch.objects.filter(state=Batch.State.OPEN, design__rules__mode="budget")
    return sum(_route(batch) for batch in batches.select_related("project").order_by("pk"))


def _route(batch: Batch) -> int:
    with connection.cursor() as cursor:
        cursor.execute(PLACES, {"batch": batch.pk, "most": MOST_CHOSEN})
        open_, held = cursor.fetchone()
        enough = max(FEWEST_OPEN, held)
        purse, price = purses_of([batch])[batch.pk]
        # Without money they end; what is still answered may save some.
        if open_ >= enough or ((open_ or held) and price and purse.repair.balance < price):
            return 0
        cursor.execute(WAITING, {"batch": batch.pk, "most": MOST_CHOSEN * LOOKED_AT})
        rows = cursor.fetchall()
    if not rows:
        return 0
    wanted = min(max(enough, round(rows[0][1] * ROUND)), MOST_CHOSEN)
    chosen = _choose(batch, [pk for pk, _ in rows][: wanted * LOOKED_AT], wanted)
    for start in range(0, len(chosen), GROUP):
        digest_hits(project_id=batch.project_id, hit_ids=chosen[start : start + GROUP], is_their_turn=True)
    return len(chosen) - Hit.objects.filter(pk__in=chosen, state=Hit.State.OPEN, room=False).count()


def _choose(batch: Batch, waiting: Sequence[int], count: int) -> list[int]:
    """`count` of those that wait: those of which nothing is known, then by expected gain, but for some by chance."""
    gains = expected_gains(project_id=batch.project_id, design=design_of(batch), hit_ids=waiting)
    ranked = sorted(waiting, key=lambda pk: (-gains.get(pk, float("inf")), pk))
    by_gain = ranked[: count - int(count * EXPLORED)]
    rest = ranked[len(by_gain) :]
    return by_gain + random.sample(rest, min(count - len(by_gain), len(rest)))  # noqa: S311  no secret
