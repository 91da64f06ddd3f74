"""Messages between workers and requesters, and what staff do with reported ones."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet
from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Input
from marketplace.api.finding import as_role, one, project_for, requester_for, worker_by_code, worker_of
from marketplace.models import Message, Thread
from marketplace.selectors import (
    known_projects,
    messages_in,
    requesters_of,
    threads_of_requesters,
    threads_of_worker,
    workers_of_project,
)
from marketplace.services import messaging
from workers_app.services.pseudonyms import code_for


class MessageOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    is_by_worker = serializers.BooleanField()
    body = serializers.CharField(help_text="Empty where staff hid it, or its writer's account was erased.")
    created_at = serializers.DateTimeField()
    is_hidden = serializers.SerializerMethodField()
    is_reported = serializers.SerializerMethodField()

    def get_is_hidden(self, row: Message) -> bool:
        return row.hidden_at is not None

    def get_is_reported(self, row: Message) -> bool:
        return row.reported_at is not None

    def to_representation(self, row: Message) -> dict[str, Any]:
        shown = super().to_representation(row)
        return shown | {"body": ""} if row.hidden_at else shown


class ThreadOut(serializers.Serializer):
    id = serializers.UUIDField()
    project = serializers.UUIDField()
    project_name = serializers.CharField()
    requester = serializers.CharField()
    worker = serializers.CharField(help_text="The worker's name as the requester knows it.")
    assignment = serializers.UUIDField(allow_null=True, help_text="The answer it is about; null: the project.")
    is_unread = serializers.BooleanField()
    last_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()


class ThreadDetailOut(ThreadOut):
    messages = MessageOut(many=True, help_text="The last 200, oldest first.")


class BodyIn(Input):
    body = serializers.CharField(max_length=messaging.LONGEST)


class MyThreadIn(BodyIn):
    project = serializers.UUIDField()
    assignment = serializers.UUIDField(required=False, help_text="An answer of yours in that project.")


class ThreadIn(BodyIn):
    worker = serializers.CharField(max_length=17, help_text="As your organisation knows them.")
    assignment = serializers.UUIDField(required=False)


class ReportIn(Input):
    reason = serializers.CharField(max_length=500, help_text="What is wrong with it; staff read it.")


class ReportedOut(MessageOut):
    report_reason = serializers.CharField()
    reported_at = serializers.DateTimeField()


class RuleIn(Input):
    is_hidden = serializers.BooleanField(help_text="true: nobody reads it any more; false: it stays.")
    reason = serializers.CharField(required=False, allow_blank=True, max_length=300, default="")


def shape(threads: Sequence[Thread], *, for_worker: bool) -> list[dict[str, Any]]:
    return [
        {
            "id": row.public_id,
            "project": row.project.public_id,
            "project_name": row.project.name,
            "requester": row.project.requester.name,
            "worker": code_for(row.project.pseudonym_scope, row.worker_id),
            "assignment": row.assignment.public_id if row.assignment else None,
            "is_unread": row.unread_by_worker if for_worker else row.unread_by_requester,
            "last_at": row.last_at,
            "created_at": row.created_at,
        }
        for row in threads
    ]


def whole(thread: Thread, *, for_worker: bool) -> dict[str, Any]:
    return shape([thread], for_worker=for_worker)[0] | {"messages": messages_in(thread)}


class MyThreads(Endpoint):
    @act("work", gives=ThreadOut, paged=True, shape=lambda r, rows: shape(rows, for_worker=True), tag="messages")
    def get(self, request: Request) -> QuerySet[Thread]:
        """Your threads with requesters."""
        return threads_of_worker(worker_of(request))

    @act("work", takes=MyThreadIn, gives=ThreadDetailOut, status=201, keyed=True, tag="messages")
    def post(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        """Write to the requester of a project, about it or about an answer of yours."""
        worker = worker_of(request)
        project = one(known_projects(worker), public_id=data["project"])
        about = data.get("assignment")
        assignment = one(worker.assignments.filter(batch__project=project), public_id=about) if about else None
        message = messaging.write_as_worker(worker=worker, project=project, body=data["body"], assignment=assignment)
        return whole(one(threads_of_worker(worker), pk=message.thread_id), for_worker=True)


class MyThread(Endpoint):
    @act("work", gives=ThreadDetailOut, tag="messages")
    def get(self, request: Request, thread_id: uuid.UUID) -> dict[str, Any]:
        """One thread with its messages."""
        return whole(one(threads_of_worker(worker_of(request)), public_id=thread_id), for_worker=True)

    @act("work", takes=BodyIn, gives=ThreadDetailOut, status=201, keyed=True, tag="messages")
    def post(self, request: Request, thread_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Answer in it."""
        thread = one(threads_of_worker(worker_of(request)), public_id=thread_id)
        messaging.answer_thread(thread=thread, by=request.user, is_by_worker=True, **data)
        return whole(one(threads_of_worker(thread.worker), pk=thread.pk), for_worker=True)


