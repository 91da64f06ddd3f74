"""Machines as workers: connect them, send predictions, let them answer alone, read what checks found."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Empty, Input, JsonObject
from core.models import Operation
from lifecycle.machines import send_predictions, start_asking
from lifecycle.train import ask_first, newest_result, start_training
from marketplace.api.finding import as_role, batch_for, hit_for, one, project_for
from marketplace.api.posting import OperationOut
from marketplace.selectors import projects_of
from quality.models import Machine
from quality.services import machine_report
from quality.services.machines import connect_machine, switch_machine, use_machine
from quality.services.several import Confusion, confusions_of, shares_on

MOST_AT_ONCE = 1000


class MachineOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    name = serializers.CharField()
    source = serializers.CharField()
    url = serializers.CharField()
    is_on = serializers.BooleanField(help_text="Whether its predictions count for labels.")
    created_at = serializers.DateTimeField()


class MachineIn(Input):
    name = serializers.CharField(max_length=80)
    source = serializers.ChoiceField(
        required=False, choices=["table", "label_studio", "http"], default="table", help_text="How it is asked."
    )
    url = serializers.CharField(required=False, allow_blank=True, max_length=500, default="")
    token = serializers.CharField(
        required=False, allow_blank=True, max_length=300, default="", help_text="Sent to it as a bearer token."
    )


class SwitchIn(Input):
    is_on = serializers.BooleanField()


class PredictionIn(Input):
    hit = serializers.UUIDField(required=False)
    external_id = serializers.CharField(required=False, max_length=200)
    answers = JsonObject(help_text="Question to value, as an answer would say it.")
    confidence = serializers.JSONField(
        required=False, allow_null=True, default=None, help_text="0 to 1; or an object, by question."
    )


class PredictionsIn(Input):
    machine = serializers.UUIDField()
    version = serializers.CharField(
        required=False, allow_blank=True, max_length=120, default="", help_text="A new one begins without any trust."
    )
    predictions = serializers.ListField(child=PredictionIn(), min_length=1, max_length=MOST_AT_ONCE)


class TakenOut(serializers.Serializer):
    items = serializers.IntegerField()


class AskMachineIn(Input):
    machine = serializers.UUIDField()


class UseIn(Input):
    machine = serializers.UUIDField(allow_null=True, help_text="null: it only counts as one noisy worker.")
    accepts = serializers.BooleanField(
        required=False, default=False, help_text="It answers alone where checks have shown that it may."
    )
    show_share = serializers.FloatField(
        required=False, min_value=0, max_value=1, default=0.0, help_text="Share of workers who see what it says."
    )


class UseOut(serializers.Serializer):
    machine = serializers.UUIDField(allow_null=True)
    accepts = serializers.BooleanField()
    show_share = serializers.FloatField()
    stopped_because = serializers.CharField(help_text="Why accepting ended by itself.")


class CheckedOut(serializers.Serializer):
    question = serializers.CharField()
    checked = serializers.IntegerField(source="trust.checked", help_text="Items whose answer is known.")
    right = serializers.IntegerField(source="trust.right")
    lower = serializers.FloatField(source="trust.lower", help_text="5 % bound of its accuracy: the cap of its weight.")
    upper = serializers.FloatField(source="trust.upper")
    is_heard = serializers.BooleanField(source="trust.is_checked", help_text="Whether there are checks enough.")
    alone_from = serializers.FloatField(
        source="alone.score", allow_null=True, default=None, help_text="Certainty from which it may answer alone."
    )


class ReportOut(serializers.Serializer):
    machine = MachineOut()
    version = serializers.CharField(source="version.name", allow_null=True, default=None)
    items = serializers.IntegerField(help_text="Items of the batch that its newest version spoke of.")
    checked = CheckedOut(many=True)


class MachineReportOut(serializers.Serializer):
    machines = ReportOut(many=True)
    items = serializers.IntegerField()
    answered_alone = serializers.IntegerField()
    use = UseOut(allow_null=True)


def _machines(user: Any, role: str) -> QuerySet[Machine]:
    return Machine.objects.filter(project__in=projects_of(user, role))


def _machine(request: Request, machine_id: uuid.UUID) -> Machine:
    return as_role(_machines, request.user, "manager", public_id=machine_id)


class Machines(Endpoint):
    @act("read", gives=MachineOut, paged=True, tag="machines")
    def get(self, request: Request, project_id: uuid.UUID) -> QuerySet[Machine]:
        """The machines of a project."""
        return Machine.objects.filter(project=project_for(request, project_id))

    @act("write", takes=MachineIn, gives=MachineOut, status=201, keyed=True, tag="machines")
    def post(self, request: Request, project_id: uuid.UUID, data: dict[str, Any]) -> Machine:
        """Let a machine speak in a project (managers): it is one noisy worker, weighed by checks."""
        return connect_machine(project=project_for(request, project_id, "manager"), by=request.user, **data)


class MachineOne(Endpoint):
    @act("read", gives=MachineOut, tag="machines")
    def get(self, request: Request, machine_id: uuid.UUID) -> Machine:
        """One machine."""
        return as_role(_machines, request.user, "viewer", public_id=machine_id)

    @act("write", takes=SwitchIn, gives=MachineOut, tag="machines")
    def patch(self, request: Request, machine_id: uuid.UUID, data: dict[str, Any]) -> Machine:
        """Whether what it says counts for labels (managers)."""
        return switch_machine(machine=_machine(request, machine_id), by=request.user, **data)


class Predictions(Endpoint):
    @act("write", takes=PredictionsIn, gives=TakenOut, status=201, keyed=True, tag="machines")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Send what a machine says of items of a batch (managers). The newest prediction of a version counts."""
        batch = batch_for(request, batch_id, "manager")
        machine = one(Machine.objects.filter(project=batch.project_id), public_id=data["machine"])
        rows = data["predictions"]
        return {
            "items": send_predictions(machine=machine, batch=batch, rows=rows, version=data["version"], by=request.user)
        }


