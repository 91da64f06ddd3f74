"""What a batch would give before it is paid for; how its workers agree, whom they resemble, and what changes."""

from __future__ import annotations

import math
import uuid
from dataclasses import replace
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Amount, AmountIn, Input
from core.api.throttling import throttle
from core.errors import Conflict, Invalid
from marketplace.api.finding import batch_for, project_for
from marketplace.models import Batch
from marketplace.schema import Question
from marketplace.selectors import design_of
from quality import agreement, figures, habits
from quality.agreement import Alpha
from quality.forecast import ITEMS, MOST_CLASSES, PERCENTS, as_rows, foretell, start_for
from workers_app.services.pseudonyms import pseudonyms

MOST_PAIRS = 200


# --- before -----------------------------------------------------------------------------------------------------------


def _share(name: str, help_text: str) -> serializers.FloatField:
    low, high = PERCENTS[name]
    return serializers.FloatField(required=False, min_value=low / 100, max_value=high / 100, help_text=help_text)


class ForecastQuery(Input):
    items = serializers.IntegerField(required=False, min_value=1, max_value=1_000_000)
    reward = AmountIn(required=False, help_text="For an answer, without fee.")
    classes = serializers.IntegerField(required=False, min_value=2, max_value=MOST_CLASSES)
    known = serializers.IntegerField(
        required=False, min_value=0, max_value=ITEMS // 2, help_text="Known answers; below 20 confidence is a guess."
    )
    skill = _share("skill", "An honest worker is right so often, on items that do not mislead.")
    spam = _share("spam", "Share of workers who answer at random.")
    collusion = _share("collusion", "Share of workers who copy one another.")
    drift = _share("drift", "Share of guesses among honest answers at the end.")
    difficulty = _share("difficulty", "Share of items that mislead to one wrong label.")
    target = _share("target", "Confidence to stop at.")


class PlanOut(serializers.Serializer):
    answers = serializers.FloatField(help_text="An item, on average.")
    target = serializers.FloatField(allow_null=True, help_text="Confidence it stops at; null: a fixed number.")
    right = serializers.FloatField(help_text="Share of labels that are right, mean of the simulated crowds.")
    low = serializers.FloatField(help_text="In the worst of them.")
    high = serializers.FloatField(help_text="In the best of them.")
    majority = serializers.FloatField(allow_null=True, help_text="What a majority vote of the same answers gets.")
    cost = Amount(help_text="Rewards and fees; answers to hidden known questions come on top.")


class SupposedOut(serializers.Serializer):
    items = serializers.IntegerField()
    reward = Amount()
    classes = serializers.IntegerField()
    known = serializers.IntegerField()
    skill = serializers.FloatField()
    spam = serializers.FloatField()
    collusion = serializers.FloatField()
    drift = serializers.FloatField()
    difficulty = serializers.FloatField()
    target = serializers.FloatField()


class ForecastOut(serializers.Serializer):
    supposed = SupposedOut(help_text="What was not given is what the project suggests.")
    checked = serializers.IntegerField(help_text="Known answers that `skill` was measured on; 0: it is a guess.")
    fixed = PlanOut(many=True)
    until_sure = PlanOut()
    crowds = serializers.IntegerField(help_text="Simulated crowds.")
    items_simulated = serializers.IntegerField()


class ProjectForecast(Endpoint):
    @act("read", query=ForecastQuery, gives=ForecastOut, tag="projects")
    def get(self, request: Request, project_id: uuid.UUID, query: dict[str, Any]) -> dict[str, Any]:
        """How right the labels of a batch would be and what they cost, by simulated crowds; nothing is spent."""
        start = start_for(project_for(request, project_id))
        wish = replace(start.wish, **query)
        throttle("forecast", request.user.pk)
        return as_rows(foretell(wish)) | {"supposed": wish, "checked": start.checked}


# --- during and after -------------------------------------------------------------------------------------------------


class QuestionQuery(Input):
    question = serializers.CharField(required=False, max_length=60, help_text="Default: the first with classes.")


class PairQuery(QuestionQuery):
    order = serializers.ChoiceField(required=False, choices=agreement.ORDERS, default=agreement.ORDERS[0])


class AlphaOut(serializers.Serializer):
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    items = serializers.IntegerField()
    answers = serializers.IntegerField()
    why = serializers.CharField(allow_blank=True, help_text="Why there is none.")


class ClassAgreementOut(serializers.Serializer):
    label = serializers.CharField()
    alpha = AlphaOut(help_text="This label against all others.")
    share = serializers.FloatField()


class HalvesOut(serializers.Serializer):
    share = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    items = serializers.IntegerField()


class PairOut(serializers.Serializer):
    workers = serializers.ListField(child=serializers.CharField(), help_text="Pseudonyms.")
    common = serializers.IntegerField(help_text="Items both answered.")
    equal = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    kappa = serializers.FloatField(allow_null=True)


class AgreementOut(serializers.Serializer):
    question = serializers.CharField()
    level = serializers.CharField(help_text="nominal, ordinal or interval")
    alpha = AlphaOut(help_text="Krippendorff's, of the first two answers to each item, with 95 % interval.")
    ac1 = serializers.FloatField(allow_null=True, help_text="Gwet's.")
    halves = HalvesOut(allow_null=True, help_text="How often two random halves of the answers give the same label.")
    classes = ClassAgreementOut(many=True)
    pairs = PairOut(many=True, help_text=f"At most {MOST_PAIRS}.")
    confusion = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        allow_null=True,
        help_text="Answers: [delivered label][said].",
    )
    known_confusion = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        allow_null=True,
        help_text="Answers to hidden known items: [known][said].",
    )


