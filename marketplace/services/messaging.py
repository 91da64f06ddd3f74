"""Messages between a worker and a requester. Both may write, neither learns the other's name or address."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.text import Truncator, format_lazy
from django.utils.translation import gettext_lazy as _

from core import audit, clock
from core.errors import Conflict, Invalid
from marketplace.models import Assignment, Membership, Message, Project, Thread
from users.models import User
from users.services.notices import notify, notify_all
from workers_app.models import Worker

LONGEST = 5000
#: Messages that one person may write in a day: room for conversations, none for floods.
A_DAY = 100


@transaction.atomic
def write_as_worker(*, worker: Worker, project: Project, body: str, assignment: Assignment | None = None) -> Message:
    """Begin a thread with the requester of `project`, or go on with the one there is.

    Raises
    ------
    Invalid, Conflict
    """
    return _write(project, worker, assignment, worker.user, body, is_by_worker=True)


@transaction.atomic
def write_as_requester(
    *, worker: Worker, project: Project, by: Any, body: str, assignment: Assignment | None = None
) -> Message:
    """Write to a worker whom the caller knows by a pseudonym.

    Raises
    ------
    Invalid
    Conflict
        `no_messages` where the worker wishes not to be written to first.
    """
    if not worker.accepts_messages and not Thread.objects.filter(project=project, worker=worker).exists():
        raise Conflict("This worker wishes not to be written to first.", code="no_messages")
    return _write(project, worker, assignment, by, body, is_by_worker=False)


@transaction.atomic
def answer_thread(*, thread: Thread, by: Any, body: str, is_by_worker: bool) -> Message:
    """One more message. Raises `Invalid`, `Conflict`."""
    return _write(thread.project, thread.worker, thread.assignment, by, body, is_by_worker=is_by_worker)


def _write(
    project: Project, worker: Worker, assignment: Assignment | None, by: Any, body: str, *, is_by_worker: bool
) -> Message:
    body = body.strip()
    if not 0 < len(body) <= LONGEST or "\0" in body:
        raise Invalid(errors={"body": f"1 to {LONGEST} characters."})
    if assignment is not None and assignment.worker_id != worker.pk:
        raise Invalid(errors={"assignment": "It is another worker's."})
    now = clock.now()
    if Message.objects.filter(author=by, created_at__gt=now - timedelta(days=1)).count() >= A_DAY:
        raise Conflict(f"You have written {A_DAY} messages in a day. Go on tomorrow.", code="too_many_messages")
    thread, _ = Thread.objects.get_or_create(project=project, worker=worker, assignment=assignment)
    message = Message.objects.create(thread=thread, is_by_worker=is_by_worker, author=by, body=body, created_at=now)
    mine, other = ("unread_by_worker", "unread_by_requester")[:: 1 if is_by_worker else -1]
    Thread.objects.filter(pk=thread.pk).update(last_at=now, last_by_worker=is_by_worker, **{mine: False, other: True})
    _tell(thread, message)
    return message


def _tell(thread: Thread, message: Message) -> None:
    """The other side hears of it. The notice has no more than the thread shows: no name, no address."""
    body = Truncator(message.body).chars(200)
    project, requester = thread.project, thread.project.requester
    if not message.is_by_worker:
        title = format_lazy(_("{who} wrote to you about “{project}”"), who=requester.name, project=project.name)
        url = reverse("my_thread", args=[thread.public_id])
        notify(user=thread.worker.user, kind="message.received", title=title, body=body, url=url)
        return
    roles = Membership.RANK[: Membership.RANK.index(Membership.Role.REVIEWER) + 1]
    members = User.objects.filter(memberships__requester=requester, memberships__role__in=roles, is_active=True)
    title = format_lazy(_("A worker wrote to you about “{project}”"), project=project.name)
    url = reverse("studio_thread", args=[thread.public_id])
    notify_all(members, kind="message.received", title=title, body=body, url=url)


def mark_read(*, thread: Thread, is_by_worker: bool) -> None:
    flag = "unread_by_worker" if is_by_worker else "unread_by_requester"
    if getattr(thread, flag):
        Thread.objects.filter(pk=thread.pk).update(**{flag: False})


def report_message(*, message: Message, reason: str, is_by_worker: bool) -> Message:
    """Ask staff to look at what the other side wrote; a second report of the same message changes nothing.

    Raises
    ------
    Invalid, Conflict
    """
    if not 0 < len(reason.strip()) <= 500:
        raise Invalid(errors={"reason": "Say what is wrong with it, in at most 500 characters."})
    if message.is_by_worker == is_by_worker:
        raise Conflict("This message is your own side's.", code="own_message")
    Message.objects.filter(pk=message.pk, reported_at=None).update(
        reported_at=clock.now(), report_reason=reason.strip()
    )
    message.refresh_from_db()
    return message


@transaction.atomic
def rule_on_report(*, message: Message, is_hidden: bool, by: Any, reason: str = "") -> Message:
    """Staff have looked: the message is hidden from both, or stays. Raises `Conflict`."""
    now = clock.now()
    changed = Message.objects.filter(pk=message.pk, reported_at__isnull=False, looked_at=None).update(
        looked_at=now, hidden_at=now if is_hidden else None
    )
    if not changed:
        raise Conflict("No report of this message waits for a look.", code="not_reported")
    act = "message.hide" if is_hidden else "message.keep"
    audit.record(act=act, subject=f"message:{message.pk}", actor=by, reason=reason)
    message.refresh_from_db()
    return message
