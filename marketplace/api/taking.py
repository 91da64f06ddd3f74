"""The worker's critical path: accept and submit, as few statements as can be (CLAIM.md)."""

from __future__ import annotations

import re
import uuid
from functools import lru_cache
from typing import Any

from django.db import connection
from django.http import Http404, HttpRequest
from rest_framework import serializers

from core import money
from core.api.endpoint import act
from core.api.fields import Amount, Input, JsonObject
from core.api.idempotency import HEADER
from core.api.rendering import read_json
from core.errors import Invalid
from lifecycle.accept import accept_by_id, accept_named
from lifecycle.submit import revise, submit
from marketplace.errors import Hidden
from marketplace.models import Assignment, Batch, Hit
from marketplace.services.accepting import Place
from marketplace.services.submitting import Receipt
from users.api.lean import LeanEndpoint
from workers_app.models import Worker

LONGEST_KEY = 80
KEY = re.compile(rf"[!-~]{{1,{LONGEST_KEY}}}")


class AcceptIn(Input):
    accept_key = serializers.RegexField(
        f"^{KEY.pattern}$", required=False, help_text="Your name for this act; the header Idempotency-Key does too."
    )


class PlaceOut(serializers.Serializer):
    assignment = serializers.UUIDField()
    batch = serializers.UUIDField()
    hit = serializers.UUIDField()
    state = serializers.CharField()
    reward = Amount()
    accepted_at = serializers.DateTimeField()
    deadline = serializers.DateTimeField()
    data = serializers.JSONField(help_text="The row of data to answer about, as an object.")


class SubmitIn(Input):
    answers = JsonObject(required=False, help_text="Question name to answer.")
    cannot_answer = serializers.CharField(required=False, max_length=1000, help_text="Instead of answers: why not.")
    seconds = serializers.FloatField(required=False, min_value=0, max_value=1e6, help_text="Active time.")


class ReceiptOut(serializers.Serializer):
    version = serializers.IntegerField()
    sha256 = serializers.CharField(help_text="Of the bytes as sent: they are kept like that.")
    received_at = serializers.DateTimeField()
    final_at = serializers.DateTimeField()
    is_late = serializers.BooleanField()
    has_place = serializers.BooleanField(help_text="false: it came after its place was gone; kept, and no more.")


class AcceptNext(LeanEndpoint):
    @act("work", takes=AcceptIn, gives=PlaceOut, status=201, keyed=LONGEST_KEY, refuses=[402], tag="work")
    def post(self, request: HttpRequest, worker_id: int, batch_id: uuid.UUID) -> dict[str, Any]:
        """Take a place on a HIT of this batch; which one, we choose. The same key gives the same place."""
        key = _accept_key(request)
        try:
            place = accept_by_id(worker_id=worker_id, batch_id=_batch_pk(batch_id), key=key)
        except Hidden:  # work of a team, say, is nothing that strangers hear of
            raise Http404 from None
        return place_out(place, batch_id)


class AcceptNamed(LeanEndpoint):
    @act("work:any", takes=AcceptIn, gives=PlaceOut, status=201, keyed=LONGEST_KEY, tag="work")
    def post(self, request: HttpRequest, worker_id: int, hit_id: uuid.UUID) -> dict[str, Any]:
        """Take a place on this very HIT: for replaying recorded answers."""
        key = _accept_key(request)
        hit = Hit.objects.select_related("batch").filter(data_row__public_id=hit_id).first()
        if hit is None:
            raise Http404
        try:
            place = accept_named(worker=Worker.objects.get(pk=worker_id), hit=hit, key=key)
        except Hidden:
            raise Http404 from None
        return place_out(place, hit.batch.public_id)


class Submit(LeanEndpoint):
    @act("work", takes=SubmitIn, gives=ReceiptOut, tag="work")
    def post(self, request: HttpRequest, worker_id: int, assignment_id: uuid.UUID) -> dict[str, Any]:
        """Hand in your answers: `answers` by question, or `cannot_answer`. The same bytes give the same receipt."""
        assignment = _held(worker_id, assignment_id)
        return receipt_out(submit(assignment=assignment, raw=request.body, undo=0))


