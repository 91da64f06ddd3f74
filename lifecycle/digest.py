"""Digest: learn from answers that have become final. Rows are the queue; the sweep calls this every second."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from lifecycle.apart import apart
from lifecycle.events import answers_submitted, labels_settled
from lifecycle.settle import settle_hits
from marketplace.models import Answer, Assignment, Batch, Hit
from marketplace.selectors import Design, design_of
from quality.models import GoldQuestion, WorkerReliability
from quality.services import gold, judgments, suggesting
from quality.services.beliefs import Learned, learn
from quality.services.certificates import doubt

#: HITs in one transaction: enough to share its cost, few enough that no claim finds them locked for long.
GROUP = 50

DUE = """
SELECT b.project_id, a.hit_id
FROM marketplace_answer n
JOIN marketplace_assignment a ON a.id = n.assignment_id
JOIN marketplace_batch b ON b.id = a.batch_id
WHERE n.digested_at IS NULL AND n.final_at <= statement_timestamp()
ORDER BY n.final_at LIMIT %s
"""


def digest_due(limit: int = 400, *, in_order: bool = True) -> int:
    """Digest the answers that have become final. Called every second.

    Not `in_order`, processes that do this at once seldom meet: each begins with other HITs.
    """
    with connection.cursor() as cursor:
        cursor.execute(DUE, [limit])
        due: dict[int, set[int]] = defaultdict(set)
        for project_id, hit_id in cursor.fetchall():
            due[project_id].add(hit_id)
    groups = [(project_id, group) for project_id, hit_ids in sorted(due.items()) for group in _groups(sorted(hit_ids))]
    if not in_order:
        random.shuffle(groups)
    done, _ = apart(_digest_group, groups, what="Digesting")
    return done


def _digest_group(group: tuple[int, Sequence[int]]) -> int:
    """A group in one transaction; if one HIT breaks it, each in its own."""
    project_id, hit_ids = group
    try:
        return digest_hits(project_id=project_id, hit_ids=hit_ids, only_due=True)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        if len(hit_ids) == 1:
            raise
        return apart(_digest_group, [(project_id, [hit_id]) for hit_id in hit_ids], what="Digesting")[0]


def _groups(hit_ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (hit_ids[start : start + GROUP] for start in range(0, len(hit_ids), GROUP))


@transaction.atomic
def digest_hits(
    *, project_id: int, hit_ids: Collection[int], only_due: bool = False, is_their_turn: bool = False
) -> int:
    """Learn from the final answers of these HITs. Safe to call at any time, any number of times.

    `only_due`: HITs from which somebody else has learned everything meanwhile are left alone.
    `is_their_turn`: they may ask once more although their batch has a budget (`lifecycle.route`).
    """
    hits = lock_hits(hit_ids)
    due = lock_undigested(hits)
    if only_due:
        left = {assignment.hit_id for _, assignment in due}
        hits = [hit for hit in hits if hit.pk in left]
        if not hits:
            return 0
    batches = batches_of_hits(hits)
    designs = {batch.pk: design_of(batch) for batch in batches.values()}
    judgments.share_log(project_id)
    leave_out_ignored(due, project_id)
    log_judgments(due, designs, project_id)
    golds = gold.gold_of([hit.pk for hit in hits])
    score_gold(golds, due, designs)
    truths = {hit_id: one.keys for hit_id, one in golds.items() if not one.is_soft}
    learned = learn(project_id=project_id, hits=hits, batches=batches, designs=designs, truths=truths)
    mark_digested(due)
    if ended := {hit.batch_id for hit in hits if hit.state != Hit.State.OPEN}:
        doubt(batch_ids=sorted(ended))
    settle_hits(hits=hits, learned=learned, batches=batches, designs=designs, is_their_turn=is_their_turn)
    set_decision_clock(due, designs)
    tell(due, learned, {hit.pk: batches[hit.batch_id] for hit in hits})
    return len(due)


Due = list[tuple[Answer, Assignment]]


def lock_hits(hit_ids: Collection[int]) -> list[Hit]:
    return list(Hit.objects.select_for_update(no_key=True).filter(pk__in=hit_ids).order_by("pk"))


def lock_undigested(hits: Sequence[Hit]) -> Due:
    """Final answers nobody has learned from yet; the HITs' locks keep other digests away from them."""
    rows = (
        Answer.objects.filter(assignment__hit__in=hits, digested_at=None, final_at__lte=Now())
        .select_related("assignment")
        .defer("raw")
        .order_by("assignment_id", "version")
    )
    return [(answer, answer.assignment) for answer in rows]


