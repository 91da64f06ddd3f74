"""When a key is wrong: workers dispute an answer's review, strong workers disagree with a key, people put it right.

A worker may dispute any HIT they have answered, so that being able to says nothing about it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from core import audit, clock
from core.errors import Conflict, IllegalMove, Invalid
from core.states import move
from marketplace.models import Assignment, Hit
from quality.estimators.gold import is_bad_gold
from quality.models import Contest, Flag, GoldQuestion, GoldScore
from quality.services.gold import correct_key, suspend_gold
from quality.services.watching import take_in

#: Workers whose accuracy is at least this, at the lower bound, are strong.
STRONG = 0.8
MOST_OPEN = 20


@transaction.atomic
def open_contest(*, assignment: Assignment, reason: str) -> Contest:
    """A worker disputes how their answer is judged. Asking again for the same answer gives the first contest.

    Raises
    ------
    Invalid
        Without a reason.
    Conflict
        The answer is not handed in, or 20 disputes are waiting.
    """
    reason = reason.strip()
    if not reason or len(reason) > 2000:
        raise Invalid(errors={"reason": "Say in at most 2000 characters why your answer holds."})
    assignment = Assignment.objects.select_for_update(no_key=True).get(pk=assignment.pk)
    if earlier := Contest.objects.filter(assignment=assignment).first():
        return earlier
    if assignment.submitted_at is None:
        raise Conflict("Hand in your answer first.", code="not_submitted")
    waiting = Contest.objects.filter(assignment__worker=assignment.worker_id, state=Contest.State.OPEN)
    if waiting.count() >= MOST_OPEN:
        raise Conflict(f"{MOST_OPEN} of your disputes are waiting. Wait for a ruling.", code="too_many_contests")
    return Contest.objects.create(assignment=assignment, reason=reason)


@transaction.atomic
def close_contest(*, contest: Contest, is_upheld: bool, ruling: str, keys: Mapping[str, Any] | None = None) -> Contest:
    """Rule on a dispute. Upheld on gold, the key becomes `keys`, or is out of use where none are given.

    Raises
    ------
    Invalid
        Without a ruling, or with keys that do not fit.
    IllegalMove
        It was ruled on before.
    """
    if not ruling.strip():
        raise Invalid(errors={"ruling": "Say why: the worker reads it."})
    state = Contest.State.UPHELD if is_upheld else Contest.State.DISMISSED
    move(contest, state, ruling=ruling.strip(), ruled_at=clock.now())
    gold = GoldQuestion.objects.filter(hit=contest.assignment.hit_id).first()
    if is_upheld and gold is not None:
        put_right(gold=gold, keys=keys)
    return contest


@transaction.atomic
def put_right(*, gold: GoldQuestion, keys: Mapping[str, Any] | None) -> GoldQuestion:
    """Correct a key, or without `keys` take it out of use, and restore by replay what it cost the workers."""
    if gold.hit_id is not None:
        Hit.objects.select_for_update(no_key=True).get(pk=gold.hit_id)
    if keys is not None:
        gold = correct_key(gold=gold, keys=keys)
    elif gold.state != GoldQuestion.State.SUSPENDED:
        suspend_gold(gold=gold)
    restore_scores(gold=gold)
    return gold


def restore_scores(*, gold: GoldQuestion) -> None:
    """Read the log of every worker who met this gold again; pauses that it no longer bears out end."""
    met = set(GoldScore.objects.filter(gold=gold).values_list("worker_id", "question"))
    for worker_id, question in sorted(met):
        take_in(project_id=gold.project_id, worker_id=worker_id, question=question, is_restoring=True)


# --- keys that strong workers disagree with ---------------------------------------------------------------------------


def doubtful_golds(gold_ids: Collection[int]) -> list[GoldQuestion]:
    """Those of these keys that strong workers miss too often on some question."""
    golds = GoldQuestion.objects.filter(pk__in=gold_ids, pool="test", state__in=["active", "retired"], is_soft=False)
    counts = strong_answers(gold_ids)
    return [gold for gold in golds.order_by("pk") if any(is_bad_gold(*pair) for pair in counts.get(gold.pk, ()))]


STRONG_ANSWERS = """
SELECT s.gold_id, s.question, count(*) FILTER (WHERE s.passed), count(*) FILTER (WHERE NOT s.passed)
FROM quality_goldscore s JOIN quality_goldquestion g ON g.id = s.gold_id
JOIN quality_workerreliability r ON r.project_id = g.project_id AND r.question = s.question AND r.part = ''
    AND r.worker_id = s.worker_id AND r.lower >= %s
WHERE s.gold_id = ANY(%s) AND s.counts GROUP BY 1, 2
"""


def strong_answers(gold_ids: Collection[int]) -> dict[int, list[tuple[int, int]]]:
    """By gold question, for each of its questions: strong workers who agree with the key, and who do not."""
    counts: dict[int, list[tuple[int, int]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(STRONG_ANSWERS, [STRONG, list(gold_ids)])
        for gold_id, _, right, wrong in cursor.fetchall():
            counts.setdefault(gold_id, []).append((right, wrong))
    return counts


@transaction.atomic
def suspend_doubtful(*, gold: GoldQuestion) -> bool:
    """Take a key out of use that strong workers disagree with, and tell the requester. False: somebody was faster."""
    counts = strong_answers([gold.pk]).get(gold.pk, [])
    try:
        suspend_gold(gold=gold)
    except IllegalMove:
        return False
    right, wrong = next(pair for pair in counts if is_bad_gold(*pair))
    Flag.objects.get_or_create(
        key=f"gold_in_doubt:{gold.pk}:{gold.key_version}",
        defaults={
            "kind": "gold_in_doubt",
            "project_id": gold.project_id,
            "hit_id": gold.hit_id,
            "message": (
                f"{wrong} of {right + wrong} strong workers disagree with this key. It is out of use, and what it cost "
                "workers is restored. Correct the key, or confirm it, to use it again."
            ),
            "evidence": {"right": right, "wrong": wrong, "key_version": gold.key_version},
            "expires_at": clock.now() + timedelta(days=90),
        },
    )
    restore_scores(gold=gold)
    # Last: whoever writes to the log holds it to the end of the transaction.
    audit.record(act="gold.suspend", subject=f"gold:{gold.pk}", reason="Strong workers disagree with the key.")
    return True
