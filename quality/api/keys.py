"""Questions whose answer is known, for those who post the work: keys, quizzes, disputes, workers' records, refits."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Empty, Input, JsonObject
from core.errors import Conflict
from core.models import Operation
from lifecycle import gold as known
from lifecycle.refit import start_refit
from marketplace.api.finding import as_role, codes_for, hit_for, one, project_for, worker_by_code, worker_of
from marketplace.api.posting import OperationOut
from marketplace.models import Project
from marketplace.selectors import projects_of
from quality.models import AggregationRun, Contest, Flag, GoldQuestion, WorkerReliability
from quality.services.quiz import add_quiz_questions, remove_quiz_question
from quality.services.reputation import shown_intervals
from quality.services.training import add_training_questions
from quality.services.watching import keep_paused, reinstate_worker

KEYS = "Question to accepted answer, or a list of accepted answers."


class GoldOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    hit = serializers.SerializerMethodField()
    pool = serializers.CharField()
    state = serializers.CharField()
    data = serializers.JSONField(help_text="The item, for pools that are not in work.")
    keys = serializers.JSONField()
    key_version = serializers.IntegerField()
    explanation = serializers.CharField()
    tags = serializers.JSONField()
    is_soft = serializers.BooleanField(help_text="No person has confirmed it: it fails nobody.")
    passed = serializers.IntegerField(default=0)
    missed = serializers.IntegerField(default=0)
    created_at = serializers.DateTimeField()

    def get_hit(self, gold: GoldQuestion) -> uuid.UUID | None:
        return gold.hit.data_row.public_id if gold.hit_id else None  # type: ignore[union-attr]


class GoldQuery(Input):
    pool = serializers.ChoiceField(required=False, choices=GoldQuestion.Pool.values)
    state = serializers.ChoiceField(required=False, choices=GoldQuestion.State.values)


class GoldIn(Input):
    keys = JsonObject(help_text=KEYS)
    explanation = serializers.CharField(required=False, allow_blank=True, max_length=10_000, default="")
    tags = serializers.ListField(required=False, child=serializers.CharField(max_length=60), max_length=20, default=[])
    pool = serializers.ChoiceField(required=False, choices=["test", "audit"], default="test")


class KeysIn(Input):
    keys = JsonObject(help_text=KEYS)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class SuspendIn(Input):
    reason = serializers.CharField(max_length=1000)


class QuizRowIn(Input):
    data = JsonObject()
    keys = JsonObject(help_text=KEYS)
    explanation = serializers.CharField(required=False, allow_blank=True, max_length=10_000, default="")
    tags = serializers.ListField(required=False, child=serializers.CharField(max_length=60), max_length=20, default=[])


class QuizRowsIn(Input):
    rows = serializers.ListField(child=QuizRowIn(), min_length=1, max_length=1000)


class GoldListOut(serializers.Serializer):
    items = GoldOut(many=True)


def _golds(user: Any, role: str) -> QuerySet[GoldQuestion]:
    return _with_scores(GoldQuestion.objects.filter(project__in=projects_of(user, role)))


def _with_scores(rows: QuerySet[GoldQuestion]) -> QuerySet[GoldQuestion]:
    return rows.select_related("hit__data_row", "project").annotate(
        passed=Count("scores", filter=Q(scores__passed=True, scores__counts=True)),
        missed=Count("scores", filter=Q(scores__passed=False, scores__counts=True)),
    )


def _gold(request: Request, gold_id: uuid.UUID) -> GoldQuestion:
    return as_role(_golds, request.user, "manager", public_id=gold_id)


def _again(gold: GoldQuestion) -> GoldQuestion:
    return one(_with_scores(GoldQuestion.objects.all()), pk=gold.pk)


class ProjectGold(Endpoint):
    @act("read", query=GoldQuery, gives=GoldOut, paged=True, tag="gold")
    def get(self, request: Request, project_id: uuid.UUID, query: dict[str, Any]) -> QuerySet[GoldQuestion]:
        """Questions whose answer is known, and how workers did on them (managers)."""
        rows = _with_scores(GoldQuestion.objects.filter(project=project_for(request, project_id, "manager")))
        return rows.filter(**query)


class HitGold(Endpoint):
    @act("write", takes=GoldIn, gives=GoldOut, status=201, keyed=True, tag="gold")
    def post(self, request: Request, hit_id: uuid.UUID, data: dict[str, Any]) -> GoldQuestion:
        """Mark a HIT as one whose answer you know (managers)."""
        return _again(known.mark(hit=hit_for(request, hit_id, "manager"), by=request.user, **data))


class HitPromote(Endpoint):
    @act("write", takes=Empty, gives=GoldOut, status=201, keyed=True, tag="gold")
    def post(self, request: Request, hit_id: uuid.UUID, data: dict[str, Any]) -> GoldQuestion:
        """You have looked at what the answers to this HIT agree on, and confirm it as its key (managers)."""
        return _again(known.promote(hit=hit_for(request, hit_id, "manager"), by=request.user))


class GoldOne(Endpoint):
    @act("read", gives=GoldOut, tag="gold")
    def get(self, request: Request, gold_id: uuid.UUID) -> GoldQuestion:
        """One of them (managers)."""
        return _gold(request, gold_id)

    @act("write", takes=KeysIn, gives=GoldOut, tag="gold")
    def patch(self, request: Request, gold_id: uuid.UUID, data: dict[str, Any]) -> GoldQuestion:
        """Correct the key (managers): every answer is scored again, and what it cost workers is restored."""
        return _again(known.put_right(marked=_gold(request, gold_id), by=request.user, **data))


class GoldSuspend(Endpoint):
    @act("write", takes=SuspendIn, gives=GoldOut, keyed=True, tag="gold")
    def post(self, request: Request, gold_id: uuid.UUID, data: dict[str, Any]) -> GoldQuestion:
        """The key is in doubt (managers): its scores no longer count."""
        return _again(known.put_right(marked=_gold(request, gold_id), keys=None, by=request.user, **data))


class GoldRelease(Endpoint):
    @act("write", takes=Empty, gives=GoldOut, keyed=True, tag="gold")
    def post(self, request: Request, gold_id: uuid.UUID, data: dict[str, Any]) -> GoldQuestion:
        """Show it no more (managers). Its scores stand."""
        gold = _gold(request, gold_id)
        if gold.pool == "quiz":
            return _again(remove_quiz_question(gold=gold, by=request.user))
        if gold.hit_id is None:
            raise Conflict("This one is not in work.", code="not_in_work")
        return _again(known.release(marked=gold, by=request.user))


class QuizQuestions(Endpoint):
    @act("write", takes=QuizRowsIn, gives=GoldListOut, status=201, keyed=True, tag="gold")
    def post(self, request: Request, project_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Add questions to the project's quiz (managers). They are never used in work."""
        project = project_for(request, project_id, "manager")
        made = add_quiz_questions(project=project, rows=data["rows"], by=request.user)
        ids = [gold.public_id for gold in made]
        return {"items": _with_scores(GoldQuestion.objects.filter(public_id__in=ids)).order_by("pk")}


