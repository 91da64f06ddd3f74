"""Training before work: questions that are openly for practice, with the answer and the reason at once.

Nothing is kept and nobody is judged by it; no question of it is ever used in work or in a quiz.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from core import audit
from marketplace.models import Project
from marketplace.schema import schema_of
from quality.models import GoldQuestion
from quality.services.gold import grade_whole
from quality.services.quiz import add_items


@dataclass(frozen=True)
class Part:
    """How one question went, and what would have been right."""

    question: str
    is_right: bool
    expected: tuple[str, ...]


@dataclass(frozen=True)
class Practised:
    is_right: bool
    parts: tuple[Part, ...]
    explanation: str


@transaction.atomic
def add_training_questions(
    *, project: Project, rows: Sequence[Mapping[str, Any]], by: Any = None
) -> list[GoldQuestion]:
    """Add questions to practise with. Rows and refusals as in `quiz.add_items`."""
    questions = add_items(project=project, rows=rows, pool=GoldQuestion.Pool.TRAINING)
    audit.record(act="training.add", subject=f"project:{project.pk}", actor=by, added=len(questions))
    return questions


def training_of(project: Project) -> QuerySet[GoldQuestion]:
    """In the order in which they were added, which is the order of teaching."""
    return GoldQuestion.objects.filter(project=project, pool="training", state="active").order_by("pk")


def practise(*, gold: GoldQuestion, answers: Mapping[str, Any]) -> Practised:
    """Grade an answer given in training. Writes nothing.

    Raises
    ------
    Invalid
        Naming each question that is missing or does not fit.
    """
    schema = schema_of(gold.project.questions)
    said = schema.parse(answers, schema.read_data(gold.data or {}))
    parts = tuple(
        Part(name, grade_whole(schema[name], said.get(name), key).passed, expected(key))
        for name, key in gold.keys.items()
        if name in schema
    )
    return Practised(all(part.is_right for part in parts), parts, gold.explanation)


def expected(key: Mapping[str, Any]) -> tuple[str, ...]:
    """A key in words: what is accepted; for a question asked of parts, by part."""
    if "accept" in key:
        return tuple(" + ".join(map(str, one)) if isinstance(one, list) else str(one) for one in key["accept"])
    return tuple(f"{part}: {' / '.join(expected(one))}" for part, one in key.items())
