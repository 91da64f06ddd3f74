"""How often gold is shown: as often as ordinary HITs are, drawn from what those had (QUALITY.md section 4).

An exposure is an opening. Until 50 ordinary HITs of a batch have ended, gold has the places that every HIT opens with;
then each draws its number of openings from theirs, and retires after it as an ordinary finished item does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from django.db import connection, transaction

from marketplace.models import Batch, Hit
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
        gold.limit = _count(hit.pk)[0]
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


# --- retirement -------------------------------------------------------------------------------------------------------

# Shown as often as it may be, and nothing of it is under way. Before a limit is drawn there may be more to come.
SHOWN_OUT = """
SELECT h.id FROM quality_goldquestion g JOIN marketplace_hit h ON h.id = g.hit_id
WHERE g.pool = 'test' AND g.state = 'active' AND g."limit" IS NOT NULL
  AND h.lane = 1 AND h.state = 0 AND h.taken >= h.max_assignments
  AND NOT EXISTS (SELECT FROM marketplace_assignment a WHERE a.hit_id = h.id AND (
      a.state IN ('accepted', 'revising') OR (a.state = 'submitted' AND NOT EXISTS (
          SELECT FROM marketplace_answer n WHERE n.assignment_id = a.id AND n.digested_at IS NOT NULL))))
ORDER BY h.id LIMIT %s
"""


def undrawn_batches() -> list[int]:
    """Live batches with gold that has no limit yet."""
    golds = GoldQuestion.objects.filter(
        pool="test", state="active", limit=None, hit__batch__state__in=["open", "paused"]
    )
    return sorted(set(golds.values_list("hit__batch_id", flat=True)))


@transaction.atomic
def draw_limits(*, batch_id: int, limit: int = 500, rng: np.random.Generator | None = None) -> int:
    """Draw the openings of gold that has none yet, once enough ordinary HITs of the batch have ended."""
    ended = openings_of_ended(batch_id)
    if len(ended) < ENDED_FROM:
        return 0
    ids = GoldQuestion.objects.filter(pool="test", state="active", limit=None, hit__batch_id=batch_id).order_by("hit")
    hit_ids = list(ids.values_list("hit_id", flat=True)[:limit])
    hits = {hit.pk: hit for hit in Hit.objects.select_for_update(no_key=True).filter(pk__in=hit_ids).order_by("pk")}
    rng = rng or np.random.default_rng()
    golds = GoldQuestion.objects.filter(hit_id__in=hit_ids, limit=None, state="active").order_by("hit")
    for gold in golds:
        draw_limit(gold=gold, hit=hits[gold.hit_id], ended=ended, rng=rng)  # type: ignore[index]
    return len(golds)


def shown_out(limit: int = 500) -> list[int]:
    """HITs of gold that was shown as often as it may be."""
    with connection.cursor() as cursor:
        cursor.execute(SHOWN_OUT, [limit])
        return [pk for (pk,) in cursor.fetchall()]


def retire_gold(*, hits: Sequence[Hit]) -> None:
    """The gold of these locked HITs is shown no more: they end like ordinary ones."""
    ids = [hit.pk for hit in hits]
    GoldQuestion.objects.filter(hit_id__in=ids, state="active", pool="test").update(state="retired")
    Hit.objects.filter(pk__in=ids, state=Hit.State.OPEN).update(state=Hit.State.RETIRED)


def retire_gold_of(batch: Batch) -> None:
    """At the close of a batch no gold of it is active any more; answers under way are scored all the same."""
    GoldQuestion.objects.filter(hit__batch=batch, pool="test", state="active").update(state="retired")
