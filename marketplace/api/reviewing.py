"""What requesters do with answers: look, approve, reject, send back, pay more. And what staff rule."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Amount, AmountIn, Input
from core.api.idempotency import HEADER
from core.errors import Conflict, Invalid, NotThere
from lifecycle import decide
from lifecycle.bonus import pay_bonus
from lifecycle.compensate import MOST_AT_ONCE, Line, compensate
from marketplace.api.finding import assignment_for, batch_for, codes_for, one
from marketplace.models import Answer, Appeal, Assignment
from marketplace.selectors import batches_of

MOST_DECISIONS = 1000


class AnswerOut(serializers.Serializer):
    version = serializers.IntegerField()
    sha256 = serializers.CharField()
    received_at = serializers.DateTimeField()
    answers = serializers.JSONField(help_text="By question; null where it cannot be answered, or was erased.")
    cannot_answer = serializers.CharField(allow_null=True)


class AssignmentOut(serializers.Serializer):
    id = serializers.UUIDField()
    batch = serializers.UUIDField()
    hit = serializers.UUIDField()
    worker = serializers.CharField(help_text="The worker's name as your organisation knows it.")
    state = serializers.CharField()
    counts = serializers.BooleanField(help_text="Whether the answer is used for the label; apart from pay.")
    reward = Amount()
    accepted_at = serializers.DateTimeField()
    submitted_at = serializers.DateTimeField(allow_null=True)
    active_seconds = serializers.FloatField(allow_null=True)
    decide_at = serializers.DateTimeField(allow_null=True, help_text="When silence decides it.")
    decided_at = serializers.DateTimeField(allow_null=True)
    decision_reason = serializers.CharField()
    return_reason = serializers.CharField()
    return_note = serializers.CharField()
    revisions = serializers.IntegerField()
    answers = AnswerOut(many=True)


class AssignmentQuery(Input):
    state = serializers.ChoiceField(required=False, choices=Assignment.State.values)
    hit = serializers.UUIDField(required=False)


class WhyIn(Input):
    reason = serializers.CharField(max_length=1000, help_text="The worker reads it.")


class WhyOrNotIn(Input):
    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class NoteIn(Input):
    note = serializers.CharField(max_length=1000, help_text="What to change; the worker reads it.")


class DecisionsIn(Input):
    decision = serializers.ChoiceField(choices=["approve", "reject"])
    assignments = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=MOST_DECISIONS)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class DecisionsOut(serializers.Serializer):
    decided = serializers.ListField(child=serializers.UUIDField())
    skipped = serializers.ListField(child=serializers.UUIDField(), help_text="Not open for this decision any more.")


class BonusIn(Input):
    amount = AmountIn(help_text="Above 0; the platform's fee comes on top.")
    reason = serializers.CharField(max_length=200, help_text="The worker reads it.")


class TransferOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    kind = serializers.CharField()
    memo = serializers.CharField()
    at = serializers.DateTimeField(source="created_at")


class CompensationLineIn(Input):
    assignment = serializers.UUIDField()
    amount = AmountIn()
    reason = serializers.CharField(max_length=200, help_text="The worker reads it.")


class CompensationIn(Input):
    lines = serializers.ListField(child=CompensationLineIn(), min_length=1, max_length=MOST_AT_ONCE)


class TransfersOut(serializers.Serializer):
    items = TransferOut(many=True)


def shape_assignments(request: Request, rows: Sequence[Assignment]) -> list[dict[str, Any]]:
    """Assignments of one requester, with the workers' names as that requester knows them."""
    codes: dict[int, dict[int, str]] = {}
    for row in rows:
        project = row.batch.project
        if project.pk not in codes:
            codes[project.pk] = codes_for(project, [r.worker_id for r in rows if r.batch.project_id == project.pk])
    return [_shape(row, codes[row.batch.project_id][row.worker_id]) for row in rows]


def _shape(row: Assignment, code: str) -> dict[str, Any]:
    return {
        "id": row.public_id,
        "batch": row.batch.public_id,
        "hit": row.hit.data_row.public_id,
        "worker": code,
        "state": row.state,
        "counts": row.counts,
        "reward": row.reward,
        "accepted_at": row.accepted_at,
        "submitted_at": row.submitted_at,
        "active_seconds": row.active_seconds,
        "decide_at": row.decide_at,
        "decided_at": row.decided_at,
        "decision_reason": row.decision_reason,
        "return_reason": row.return_reason,
        "return_note": row.return_note,
        "revisions": row.revisions,
        "answers": [shape_answer(answer) for answer in row.answers.all()],
    }


