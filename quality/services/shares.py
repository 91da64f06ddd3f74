"""How often each worker draws gold: by trust and alarms, as far as the supply carries it (QUALITY.md section 4).

The exposure law: golds >= share x views / r, where r is how often ordinary HITs are opened. Where gold is short of it,
the share falls first; then the requester is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import ceil

import numpy as np
from django.db import connection

from core import clock
from core.freshness import fresh
from marketplace.models import Batch, Hit, Participation
from marketplace.selectors import design_of
from quality.estimators.gold import gold_share, golds_needed
from quality.models import Flag, GoldQuestion, WorkerReliability
from quality.selectors import Pool, pool_of
from quality.services.exposure import ENDED_FROM, NEWEST, openings_of_ended

NORMAL, NEWCOMER, MOST = 0.10, 0.25, 0.75
#: Golds of a worker before which they are shown as many as a newcomer.
CHECK_FIRST = 20
#: Below this part of what the rules ask for the requester is told.
LEAST_PART = 0.30

# Openings that HITs in work still have, about `r` each: of gold all, of ordinary ones those among the newest.
SUPPLY = """
WITH gold AS (
    SELECT count(*) AS n, coalesce(sum(greatest(greatest(%(r)s, h.max_assignments) - h.taken, 0)), 0) AS left
    FROM quality_goldquestion g JOIN marketplace_hit h ON h.id = g.hit_id
    WHERE h.batch_id = %(batch)s AND h.lane = 1 AND h.state = 0 AND g.pool = 'test' AND g.state = 'active'
), newest AS (
    SELECT count(*) AS n, coalesce(sum(greatest(greatest(%(r)s, max_assignments) - taken, 0))
                                   FILTER (WHERE lane = 0 AND state = 0), 0) AS left
    FROM (SELECT lane, state, max_assignments, taken FROM marketplace_hit WHERE batch_id = %(batch)s
          ORDER BY id DESC LIMIT %(newest)s) h
)
SELECT gold.n, gold.left, newest.left, newest.n FROM gold, newest
"""
WRITE_SHARES = """
UPDATE marketplace_participation p SET lane_share = n.share
FROM unnest(%s::bigint[], %s::float8[]) AS n(id, share)
WHERE p.id = n.id AND abs(p.lane_share - n.share) > %s
"""
#: How old the count of a large batch's HITs may be.
COUNTED_SECONDS = 300
#: Shares that differ by less are left alone: the row is the one that every claim locks.
SMALLEST_CHANGE = 0.002


@dataclass(frozen=True)
class Supply:
    """Gold of a batch: how many questions, openings left to them, openings that ordinary HITs will still have."""

    golds: int
    left: float
    ordinary_left: float
    r: float

    @property
    def share(self) -> float:
        """The share at which gold comes back as often as the rest, and lasts as long."""
        return self.left / (self.left + self.ordinary_left) if self.left else 0.0


def pools_of(batch: Batch) -> dict[str, Pool]:
    """The pools of the questions that have scores, or keys in this batch."""
    schema = design_of(batch).schema
    rows = WorkerReliability.objects.filter(project_id=batch.project_id, part="", checked__gt=0)
    names = sorted(set(rows.values_list("question", flat=True)) & {question.name for question in schema})
    return {name: pool_of(batch.project_id, name, schema) for name in names}


def batches_with_gold() -> list[Batch]:
    """Open batches whose workers may draw gold, or did until now."""
    golds = GoldQuestion.objects.filter(pool="test", state="active").values("hit__batch")
    batches = Batch.objects.filter(state=Batch.State.OPEN).select_related("project")
    return list((batches.filter(pk__in=golds) | batches.filter(lane_share__gt=0)).order_by("pk"))


def supply_of(batch: Batch, r: float | None = None) -> Supply:
    """`r`, where it is known from a moment ago."""
    if r is None:
        ended = openings_of_ended(batch.pk)
        r = float(np.mean(ended)) if len(ended) >= ENDED_FROM else float(design_of(batch).rules.first_places)
    with connection.cursor() as cursor:
        cursor.execute(SUPPLY, {"batch": batch.pk, "r": r, "newest": NEWEST})
        golds, left, of_newest, newest = cursor.fetchone()
    hits = newest if newest < NEWEST else _hits_in(batch)
    return Supply(golds, float(left), max(float(of_newest) * hits / max(newest, 1), 1.0), r)


def _hits_in(batch: Batch) -> int:
    """Of a large batch, as counted some minutes ago: what is extrapolated by it is an estimate, and it hardly moves."""
    return fresh(f"hits:{batch.pk}", Hit.objects.filter(batch=batch).count, least=COUNTED_SECONDS)


def set_shares(batch: Batch, pools: Mapping[str, Pool]) -> int:
    """Write how often each worker of the batch, and a newcomer, is to draw gold; returns how many changed.

    A worker's own share (trust, alarms) x the rules' share x what the supply allows, so that no gold comes back more
    often than ordinary HITs do. Where that leaves too little, the requester is told of the risk.
    """
    rules = design_of(batch).rules
    wanted = _wanted_shares(batch, pools)
    scale = rules.gold_share / NORMAL
    own = {pk: min(share * scale, MOST) for pk, share in wanted.items()}
    newcomer = min(NEWCOMER * scale, MOST)
    mean = float(np.mean(list(own.values()))) if own else newcomer
    supply = supply_of(batch)
    if changed := _hold_surplus(batch, supply, mean):
        supply = supply_of(batch, supply.r)
    factor = min(1.0, supply.share / mean) if mean > 0 else 0.0
    _tell_of_leak_risk(batch, supply, rules.gold_share)
    ids = sorted(own)
    with connection.cursor() as cursor:
        cursor.execute(WRITE_SHARES, [ids, [own[pk] * factor for pk in ids], SMALLEST_CHANGE])
        changed += cursor.rowcount
    share = newcomer * factor
    if abs(batch.lane_share - share) > SMALLEST_CHANGE or (share == 0) != (batch.lane_share == 0):
        changed += Batch.objects.filter(pk=batch.pk).update(lane_share=share)
    return changed


# Gold that nobody has seen yet moves between lane 1 and lane 2, from which nothing is claimed.
# Chosen once and apart: inside the WHERE, a plan that asks again for each row would move more than it should.
MOVE = """
WITH m AS MATERIALIZED (
    SELECT h.id FROM quality_goldquestion g JOIN marketplace_hit h ON h.id = g.hit_id
    WHERE h.batch_id = %(batch)s AND h.lane = %(of)s AND h.state = 0 AND h.taken = 0
      AND g.pool = 'test' AND g.state = 'active'
    ORDER BY h.position LIMIT %(many)s FOR NO KEY UPDATE OF h SKIP LOCKED
)
UPDATE marketplace_hit h SET lane = %(to)s FROM m WHERE h.id = m.id AND h.taken = 0
"""
MOST_MOVED = 20_000


def _hold_surplus(batch: Batch, supply: Supply, share: float) -> int:
    """Keep back the gold that this share will not come to show: shown now and then, it came back less often than the
    rest, which tells as well. What is kept back comes in when it is needed."""
    needed = share / (1 - share) * supply.ordinary_left
    surplus = int((supply.left - needed) / supply.r)
    if not surplus:
        return 0
    of, to = (1, 2) if surplus > 0 else (2, 1)
    with connection.cursor() as cursor:
        many = min(abs(surplus), MOST_MOVED)
        cursor.execute(MOVE, {"batch": batch.pk, "of": of, "to": to, "many": many})
        return cursor.rowcount


def _wanted_shares(batch: Batch, pools: Mapping[str, Pool]) -> dict[int, float]:
    """Participation -> share of gold that the worker's record asks for, by the question that says most about them."""
    members = dict(Participation.objects.filter(batch=batch).values_list("worker_id", "pk"))
    rows = WorkerReliability.objects.filter(project_id=batch.project_id, part="", worker_id__in=list(members))
    best: dict[int, WorkerReliability] = {}
    watched: set[int] = set()
    for row in rows.filter(question__in=list(pools)).order_by("checked"):
        best[row.worker_id] = row
        if row.state == WorkerReliability.State.WATCHED:
            watched.add(row.worker_id)
    shares = {}
    for worker, pk in members.items():
        known = best.get(worker)
        if known is None or (known.checked < CHECK_FIRST and worker not in watched):
            shares[pk] = NEWCOMER
        else:
            pool = pools[known.question]
            right, wrong = round(known.right), round(known.wrong)
            shares[pk] = gold_share(right, wrong, pool.mean, pool.bar, is_raised=worker in watched)
    return shares


