"""What corrections changed about a batch's labels, asking again, and trying other rules on the past."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Amount, AmountIn, Empty, Input
from lifecycle.heal import ask_again, offer_of, send_to_experts
from marketplace.api.finding import as_role, batch_for, one
from marketplace.selectors import batches_of
from quality.models import Healing
from quality.services.healing import healings_of
from quality.services.whatif import METHODS, curve_of, past_of, try_out
from quality.views.whatif import read_scenario
from workers_app.models import Qualification


class OfferOut(serializers.Serializer):
    hits = serializers.IntegerField()
    most = Amount(help_text="What it costs at most; what is not needed comes back.")
    is_new_batch = serializers.BooleanField(help_text="The batch is closed: a repair batch asks.")


class HealingOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    cause = serializers.CharField(help_text="ignored, counted or key.")
    leaned = serializers.IntegerField(help_text="Labels that leaned on the answers.")
    changed = serializers.IntegerField()
    asked = serializers.IntegerField(help_text="Items that were asked again.")
    cost = Amount(help_text="What that costs.")
    offer = serializers.SerializerMethodField(help_text="What is below its target since; null where nothing is.")
    repair = serializers.SerializerMethodField(help_text="The batch that asks again.")
    begun_at = serializers.DateTimeField()
    done_at = serializers.DateTimeField(allow_null=True)

    def get_offer(self, healing: Healing) -> dict[str, Any] | None:
        offer = offer_of(healing)
        return None if offer is None else OfferOut(offer).data

    def get_repair(self, healing: Healing) -> uuid.UUID | None:
        return healing.repair.public_id if healing.repair else None


class AskedAgainOut(serializers.Serializer):
    batch = serializers.UUIDField(source="public_id", help_text="The batch that asks: this one, or its repair batch.")


class ExpertsIn(Input):
    qualification = serializers.UUIDField(help_text="Who holds it is an expert.")
    reward = AmountIn(required=False, allow_null=True, default=None, help_text="An answer; default: the batch's.")


class Healings(Endpoint):
    @act("read", gives=HealingOut, paged=True, tag="quality")
    def get(self, request: Request, batch_id: uuid.UUID) -> QuerySet[Healing]:
        """What changed when answers lost their weight or a key was put right, newest first."""
        return healings_of(batch_for(request, batch_id).pk)


class AskAgain(Endpoint):
    @act("write", takes=Empty, gives=AskedAgainOut, status=201, keyed=True, tag="quality")
    def post(self, request: Request, healing_id: uuid.UUID, data: dict[str, Any]) -> Any:
        """Ask again what is below its target since (managers); after close in a repair batch."""
        return ask_again(healing=as_role(_healings, request.user, "manager", public_id=healing_id), by=request.user)


class Experts(Endpoint):
    @act("write", takes=ExpertsIn, gives=AskedAgainOut, status=201, keyed=True, tag="quality")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Any:
        """Ask experts about what stayed disputed (managers); their answers count for the labels of this batch."""
        batch = batch_for(request, batch_id, "manager")
        theirs = Qualification.objects.filter(Q(requester=batch.project.requester) | Q(requester=None))
        qualification = one(theirs, public_id=data["qualification"])
        return send_to_experts(batch=batch, qualification=qualification, reward=data["reward"], by=request.user)


def _healings(user: Any, role: str) -> QuerySet[Healing]:
    return Healing.objects.filter(batch__in=batches_of(user, role)).select_related("batch__project__requester")


# --- what if ----------------------------------------------------------------------------------------------------------


class WhatIfQuery(Input):
    question = serializers.CharField(required=False, max_length=60, help_text="Default: the first with classes.")
    method = serializers.ChoiceField(required=False, choices=list(METHODS))
    answers = serializers.IntegerField(required=False, min_value=1, max_value=100, help_text="An item, at random.")
    target = serializers.FloatField(required=False, min_value=0.5, max_value=0.9999, help_text="Stop when so sure.")
    least = serializers.IntegerField(required=False, min_value=1, max_value=100)
    most = serializers.IntegerField(required=False, min_value=1, max_value=1000)
    without = serializers.CharField(required=False, max_length=60, help_text="A worker's name as you know it.")
    gate = serializers.FloatField(
        required=False, min_value=0.01, max_value=0.99, help_text="Pause who is surely right less often than this."
    )
    machines = serializers.BooleanField(required=False, default=True, help_text="Hear machines, where they are heard.")


class OutcomeOut(serializers.Serializer):
    items = serializers.IntegerField()
    judgments = serializers.IntegerField()
    each = serializers.FloatField(help_text="Answers a label.")
    cost = Amount()
    accuracy = serializers.FloatField(allow_null=True, help_text="On known and audited items; null: too few.")
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    known = serializers.IntegerField()
    same = serializers.FloatField(allow_null=True, help_text="Share of the delivered labels that stay the same.")
    sure = serializers.FloatField(help_text="Mean confidence, not calibrated.")
    paused = serializers.IntegerField(help_text="Workers whom the gate would have paused.")
    short = serializers.IntegerField(help_text="Labels below the target.")
    status = serializers.CharField()


class WhatIfOut(serializers.Serializer):
    before = OutcomeOut(help_text="All answers, by the method that delivers.")
    after = OutcomeOut()
    by_answers = OutcomeOut(many=True, help_text="At 1, 2, 3 ... answers an item.")
    is_part = serializers.BooleanField(help_text="A random part of the items stands for all.")


class WhatIf(Endpoint):
    @act("read", query=WhatIfQuery, gives=WhatIfOut, refuses=[409], tag="quality")
    def get(self, request: Request, batch_id: uuid.UUID, query: dict[str, Any]) -> dict[str, Any]:
        """Labels, cost and accuracy that other rules would have given on the answers that are there."""
        batch = batch_for(request, batch_id)
        scenario = read_scenario(batch, {name: str(value) for name, value in query.items()})
        past = past_of(batch, query.get("question", ""))
        return {
            "before": try_out(past, type(scenario)()),
            "after": try_out(past, scenario),
            "by_answers": curve_of(past, scenario),
            "is_part": past.share < 1,
        }
