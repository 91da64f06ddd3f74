"""Labels that people decide, audits, certificates: the same acts that the pages of review and proof have."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Amount, Empty, Input, JsonObject
from lifecycle import decide_later
from lifecycle.audit_crowd import send_to_workers
from lifecycle.clarify import LONGEST, clarify
from lifecycle.decide import use_again
from lifecycle.overrule import give_back, overrule
from marketplace.api.finding import as_role, assignment_for, batch_for, hit_for, one
from marketplace.api.posting import OperationOut
from marketplace.api.reviewing import AssignmentOut, WhyOrNotIn, shape_assignments, with_answers
from marketplace.models import Assignment, GuidelineNote
from marketplace.selectors import batches_of, design_of
from quality.models import Belief, Certificate, Overruling, Sample, SampleItem
from quality.services.certificates import document_of, issue_certificate, publish_certificate
from quality.services.sampling import answer_item, draw_sample
from quality.showing import ORDERS, review_queue, words_of

MOST_QUEUED = 200


# --- labels -----------------------------------------------------------------------------------------------------------


class QueueQuery(Input):
    order = serializers.ChoiceField(required=False, choices=ORDERS, default=ORDERS[0])
    first = serializers.IntegerField(required=False, min_value=1, max_value=MOST_QUEUED, default=50)


class QueuedOut(serializers.Serializer):
    hit = serializers.UUIDField()
    question = serializers.CharField()
    part = serializers.CharField()
    label = serializers.CharField(help_text="What is believed now.")
    confidence = serializers.FloatField()
    is_calibrated = serializers.BooleanField()
    state = serializers.CharField()
    answers = serializers.IntegerField()


class OverruleIn(Input):
    question = serializers.CharField(max_length=60)
    part = serializers.CharField(required=False, allow_blank=True, max_length=80, default="")
    answer = serializers.JSONField(help_text="As a worker would answer the question (or this part of it).")
    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class GiveBackIn(Input):
    question = serializers.CharField(max_length=60)


class OverrulingOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    question = serializers.CharField()
    part = serializers.CharField()
    label = serializers.IntegerField(allow_null=True, help_text="Class index; null for kinds without classes.")
    value = serializers.JSONField(allow_null=True)
    is_lifted = serializers.BooleanField(help_text="The decision was taken back, and the answers decide.")
    reason = serializers.CharField()
    chosen = serializers.CharField(help_text="How the item came before a person: disputed, drawn or free.")
    inclusion = serializers.FloatField(allow_null=True, help_text="With what probability; null where no rule chose it.")
    at = serializers.DateTimeField(source="created_at")


class OverrulingsOut(serializers.Serializer):
    items = OverrulingOut(many=True)


class ReviewQueue(Endpoint):
    @act("read", query=QueueQuery, gives=QueuedOut, many=True, tag="review")
    def get(self, request: Request, batch_id: uuid.UUID, query: dict[str, Any]) -> list[dict[str, Any]]:
        """Labels to look at, the most disputed first."""
        batch = batch_for(request, batch_id)
        schema, rows = design_of(batch).schema, review_queue(batch, query["order"])
        return [_queued(row, schema) for row in rows.select_related("hit__data_row")[: query["first"]]]


def _queued(row: Belief, schema: Any) -> dict[str, Any]:
    return {
        "hit": row.hit.data_row.public_id,
        "question": row.question,
        "part": row.part,
        "label": words_of(schema[row.question], row.label, row.value) if row.question in schema else "",
        "confidence": round(row.confidence, 4),
        "is_calibrated": row.is_calibrated,
        "state": row.state,
        "answers": row.answers,
    }


class Overrule(Endpoint):
    @act("write", takes=OverruleIn, gives=OverrulingsOut, status=201, keyed=True, tag="review")
    def post(self, request: Request, hit_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Decide a label in the machine's place (reviewers). It is on record, and no later fit changes it."""
        return {"items": overrule(hit=hit_for(request, hit_id, "reviewer"), by=request.user, **data)}

    @act("read", gives=OverrulingsOut, tag="review")
    def get(self, request: Request, hit_id: uuid.UUID) -> dict[str, Any]:
        """What people decided about an item, oldest first."""
        return {"items": Overruling.objects.filter(hit=hit_for(request, hit_id)).order_by("pk")}


