"""What we hold about a person, as one object that they may take with them (GDPR Art. 15 and 20)."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from core import clock, money
from core.models import Note
from marketplace.models import Answer, Appeal, Assignment, Draft, Message
from payments.models import Account, Payout
from payments.selectors import lines, statement
from users.models import User
from workers_app.models import Grant, Worker


def everything_about(user: User) -> dict[str, Any]:
    """Nothing in it tells one kind of HIT from another."""
    worker = Worker.objects.filter(user=user).first()
    return {
        "made_at": clock.now(),
        "person": {
            "id": user.public_id,
            "email": user.email,
            "name": user.name,
            "time_zone": user.time_zone,
            "language": user.language,
            "joined_at": user.date_joined,
        },
        "worker": None if worker is None else _worker(worker),
        "organisations": [
            {"id": m.requester.public_id, "name": m.requester.name, "role": m.role, "since": m.created_at}
            for m in user.memberships.select_related("requester").order_by("pk")
        ],
        "qualifications": [] if worker is None else _grants(worker),
        "assignments": [] if worker is None else _assignments(worker),
        "drafts": [] if worker is None else _drafts(worker),
        "payouts": [] if worker is None else _payouts(worker),
        "earnings": [] if worker is None else _earnings(worker),
        "notes": _notes(user, worker),
        "notices": list(user.notices.order_by("pk").values("kind", "title", "body", "created_at", "read_at")),
        "messages": _messages(user),
        **({} if worker is None else _chosen(worker)),
        "tokens": list(user.tokens.order_by("pk").values("name", "prefix", "scopes", "created_at", "revoked_at")),
    }


def _notes(user: User, worker: Worker | None) -> list[dict[str, Any]]:
    """What staff wrote down about the person; not who of them."""
    subjects = [f"user:{user.pk}"] + ([] if worker is None else [f"worker:{worker.pk}"])
    notes = Note.objects.filter(subject__in=subjects).order_by("pk").values_list("at", "text")
    return [{"at": at, "text": text} for at, text in notes]


def _worker(worker: Worker) -> dict[str, Any]:
    return {
        "id": worker.public_id,
        "country": worker.country,
        "subdivision": worker.subdivision,
        "languages": worker.languages,
        "accepts_distressing": worker.accepts_distressing,
        "accepts_messages": worker.accepts_messages,
        "payout_details": worker.payout_details,
        "suspended_at": worker.suspended_at,
        "suspended_reason": worker.suspended_reason,
    }


def _messages(user: User) -> list[dict[str, Any]]:
    """What they wrote, and what was written to them as a worker."""
    mine = Message.objects.filter(Q(author=user) | Q(thread__worker__user=user, hidden_at=None)).order_by("pk")
    return [
        {
            "thread": message.thread.public_id,
            "project": message.thread.project.name,
            "is_mine": message.author_id == user.pk,
            "body": message.body,
            "at": message.created_at,
        }
        for message in mine.select_related("thread__project")
    ]


def _chosen(worker: Worker) -> dict[str, Any]:
    """What they asked for, marked, saved, said of requesters, and appealed."""
    asked = worker.qualification_requests.order_by("pk")
    appeals = Appeal.objects.filter(assignment__worker=worker).order_by("pk")
    return {
        "qualification_requests": list(
            asked.values("qualification__name", "note", "state", "answer", "created_at", "decided_at")
        ),
        "favourites": list(worker.favourites.order_by("pk").values("project__name", "created_at")),
        "saved_searches": list(worker.saved_searches.order_by("pk").values("name", "filters", "tells", "created_at")),
        "ratings": list(worker.ratings.order_by("pk").values("requester__name", "stars", "created_at")),
        "appeals": list(
            appeals.values("assignment__public_id", "reason", "state", "ruling", "created_at", "rule_by", "ruled_at")
        ),
    }


def _grants(worker: Worker) -> list[dict[str, Any]]:
    held = Grant.objects.filter(worker=worker).select_related("qualification").order_by("pk")
    return [
        {"name": grant.qualification.name, "value": grant.value, "granted_at": grant.granted_at}
        for grant in held
        if grant.qualification.kind != "list"  # a requester's own list of workers
    ]


def _assignments(worker: Worker) -> list[dict[str, Any]]:
    rows = Assignment.objects.filter(worker=worker).order_by("pk").iterator(chunk_size=2000)
    said: dict[int, list[Any]] = {}
    answers = Answer.objects.filter(assignment__worker=worker).order_by("assignment_id", "version")
    for assignment_id, version, at, data in answers.values_list("assignment_id", "version", "received_at", "data"):
        said.setdefault(assignment_id, []).append({"version": version, "received_at": at, "said": data})
    return [
        {
            "id": row.public_id,
            "state": row.state,
            "reward": money.format_amount(row.reward),
            "accepted_at": row.accepted_at,
            "submitted_at": row.submitted_at,
            "decided_at": row.decided_at,
            "decision_reason": row.decision_reason,
            "answers": said.get(row.pk, []),
        }
        for row in rows
    ]


def _drafts(worker: Worker) -> list[dict[str, Any]]:
    rows = Draft.objects.filter(assignment__worker=worker).order_by("assignment_id").select_related("assignment")
    return [{"id": row.assignment.public_id, "saved_at": row.saved_at, "fields": row.fields} for row in rows]


def _payouts(worker: Worker) -> list[dict[str, Any]]:
    return [
        {"id": p.public_id, "amount": money.format_amount(p.amount), "currency": p.currency, "state": p.state,
         "created_at": p.created_at, "paid_at": p.paid_at}
        for p in Payout.objects.filter(worker=worker).order_by("pk")
    ]  # fmt: skip


def _earnings(worker: Worker) -> list[dict[str, Any]]:
    return [
        {"id": line.id, "at": line.at, "kind": line.kind, "amount": money.format_amount(line.amount), "memo": line.memo}
        for line in lines(statement(Account.Kind.PAYABLE, worker.pk))
    ]