def _tell_of_leak_risk(batch: Batch, supply: Supply, asked: float) -> None:
    key = f"leak_risk:{batch.pk}"
    open_flags = Flag.objects.filter(key=key, state=Flag.State.OPEN)
    is_short = bool(asked) and supply.golds > 0 and supply.share < LEAST_PART * asked
    if not is_short:
        if supply.golds:
            open_flags.update(state=Flag.State.CLOSED, closed_at=clock.now(), closed_reason="There is enough gold now.")
        return
    if Flag.objects.filter(key=key).update(state=Flag.State.OPEN, closed_at=None, closed_reason=""):
        return
    # Those that are there have openings left; each new one brings `r` of its own, and is opened beside the rest too.
    lacking = golds_needed(asked, supply.left + supply.ordinary_left, supply.r) - supply.left / supply.r
    more = max(1, ceil(lacking / (1 - asked)))
    Flag.objects.create(
        key=key,
        kind="leak_risk",
        project_id=batch.project_id,
        batch=batch,
        message=(
            f"{supply.golds} gold questions have too few openings left for a gold share of {asked:.0%}: they would "
            f"come back so often that workers recognise them. So only {supply.share:.1%} is shown. "
            f"Add {more} gold questions."
        ),
        evidence={"golds": supply.golds, "more": more, "share": round(supply.share, 4)},
        expires_at=clock.now() + timedelta(days=90),
    )