class GiveBack(Endpoint):
    @act("write", takes=GiveBackIn, gives=OverrulingsOut, keyed=True, tag="review")
    def post(self, request: Request, hit_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Take such a decision back: the answers decide again (reviewers)."""
        return {"items": give_back(hit=hit_for(request, hit_id, "reviewer"), by=request.user, **data)}


# --- answers ----------------------------------------------------------------------------------------------------------


class UseAgain(Endpoint):
    @act("write", takes=WhyOrNotIn, gives=AssignmentOut, keyed=True, tag="review")
    def post(self, request: Request, assignment_id: uuid.UUID, data: dict[str, Any]) -> Any:
        """Use an answer for the label again that was paid and set aside (reviewers)."""
        row = use_again(assignment=assignment_for(request, assignment_id, "reviewer"), by=request.user.pk, **data)
        row = one(with_answers(Assignment.objects.all()), pk=row.pk)
        return shape_assignments(request, [row])[0]


class ManyQuery(Input):
    act = serializers.ChoiceField(required=False, choices=list(decide_later.OPEN_FOR), default="approve")
    which = serializers.ChoiceField(
        required=False, choices=decide_later.WHICH, default="all", help_text="All, or by what the decided label says."
    )


class DecisionsPreviewOut(serializers.Serializer):
    count = serializers.IntegerField()
    workers = serializers.IntegerField()
    amount = Amount(help_text="Rewards that are paid, or for a rejection kept aside.")
    fee = Amount()
    seal = serializers.CharField(help_text="Give it with the act: it is refused where it would do something else.")


class LaterIn(ManyQuery):
    act = serializers.ChoiceField(choices=list(decide_later.OPEN_FOR))
    reason = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")
    seal = serializers.CharField(required=False, allow_blank=True, max_length=64, default="")
    after = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=86_400,
        default=decide_later.SECONDS,
        help_text="Seconds until it begins.",
    )


class DecisionsPreview(Endpoint):
    @act("read", query=ManyQuery, gives=DecisionsPreviewOut, tag="review")
    def get(self, request: Request, batch_id: uuid.UUID, query: dict[str, Any]) -> Any:
        """What a decision on many answers would do."""
        batch = batch_for(request, batch_id)
        rows = decide_later.select_answers(batch=batch, which=query["which"])
        return decide_later.preview(batch=batch, act=query["act"], rows=rows)


class DecisionsLater(Endpoint):
    @act("write", takes=LaterIn, gives=OperationOut, status=202, keyed=True, tag="review")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Any:
        """Decide on many answers in some seconds (reviewers); cancelling the operation before takes it back."""
        batch = batch_for(request, batch_id, "reviewer")
        rows = decide_later.select_answers(batch=batch, which=data.pop("which"))
        return decide_later.decide_later(batch=batch, rows=rows, by=request.user, **data)


class GuidelineIn(Input):
    body = serializers.CharField(max_length=LONGEST, help_text="Everybody who works on the batch reads it.")
    hit = serializers.UUIDField(required=False, help_text="What gave rise to it; the workers are not told.")


class GuidelineOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    body = serializers.CharField()
    at = serializers.DateTimeField(source="created_at")


class GuidelineNotes(Endpoint):
    @act("read", gives=GuidelineOut, paged=True, tag="review")
    def get(self, request: Request, batch_id: uuid.UUID) -> QuerySet[GuidelineNote]:
        """Notes that were added to the instructions."""
        return GuidelineNote.objects.filter(batch=batch_for(request, batch_id))

    @act("write", takes=GuidelineIn, gives=GuidelineOut, status=201, keyed=True, tag="review")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> GuidelineNote:
        """Add a note for everybody who works on the batch (reviewers)."""
        batch = batch_for(request, batch_id, "reviewer")
        hit = one(batch.hits.all(), data_row__public_id=data["hit"]) if "hit" in data else None
        return clarify(batch=batch, body=data["body"], hit=hit, by=request.user)


# --- audits -----------------------------------------------------------------------------------------------------------


class SampleIn(Input):
    question = serializers.CharField(required=False, allow_blank=True, max_length=60, default="")
    size = serializers.IntegerField(min_value=1)
    purpose = serializers.ChoiceField(required=False, choices=Sample.Purpose.choices, default=Sample.Purpose.AUDIT)


class SampleOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    question = serializers.CharField()
    purpose = serializers.CharField()
    seed = serializers.CharField(help_text="Draws the same items again; a text, since it has 62 bits.")
    population = serializers.IntegerField(help_text="Labels that could be drawn.")
    size = serializers.IntegerField()
    answered = serializers.SerializerMethodField()
    drawn_at = serializers.DateTimeField()

    def get_answered(self, sample: Sample) -> int:
        return sample.items.exclude(answered_at=None).count()


class SampleItemOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    hit = serializers.UUIDField(source="hit.data_row.public_id")
    part = serializers.CharField()
    data = JsonObject(source="hit.data_row.data", help_text="The item. Its label stays hidden.")
    inclusion = serializers.FloatField(help_text="Probability of being drawn.")
    answer = serializers.JSONField(allow_null=True)
    answered_at = serializers.DateTimeField(allow_null=True)


class SampleAnswerIn(Input):
    answer = serializers.JSONField(allow_null=True, help_text="What is right; null: no answer fits.")


class Samples(Endpoint):
    @act("read", gives=SampleOut, paged=True, tag="proof")
    def get(self, request: Request, batch_id: uuid.UUID) -> QuerySet[Sample]:
        """Random samples of a batch's labels."""
        return Sample.objects.filter(batch=batch_for(request, batch_id))

    @act("write", takes=SampleIn, gives=SampleOut, status=201, keyed=True, tag="proof")
    def post(self, request: Request, batch_id: uuid.UUID, data: dict[str, Any]) -> Sample:
        """Draw labels at random: to audit them (uniformly), or to review them, the doubtful more often (reviewers)."""
        return draw_sample(batch=batch_for(request, batch_id, "reviewer"), by=request.user, **data)


class SampleItems(Endpoint):
    @act("read", gives=SampleItemOut, paged=True, tag="proof")
    def get(self, request: Request, sample_id: uuid.UUID) -> QuerySet[SampleItem]:
        """What was drawn, without its labels (reviewers)."""
        sample = as_role(_samples, request.user, "reviewer", public_id=sample_id)
        return SampleItem.objects.filter(sample=sample).select_related("hit__data_row")


class SampleAnswer(Endpoint):
    @act("write", takes=SampleAnswerIn, gives=SampleItemOut, keyed=True, tag="proof")
    def post(self, request: Request, item_id: uuid.UUID, data: dict[str, Any]) -> SampleItem:
        """Say what is right for a drawn label (reviewers)."""
        item = as_role(_sample_items, request.user, "reviewer", public_id=item_id)
        return answer_item(item=item, by=request.user, **data)


def _samples(user: Any, role: str) -> QuerySet[Sample]:
    return Sample.objects.filter(batch__in=batches_of(user, role))


def _sample_items(user: Any, role: str) -> QuerySet[SampleItem]:
    return SampleItem.objects.filter(sample__batch__in=batches_of(user, role)).select_related("hit__data_row")


# --- certificates -----------------------------------------------------------------------------------------------------


class CertificateOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    number = serializers.CharField()
    question = serializers.CharField()
    state = serializers.CharField()
    superseded_because = serializers.CharField()
    is_public = serializers.BooleanField()
    shows = serializers.ListField(child=serializers.CharField())
    issued_at = serializers.DateTimeField()
    document = serializers.SerializerMethodField(help_text="The signed file: claim, sections, signature.")

    def get_document(self, certificate: Certificate) -> dict[str, Any]:
        return document_of(certificate)


class PublishIn(Input):
    is_public = serializers.BooleanField()
    shows = serializers.ListField(
        child=serializers.CharField(max_length=40), max_length=20, required=False, default=list
    )


class SampleSend(Endpoint):
    @act("money", takes=Empty, gives=SampleOut, keyed=True, refuses=[402], tag="proof")
    def post(self, request: Request, sample_id: uuid.UUID, data: dict[str, Any]) -> Sample:
        """Have trusted workers answer a fresh audit, at the pay of the batch (managers)."""
        sample = as_role(_samples, request.user, "manager", public_id=sample_id)
        send_to_workers(sample=sample, by=request.user)
        return one(Sample.objects.all(), pk=sample.pk)


class BatchCertificates(Endpoint):
    @act("read", gives=CertificateOut, paged=True, tag="proof")
    def get(self, request: Request, batch_id: uuid.UUID) -> QuerySet[Certificate]:
        """Certificates of a batch, also superseded ones."""
        return Certificate.objects.filter(batch=batch_for(request, batch_id))


class SampleCertificate(Endpoint):
    @act("write", takes=Empty, gives=CertificateOut, status=201, keyed=True, tag="proof")
    def post(self, request: Request, sample_id: uuid.UUID, data: dict[str, Any]) -> Certificate:
        """Sign what a finished audit proves (managers)."""
        return issue_certificate(
            sample=as_role(_samples, request.user, "manager", public_id=sample_id), by=request.user
        )


class CertificateOne(Endpoint):
    @act("read", gives=CertificateOut, tag="proof")
    def get(self, request: Request, certificate_id: uuid.UUID) -> Certificate:
        """One certificate with its signed file."""
        return as_role(_certificates, request.user, "viewer", public_id=certificate_id)

    @act("write", takes=PublishIn, gives=CertificateOut, tag="proof")
    def patch(self, request: Request, certificate_id: uuid.UUID, data: dict[str, Any]) -> Certificate:
        """Choose whether the public may read it, and which sections (managers)."""
        certificate = as_role(_certificates, request.user, "manager", public_id=certificate_id)
        return publish_certificate(certificate=certificate, by=request.user, **data)


def _certificates(user: Any, role: str) -> QuerySet[Certificate]:
    return Certificate.objects.filter(batch__in=batches_of(user, role))
