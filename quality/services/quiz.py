"""A quiz before work: ten rotated questions that are never used in work, taken once, or twice where it is close.

Right answers become a grant of the project's quiz qualification; `marketplace.selectors.eligibility` asks for it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from core import audit, clock
from core.errors import Conflict, Invalid
from core.states import move
from marketplace.models import Project
from marketplace.rules import Rules
from marketplace.schema import Schema, schema_of
from marketplace.services.accepting import recheck
from quality.estimators.gold import quiz_outcome
from quality.models import GoldQuestion, QuizAttempt
from quality.services.gold import grade_whole, read_keys
from workers_app.models import Grant, Qualification, Worker
from workers_app.services.granting import grant_qualification

State = QuizAttempt.State
MOST_ATTEMPTS = 2


@dataclass(frozen=True)
class QuizItem:
    """One question of a quiz, as the worker sees it."""

    id: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Feedback:
    """How one answer of a quiz went: a quiz is known to be one, so it may say."""

    id: str
    is_right: bool
    keys: dict[str, Any]
    explanation: str


# --- the pool ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def add_quiz_questions(*, project: Project, rows: Sequence[Mapping[str, Any]], by: Any = None) -> list[GoldQuestion]:
    """Add questions to a project's quiz; the first ones make its qualification. Rows and refusals as in `add_items`."""
    questions = add_items(project=project, rows=rows, pool=GoldQuestion.Pool.QUIZ)
    quiz_of(project)
    audit.record(act="quiz.add", subject=f"project:{project.pk}", actor=by, added=len(questions))
    return questions


def add_items(*, project: Project, rows: Sequence[Mapping[str, Any]], pool: str) -> list[GoldQuestion]:
    """Questions outside work, with their keys, for a quiz or for training.

    Each row has `data` (an item), `keys` (question -> accepted), and may have `explanation` and `tags`.

    Raises
    ------
    Invalid
        Naming each row and field at fault; then none is added.
    """
    schema, errors, questions = schema_of(project.questions), {}, []
    for number, row in enumerate(rows):
        try:
            data = row.get("data")
            if not isinstance(data, Mapping) or not data:
                raise Invalid(errors={"data": 'Give the item as an object, such as {"text": "..."}.'})
            schema.read_data(data)
            keys = read_keys(schema, row.get("keys") or {})
        except Invalid as wrong:
            errors.update({f"rows[{number}].{field}": sentence for field, sentence in wrong.errors.items()})
            continue
        questions.append(
            GoldQuestion(
                project=project,
                pool=pool,
                data=dict(data),
                keys=keys,
                explanation=str(row.get("explanation") or ""),
                tags=list(row.get("tags") or []),
            )
        )
    if errors:
        raise Invalid("The questions have errors. Nothing was added.", errors=errors)
    return GoldQuestion.objects.bulk_create(questions)


@transaction.atomic
def quiz_of(project: Project) -> Qualification:
    """The qualification that the project's quiz earns, made where it is missing."""
    locked = Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    if locked.quiz_id is None:
        name = f"Quiz of {locked.name}"
        if Qualification.objects.filter(requester=locked.requester_id, name=name[:120]).exists():
            name = f"{name[:100]} ({str(locked.public_id)[:8]})"
        locked.quiz = Qualification.objects.create(
            requester_id=locked.requester_id, kind=Qualification.Kind.QUIZ, name=name[:120]
        )
        locked.save(update_fields=["quiz"])
    project.quiz = locked.quiz
    return locked.quiz  # type: ignore[return-value]


@transaction.atomic
def remove_quiz_question(*, gold: GoldQuestion, by: Any = None) -> GoldQuestion:
    """Take a question out of its pool. Quizzes under way still ask it. Raises `IllegalMove`."""
    move(gold, GoldQuestion.State.RETIRED)
    audit.record(act=f"{gold.pool}.remove", subject=f"gold:{gold.pk}", actor=by)
    return gold


# --- taking it --------------------------------------------------------------------------------------------------------


@transaction.atomic
def start_quiz(*, worker: Worker, project: Project) -> QuizAttempt:
    """A quiz for this worker. One that is open is given again, with the same questions.

    Raises
    ------
    Conflict
        There is none (`no_quiz`), or it was passed (`quiz_passed`) or failed (`quiz_failed`).
    """
    rules = Rules.from_json(project.rules, audience=project.audience)
    if not rules.quiz_questions or project.quiz_id is None:
        raise Conflict("This work has no quiz.", code="no_quiz")
    Worker.objects.select_for_update(no_key=True).get(pk=worker.pk)  # two tabs, one quiz
    earlier = list(QuizAttempt.objects.filter(worker=worker, project=project).order_by("number"))
    if earlier and earlier[-1].state == State.OPEN:
        return earlier[-1]
    held = Grant.objects.filter(qualification=project.quiz_id, worker=worker).first()
    if held is not None and held.value is not None and held.value >= rules.quiz_pass:
        raise Conflict("You have passed this quiz already.", code="quiz_passed")
    if held is not None or len(earlier) >= MOST_ATTEMPTS:
        raise Conflict("The quiz cannot be taken again.", code="quiz_failed")
    items = _draw(project, rules.quiz_questions, {item for attempt in earlier for item in attempt.items})
    return QuizAttempt.objects.create(project=project, worker=worker, number=len(earlier) + 1, items=items)


