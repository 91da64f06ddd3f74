"""Canaries: gold that only suspects are given, to see whether they share answers (QUALITY.md section 4).

Once a fit has found workers who answer from one key, some gold that nobody has seen is set aside in a lane of its own,
and the members' claims draw their gold from there first: no more often than before, by the same statement. What that
proves, and why it is exact, stands in `quality.estimators.canaries`. It is evidence before a person, nothing else:
votes, pauses and pay stay as they are.

Members who compare notes could know canaries by having them all in common. So one is answered by as many members as
ordinary HITs that they have in common are, and there is at most one of them for eight of those.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import orjson
from django.db import IntegrityError, connection, transaction

from core import clock
from marketplace.models import Batch, Hit, Participation
from marketplace.schema import Question
from marketplace.selectors import design_of
from quality.estimators.canaries import Sharing, chances_to_repeat, repeat_rate, sharing
from quality.estimators.expectation import shrunk_confusions
from quality.models import CanarySet, CrowdModel, GoldQuestion, WorkerReliability
from quality.services.beliefs import counts_of, crowd_of, truth_of
from quality.services.exposure import FOR_SOME, KNOWN_FROM

#: Canaries of a cluster in a batch: with fewer there is no power, and more prove no more.
LEAST, MOST = 4, 24
#: Ordinary HITs that members have in common for each canary.
COMMON_FOR_EACH = 8
#: The newest gold that others are measured on.
MOST_COMPARED = 2000
KINDS = ("categorical", "ordinal", "pairwise")

COMMON = """
SELECT bool_or(h.state = 1), count(*) FROM marketplace_assignment a
JOIN marketplace_hit h ON h.id = a.hit_id AND h.lane = 0
WHERE a.batch_id = %(batch)s AND a.worker_id = ANY(%(members)s) AND a.opened_at IS NOT NULL
GROUP BY a.hit_id HAVING count(*) > 1
"""
# Nobody has seen them, also not to give them back. Half of what there is stays for everybody.
UNSEEN = """
WITH unseen AS MATERIALIZED (
    SELECT h.id FROM quality_goldquestion g JOIN marketplace_hit h ON h.id = g.hit_id
    WHERE h.batch_id = %(batch)s AND h.lane IN (1, 2) AND h.state = 0 AND h.taken = 0 AND h.funded > 1
      AND h.group_key IS NULL AND g.pool = 'test' AND g.state = 'active' AND NOT g.is_soft AND g.keys ? %(question)s
      AND (SELECT 1 FROM marketplace_assignment a WHERE a.hit_id = h.id LIMIT 1) IS NULL
), chosen AS MATERIALIZED (
    SELECT id FROM unseen ORDER BY random() LIMIT least(%(most)s, (SELECT count(*) FROM unseen) / 2)
)
SELECT h.id, h.funded FROM chosen c JOIN marketplace_hit h ON h.id = c.id
WHERE h.taken = 0 FOR NO KEY UPDATE OF h SKIP LOCKED
"""
# What each said last, in the order in which they first spoke.
SAID = """
SELECT j.hit_id, j.worker_id, (array_agg(j.label ORDER BY j.id DESC))[1], max(j.id)
FROM quality_judgment j
WHERE j.hit_id = ANY(%(hits)s) AND j.question = %(question)s AND j.part = '' AND j.label IS NOT NULL
  AND (j.worker_id = ANY(%(workers)s)) = %(is_among)s
GROUP BY j.hit_id, j.worker_id ORDER BY min(j.id)
"""
NOTE = """
WITH r AS (
    UPDATE quality_workerreliability SET signs = signs || %(found)s::jsonb
    WHERE project_id = %(project)s AND question = %(question)s AND part = '' AND worker_id = ANY(%(members)s)
      AND cluster IS NOT NULL
)
UPDATE quality_flag SET evidence = evidence || %(found)s::jsonb
WHERE project_id = %(project)s AND kind = 'copying' AND state = 'open' AND worker_id = ANY(%(members)s)
  AND evidence ->> 'question' = %(question)s