class BatchAgreement(Endpoint):
    @act("read", query=PairQuery, gives=AgreementOut, refuses=[409], tag="review")
    def get(self, request: Request, batch_id: uuid.UUID, query: dict[str, Any]) -> dict[str, Any]:
        """How far workers agree on a question: over all, by class, and two by two."""
        batch = batch_for(request, batch_id)
        question = _question(batch, query.get("question", ""))
        suite = agreement.suite_of(batch, question)
        has_classes = bool(question.classes) and question.kind != "multilabel"
        return {
            "question": question.name,
            "level": suite.level,
            "alpha": _alpha(suite.alpha),
            "ac1": _rounded(suite.ac1),
            "halves": suite.halves,
            "classes": [{"label": one.words, "alpha": _alpha(one.alpha), "share": one.share} for one in suite.classes],
            "pairs": _pairs(batch, suite, query["order"]),
            "confusion": figures.mixups_of(batch, question) if has_classes else None,
            "known_confusion": agreement.known_mixups(batch, question) if has_classes else None,
        }


def _question(batch: Batch, name: str) -> Question:
    schema = list(design_of(batch).schema)
    if not schema:
        raise Conflict("The batch is a draft: nobody was asked anything yet.")
    if name:
        found = next((one for one in schema if one.name == name), None)
        if found is None:
            raise Invalid(errors={"question": f"The batch asks {', '.join(one.name for one in schema)}."})
        return found
    return next((one for one in schema if one.classes), schema[0])


def _alpha(alpha: Alpha) -> dict[str, Any]:
    is_there = alpha.value is not None
    return {
        "value": _rounded(alpha.value), "low": _rounded(alpha.low) if is_there else None,
        "high": _rounded(alpha.high) if is_there else None, "items": alpha.items, "answers": alpha.answers,
        "why": str(alpha.why),
    }  # fmt: skip


def _rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(value, 4)


def _pairs(batch: Batch, suite: agreement.Suite, order: str) -> list[dict[str, Any]]:
    pairs = suite.pairs
    if pairs is None:
        return []
    rows = agreement.ordered_pairs(pairs, order)[:MOST_PAIRS].tolist()
    ids = {int(pairs.workers[side[row]]) for row in rows for side in (pairs.first, pairs.second)}
    codes = pseudonyms(batch.project.pseudonym_scope, ids) if ids else {}
    return [
        {
            "workers": [codes[int(pairs.workers[side[row]])] for side in (pairs.first, pairs.second)],
            "common": int(pairs.common[row]), "equal": _rounded(float(pairs.equal[row])),
            "low": _rounded(float(pairs.low[row])), "high": _rounded(float(pairs.high[row])),
            "kappa": _rounded(float(pairs.kappa[row])),
        }
        for row in rows
    ]  # fmt: skip


class PlacedOut(serializers.Serializer):
    worker = serializers.CharField(help_text="Pseudonym.")
    x = serializers.FloatField()
    y = serializers.FloatField()
    answers = serializers.IntegerField()
    right = serializers.FloatField(help_text="Expected share of right answers, classes weighed alike.")
    distance = serializers.FloatField(help_text="From the average worker.")
    state = serializers.CharField()


class RateOut(serializers.Serializer):
    share = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()
    count = serializers.IntegerField()


class ChangeOut(serializers.Serializer):
    before = RateOut()
    after = RateOut()
    difference = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class StepOut(serializers.Serializer):
    begins_at = serializers.DateTimeField()
    answers = serializers.IntegerField()
    agreeing = RateOut(allow_null=True, help_text="With the label that is believed now.")
    known = RateOut(allow_null=True, help_text="Right, of hidden known items.")
    shares = serializers.ListField(child=serializers.FloatField(), help_text="Of answers that say each label.")


class CrowdOut(serializers.Serializer):
    question = serializers.CharField()
    labels = serializers.ListField(child=serializers.CharField())
    workers = PlacedOut(many=True, help_text="Near one another where they answer alike; the farthest first.")
    steps = StepOut(many=True, help_text="Tenths of the answers, as they came.")
    agreeing = ChangeOut(allow_null=True, help_text="First half against second.")
    known = ChangeOut(allow_null=True)


class BatchCrowd(Endpoint):
    @act("read", query=QuestionQuery, gives=CrowdOut, refuses=[409], tag="review")
    def get(self, request: Request, batch_id: uuid.UUID, query: dict[str, Any]) -> dict[str, Any]:
        """How workers answer: a map of who answers like whom, and what changes from the first answer to the last."""
        batch = batch_for(request, batch_id)
        question = _question(batch, query.get("question", ""))
        crowd, drift = habits.map_of(batch, question), habits.drift_of(batch, question)
        placed = crowd.workers if crowd else []
        codes = pseudonyms(batch.project.pseudonym_scope, [one.worker_id for one in placed]) if placed else {}
        return {
            "question": question.name,
            "labels": list(agreement.yes_and_no(question)) if question.classes else [],
            "workers": [
                {"worker": codes[one.worker_id], "x": round(one.x, 4), "y": round(one.y, 4), "answers": one.answers,
                 "right": round(one.right, 4), "distance": round(one.distance, 4), "state": one.state}
                for one in placed
            ],
            "steps": drift.steps if drift else [],
            "agreeing": drift.agreeing if drift else None,
            "known": drift.known if drift else None,
        }  # fmt: skip