def _draw(project: Project, wanted: int, had: set[str]) -> list[str]:
    """Questions in random order: those this worker has not had first, then those that were asked least."""
    pool = GoldQuestion.objects.filter(project=project, pool="quiz", state="active")
    asked = _times_asked(project)
    ids = [str(public_id) for public_id in pool.values_list("public_id", flat=True)]
    if len(ids) < wanted:
        raise Conflict("This quiz is being prepared. Look again later.", code="no_quiz")
    random.shuffle(ids)
    ids.sort(key=lambda item: (item in had, asked.get(item, 0)))
    drawn = ids[:wanted]
    random.shuffle(drawn)
    return drawn


def _times_asked(project: Project) -> dict[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT item, count(*) FROM quality_quizattempt, jsonb_array_elements_text(items) AS item"
            " WHERE project_id = %s GROUP BY item",
            [project.pk],
        )
        return dict(cursor.fetchall())


def quiz_items(attempt: QuizAttempt) -> list[QuizItem]:
    """The questions of an attempt, in its order."""
    found = _questions(attempt)
    return [QuizItem(item, found[item].data or {}) for item in attempt.items]


def _questions(attempt: QuizAttempt) -> dict[str, GoldQuestion]:
    rows = GoldQuestion.objects.filter(project=attempt.project_id, public_id__in=attempt.items)
    return {str(row.public_id): row for row in rows}


@transaction.atomic
def answer_quiz(*, attempt: QuizAttempt, answers: Mapping[str, Mapping[str, Any]]) -> QuizAttempt:
    """Grade a quiz: enough right answers open the work, five or six of ten bring one more quiz.

    `answers` maps the id of each item to the answers by question. Sent again after it was graded, it changes nothing.

    Raises
    ------
    Invalid
        Naming each item, and question, that is missing or does not fit; nothing is graded.
    """
    attempt = (
        QuizAttempt.objects.select_for_update(no_key=True, of=("self",))
        .select_related("project", "worker")
        .get(pk=attempt.pk)
    )
    if attempt.state != State.OPEN:
        return attempt
    schema, questions = schema_of(attempt.project.questions), _questions(attempt)
    parsed = _parse(schema, questions, attempt.items, answers)
    right = sum(_is_right(schema, questions[item], parsed[item]) for item in attempt.items)
    rules = Rules.from_json(attempt.project.rules, audience=attempt.project.audience)
    state = _outcome(right, len(attempt.items), rules.quiz_pass, attempt.number)
    move(attempt, state, answers=parsed, right=right, finished_at=clock.now())
    if state != State.AGAIN:
        grant_qualification(qualification=quiz_of(attempt.project), worker=attempt.worker, value=right)
        recheck(worker_id=attempt.worker_id)
    return attempt


def _parse(
    schema: Schema, questions: Mapping[str, GoldQuestion], items: Sequence[str], answers: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    parsed, errors = {}, {}
    for item in items:
        if item not in answers:
            errors[item] = "Answer every question of the quiz."
            continue
        try:
            parsed[item] = schema.parse(answers[item], schema.read_data(questions[item].data or {}))
        except Invalid as wrong:
            errors.update({f"{item}.{name}": sentence for name, sentence in wrong.errors.items()})
    if errors:
        raise Invalid("The quiz is not complete. Nothing was handed in.", errors=errors)
    return parsed


def _is_right(schema: Schema, question: GoldQuestion, said: Mapping[str, Any]) -> bool:
    return all(
        grade_whole(schema[name], said.get(name), key).passed for name, key in question.keys.items() if name in schema
    )


def _outcome(right: int, asked: int, needed: int, number: int) -> str:
    if right >= needed:
        return State.PASSED
    is_close = quiz_outcome(right, asked) != "fail"
    return State.AGAIN if is_close and number < MOST_ATTEMPTS else State.FAILED


def quiz_feedback(attempt: QuizAttempt) -> list[Feedback]:
    """How each answer of a graded quiz went; empty while it is open."""
    if attempt.state == State.OPEN:
        return []
    schema, questions = schema_of(attempt.project.questions), _questions(attempt)
    return [
        Feedback(
            item,
            _is_right(schema, questions[item], attempt.answers.get(item, {})),
            questions[item].keys,
            questions[item].explanation,
        )
        for item in attempt.items
    ]


def questions_ready(project: Project) -> int:
    """How many questions the quiz can draw from."""
    return GoldQuestion.objects.filter(project=project, pool="quiz", state="active").count()


def check_quiz(project: Project) -> None:
    """Refuse a quiz that nobody could take.

    Raises
    ------
    Invalid
        The rules ask for more questions than there are.
    """
    wanted = Rules.from_json(project.rules, audience=project.audience).quiz_questions
    ready = questions_ready(project) if wanted else 0
    if ready < wanted:
        message = f"The quiz asks {wanted} questions and has {ready}. Add {wanted - ready}, or set it to 0."
        raise Invalid("The quiz is not ready.", errors={"rules.quiz_questions": message})
