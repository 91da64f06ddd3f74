"""Gold questions: making them, and scoring answers to them (QUALITY.md section 4).

Scores are given after the response, in the digest, so that nothing a worker sees tells gold from the rest. What a
score means for its worker is taken in later still, by the sweep (`quality.services.watching`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from django.db import transaction

from core.errors import Conflict, Invalid
from core.states import move
from marketplace.models import Answer, Assignment, Batch, Hit
from marketplace.schema import Question, Schema, is_na, schema_of
from marketplace.schema.kinds import Refused
from marketplace.selectors import design_of
from quality.estimators.grading import Grade, grade
from quality.models import GoldQuestion, GoldScore
from quality.selectors import how_reviewed
from quality.services.exposure import open_in_lane, openings_of

#: Question -> {"accept": [values]}; for a question asked of parts: question -> part -> {"accept": [values]}.
Keys = dict[str, Any]


# --- keys -------------------------------------------------------------------------------------------------------------


def read_keys(schema: Schema, raw: Mapping[str, Any]) -> Keys:
    """Keys in canonical form, from the cells of an upload or from JSON.

    `raw` maps the name of a question to a cell ("7", "cat | lynx") or a value; "gold" stands for the only question.

    Raises
    ------
    Invalid
        `errors` by column ("gold", "gold:digit").
    """
    errors: dict[str, str] = {}
    keys: Keys = {}
    for name, value in raw.items():
        column = name if name == "gold" and name not in schema else f"gold:{name}"
        question = _meant(schema, name)
        if question is None:
            errors[column] = f"There is no such question. The questions are: {', '.join(q.name for q in schema)}."
            continue
        try:
            keys[question.name] = question.read_key(_stored(value))
        except Refused as refused:
            errors[column] = str(refused)
    if not keys and not errors:
        errors["gold"] = "Give the key of at least one question."
    if errors:
        raise Invalid("The keys have errors. Nothing was changed.", errors=errors)
    return keys


def _meant(schema: Schema, name: str) -> Question | None:
    if name in schema:
        return schema[name]
    return next(iter(schema)) if name == "gold" and len(schema) == 1 else None


def _stored(value: Any) -> Any:
    """Keys as they are stored read like keys as they are sent."""
    if isinstance(value, str) and value.lstrip().startswith("{"):  # the key of parts, in a table's cell
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return value
    return value


# --- making -----------------------------------------------------------------------------------------------------------


@transaction.atomic
def mark_as_gold(
    *,
    hit: Hit,
    keys: Mapping[str, Any],
    explanation: str = "",
    tags: Sequence[str] = (),
    pool: str = "test",
    in_review: bool = False,
) -> GoldQuestion:
    """Make gold of a HIT that is in work already, or finished. Answers it has are scored; the rest stays as it is.

    It is shown on only as far as the exposure law allows: one that was seen often enough scores what it has and is
    retired. Pool `audit`: its key is known, workers are not scored by it, and it goes on as an ordinary HIT.

    Where a review came upon it because its answers were in doubt, these answers are graded and do not count: who errs
    is found there more often than elsewhere.

    Raises
    ------
    Invalid
        Keys that do not fit the questions.
    Conflict
        It is gold already, or it is parked or cancelled.
    """
    hit = Hit.objects.select_for_update(no_key=True, of=("self",)).select_related("batch__project").get(pk=hit.pk)
    if pool not in ("test", "audit"):
        raise Invalid(errors={"pool": "test or audit: quiz and training questions are not in work."})
    if hit.state in (Hit.State.PARKED, Hit.State.CANCELLED):
        raise Conflict("This HIT is parked or cancelled. Put it back to work first.", code="hit_not_in_work")
    if GoldQuestion.objects.filter(hit=hit).exists():
        raise Conflict("This HIT has a key already. Change that key instead.", code="already_gold")
    schema = design_of(hit.batch).schema
    chosen, inclusion = how_reviewed(hit, in_review=in_review)
    gold = GoldQuestion.objects.create(
        project=hit.batch.project,
        hit=hit,
        pool=pool,
        chosen=chosen,
        inclusion=inclusion,
        keys=read_keys(schema, keys),
        explanation=explanation,
        tags=list(tags),
    )
    if pool == "test":
        open_in_lane(gold=gold, hit=hit)
        score_hit(gold=gold, schema=schema)
    return gold


@transaction.atomic
def make_soft(*, hit: Hit, keys: Mapping[str, Any], weight: float) -> GoldQuestion:
    """Gold that no person has confirmed: the answers it has say a little about their workers, and fail nobody.

    Raises
    ------
    Invalid, Conflict
        As `mark_as_gold`.
    """
    gold = mark_as_gold(hit=hit, keys=keys, pool="audit")
    gold.pool, gold.is_soft, gold.weight = "test", True, weight
    gold.state, gold.limit = GoldQuestion.State.RETIRED, 0
    gold.save(update_fields=["pool", "is_soft", "weight", "state", "limit"])
    score_hit(gold=gold, schema=design_of(hit.batch).schema)
    return gold


@transaction.atomic
def correct_key(*, gold: GoldQuestion, keys: Mapping[str, Any]) -> GoldQuestion:
    """Put another key in place; every answer is scored again. A suspended question is back in use as retired gold.

    Raises
    ------
    Invalid
    """
    gold = GoldQuestion.objects.select_for_update(no_key=True, of=("self",)).select_related("project").get(pk=gold.pk)
    schema = _schema_of(gold)
    gold.keys = read_keys(schema, keys)
    gold.key_version += 1
    gold.is_soft = False
    if gold.state == GoldQuestion.State.SUSPENDED:  # its HIT went on as an ordinary one
        gold.state = GoldQuestion.State.RETIRED
    gold.save(update_fields=["keys", "key_version", "is_soft", "state"])
    if gold.hit_id:
        score_hit(gold=gold, schema=schema)
    return gold


@transaction.atomic
def suspend_gold(*, gold: GoldQuestion) -> GoldQuestion:
    """The key is in doubt: its scores no longer count, and its HIT goes on as an ordinary one.

    Raises
    ------
    IllegalMove
    """
    hit = _lock_hit(gold)
    move(gold, GoldQuestion.State.SUSPENDED)
    GoldScore.objects.filter(gold=gold).update(counts=False, counted_at=None)
    if hit is not None:
        Hit.objects.filter(pk=hit.pk).update(lane=0)
    return gold


@transaction.atomic
def release_gold(*, gold: GoldQuestion) -> GoldQuestion:
    """Shown no more: it ends like an ordinary HIT, with its key as label. Its scores stand.

    Raises
    ------
    IllegalMove
    """
    hit = _lock_hit(gold)
    move(gold, GoldQuestion.State.RETIRED, limit=openings_of([hit.pk])[hit.pk] if hit else None)
    if hit is not None and hit.state == Hit.State.OPEN:
        move(hit, Hit.State.RETIRED)
    return gold


def _lock_hit(gold: GoldQuestion) -> Hit | None:
    """The HIT of a gold question, locked; None for one that is not in work."""
    return Hit.objects.select_for_update(no_key=True).get(pk=gold.hit_id) if gold.hit_id else None


# --- scoring ----------------------------------------------------------------------------------------------------------


def gold_of(hit_ids: Sequence[int]) -> dict[int, GoldQuestion]:
    """Gold questions by HIT, of those HITs that are one. An answer under way when it retired is scored as well."""
    golds = GoldQuestion.objects.filter(hit_id__in=hit_ids, pool="test", state__in=["active", "retired"])
    return {gold.hit_id: gold for gold in golds if gold.hit_id}


def score_hit(*, gold: GoldQuestion, schema: Schema) -> list[GoldScore]:
    """Score, or score again, every answer of its HIT that the digest has seen."""
    assert gold.hit_id is not None, "a question outside work has no answers"
    answers = (
        Answer.objects.filter(assignment__hit_id=gold.hit_id, digested_at__isnull=False)
        .filter(assignment__state__in=["submitted", "revising", "approved", "rejected"])
        .select_related("assignment")
        .order_by("assignment_id", "version")
    )
    newest = {answer.assignment_id: (answer, answer.assignment) for answer in answers}
    return score_answers(gold=gold, answers=list(newest.values()), schema=schema)


def grade_answer(question: Question, value: Any, key: Mapping[str, Any]) -> Grade:
    """How well `value` (None where it was not given) fits a key `{"accept": [...]}`.

    "Can't tell", "cannot be answered" and no answer are wrong unless the key accepts them.
    """
    accepted = key["accept"]
    if value in accepted:
        return Grade(1.0, passed=True)
    if value is None or is_na(value):
        return Grade(0.0, passed=False)
    options: dict[str, Any] = {}
    if question.kind == "ordinal":
        options = {"order": question.labels, "within": int(question.score.absolute)}
    elif question.kind == "number":
        options = {"absolute": question.score.absolute, "relative": question.score.relative}
    elif question.kind == "multilabel":
        options = {"bar": question.score.bar}
    elif question.kind == "text":
        options = {"pattern": question.score.pattern, "bar": question.score.bar}
    grades = [grade(question.kind, value, one, **options) for one in accepted if not is_na(one)]
    return max(grades, key=lambda g: (g.passed, g.score), default=Grade(0.0, passed=False))


def score_answers(
    *, gold: GoldQuestion, answers: Sequence[tuple[Answer, Assignment]], schema: Schema
) -> list[GoldScore]:
    """Grade these final answers. Safe to call again: the sweep takes each result into the worker's reliability once."""
    return save_scores(grade_answers(gold=gold, answers=answers, schema=schema))


