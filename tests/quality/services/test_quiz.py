"""The quiz: who enters, who takes it once more, and that it stands before the work."""

import pytest

from core.errors import Conflict, Invalid
from lifecycle.accept import accept
from lifecycle.publish import publish_batch
from marketplace.errors import NotEligible
from marketplace.models import Batch
from marketplace.selectors import eligibility
from quality.models import GoldQuestion, QuizAttempt
from quality.services.quiz import (
    add_quiz_questions,
    answer_quiz,
    questions_ready,
    quiz_feedback,
    quiz_items,
    start_quiz,
)
from workers_app.models import Grant

RULES = {"quiz_questions": 10}


@pytest.fixture
def make_quiz(make_project):
    def make(questions=30, **rules):
        project = make_project(rules={**RULES, **rules})
        rows = [
            {"data": {"text": f"quiz {n}"}, "keys": {"digit": "one"}, "explanation": "one stroke"}
            for n in range(questions)
        ]
        add_quiz_questions(project=project, rows=rows)
        return project

    return make


def take(worker, project, right):
    attempt = start_quiz(worker=worker, project=project)
    said = ["one"] * right + ["zero"] * (len(attempt.items) - right)
    answers = {item.id: {"digit": value} for item, value in zip(quiz_items(attempt), said, strict=True)}
    return answer_quiz(attempt=attempt, answers=answers)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("right", "state"), [(10, "passed"), (7, "passed"), (6, "again"), (5, "again"), (4, "failed"), (0, "failed")]
)
def test_seven_of_ten_enter_and_four_fail(make_quiz, make_worker, right, state):
    attempt = take(make_worker(), make_quiz(), right)

    assert (attempt.state, attempt.right) == (state, right)


@pytest.mark.django_db
def test_work_is_closed_until_the_quiz_is_passed(make_quiz, make_batch, make_worker):
    project, worker = make_quiz(), make_worker()
    batch = make_batch(project=project)
    assert [(r.code, bool(r.remedy)) for r in eligibility(worker, batch)] == [("quiz", True)]
    with pytest.raises(NotEligible):
        accept(worker=worker, batch=batch)

    take(worker, project, 8)

    assert Grant.objects.get(worker=worker).value == 8
    assert eligibility(worker, batch) == []
    assert accept(worker=worker, batch=batch).hit_id == batch.hits.get().pk


@pytest.mark.django_db
def test_who_fails_reads_so_and_cannot_try_again(make_quiz, make_batch, make_worker):
    project, worker = make_quiz(), make_worker()

    take(worker, project, 3)

    assert [r.code for r in eligibility(worker, make_batch(project=project))] == ["quiz_failed"]
    with pytest.raises(Conflict) as refusal:
        start_quiz(worker=worker, project=project)
    assert (refusal.value.code, QuizAttempt.objects.count()) == ("quiz_failed", 1)


@pytest.mark.django_db
@pytest.mark.parametrize(("second", "state"), [(7, "passed"), (6, "failed")])
def test_a_close_one_brings_one_more_quiz_with_other_questions(make_quiz, make_worker, second, state):
    project, worker = make_quiz(), make_worker()
    first = take(worker, project, 6)
    assert not Grant.objects.exists()

    again = take(worker, project, second)

    assert (again.number, again.state) == (2, state)
    assert not set(first.items) & set(again.items)


@pytest.mark.django_db
def test_an_open_quiz_is_given_again_and_a_graded_one_stays(make_quiz, make_worker):
    project, worker = make_quiz(), make_worker()
    attempt = start_quiz(worker=worker, project=project)
    assert start_quiz(worker=worker, project=project) == attempt
    assert quiz_feedback(attempt) == []

    graded = take(worker, project, 9)
    repeated = answer_quiz(attempt=attempt, answers={})

    assert (repeated.state, repeated.right, graded.pk) == ("passed", 9, attempt.pk)
    assert [f.is_right for f in quiz_feedback(graded)].count(True) == 9
    assert quiz_feedback(graded)[0].explanation == "one stroke"


@pytest.mark.django_db
def test_an_incomplete_quiz_names_what_is_missing_and_is_not_graded(make_quiz, make_worker):
    attempt = start_quiz(worker=make_worker(), project=make_quiz())
    answers = {item: {"digit": "one"} for item in attempt.items[1:]}
    answers[attempt.items[1]] = {"digit": "seven"}

    with pytest.raises(Invalid) as refusal:
        answer_quiz(attempt=attempt, answers=answers)

    assert set(refusal.value.errors) == {attempt.items[0], f"{attempt.items[1]}.digit"}
    attempt.refresh_from_db()
    assert attempt.state == "open"


@pytest.mark.django_db
def test_questions_rotate(make_quiz, make_worker):
    project = make_quiz(questions=30)

    asked = [item for _ in range(3) for item in start_quiz(worker=make_worker(), project=project).items]

    assert len(set(asked)) == 30


@pytest.mark.django_db
def test_a_pool_that_is_too_small_asks_nothing(make_quiz, make_worker):
    project = make_quiz(questions=9)

    with pytest.raises(Conflict) as refusal:
        start_quiz(worker=make_worker(), project=project)

    assert (refusal.value.code, questions_ready(project), QuizAttempt.objects.count()) == ("no_quiz", 9, 0)


@pytest.mark.django_db
def test_a_bad_question_names_its_row_and_adds_none(make_project):
    project = make_project(rules=RULES)
    rows = [
        {"data": {"text": "a"}, "keys": {"digit": "one"}},
        {"data": {}, "keys": {"digit": "one"}},
        {"data": {"text": "b"}, "keys": {"digit": "x"}},
    ]

    with pytest.raises(Invalid) as refusal:
        add_quiz_questions(project=project, rows=rows)

    assert set(refusal.value.errors) == {"rows[1].data", "rows[2].gold:digit"}
    project.refresh_from_db()
    assert (GoldQuestion.objects.count(), project.quiz) == (0, None)


@pytest.mark.django_db
def test_a_quiz_without_enough_questions_keeps_the_batch_a_draft(make_quiz):
    project = make_quiz(questions=7)
    batch = Batch.objects.create(project=project, name="Letters", is_standing=True)

    with pytest.raises(Invalid) as refusal:
        publish_batch(batch=batch)

    assert refusal.value.errors == {
        "rules.quiz_questions": "The quiz asks 10 questions and has 7. Add 3, or set it to 0."
    }
    batch.refresh_from_db()
    assert batch.state == "draft"
