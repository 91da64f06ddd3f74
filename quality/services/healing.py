"""Labels as they stood when what they leaned on changed, and what became of them (DESIGN.md rule 7.5).

A decision (a worker's weight, a key) begins a healing for each batch that it touches. The labels in question are
written down before they are computed again; the refit that follows adds what it changes beside; then it is counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from django.db import connection
from django.db.models import QuerySet

from core import clock
from core.models import Operation
from marketplace.models import Hit
from quality.models import GoldQuestion, HealedLabel, Healing
from workers_app.models import Worker

COLUMNS = """
(healing_id, hit_id, question, part, label, value, confidence, state, taken, is_changed, is_asked, is_short)
"""
BEFORE = """
       b.hit_id, b.question, b.part, b.label, b.value, b.confidence, b.state,
       CASE WHEN h.state <> 0 THEN h.taken END, false, false, false
"""
SNAPSHOT = f"""
INSERT INTO quality_healedlabel {COLUMNS}
SELECT w.id, {BEFORE}
FROM quality_belief b JOIN marketplace_hit h ON h.id = b.hit_id AND h.lane = 0
JOIN quality_healing w ON w.batch_id = h.batch_id AND w.id = ANY(%(healings)s)
WHERE b.hit_id = ANY(%(hits)s)
ON CONFLICT DO NOTHING
"""  # noqa: S608
# Inside of a refit, before it writes `fitted`: other labels that it changes although nothing new was said about them.
ALSO_CHANGED = f"""
INSERT INTO quality_healedlabel {COLUMNS}
SELECT w.id, {BEFORE}
FROM quality_healing w JOIN marketplace_batch c ON c.id = w.batch_id AND c.project_id = %(project)s
JOIN marketplace_hit h ON h.batch_id = w.batch_id AND h.lane = 0
JOIN fitted f ON f.hit_id = h.id
JOIN quality_belief b ON b.hit_id = f.hit_id AND b.question = %(question)s AND b.part = f.part
WHERE w.done_at IS NULL AND w.fit_id IS NOT NULL AND b.state <> 'overruled' AND b.seen = f.seen
  AND (b.label IS DISTINCT FROM f.label
       OR (b.state = 'settled' AND f.confidence < (c.design #>> '{{rules,target}}')::float8))
ON CONFLICT DO NOTHING
"""  # noqa: S608
# Numbers move a little with every fit: a change is more than a thousandth.
COUNT = """
UPDATE quality_healedlabel l SET
    is_changed = b.label IS DISTINCT FROM l.label OR CASE
        WHEN jsonb_typeof(b.value) = 'number' AND jsonb_typeof(l.value) = 'number'
        THEN abs(b.value::float8 - l.value::float8) > 1e-3 * greatest(abs(l.value::float8), 1e-9)
        ELSE b.label IS NULL AND b.value IS DISTINCT FROM l.value END,
    is_asked = coalesce(h.state = 0 OR h.taken > l.taken, false) AND l.taken IS NOT NULL,
    is_short = l.taken IS NOT NULL AND h.state = 1 AND h.taken = l.taken
               AND l.state = 'settled' AND b.state NOT IN ('settled', 'overruled')
FROM quality_belief b, marketplace_hit h
WHERE l.healing_id = %(healing)s AND h.id = l.hit_id
  AND b.hit_id = l.hit_id AND b.question = l.question AND b.part = l.part
"""
SUMS = """
SELECT count(*), count(*) FILTER (WHERE l.is_changed), count(DISTINCT l.hit_id) FILTER (WHERE l.is_asked),
       coalesce((SELECT sum(places) FROM (
           SELECT DISTINCT a.hit_id, CASE WHEN h.state = 0 THEN h.max_assignments ELSE h.taken END - a.taken AS places
           FROM quality_healedlabel a JOIN marketplace_hit h ON h.id = a.hit_id
           WHERE a.healing_id = %(healing)s AND a.is_asked) p), 0)
FROM quality_healedlabel l WHERE l.healing_id = %(healing)s
"""


def note_before(*, work: Operation, hits: Sequence[Hit], worker: Worker | int, counts: bool) -> None:
    """Write down the labels of these HITs before a worker's answers lose (or regain) their weight.

    Called under the HITs' locks; again for the same HITs it changes nothing.
    """
    cause = Healing.Cause.COUNTED if counts else Healing.Cause.IGNORED
    worker_id = worker if isinstance(worker, int) else worker.pk
    Healing.objects.bulk_create(
        [
            Healing(work=work, batch_id=batch_id, cause=cause, worker_id=worker_id)
            for batch_id in sorted({hit.batch_id for hit in hits})
        ],
        ignore_conflicts=True,
    )
    _write_down(Healing.objects.filter(work=work), [hit.pk for hit in hits])


def _write_down(healings: Iterable[Healing], hit_ids: Sequence[int]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SNAPSHOT, {"healings": [one.pk for one in healings], "hits": list(hit_ids)})


def begin_for_machine(*, batch_id: int, hit_ids: Sequence[int]) -> Healing:
    """A machine may not answer these HITs alone any more. Called before they are digested again."""
    healing = Healing.objects.create(batch_id=batch_id, cause=Healing.Cause.MACHINE)
    _write_down([healing], hit_ids)
    return healing


def begin_for_key(gold: GoldQuestion) -> Healing | None:
    """A key was corrected or taken out of use: what the next fit changes in its batch follows from that."""
    if gold.hit is None:
        return None
    waiting = Healing.objects.filter(batch=gold.hit.batch_id, cause=Healing.Cause.KEY, fit=None, done_at=None).first()
    return waiting or Healing.objects.create(batch_id=gold.hit.batch_id, cause=Healing.Cause.KEY)


def note_changes(*, project_id: int, question: str) -> None:
    """Inside of a refit: add what it changes to the healings that wait for it. Reads its table `fitted`."""
    if not Healing.objects.filter(batch__project=project_id, done_at=None, fit__isnull=False).exists():
        return
    with connection.cursor() as cursor:
        cursor.execute(ALSO_CHANGED, {"project": project_id, "question": question})


def conclude(healing: Healing) -> Healing:
    """Count what became of the labels, and forget those to which nothing happened."""
    about = {"healing": healing.pk}
    with connection.cursor() as cursor:
        cursor.execute(COUNT, about)
        cursor.execute(SUMS, about)
        healing.leaned, healing.changed, healing.asked, places = cursor.fetchone()
    healing.cost = int(places) * healing.batch.price
    healing.done_at = clock.now()
    healing.save(update_fields=["leaned", "changed", "asked", "cost", "done_at"])
    healing.labels.filter(is_changed=False, is_asked=False, is_short=False).delete()
    return healing


def short_hits(healing: Healing) -> list[int]:
    """HITs below their target now, and not asked again."""
    short = healing.labels.filter(is_short=True)
    return list(short.order_by("hit_id").values_list("hit_id", flat=True).distinct())


def healings_of(batch_id: int) -> QuerySet[Healing]:
    return Healing.objects.filter(batch=batch_id).select_related("batch__project__requester", "repair", "worker")


def first_hits(hit_ids: Collection[int]) -> dict[int, int]:
    """HITs of repair batches among these -> the HIT that they ask again."""
    return dict(HealedLabel.objects.filter(repair_hit__in=list(hit_ids)).values_list("repair_hit_id", "hit_id"))


def first_hits_of(project_id: int) -> dict[int, tuple[int, int]]:
    """All HITs of repair batches of a project -> the HIT that each asks again, and its batch."""
    rows = HealedLabel.objects.filter(healing__batch__project=project_id, repair_hit__isnull=False)
    return {new: (hit, batch) for new, hit, batch in rows.values_list("repair_hit_id", "hit_id", "healing__batch_id")}