def shape_answer(answer: Answer) -> dict[str, Any]:
    data = answer.data or {}
    return {
        "version": answer.version,
        "sha256": bytes(answer.sha256).hex(),
        "received_at": answer.received_at,
        "answers": data.get("answers"),
        "cannot_answer": data.get("cannot_answer"),
    }


def with_answers(rows: QuerySet[Assignment]) -> QuerySet[Assignment]:
    newest_first = Prefetch("answers", Answer.objects.defer("raw").order_by("version"))
    return rows.select_related("hit__data_row", "batch__project").prefetch_related(newest_first)


class BatchAssignments(Endpoint):
    @act("read", query=AssignmentQuery, gives=AssignmentOut, paged=True, shape=shape_assignments, tag="review")
    def get(self, request: Request, batch_id: uuid.UUID, query: dict[str, Any]) -> QuerySet[Assignment]:
        """Assignments of a batch with their answers."""
        rows = with_answers(batch_for(request, batch_id).assignments.all())
        if "hit" in query:
            rows = rows.filter(hit__data_row__public_id=query["hit"])
        return rows.filter(state=query["state"]) if "state" in query else rows


class AssignmentOne(Endpoint):
    @act("read", gives=AssignmentOut, tag="review")
    def get(self, request: Request, assignment_id: uuid.UUID) -> dict[str, Any]:
        """One assignment with its answers."""
        return shape_assignments(request, [assignment_for(request, assignment_id)])[0]


class Approve(Endpoint):
    @act("write", takes=WhyOrNotIn, gives=AssignmentOut, keyed=True, refuses=[402], tag="review")
    def post(self, request: Request, assignment_id: uuid.UUID, data: dict[str, Any]) -> Any:
        """Approve and pay: a submitted answer, or a rejected one within 30 days (reviewers)."""
        assignment = assignment_for(request, assignment_id, "reviewer")
        return _told(request, decide.approve(assignment=assignment, by=request.user.pk, **data))


class Reject(Endpoint):
    @act("write", takes=WhyIn, gives=AssignmentOut, keyed=True, tag="review")
    def post(self, request: Request, assignment_id: uuid.UUID, data: dict[str, Any]) -> Any:
        """Refuse pay and use (reviewers). The worker reads why, and may appeal for 7 days."""
        assignment = assignment_for(request, assignment_id, "reviewer")
        return _told(request, decide.reject(assignment=assignment, by=request.user.pk, **data))


class Redo(Endpoint):
    @act("write", takes=NoteIn, gives=AssignmentOut, keyed=True, tag="review")
    def post(self, request: Request, assignment_id: uuid.UUID, data: dict[str, Any]) -> Any:
        """Send back for another version, with a note; twice at most (reviewers)."""
        assignment = assignment_for(request, assignment_id, "reviewer")
        return _told(request, decide.redo(assignment=assignment, by=request.user.pk, **data))


class Disregard(Endpoint):
    @act("write", takes=WhyIn, gives=AssignmentOut, keyed=True, tag="review")
    def post(self, request: Request, assignment_id: uuid.UUID, data: dict[str, Any]) -> Any:
        """Pay, but do not use for the label (reviewers)."""
        assignment = assignment_for(request, assignment_id, "reviewer")
        return _told(request, decide.disregard(assignment=assignment, by=request.user.pk, **data))


