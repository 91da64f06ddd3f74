"""Qualifications and lists: who may work on what."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Input
from core.errors import Conflict
from lifecycle import qualify
from marketplace.api.finding import as_role, one, requester_for, worker_by_code, worker_of
from marketplace.selectors import qualifications_of, requestable, requests_of
from workers_app.models import Grant, Qualification, QualificationRequest, Worker
from workers_app.services.granting import (
    change_qualification,
    create_qualification,
)
from workers_app.services.pseudonyms import code_for, pseudonyms
from workers_app.services.requesting import withdraw_request


class QualificationOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    kind = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    can_request = serializers.BooleanField(help_text="Workers may ask for it.")
    created_at = serializers.DateTimeField()


class QualificationIn(Input):
    name = serializers.CharField(max_length=120)
    description = serializers.CharField(required=False, allow_blank=True, max_length=2000, default="")
    kind = serializers.ChoiceField(required=False, choices=["value", "list"], default="value")
    can_request = serializers.BooleanField(required=False, default=False, help_text="Workers may ask for it.")


class QualificationChangeIn(Input):
    name = serializers.CharField(required=False, max_length=120)
    description = serializers.CharField(required=False, allow_blank=True, max_length=2000)
    can_request = serializers.BooleanField(required=False)


class GrantIn(Input):
    value = serializers.IntegerField(required=False, min_value=-(2**31) + 1, max_value=2**31 - 1, default=1)


class GrantOut(serializers.Serializer):
    worker = serializers.CharField(help_text="The worker's name as your organisation knows it.")
    value = serializers.IntegerField(allow_null=True)
    granted_at = serializers.DateTimeField()


class HeldOut(serializers.Serializer):
    qualification = serializers.UUIDField(source="qualification.public_id")
    name = serializers.CharField(source="qualification.name")
    description = serializers.CharField(source="qualification.description")
    value = serializers.IntegerField(allow_null=True)
    granted_at = serializers.DateTimeField()


def qualification_for(request: Request, public_id: uuid.UUID, role: str = "viewer") -> Qualification:
    return as_role(qualifications_of, request.user, role, public_id=public_id)


def shape_grants(request: Request, grants: Sequence[Grant]) -> list[dict[str, Any]]:
    if not grants:
        return []
    scope = f"requester:{grants[0].qualification.requester_id}"
    codes = pseudonyms(scope, [grant.worker_id for grant in grants])
    return [{"worker": codes[g.worker_id], "value": g.value, "granted_at": g.granted_at} for g in grants]


class Qualifications(Endpoint):
    @act("read", gives=QualificationOut, paged=True, tag="qualifications")
    def get(self, request: Request, organisation_id: uuid.UUID) -> QuerySet[Qualification]:
        """Qualifications and lists of the organisation."""
        return requester_for(request, organisation_id).qualifications.all()

    @act("write", takes=QualificationIn, gives=QualificationOut, status=201, keyed=True, tag="qualifications")
    def post(self, request: Request, organisation_id: uuid.UUID, data: dict[str, Any]) -> Qualification:
        """A new one (managers). Projects ask for it in their rules' `requirements`, by its id."""
        return create_qualification(requester=requester_for(request, organisation_id, "manager"), **data)


class QualificationOne(Endpoint):
    @act("read", gives=QualificationOut, tag="qualifications")
    def get(self, request: Request, qualification_id: uuid.UUID) -> Qualification:
        """One qualification."""
        return qualification_for(request, qualification_id)

    @act("write", takes=QualificationChangeIn, gives=QualificationOut, tag="qualifications")
    def patch(self, request: Request, qualification_id: uuid.UUID, data: dict[str, Any]) -> Qualification:
        """Change name or description (managers)."""
        return change_qualification(qualification=qualification_for(request, qualification_id, "manager"), **data)


class Grants(Endpoint):
    @act("read", gives=GrantOut, paged=True, shape=shape_grants, tag="qualifications")
    def get(self, request: Request, qualification_id: uuid.UUID) -> QuerySet[Grant]:
        """Who holds it."""
        return qualification_for(request, qualification_id).grants.select_related("qualification")


