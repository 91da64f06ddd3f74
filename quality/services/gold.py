"""Scoring answers to gold questions: in the digest, after the response, so that nothing a worker sees tells them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marketplace.models import Answer, Assignment
from marketplace.schema import Question, Schema, is_na
from quality.estimators.grading import Grade, grade
from quality.models import GoldQuestion, GoldScore


def gold_of(hit_ids: Sequence[int]) -> dict[int, GoldQuestion]:
    """Gold questions by HIT, of those HITs that are one."""
    return {
        gold.hit_id: gold for gold in GoldQuestion.objects.filter(hit_id__in=hit_ids, state="active") if gold.hit_id
    }


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
    """Grade these final answers and take the result into the workers' reliability. Safe to call again."""
    scores = []
    for answer, assignment in answers:
        said = (answer.data or {}).get("answers", {})
        for name, key in gold.keys.items():
            if name not in schema:
                continue
            graded = _grade_whole(schema[name], said.get(name), key)
            score, _ = GoldScore.objects.update_or_create(
                assignment=assignment,
                question=name,
                defaults={
                    "gold": gold,
                    "worker_id": assignment.worker_id,
                    "answer": answer,
                    "score": graded.score,
                    "passed": graded.passed,
                },
            )
            scores.append(score)
    return scores


def _grade_whole(question: Question, value: Any, key: Mapping[str, Any]) -> Grade:
    """A question for parts passes when each part that has a key does; its score is their mean."""
    if question.for_ == "item":
        return grade_answer(question, value, key)
    grades = [grade_answer(question, (value or {}).get(part), one) for part, one in key.items()]
    return Grade(sum(g.score for g in grades) / len(grades), passed=all(g.passed for g in grades))