class Threads(Endpoint):
    @act("read", gives=ThreadOut, paged=True, shape=lambda r, rows: shape(rows, for_worker=False), tag="messages")
    def get(self, request: Request, organisation_id: uuid.UUID) -> QuerySet[Thread]:
        """The organisation's threads with workers."""
        requester = requester_for(request, organisation_id)
        return threads_of_requesters(request.user).filter(project__requester=requester)


class ProjectThreads(Endpoint):
    @act("write", takes=ThreadIn, gives=ThreadDetailOut, status=201, keyed=True, tag="messages")
    def post(self, request: Request, project_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Write to a worker who takes part in this project (reviewers)."""
        project = project_for(request, project_id, "reviewer")
        worker = one(workers_of_project(project), pk=worker_by_code(project.requester, data["worker"]).pk)
        about = data.get("assignment")
        assignment = one(worker.assignments.filter(batch__project=project), public_id=about) if about else None
        message = messaging.write_as_requester(
            worker=worker, project=project, by=request.user, body=data["body"], assignment=assignment
        )
        return whole(one(threads_of_requesters(request.user), pk=message.thread_id), for_worker=False)


class ThreadOne(Endpoint):
    @act("read", gives=ThreadDetailOut, tag="messages")
    def get(self, request: Request, thread_id: uuid.UUID) -> dict[str, Any]:
        """One thread with its messages."""
        return whole(one(threads_of_requesters(request.user), public_id=thread_id), for_worker=False)

    @act("write", takes=BodyIn, gives=ThreadDetailOut, status=201, keyed=True, tag="messages")
    def post(self, request: Request, thread_id: uuid.UUID, data: dict[str, Any]) -> dict[str, Any]:
        """Answer in it (reviewers)."""
        thread = as_role(threads_of_requesters, request.user, "reviewer", public_id=thread_id)
        messaging.answer_thread(thread=thread, by=request.user, is_by_worker=False, **data)
        return whole(one(threads_of_requesters(request.user), pk=thread.pk), for_worker=False)


class MessageReport(Endpoint):
    @act("work", "write", takes=ReportIn, gives=MessageOut, tag="messages")
    def post(self, request: Request, message_id: uuid.UUID, data: dict[str, Any]) -> Message:
        """Tell staff of a message that the other side wrote to you."""
        mine = Q(thread__worker__user=request.user)
        theirs = Q(thread__project__requester__in=requesters_of(request.user))
        message = one(Message.objects.filter(mine | theirs).select_related("thread__worker"), public_id=message_id)
        is_by_worker = message.thread.worker.user_id == request.user.pk
        return messaging.report_message(message=message, is_by_worker=is_by_worker, **data)


class Reports(Endpoint):
    @act("admin", gives=ReportedOut, paged=True, tag="staff")
    def get(self, request: Request) -> QuerySet[Message]:
        """Messages that somebody reported and nobody has looked at."""
        return Message.objects.filter(reported_at__isnull=False, looked_at=None)


class ReportRule(Endpoint):
    @act("admin", takes=RuleIn, gives=ReportedOut, keyed=True, tag="staff")
    def post(self, request: Request, message_id: uuid.UUID, data: dict[str, Any]) -> Message:
        """Hide it, or let it stand."""
        return messaging.rule_on_report(
            message=one(Message.objects.all(), public_id=message_id), by=request.user, **data
        )