class GrantOne(Endpoint):
    @act("write", takes=GrantIn, gives=GrantOut, tag="qualifications")
    def put(self, request: Request, qualification_id: uuid.UUID, worker: str, data: dict[str, Any]) -> dict[str, Any]:
        """Grant it to a worker, or change the value (managers)."""
        qualification = _granted_by_hand(request, qualification_id)
        grant = qualify.grant(qualification=qualification, worker=_known_as(qualification, worker), **data)
        return {"worker": worker, "value": grant.value, "granted_at": grant.granted_at}

    @act("write", refuses=[409], tag="qualifications")
    def delete(self, request: Request, qualification_id: uuid.UUID, worker: str) -> None:
        """Take it back (managers)."""
        qualification = _granted_by_hand(request, qualification_id)
        holder = _known_as(qualification, worker)
        if not qualify.revoke(qualification=qualification, worker=holder):
            raise Http404


def _granted_by_hand(request: Request, qualification_id: uuid.UUID) -> Qualification:
    qualification = qualification_for(request, qualification_id, "manager")
    if qualification.kind == Qualification.Kind.QUIZ:
        raise Conflict("A quiz is passed, not granted.", code="quiz")
    return qualification


def _known_as(qualification: Qualification, code: str) -> Worker:
    """Only qualifications of an organisation are found here, so it has one."""
    if qualification.requester is None:
        raise Http404
    return worker_by_code(qualification.requester, code)


class MyQualifications(Endpoint):
    @act("work", gives=HeldOut, paged=True, tag="work")
    def get(self, request: Request) -> QuerySet[Grant]:
        """What you hold. Requesters' own lists are theirs."""
        return worker_of(request).grants.exclude(qualification__kind="list").select_related("qualification")


# --- asking for one ---------------------------------------------------------------------------------------------------


class MyRequestOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    qualification = serializers.UUIDField(source="qualification.public_id")
    name = serializers.CharField(source="qualification.name")
    note = serializers.CharField()
    state = serializers.CharField()
    answer = serializers.CharField()
    created_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)


class RequestOut(MyRequestOut):
    worker = serializers.CharField(source="worker_code", help_text="The worker's name as your organisation knows it.")

    def to_representation(self, row: QualificationRequest) -> dict[str, Any]:
        row.worker_code = code_for(f"requester:{row.qualification.requester_id}", row.worker_id)  # type: ignore[attr-defined]
        return super().to_representation(row)


class AskIn(Input):
    note = serializers.CharField(required=False, allow_blank=True, max_length=1000, default="")


class AnswerRequestIn(Input):
    is_granted = serializers.BooleanField()
    value = serializers.IntegerField(required=False, min_value=-(2**31) + 1, max_value=2**31 - 1, default=1)
    answer = serializers.CharField(required=False, allow_blank=True, max_length=500, default="")


class AskQualification(Endpoint):
    @act("work", takes=AskIn, gives=MyRequestOut, status=201, keyed=True, tag="work")
    def post(self, request: Request, qualification_id: uuid.UUID, data: dict[str, Any]) -> QualificationRequest:
        """Ask the organisation that made it to grant it to you."""
        asked = one(requestable(), public_id=qualification_id)
        return qualify.ask(worker=worker_of(request), qualification=asked, **data)


class MyRequests(Endpoint):
    @act("work", gives=MyRequestOut, paged=True, tag="work")
    def get(self, request: Request) -> QuerySet[QualificationRequest]:
        """What you asked for, and the answers."""
        return worker_of(request).qualification_requests.select_related("qualification")


class MyRequest(Endpoint):
    @act("work", refuses=[409], gives=MyRequestOut, tag="work")
    def delete(self, request: Request, request_id: uuid.UUID) -> QualificationRequest:
        """Take it back while no answer has come."""
        mine = worker_of(request).qualification_requests.select_related("qualification")
        return withdraw_request(request=one(mine, public_id=request_id))


class RequestQuery(Input):
    state = serializers.ChoiceField(required=False, choices=QualificationRequest.State.values)


class Requests(Endpoint):
    @act("read", query=RequestQuery, gives=RequestOut, paged=True, tag="qualifications")
    def get(
        self, request: Request, organisation_id: uuid.UUID, query: dict[str, Any]
    ) -> QuerySet[QualificationRequest]:
        """Workers who ask for qualifications of the organisation."""
        rows = requests_of(request.user).filter(qualification__requester=requester_for(request, organisation_id))
        return rows.filter(state=query["state"]) if "state" in query else rows


class RequestAnswer(Endpoint):
    @act("write", takes=AnswerRequestIn, gives=RequestOut, keyed=True, tag="qualifications")
    def post(self, request: Request, request_id: uuid.UUID, data: dict[str, Any]) -> QualificationRequest:
        """Grant it, or say why not (managers)."""
        return qualify.answer_request(
            request=as_role(requests_of, request.user, "manager", public_id=request_id), **data
        )