"""


def tend(batch: Batch) -> int:
    """Begin, steer, look at and end the canaries of one open batch; returns how much changed. Safe at any time."""
    known = list(CanarySet.objects.filter(batch=batch).select_related("batch__project").order_by("pk"))
    rings = _rings(batch.project_id)
    if not rings and all(one.ended_at for one in known):
        return 0
    changed = 0
    for one in known:
        if one.ended_at is None:
            changed += look(one)
            is_wanted = any(question == one.question and len(ring & {*one.members}) > 1 for question, ring in rings)
            changed += _go_on(one) if is_wanted else _end(one)
    for question, ring in rings:
        if not any(question == one.question and len(ring & {*one.members}) > 1 for one in known):
            changed += _begin(batch, question, ring, FOR_SOME + len(known))
    return changed


def end_closed() -> int:
    """Canaries of batches that take no answers any more say what they can, and end."""
    left = CanarySet.objects.filter(ended_at=None).exclude(batch__state__in=[Batch.State.OPEN, Batch.State.PAUSED])
    return sum(look(one) + _end(one) for one in left.select_related("batch__project"))


def found_of(project_id: int, question: str) -> dict[int, dict[str, Any]]:
    """Worker -> what canaries say of the cluster they were in, for those that were given any."""
    sets = CanarySet.objects.filter(project=project_id, question=question).exclude(found={}).order_by("pk")
    return {worker: one.found for one in sets for worker in one.members}


def _rings(project_id: int) -> list[tuple[str, set[int]]]:
    """Question and members of each cluster that the newest fits found."""
    rows = WorkerReliability.objects.filter(project=project_id, part="", cluster__isnull=False)
    rings: dict[tuple[str, int], set[int]] = defaultdict(set)
    for question, cluster, worker in rows.values_list("question", "cluster", "worker_id"):
        rings[question, int(cluster or 0)].add(worker)
    return [(question, ring) for (question, _), ring in sorted(rings.items()) if len(ring) > 1]


# --- giving -----------------------------------------------------------------------------------------------------------


def _begin(batch: Batch, question: str, ring: Collection[int], lane: int) -> int:
    """Set gold aside for these workers, where they have enough in common here and there is enough."""
    schema = design_of(batch).schema
    if question not in schema or schema[question].kind not in KINDS or schema[question].for_ != "item":
        return 0
    members = sorted(ring)
    often, most = _in_common(batch.pk, members)
    if most < LEAST:
        return 0
    begun = CanarySet(project=batch.project, batch=batch, question=question, lane=lane, members=members, hits=[])
    try:
        with transaction.atomic():
            begun.save()
            if not _set_aside(begun, often, LEAST, most):
                begun.delete()
    except IntegrityError:
        return 0  # another sweep was first
    return len(begun.hits)


def _go_on(one: CanarySet) -> int:
    """More of them as members have more in common; the end, once all there may be are answered."""
    with transaction.atomic():
        CanarySet.objects.select_for_update(no_key=True).get(pk=one.pk)
        one.refresh_from_db(fields=["hits"])
        often, most = _in_common(one.batch_id, one.members)
        added = _set_aside(one, often, 1, most - len(one.hits)) if most > len(one.hits) else 0
    is_done = len(one.hits) == MOST and not added
    if is_done and not Hit.objects.filter(batch=one.batch_id, lane=one.lane, state=Hit.State.OPEN).exists():
        return _end(one)
    return added + _steer(one)


def _in_common(batch_id: int, members: Sequence[int]) -> tuple[list[int], int]:
    """By how many members ordinary HITs were seen that more than one saw; and how many canaries that is enough for."""
    with connection.cursor() as cursor:
        cursor.execute(COMMON, {"batch": batch_id, "members": list(members)})
        rows = cursor.fetchall()
    ended = [often for has_ended, often in rows if has_ended]
    # Those that are under way come to more members yet; at first there are no others.
    return ended if len(ended) >= KNOWN_FROM else [often for _, often in rows], min(MOST, len(rows) // COMMON_FOR_EACH)


def _set_aside(one: CanarySet, often: Sequence[int], least: int, most: int) -> int:
    """`most` more for these members, or as many as there are; none where there are fewer than `least`."""
    with connection.cursor() as cursor:
        cursor.execute(UNSEEN, {"batch": one.batch_id, "question": one.question, "most": most})
        found = cursor.fetchall()
    if len(found) < least:
        return 0
    for hit_id, funded in found:
        places = min(random.choice(often), funded)  # noqa: S311  as often as any: hides, guards nothing
        Hit.objects.filter(pk=hit_id).update(lane=one.lane, max_assignments=places)
    one.hits = sorted([*one.hits, *(hit_id for hit_id, _ in found)])
    one.save(update_fields=["hits"])
    return len(found)


def _steer(one: CanarySet) -> int:
    """Members draw gold from there first, also those who have come since."""
    rows = Participation.objects.filter(batch=one.batch_id, worker_id__in=one.members)
    return rows.exclude(gold_lane=one.lane).update(gold_lane=one.lane)


def _end(one: CanarySet) -> int:
    """What is left of them is gold like any other again."""
    Participation.objects.filter(batch=one.batch_id, gold_lane=one.lane).update(gold_lane=1)
    with transaction.atomic():
        left = Hit.objects.select_for_update(no_key=True).filter(batch=one.batch_id, lane=one.lane).order_by("pk")
        ids = [hit.pk for hit in left if hit.state == Hit.State.OPEN]
        Hit.objects.filter(pk__in=ids).update(lane=1)
    return CanarySet.objects.filter(pk=one.pk, ended_at=None).update(ended_at=clock.now())


# --- looking ----------------------------------------------------------------------------------------------------------


def look(one: CanarySet) -> int:
    """Read the answers anew where there are new ones, and write down what they say."""
    schema = design_of(one.batch).schema
    if one.question not in schema:
        return 0
    said = _said(one, one.hits, one.members, is_among=True)
    newest = max((row[3] for row in said), default=0)
    if newest <= one.looked_at:
        return 0
    result = _sharing(one, schema[one.question], said)
    one.looked_at = newest
    one.found = {
        "items": result.items,
        "chances": result.chances,
        "repeated": result.repeated,
        "expected": round(result.expected, 2),
        "p": float(f"{result.tail:.3g}"),
    }
    one.save(update_fields=["looked_at", "found"])
    with connection.cursor() as cursor:
        about: dict[str, Any] = {"project": one.project_id, "question": one.question, "members": one.members}
        cursor.execute(NOTE, about | {"found": orjson.dumps({"canaries": one.found}).decode()})
    return 1


def _said(one: CanarySet, hits: Sequence[int], workers: Sequence[int], *, is_among: bool) -> list[tuple[int, ...]]:
    about: dict[str, Any] = {
        "hits": list(hits),
        "workers": list(workers),
        "question": one.question,
        "is_among": is_among,
    }
    with connection.cursor() as cursor:
        cursor.execute(SAID, about)
        return cursor.fetchall()


def _sharing(one: CanarySet, question: Question, said: list[tuple[int, ...]]) -> Sharing:
    keys = _accepted(question, GoldQuestion.objects.filter(hit_id__in=one.hits))
    hits, members, n = sorted(keys), one.members, len(question.classes)
    rows = [row for row in said if row[0] in keys and row[2] < n]
    stored = {
        row.worker_id: row
        for row in WorkerReliability.objects.filter(
            project=one.project_id, question=one.question, part="", worker_id__in=members
        )
    }
    crowd = crowd_of(question, CrowdModel.objects.filter(project=one.project_id, question=one.question).first())
    counts = np.stack([counts_of(stored.get(worker), n) for worker in members])
    return sharing(
        np.array([hits.index(row[0]) for row in rows], np.intp),
        np.array([members.index(row[1]) for row in rows], np.intp),
        np.array([row[2] for row in rows], np.intp),
        np.array([keys[hit] for hit in hits], bool).reshape(-1, n),
        shrunk_confusions(counts, crowd.pooled),
        _rate_of_others(one, question),
    )


def _accepted(question: Question, golds: Any) -> dict[int, np.ndarray]:
    """HIT -> which classes are accepted (K,), of keys that hold."""
    found = {}
    for gold in golds.filter(pool="test", is_soft=False).exclude(state=GoldQuestion.State.SUSPENDED):
        truth = truth_of(question, "", gold.keys)
        if truth is not None:
            found[gold.hit_id] = truth > 0
    return found


def _rate_of_others(one: CanarySet, question: Question) -> float:
    """How often workers whom nothing links repeat wrong answers to the gold of this batch, at most."""
    newest = GoldQuestion.objects.filter(hit__batch=one.batch_id).order_by("-pk").values("pk")[:MOST_COMPARED]
    keys = _accepted(question, GoldQuestion.objects.filter(pk__in=newest))
    rings = [ring for name, ring in _rings(one.project_id) if name == one.question]
    said = _said(one, sorted(keys), sorted(set(one.members).union(*rings)), is_among=False)
    rows = [row for row in said if row[2] < len(question.classes)]
    items, labels = np.array([row[0] for row in rows], np.int64), np.array([row[2] for row in rows], np.intp)
    right = np.array([keys[row[0]][row[2]] for row in rows], bool)
    return repeat_rate(chances_to_repeat(items, labels, right).repeated)