class Decisions(Endpoint):
    @act("write", takes=DecisionsIn, gives=DecisionsOut, keyed=True, refuses=[402], tag="review")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Approve or reject many answers of a batch at once (reviewers). Those decided meanwhile are skipped."""
        batch = batch_for(request, batch_id, "reviewer")
        found = {row.public_id: row for row in batch.assignments.filter(public_id__in=data["assignments"])}
        if missing := [str(one_id) for one_id in data["assignments"] if one_id not in found]:
            raise NotThere(errors=dict.fromkeys(missing[:20], "There is no such assignment in this batch."))
        if data["decision"] == "reject" and not data["reason"].strip():
            raise Invalid(errors={"reason": "Say what was wrong: the worker reads it, and may appeal."})
        decided = set()
        if data["decision"] == "approve":
            ids = [row.pk for row in found.values()]
            done = set(decide.approve_many(batch_id=batch.pk, ids=ids, by=request.user.pk, reason=data["reason"]))
            decided = {row.public_id for row in found.values() if row.pk in done}
        else:
            for row in sorted(found.values(), key=lambda row: row.pk):
                try:
                    decide.reject(assignment=row, by=request.user.pk, reason=data["reason"])
                    decided.add(row.public_id)
                except Conflict:
                    continue
        return {"decided": sorted(decided), "skipped": sorted(set(found) - decided)}


class Bonus(Endpoint):
    @act("money", takes=BonusIn, gives=TransferOut, status=201, keyed=True, refuses=[402], tag="review")
    def post(self, request: Request, assignment_id: uuid.UUID, data: dict[str, Any]) -> Any:
        """Pay more than was promised (managers)."""
        assignment = assignment_for(request, assignment_id, "manager")
        key = request.headers.get(HEADER) or uuid.uuid4().hex
        return pay_bonus(assignment=assignment, key=key[:80], by=request.user, **data)


class Compensations(Endpoint):
    @act("money", takes=CompensationIn, gives=TransfersOut, status=201, keyed=True, refuses=[402], tag="review")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Any:
        """Pay workers who opened a HIT and could not be paid for an answer (managers): all lines or none, each once."""
        batch = batch_for(request, batch_id, "manager")
        wanted = [line["assignment"] for line in data["lines"]]
        found = {row.public_id: row for row in batch.assignments.filter(public_id__in=wanted)}
        if missing := [number for number, one_id in enumerate(wanted) if one_id not in found]:
            there = "There is no such assignment in this batch."
            raise NotThere(errors={f"lines[{number}].assignment": there for number in missing[:20]})
        lines = [Line(found[line["assignment"]], line["amount"], line["reason"]) for line in data["lines"]]
        return {"items": compensate(batch=batch, lines=lines, by=request.user)}


def _told(request: Request, assignment: Assignment) -> dict[str, Any]:
    row = one(with_answers(Assignment.objects.all()), pk=assignment.pk)
    return shape_assignments(request, [row])[0]


# --- appeals ----------------------------------------------------------------------------------------------------------


class AppealOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    assignment = serializers.UUIDField(source="assignment.public_id")
    reason = serializers.CharField()
    rejected_because = serializers.CharField(source="assignment.decision_reason")
    state = serializers.CharField()
    ruling = serializers.CharField()
    created_at = serializers.DateTimeField()
    rule_by = serializers.DateTimeField(help_text="Without a ruling by then the worker wins.")
    ruled_at = serializers.DateTimeField(allow_null=True)


class AppealQuery(Input):
    state = serializers.ChoiceField(required=False, choices=Appeal.State.values)


class RulingIn(Input):
    is_upheld = serializers.BooleanField()
    ruling = serializers.CharField(max_length=2000, help_text="Both sides read it.")


class RequesterAppeals(Endpoint):
    @act("read", query=AppealQuery, gives=AppealOut, paged=True, tag="review")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[Appeal]:
        """Appeals against rejections of your organisations."""
        rows = Appeal.objects.filter(assignment__batch__in=batches_of(request.user)).select_related("assignment")
        return rows.filter(state=query["state"]) if "state" in query else rows


class AllAppeals(Endpoint):
    @act("admin", query=AppealQuery, gives=AppealOut, paged=True, tag="staff")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[Appeal]:
        """Appeals of everybody, for staff."""
        rows = Appeal.objects.select_related("assignment")
        return rows.filter(state=query["state"]) if "state" in query else rows


class AppealRule(Endpoint):
    @act("admin", takes=RulingIn, gives=AppealOut, keyed=True, refuses=[402], tag="staff")
    def post(self, request: Request, appeal_id: uuid.UUID, data: dict[str, Any]) -> Appeal:
        """Rule: upheld, the answer is paid and counts again; dismissed, the money goes back."""
        appeal = Appeal.objects.select_related("assignment").filter(public_id=appeal_id).first()
        if appeal is None:
            raise Http404
        return decide.rule(appeal=appeal, by=request.user, **data)
