"""How often gold is shown: as often as ordinary HITs are, drawn from what those had (QUALITY.md section 4).

An exposure is an opening. Until 50 ordinary HITs of a batch have ended, gold has the places that every HIT opens with;
then each draws its number of openings from theirs, and retires after it as an ordinary finished item does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from django.db import connection

from marketplace.models import Hit
from quality.estimators.gold import exposure_limit
from quality.models import GoldQuestion

#: Ordinary HITs that must have ended before their openings are drawn from, and how many of the latest count.
ENDED_FROM, LATEST = 50, 1000

OPENINGS = """
SELECT (SELECT count(*) FROM marketplace_assignment a WHERE a.hit_id = h.id AND a.opened_at IS NOT NULL)
FROM marketplace_hit h WHERE h.batch_id = %s AND h.lane = 0 AND h.state = 1 ORDER BY h.id DESC LIMIT %s
"""
# `standing` places are paid for by what the HIT has put aside; a place taken ahead may yet be opened.
OF_HIT = """
SELECT count(*) FILTER (WHERE opened_at IS NOT NULL),
       count(*) FILTER (WHERE state = 'accepted' AND is_ahead),
       count(*) FILTER (WHERE state IN ('accepted', 'submitted', 'revising')
                        OR (state = 'rejected' AND decide_at IS NOT NULL))
FROM marketplace_assignment WHERE hit_id = %s
"""


def openings_of_ended(batch_id: int) -> list[int]:
    """How often each of the latest ordinary HITs that ended was opened."""
    with connection.cursor() as cursor:
        cursor.execute(OPENINGS, [batch_id, LATEST])
        return [max(count, 1) for (count,) in cursor.fetchall()]


def open_in_lane(*, gold: GoldQuestion, hit: Hit) -> None:
    """Put a locked HIT that became gold where the claim finds it, with the openings that are left to it."""
    ended = openings_of_ended(hit.batch_id)
    if len(ended) >= ENDED_FROM:
        draw_limit(gold=gold, hit=hit, ended=ended)
    elif hit.state == Hit.State.OPEN:
        Hit.objects.filter(pk=hit.pk).update(lane=1)
    else:
        gold.limit = 0
        gold.state = GoldQuestion.State.RETIRED
        gold.save(update_fields=["limit", "state"])


def draw_limit(*, gold: GoldQuestion, hit: Hit, ended: Sequence[int], rng: np.random.Generator | None = None) -> int:
    """Draw the openings after which a locked gold HIT retires, and give it the places that are left of them.

    Places come out of what the HIT has put aside, so money does not move.
    """
    opened, ahead, standing = _count(hit.pk)
    # A HIT that was opened n times is compared with those that were opened at least as often.
    fitting = [count for count in ended if count >= opened] or [opened]
    limit = exposure_limit(fitting, rng or np.random.default_rng())
    left = max(0, min(limit - opened - ahead, hit.funded - standing))
    gold.limit = opened + ahead + left
    if hit.state == Hit.State.OPEN:
        hit.max_assignments = hit.taken + left
        hit.lane = 1
        hit.save(update_fields=["max_assignments", "lane"])
    else:
        gold.state = GoldQuestion.State.RETIRED
    gold.save(update_fields=["limit", "state"])
    return gold.limit


def _count(hit_id: int) -> tuple[int, int, int]:
    with connection.cursor() as cursor:
        cursor.execute(OF_HIT, [hit_id])
        return cursor.fetchone()