class Revise(LeanEndpoint):
    @act("work:any", takes=SubmitIn, gives=ReceiptOut, tag="work")
    def post(self, request: HttpRequest, worker_id: int, assignment_id: uuid.UUID) -> dict[str, Any]:
        """Another version of an answer that is final already: for replaying recorded answers, where workers repeat."""
        assignment = _held(worker_id, assignment_id)
        return receipt_out(revise(assignment=assignment, raw=request.body))


def place_out(place: Place, batch_id: uuid.UUID) -> dict[str, Any]:
    return {
        "assignment": place.public_id,
        "batch": batch_id,
        "hit": place.hit_public_id,
        "state": "accepted",
        "reward": money.format_amount(place.reward),
        "accepted_at": place.accepted_at,
        "deadline": place.deadline,
        "data": place.data,
    }


def receipt_out(receipt: Receipt) -> dict[str, Any]:
    return {
        "version": receipt.version,
        "sha256": receipt.sha256,
        "received_at": receipt.received_at,
        "final_at": receipt.final_at,
        "is_late": receipt.is_late,
        "has_place": receipt.has_place,
    }


def _accept_key(request: HttpRequest) -> str | None:
    key = request.headers.get(HEADER)
    if request.body:
        body = read_json(request.body)
        if not isinstance(body, dict) or set(body) - {"accept_key"}:
            raise Invalid(errors={"body": "Send an object with `accept_key`, or nothing."})
        if "accept_key" in body:
            key = key or body["accept_key"] or ""
    if key is not None and not (isinstance(key, str) and KEY.fullmatch(key)):
        raise Invalid(errors={"accept_key": f"1 to {LONGEST_KEY} printable ASCII characters without spaces."})
    return key


class _NotPublished(Exception):
    pass


def _batch_pk(public_id: uuid.UUID) -> int:
    try:
        return _published(public_id)
    except _NotPublished:
        raise Http404 from None


@lru_cache(maxsize=4096)
def _published(public_id: uuid.UUID) -> int:
    """The key of a batch that was published: it never changes, so it is looked up once a process."""
    found = Batch.objects.filter(public_id=public_id, published_at__isnull=False).values_list("pk", flat=True).first()
    if found is None:
        raise _NotPublished
    return found


# By hand: building it with the ORM costs more than the statement itself.
HELD = """
SELECT a.id, a.public_id, a.hit_id, a.batch_id, a.worker_id, a.state, a.reward, a.is_ahead,
       b.public_id, b.project_id, b.state, b.published_at
FROM marketplace_assignment a JOIN marketplace_batch b ON b.id = a.batch_id
WHERE a.public_id = %s AND a.worker_id = %s
"""
# In the order of the models' columns: `from_db` goes by that, and not by these names.
OF_ASSIGNMENT = ["id", "public_id", "hit_id", "batch_id", "worker_id", "state", "reward", "is_ahead"]
OF_BATCH = ["id", "public_id", "project_id", "state", "published_at"]


def _held(worker_id: int, assignment_id: uuid.UUID) -> Assignment:
    """The worker's own assignment with the part of its batch that a submit looks at; a stranger's is a 404.

    Fields that were not read are loaded when something asks for them.
    """
    with connection.cursor() as cursor:
        cursor.execute(HELD, [assignment_id, worker_id])
        row = cursor.fetchone()
    if row is None:
        raise Http404
    own, of_batch = row[: len(OF_ASSIGNMENT)], row[len(OF_ASSIGNMENT) :]
    assignment = Assignment.from_db("default", OF_ASSIGNMENT, own)
    assignment.batch = Batch.from_db("default", OF_BATCH, (assignment.batch_id, *of_batch))
    return assignment
