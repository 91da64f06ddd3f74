"""Quizzes and disputes, as workers meet them."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Empty, Input, JsonObject
from marketplace.api.finding import one, worker_of
from marketplace.api.work import known_batches, mine, shown_questions
from quality.api.keys import ContestOut
from quality.models import Contest, QuizAttempt
from quality.services.contesting import open_contest
from quality.services.quiz import answer_quiz, quiz_feedback, quiz_items, start_quiz
from quality.services.training import practise, training_of


class QuizOut(serializers.Serializer):
    id = serializers.UUIDField()
    project = serializers.UUIDField()
    number = serializers.IntegerField()
    state = serializers.CharField()
    questions = serializers.JSONField(help_text="The answer schema.")
    template = serializers.CharField()
    instructions = serializers.CharField()
    items = serializers.ListField(child=serializers.JSONField(), help_text="Objects with id and data.")
    right = serializers.IntegerField(allow_null=True, help_text="Once it is handed in.")
    feedback = serializers.ListField(child=serializers.JSONField(), help_text="Once it is handed in, by item.")


class QuizAnswersIn(Input):
    answers = JsonObject(help_text="Item id to answers by question.")


class ContestIn(Input):
    reason = serializers.CharField(max_length=2000, help_text="Why your answer holds.")


class StartQuiz(Endpoint):
    @act("work", takes=Empty, gives=QuizOut, status=201, keyed=True, tag="work")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Take the quiz that opens this work. One that you began is given again."""
        worker = worker_of(request)
        batch = one(known_batches(worker), public_id=batch_id)
        return _shape(start_quiz(worker=worker, project=batch.project))


class Quiz(Endpoint):
    @act("work", gives=QuizOut, tag="work")
    def get(self, request: Request, quiz_id: uuid.UUID) -> dict[str, Any]:
        """A quiz of yours."""
        return _shape(_mine(request, quiz_id))


class QuizAnswers(Endpoint):
    @act("work", takes=QuizAnswersIn, gives=QuizOut, tag="work")
    def post(self, request: Request, quiz_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Hand it in."""
        return _shape(answer_quiz(attempt=_mine(request, quiz_id), answers=data["answers"]))


class PracticeOut(serializers.Serializer):
    items = serializers.ListField(child=serializers.JSONField(), help_text="Objects with id and data.")


class PracticeAnswerIn(Input):
    item = serializers.UUIDField()
    answers = JsonObject(help_text="By question.")


class PracticeFeedbackOut(serializers.Serializer):
    is_right = serializers.BooleanField()
    parts = serializers.ListField(child=serializers.JSONField(), help_text="By question: is_right, expected.")
    explanation = serializers.CharField()


class Practice(Endpoint):
    @act("work", gives=PracticeOut, tag="work")
    def get(self, request: Request, batch_id: uuid.UUID) -> dict[str, Any]:
        """Questions to practise with before this work: unpaid, nothing is kept."""
        batch = one(known_batches(worker_of(request)), public_id=batch_id)
        return {"items": [{"id": gold.public_id, "data": gold.data} for gold in training_of(batch.project)]}

    @act("work", takes=PracticeAnswerIn, gives=PracticeFeedbackOut, tag="work")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """How an answer would go, and why. Nothing is kept."""
        batch = one(known_batches(worker_of(request)), public_id=batch_id)
        gold = one(training_of(batch.project), public_id=data["item"])
        return asdict(practise(gold=gold, answers=data["answers"]))


class OpenContest(Endpoint):
    @act("work", takes=ContestIn, gives=ContestOut, status=201, keyed=True, tag="work")
    def post(self, request: Request, assignment_id: uuid.UUID, data: dict[str, Any]) -> Contest:
        """Dispute how an answer of yours is judged."""
        return open_contest(assignment=one(mine(request), public_id=assignment_id), **data)


class MyContests(Endpoint):
    @act("work", gives=ContestOut, paged=True, tag="work")
    def get(self, request: Request) -> QuerySet[Contest]:
        """Your disputes, and how they were ruled."""
        return Contest.objects.filter(assignment__worker=worker_of(request)).select_related("assignment")


def _mine(request: Request, quiz_id: uuid.UUID) -> QuizAttempt:
    return one(QuizAttempt.objects.filter(worker=worker_of(request)).select_related("project"), public_id=quiz_id)


def _shape(attempt: QuizAttempt) -> dict[str, Any]:
    project = attempt.project
    is_over = attempt.state != QuizAttempt.State.OPEN
    return {
        "id": attempt.public_id,
        "project": project.public_id,
        "number": attempt.number,
        "state": attempt.state,
        "questions": shown_questions(project.questions),
        "template": project.template,
        "instructions": project.instructions,
        "items": [asdict(item) for item in quiz_items(attempt)],
        "right": attempt.right if is_over else None,
        "feedback": [asdict(one_answer) for one_answer in quiz_feedback(attempt)],
    }
