"""Workers, flags and disputes for programs of the staff. Scope `admin`; each act is in the log with its reason."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Input, JsonObject
from core.errors import Conflict
from core.models import Note
from core.notes import add_note, notes_on
from lifecycle import gold as known
from lifecycle.hold import hold_worker, lift_hold
from lifecycle.weigh import weigh_worker
from marketplace.api.finding import one
from marketplace.models import Project
from quality.api.keys import ContestOut, ContestQuery
from quality.models import Contest, Flag, WorkerReliability
from quality.services.flagging import close_flag
from quality.services.watching import keep_paused, pause_worker, reinstate_worker
from staff.workers import SHOWS, found_workers, look_behind
from workers_app.models import Worker


class WorkerOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    created_at = serializers.DateTimeField()
    on_hold_since = serializers.DateTimeField(source="suspended_at", allow_null=True)
    on_hold_because = serializers.CharField(source="suspended_reason")


class StandingOut(serializers.Serializer):
    """How a worker does on one question of a project."""

    project = serializers.UUIDField(source="project.public_id")
    question = serializers.CharField()
    part = serializers.CharField()
    state = serializers.CharField()
    reason = serializers.CharField(source="state_reason")
    answered = serializers.IntegerField()
    right = serializers.FloatField()
    wrong = serializers.FloatField()
    lower = serializers.FloatField(help_text="Of the accuracy, 5 %.")
    upper = serializers.FloatField(help_text="Of the accuracy, 95 %.")
    gate = serializers.FloatField(help_text="Sum of the sequential test.")
    monitor = serializers.FloatField()
    look_again_at = serializers.DateTimeField(allow_null=True)
    ignored_since = serializers.DateTimeField(source="ignored_at", allow_null=True)


class WorkerDetailOut(WorkerOut):
    standing = StandingOut(many=True)


class AccountOut(serializers.Serializer):
    email = serializers.EmailField()
    name = serializers.CharField()


class WorkerQuery(Input):
    show = serializers.ChoiceField(required=False, choices=list(SHOWS), default="all")
    q = serializers.CharField(
        required=False, allow_blank=True, max_length=60, default="", help_text="A name, or an id."
    )


class WorkerReasonIn(Input):
    reason = serializers.CharField(max_length=300, help_text="The worker reads it.")


class InProjectIn(WorkerReasonIn):
    project = serializers.UUIDField()


class PauseIn(InProjectIn):
    reason = serializers.CharField(max_length=180, help_text="The worker reads it.")


class WeightIn(InProjectIn):
    counts = serializers.BooleanField(help_text="false: what they said counts for no label; true: it does again.")


def _worker(worker_id: uuid.UUID) -> Worker:
    return one(Worker.objects.select_related("user"), public_id=worker_id)


def _project(data: dict[str, Any]) -> Project:
    return one(Project.objects.all(), public_id=data["project"])


def _detail(worker: Worker) -> Worker:
    rows = WorkerReliability.objects.filter(worker=worker).select_related("project")
    worker.standing = list(rows.order_by("project_id", "question", "part"))  # type: ignore[attr-defined]
    return worker


class Workers(Endpoint):
    @act("admin", query=WorkerQuery, gives=WorkerOut, paged=True, tag="staff")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[Worker]:
        """Workers by state and name."""
        return found_workers(show=query["show"], words=query["q"])


class WorkerOne(Endpoint):
    @act("admin", gives=WorkerDetailOut, tag="staff")
    def get(self, request: Request, worker_id: uuid.UUID) -> Worker:
        """One worker, and how they do on each question of each project."""
        return _detail(_worker(worker_id))


class StaffWorkerPause(Endpoint):
    @act("admin", takes=PauseIn, gives=WorkerDetailOut, keyed=True, tag="staff")
    def post(self, request: Request, worker_id: uuid.UUID, data: dict[str, Any]) -> Worker:
        """Pause a worker in a project. What they accepted they can finish, and it is paid."""
        worker = _worker(worker_id)
        pause_worker(project=_project(data), worker=worker, by=request.user, reason=data["reason"])
        return _detail(worker)


class WorkerReinstate(Endpoint):
    @act("admin", takes=InProjectIn, gives=WorkerDetailOut, keyed=True, tag="staff")
    def post(self, request: Request, worker_id: uuid.UUID, data: dict[str, Any]) -> Worker:
        """End a pause: gate and monitor begin anew."""
        return _decided(reinstate_worker, request, worker_id, data)


class WorkerKeep(Endpoint):
    @act("admin", takes=InProjectIn, gives=WorkerDetailOut, keyed=True, tag="staff")
    def post(self, request: Request, worker_id: uuid.UUID, data: dict[str, Any]) -> Worker:
        """Keep a pause until the next look."""
        return _decided(keep_paused, request, worker_id, data)


def _decided(do: Any, request: Request, worker_id: uuid.UUID, data: dict[str, Any]) -> Worker:
    worker = _worker(worker_id)
    if not do(project=_project(data), worker=worker, by=request.user, reason=data["reason"]):
        raise Conflict("There is no pause to decide on.", code="not_paused")
    return _detail(worker)


class WorkerWeight(Endpoint):
    @act("admin", takes=WeightIn, gives=WorkerDetailOut, keyed=True, tag="staff")
    def post(self, request: Request, worker_id: uuid.UUID, data: dict[str, Any]) -> Worker:
        """Take the weight from all that a worker said in a project, or give it back. Pay is not touched."""
        worker, said = _worker(worker_id), {"counts": data["counts"], "reason": data["reason"]}
        weigh_worker(project=_project(data), worker=worker, by=request.user, **said)
        return _detail(worker)


class WorkerHold(Endpoint):
    @act("admin", takes=WorkerReasonIn, gives=WorkerOut, keyed=True, tag="staff")
    def post(self, request: Request, worker_id: uuid.UUID, data: dict[str, Any]) -> Worker:
        """No new work anywhere, until a person lifts it."""
        return hold_worker(worker=_worker(worker_id), by=request.user, **data)


class WorkerLift(Endpoint):
    @act("admin", takes=WorkerReasonIn, gives=WorkerOut, keyed=True, tag="staff")
    def post(self, request: Request, worker_id: uuid.UUID, data: dict[str, Any]) -> Worker:
        """Lift the hold."""
        return lift_hold(worker=_worker(worker_id), by=request.user, **data)


class WorkerAccount(Endpoint):
    @act("admin", takes=WorkerReasonIn, gives=AccountOut, tag="staff")
    def post(self, request: Request, worker_id: uuid.UUID, data: dict[str, Any]) -> Any:
        """The account behind a number. The reason is for other staff, and written down."""
        return look_behind(worker=_worker(worker_id), by=request.user, **data).user


class NoteOut(serializers.Serializer):
    at = serializers.DateTimeField()
    by = serializers.EmailField(source="author.email")
    text = serializers.CharField()


class StaffNoteIn(Input):
    text = serializers.CharField(max_length=2000)


class WorkerNotes(Endpoint):
    @act("admin", gives=NoteOut, paged=True, tag="staff")
    def get(self, request: Request, worker_id: uuid.UUID) -> QuerySet[Note]:
        """What staff wrote down about a worker."""
        return notes_on(f"worker:{_worker(worker_id).pk}")

    @act("admin", takes=StaffNoteIn, gives=NoteOut, status=201, keyed=True, tag="staff")
    def post(self, request: Request, worker_id: uuid.UUID, data: dict[str, Any]) -> Note:
        """Add a note. It is never changed, and part of the data that the worker may ask for."""
        return add_note(subject=f"worker:{_worker(worker_id).pk}", by=request.user, **data)


# --- flags and disputes -----------------------------------------------------------------------------------------------


class StaffFlagOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    kind = serializers.CharField()
    message = serializers.CharField()
    evidence = serializers.JSONField()
    state = serializers.CharField()
    verdict = serializers.CharField()
    worker = serializers.SerializerMethodField()
    project = serializers.SerializerMethodField()
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    closed_reason = serializers.CharField()

    def get_worker(self, flag: Flag) -> uuid.UUID | None:
        return flag.worker.public_id if flag.worker else None

    def get_project(self, flag: Flag) -> uuid.UUID | None:
        return flag.project.public_id if flag.project else None


class FlagQuery(Input):
    state = serializers.ChoiceField(required=False, choices=Flag.State.values)
    kind = serializers.CharField(required=False, max_length=40)


class VerdictIn(Input):
    verdict = serializers.ChoiceField(choices=Flag.Verdict.values)
    reason = serializers.CharField(max_length=300)


class AllFlags(Endpoint):
    @act("admin", query=FlagQuery, gives=StaffFlagOut, paged=True, tag="staff")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[Flag]:
        """Flags of everybody."""
        return Flag.objects.select_related("worker", "project").filter(**query)


class FlagDecide(Endpoint):
    @act("admin", takes=VerdictIn, gives=StaffFlagOut, keyed=True, tag="staff")
    def post(self, request: Request, flag_id: uuid.UUID, data: dict[str, Any]) -> Flag:
        """Say what a flag is worth. Nothing follows by itself."""
        flag = one(Flag.objects.select_related("worker", "project"), public_id=flag_id)
        return close_flag(flag=flag, by=request.user, **data)


class StaffRulingIn(Input):
    is_upheld = serializers.BooleanField()
    ruling = serializers.CharField(max_length=1000, help_text="The worker reads it.")
    keys = JsonObject(required=False, help_text="The right key, where it is known; else it goes out of use.")


class AllContests(Endpoint):
    @act("admin", query=ContestQuery, gives=ContestOut, paged=True, tag="staff")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[Contest]:
        """Disputes of everybody about how answers are judged."""
        return Contest.objects.select_related("assignment").filter(**query)


class StaffContestRule(Endpoint):
    @act("admin", takes=StaffRulingIn, gives=ContestOut, keyed=True, tag="staff")
    def post(self, request: Request, contest_id: uuid.UUID, data: dict[str, Any]) -> Contest:
        """Rule on a dispute: upheld, the key is mended or goes out of use, and what it cost workers is restored."""
        contest = one(Contest.objects.select_related("assignment"), public_id=contest_id)
        return known.rule(contest=contest, by=request.user, **data)