def newest_versions(due: Due) -> Due:
    return list({assignment.pk: (answer, assignment) for answer, assignment in due}.values())


def batches_of_hits(hits: Sequence[Hit]) -> dict[int, Batch]:
    ids = {hit.batch_id for hit in hits}
    return {b.pk: b for b in Batch.objects.filter(pk__in=ids).select_related("project__requester")}


def log_judgments(due: Due, designs: dict[int, Design], project_id: int) -> None:
    """Answers that do not count for the label are kept, and leave no judgment."""
    rows = [
        row
        for answer, assignment in newest_versions(due)
        if assignment.counts
        for row in judgments.judge(answer, assignment, designs[assignment.batch_id].schema, project_id)
    ]
    judgments.append(suggesting.discount(rows, {pk: design.schema for pk, design in designs.items()}))


def leave_out_ignored(due: Due, project_id: int) -> None:
    """Who lost the weight here says nothing new with weight either, until a person gives it back."""
    workers = {assignment.worker_id for _, assignment in due}
    ignored = WorkerReliability.objects.filter(project=project_id, worker__in=workers, ignored_at__isnull=False)
    whose = set(ignored.values_list("worker_id", flat=True))
    left_out = [assignment for _, assignment in due if assignment.counts and assignment.worker_id in whose]
    if left_out:
        Assignment.objects.filter(pk__in=[assignment.pk for assignment in left_out]).update(counts=False)
    for assignment in left_out:
        assignment.counts = False


def score_gold(known: Mapping[int, GoldQuestion], due: Due, designs: dict[int, Design]) -> None:
    by_hit: dict[int, Due] = defaultdict(list)
    for answer, assignment in newest_versions(due):
        if assignment.hit_id in known:
            by_hit[assignment.hit_id].append((answer, assignment))
    gold.save_scores(
        [
            score
            for hit_id, answers in sorted(by_hit.items())
            for score in gold.grade_answers(
                gold=known[hit_id], answers=answers, schema=designs[answers[0][1].batch_id].schema
            )
        ]
    )


def set_decision_clock(due: Due, designs: dict[int, Design]) -> None:
    """From now on silence approves it. `decide_at` is set here, not at submit: it is indexed, and submit is hot."""
    waiting: dict[int, list[int]] = defaultdict(list)
    for _, assignment in due:
        if assignment.state == Assignment.State.SUBMITTED:
            waiting[assignment.batch_id].append(assignment.pk)
    for batch_id, ids in sorted(waiting.items()):
        delay = timedelta(seconds=designs[batch_id].rules.auto_approve_seconds)
        Assignment.objects.filter(pk__in=ids, state=Assignment.State.SUBMITTED).update(
            decide_at=F("submitted_at") + delay
        )


def mark_digested(due: Due) -> None:
    Answer.objects.filter(pk__in=[answer.pk for answer, _ in due]).update(digested_at=Now())


def tell(due: Due, learned: dict[int, Learned], batch_of: dict[int, Batch]) -> None:
    answers_submitted([assignment for _, assignment in newest_versions(due)], batch_of)
    if settled := [belief for known in learned.values() for belief in known.newly_settled]:
        labels_settled(settled, batch_of)