class AskMachine(Endpoint):
    @act("write", takes=AskMachineIn, gives=OperationOut, status=202, keyed=True, tag="machines")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Operation:
        """Ask a machine that has an address about all items of a batch (managers)."""
        batch = batch_for(request, batch_id, "manager")
        machine = one(Machine.objects.filter(project=batch.project_id), public_id=data["machine"])
        return start_asking(machine=machine, batch=batch)


def _shape_use(use: Any) -> dict[str, Any]:
    if use is None:
        return {"machine": None, "accepts": False, "show_share": 0.0, "stopped_because": ""}
    about = {name: getattr(use, name) for name in ("accepts", "show_share", "stopped_because")}
    return {"machine": use.machine.public_id, **about}


class BatchMachines(Endpoint):
    @act("read", gives=MachineReportOut, tag="machines")
    def get(self, request: Request, batch_id: uuid.UUID) -> dict[str, Any]:
        """What machines said of a batch, and what checks found of them."""
        batch = batch_for(request, batch_id)
        return {
            "machines": machine_report.report_of(batch),
            "items": machine_report.items_of(batch),
            "answered_alone": machine_report.alone_count(batch),
            "use": _shape_use(machine_report.use_of(batch)),
        }

    @act("write", takes=UseIn, gives=UseOut, tag="machines")
    def put(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """What a batch does with a machine besides counting its word (managers)."""
        batch = batch_for(request, batch_id, "manager")
        wanted = data.pop("machine")
        machine = one(Machine.objects.filter(project=batch.project_id), public_id=wanted) if wanted else None
        return _shape_use(use_machine(batch=batch, machine=machine, by=request.user, **data))


class DoubtedOut(serializers.Serializer):
    hit = serializers.UUIDField()
    label = serializers.CharField()
    suggested = serializers.CharField()
    margin = serializers.FloatField(help_text="How much more it believes in the other, against what is usual.")


class LearnedOut(serializers.Serializer):
    question = serializers.CharField(help_text="Empty: no model has been trained yet.")
    kind = serializers.CharField(help_text="text or pictures.")
    learned_from = serializers.IntegerField(help_text="Labels.")
    agrees = serializers.FloatField(help_text="Share of the labels that it says too, where it had not seen them.")
    doubtful_count = serializers.IntegerField()
    doubtful = DoubtedOut(many=True, help_text="Labels that look wrong, the most doubtful first, up to 500.")
    next = serializers.SerializerMethodField(help_text="HITs to ask next, the most useful first, up to 500.")

    def get_next(self, learned: Any) -> list[str]:
        return [hit for hit, _name in learned.next]


class FirstIn(Input):
    count = serializers.IntegerField(min_value=1, max_value=500, help_text="So many of the items to ask next.")


class FirstOut(serializers.Serializer):
    items = serializers.IntegerField()


#: Before any training.
NOT_YET = machine_report.Learned("", "", 0, 0.0, 0, [], [])


class Training(Endpoint):
    @act("read", gives=LearnedOut, tag="machines")
    def get(self, request: Request, batch_id: uuid.UUID) -> Any:
        """What the newest model that was trained here found: labels that look wrong, items to ask next."""
        batch = batch_for(request, batch_id)
        return machine_report.learned_of(batch, newest_result(batch), most=500) or NOT_YET

    @act("write", takes=Empty, gives=OperationOut, status=202, keyed=True, tag="machines")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Operation:
        """Train a model on the labels so far (managers)."""
        return start_training(batch=batch_for(request, batch_id, "manager"), by=request.user)


class AskFirst(Endpoint):
    @act("write", takes=FirstIn, gives=FirstOut, keyed=True, tag="machines")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Have people asked first about the items that a trained model named (managers)."""
        return {"items": ask_first(batch=batch_for(request, batch_id, "manager"), by=request.user, **data)}


# --- several answers --------------------------------------------------------------------------------------------------


class DistributionOut(serializers.Serializer):
    question = serializers.CharField()
    shares = serializers.DictField(child=serializers.FloatField(), help_text="Label to its share of the answers.")
    counts = serializers.DictField(child=serializers.IntegerField())
    entropy = serializers.FloatField(help_text="0: all say the same; 1: all labels are said as often.")
    groups = serializers.JSONField(help_text="The same by group of workers, where the project asks for it.")


class DistributionsOut(serializers.Serializer):
    items = DistributionOut(many=True)


class ConfusionOut(serializers.Serializer):
    question = serializers.CharField()
    first = serializers.CharField()
    second = serializers.CharField()
    items = serializers.IntegerField(help_text="Items that got both labels from reliable workers.")
    share = serializers.FloatField(help_text="Of the items that got either.")
    verdict = serializers.CharField(help_text="guidelines, items, or unknown.")
    words = serializers.CharField()
    suggestion = serializers.CharField(help_text="A question for the guidelines to answer.")
    examples = serializers.SerializerMethodField(help_text="HITs, the most evenly split first.")

    def get_examples(self, confusion: Confusion) -> list[str]:
        return [hit for hit, _name in confusion.examples]


class ConfusionsOut(serializers.Serializer):
    items = ConfusionOut(many=True)


class HitDistribution(Endpoint):
    @act("read", gives=DistributionsOut, tag="results")
    def get(self, request: Request, hit_id: uuid.UUID) -> dict[str, Any]:
        """How the answers to an item are distributed, for each question with labels."""
        hit = hit_for(request, hit_id)
        found = shares_on(hit.batch, [hit.pk])
        return {"items": [{"groups": {}, **one, "question": name} for (_hit, name), one in sorted(found.items())]}


class Disagreement(Endpoint):
    @act("read", gives=ConfusionsOut, tag="results")
    def get(self, request: Request, batch_id: uuid.UUID) -> dict[str, Any]:
        """Labels that reliable workers confuse, and whether it looks like the items or like the guidelines."""
        return {"items": confusions_of(batch_for(request, batch_id))}