def grade_answers(
    *, gold: GoldQuestion, answers: Sequence[tuple[Answer, Assignment]], schema: Schema
) -> list[GoldScore]:
    """The scores of these answers, not saved yet."""
    scores = []
    for answer, assignment in answers:
        said = (answer.data or {}).get("answers", {})
        for name, key in gold.keys.items():
            if name not in schema:
                continue
            graded = grade_whole(schema[name], said.get(name), key)
            scores.append(
                GoldScore(
                    gold=gold,
                    assignment=assignment,
                    worker_id=assignment.worker_id,
                    question=name,
                    answer=answer,
                    score=graded.score,
                    passed=graded.passed,
                    counts=gold.state != GoldQuestion.State.SUSPENDED and not _led_to(gold, answer),
                )
            )
    return scores


def _led_to(gold: GoldQuestion, answer: Answer) -> bool:
    """Whether this answer is among those for which a review came upon the item."""
    return bool(gold.chosen) and answer.final_at is not None and answer.final_at <= gold.created_at


def save_scores(scores: Sequence[GoldScore]) -> list[GoldScore]:
    return GoldScore.objects.bulk_create(
        scores,
        update_conflicts=True,
        unique_fields=["assignment", "question"],
        update_fields=["gold", "answer", "score", "passed", "counts", "counted_at"],
    )


def _schema_of(gold: GoldQuestion) -> Schema:
    if gold.hit_id is None:
        return schema_of(gold.project.questions)
    return design_of(Batch.objects.select_related("project").get(hits=gold.hit_id)).schema


def grade_whole(question: Question, value: Any, key: Mapping[str, Any]) -> Grade:
    """A question for parts passes when each part that has a key does; its score is their mean."""
    if question.for_ == "item":
        return grade_answer(question, value, key)
    grades = [grade_answer(question, (value or {}).get(part), one) for part, one in key.items()]
    return Grade(sum(g.score for g in grades) / len(grades), passed=all(g.passed for g in grades))