class TrainingQuestions(Endpoint):
    @act("write", takes=QuizRowsIn, gives=GoldListOut, status=201, keyed=True, tag="gold")
    def post(self, request: Request, project_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Add questions to practise with before work (managers): openly so, unpaid, with feedback and explanation."""
        project = project_for(request, project_id, "manager")
        made = add_training_questions(project=project, rows=data["rows"], by=request.user)
        ids = [gold.public_id for gold in made]
        return {"items": _with_scores(GoldQuestion.objects.filter(public_id__in=ids)).order_by("pk")}


# --- disputes ---------------------------------------------------------------------------------------------------------


class ContestOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    assignment = serializers.UUIDField(source="assignment.public_id")
    reason = serializers.CharField()
    state = serializers.CharField()
    ruling = serializers.CharField()
    created_at = serializers.DateTimeField()
    ruled_at = serializers.DateTimeField(allow_null=True)


class ContestQuery(Input):
    state = serializers.ChoiceField(required=False, choices=Contest.State.values)


class ContestRulingIn(Input):
    is_upheld = serializers.BooleanField()
    ruling = serializers.CharField(max_length=2000, help_text="The worker reads it.")
    keys = JsonObject(required=False, help_text=f"The right key. {KEYS}")


def _contests(user: Any, role: str) -> QuerySet[Contest]:
    return Contest.objects.filter(assignment__batch__project__in=projects_of(user, role)).select_related("assignment")


class ProjectContests(Endpoint):
    @act("read", query=ContestQuery, gives=ContestOut, paged=True, tag="gold")
    def get(self, request: Request, project_id: uuid.UUID, query: dict[str, Any]) -> QuerySet[Contest]:
        """What workers dispute (managers)."""
        project = project_for(request, project_id, "manager")
        return Contest.objects.filter(assignment__batch__project=project, **query).select_related("assignment")


class ContestRule(Endpoint):
    @act("write", takes=ContestRulingIn, gives=ContestOut, keyed=True, tag="gold")
    def post(self, request: Request, contest_id: uuid.UUID, data: dict[str, Any]) -> Contest:
        """Rule on a dispute (managers). Upheld, the key becomes `keys`, or goes out of use."""
        contest = as_role(_contests, request.user, "manager", public_id=contest_id)
        return known.rule(contest=contest, by=request.user, **data)


# --- workers' records -------------------------------------------------------------------------------------------------


class RecordOut(serializers.Serializer):
    worker = serializers.CharField(help_text="The worker's name as your organisation knows it.")
    question = serializers.CharField()
    part = serializers.CharField()
    state = serializers.CharField()
    answered = serializers.IntegerField()
    right = serializers.FloatField(help_text="Known answers met.")
    wrong = serializers.FloatField()
    lower = serializers.FloatField(help_text="Interval of the accuracy.")
    upper = serializers.FloatField()
    reason = serializers.CharField()
    look_again_at = serializers.DateTimeField(allow_null=True)
    cluster = serializers.IntegerField(
        allow_null=True, help_text="Who has the same number answers from one key, and shares one vote."
    )
    signs = JsonObject(help_text="Measures of spam, each with its 95 % interval, and what a person should look at.")


class RecordQuery(Input):
    state = serializers.ChoiceField(required=False, choices=WorkerReliability.State.values)


class PauseRulingIn(Input):
    decision = serializers.ChoiceField(choices=["reinstate", "keep"])
    reason = serializers.CharField(max_length=300)


class RecordsOut(serializers.Serializer):
    items = RecordOut(many=True)


def shape_records(request: Request, rows: Sequence[WorkerReliability]) -> list[dict[str, Any]]:
    if not rows:
        return []
    codes = codes_for(rows[0].project, [row.worker_id for row in rows])
    return [
        {
            "worker": codes[row.worker_id],
            "question": row.question,
            "part": row.part,
            "state": row.state,
            "answered": row.answered,
            "right": row.right,
            "wrong": row.wrong,
            "lower": round(row.lower, 4),
            "upper": round(row.upper, 4),
            "reason": row.state_reason,
            "look_again_at": row.look_again_at,
            "cluster": row.cluster,
            "signs": row.signs,
        }
        for row in rows
    ]


class ProjectWorkers(Endpoint):
    @act("read", query=RecordQuery, gives=RecordOut, paged=True, shape=shape_records, tag="quality")
    def get(self, request: Request, project_id: uuid.UUID, query: dict[str, Any]) -> QuerySet[WorkerReliability]:
        """How workers answer, question by question (managers)."""
        project = project_for(request, project_id, "manager")
        return WorkerReliability.objects.filter(project=project, **query).select_related("project")


class WorkerPause(Endpoint):
    @act("write", takes=PauseRulingIn, gives=RecordsOut, keyed=True, tag="quality")
    def post(self, request: Request, project_id: uuid.UUID, worker: str, data: dict[str, Any]) -> dict[str, Any]:
        """You have looked at a paused worker's answers: let them go on, or keep the pause until the next look."""
        project = project_for(request, project_id, "manager")
        who = worker_by_code(project.requester, worker)
        verb = reinstate_worker if data["decision"] == "reinstate" else keep_paused
        rows = verb(project=project, worker=who, by=request.user, reason=data["reason"])
        if not rows:
            raise Conflict("This worker is not paused.", code="not_paused")
        return {"items": shape_records(request, rows)}


# --- flags and fits ---------------------------------------------------------------------------------------------------


class FlagOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    kind = serializers.CharField()
    message = serializers.CharField()
    state = serializers.CharField()
    batch = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    closed_reason = serializers.CharField()

    def get_batch(self, flag: Flag) -> uuid.UUID | None:
        return flag.batch.public_id if flag.batch else None


class FlagQuery(Input):
    state = serializers.ChoiceField(required=False, choices=Flag.State.values)


class RunOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    question = serializers.CharField()
    method = serializers.CharField()
    version = serializers.CharField()
    parameters = serializers.JSONField()
    seed = serializers.IntegerField()
    data_hash = serializers.CharField()
    result_hash = serializers.CharField()
    guard = serializers.CharField()
    answers = serializers.IntegerField()
    items = serializers.IntegerField()
    workers = serializers.IntegerField()
    report = serializers.JSONField(
        help_text="Agreement, iterations, calibration: `proven` is the highest confidence of which known answers prove "
        "that labels as sure hold it; `targets` says how many `more` of these, that sure and all right, each takes."
    )
    created_at = serializers.DateTimeField()


class ProjectFlags(Endpoint):
    @act("read", query=FlagQuery, gives=FlagOut, paged=True, tag="quality")
    def get(self, request: Request, project_id: uuid.UUID, query: dict[str, Any]) -> QuerySet[Flag]:
        """What somebody should look at."""
        project = project_for(request, project_id)
        return Flag.objects.filter(Q(project=project) | Q(batch__project=project), **query).select_related("batch")


class ProjectRuns(Endpoint):
    @act("read", gives=RunOut, paged=True, tag="quality")
    def get(self, request: Request, project_id: uuid.UUID) -> QuerySet[AggregationRun]:
        """Fits of the project, each with all that is needed to compute it again."""
        return AggregationRun.objects.filter(project=project_for(request, project_id))


class ProjectRefit(Endpoint):
    @act("write", takes=Empty, gives=OperationOut, status=202, keyed=True, tag="quality")
    def post(self, request: Request, project_id: uuid.UUID, data: dict[str, Any]) -> Operation:
        """Fit all answers of the project again now (managers)."""
        operation = start_refit(project=project_for(request, project_id, "manager"))
        if operation is None:
            raise Conflict("A refit is under way. Wait until it is finished.", code="under_way")
        return operation


# --- one's own --------------------------------------------------------------------------------------------------------


class MyAccuracyOut(serializers.Serializer):
    project = serializers.UUIDField()
    name = serializers.CharField()
    low = serializers.FloatField(help_text="It lies between low and high nine times in ten.")
    high = serializers.FloatField()
    mean = serializers.FloatField()


class MyAccuracy(Endpoint):
    @act("work", gives=MyAccuracyOut, many=True, tag="work")
    def get(self, request: Request) -> list[dict[str, Any]]:
        """How well you do in each project where that can be told: of yesterday, in steps of 5 %."""
        shown = shown_intervals(worker_of(request))
        projects = Project.objects.only("public_id", "name").in_bulk(shown)
        return [
            {"project": projects[pk].public_id, "name": projects[pk].name, "low": low, "high": high, "mean": mean}
            for pk, (low, high, mean) in sorted(shown.items())
        ]
