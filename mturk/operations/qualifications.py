"""Qualification types, who holds them, and who asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db.models import Case, IntegerField, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Concat, Upper

from core.errors import DomainError
from marketplace.models import Requester
from mturk import ids, people
from mturk.errors import RequestError
from mturk.finding import find
from mturk.models import AccessKey, Revocation, TestTaken
from mturk.operations.assignments import NO_REASON
from mturk.paging import Page
from mturk.requirements import SYSTEM, living
from mturk.services import qualifications
from mturk.services.qualifications import NEVER, about
from workers_app.models import Grant, Qualification, QualificationRequest, Worker

Members = Mapping[str, Any]
State = QualificationRequest.State
#: Since when there are system qualifications.
BEGINNING = datetime(2005, 11, 2, tzinfo=UTC)
LONGEST_REASON = 500


def own_type(requester: Requester, name: str) -> Qualification:
    """Raises `QualificationTypeDoesNotExist`, also for another's; and refuses those of the system."""
    if name in SYSTEM:
        raise RequestError("AWS.NotAuthorized", f"The QualificationType {name} is the system's. It cannot be changed.")
    return find(living().filter(requester=requester), "QualificationType", name)


def create_qualification_type(key: AccessKey, members: Members) -> dict[str, Any]:
    made = qualifications.create_type(requester=key.requester, members=members)
    return {"QualificationType": told(made, key.requester)}


def get_qualification_type(key: AccessKey, members: Members) -> dict[str, Any]:
    name = members["QualificationTypeId"]
    if name in SYSTEM:
        return {"QualificationType": _told_system(name)}
    anothers_list = Q(kind=Qualification.Kind.LIST) & ~Q(requester=key.requester)
    found = find(living().exclude(anothers_list), "QualificationType", name)
    return {"QualificationType": told(found, key.requester)}


def update_qualification_type(key: AccessKey, members: Members) -> dict[str, Any]:
    found = own_type(key.requester, members["QualificationTypeId"])
    changed = qualifications.update_type(qualification=found, members=members)
    return {"QualificationType": told(changed, key.requester)}


def delete_qualification_type(key: AccessKey, members: Members) -> dict[str, Any]:
    qualifications.delete_type(qualification=own_type(key.requester, members["QualificationTypeId"]))
    return {}


def list_qualification_types(key: AccessKey, members: Members) -> dict[str, Any]:
    """Those whose name is the query come first, then by age; the system's at the end."""
    query = members.get("Query", "").strip()
    must_request, must_own = members["MustBeRequestable"], members.get("MustBeOwnedByCaller", False)
    page = Page(members, "ListQualificationTypes", key.requester_id, must_request, must_own, query)
    rank, after = map(int, page.after.split(":")) if page.after else (-1, -1)
    found: list[tuple[int, int, dict[str, Any]]] = []
    if rank < 2:
        rows = _listed(key.requester, query, must_request, must_own)
        rows = rows.filter(Q(rank__gt=rank) | Q(rank=rank, pk__gt=after)).order_by("rank", "pk")
        found = [(row.rank, row.pk, told(row, key.requester)) for row in rows[: page.size + 1]]
    if not must_request and not must_own:
        seen = after if rank == 2 else -1
        found += [(2, place, one) for place, one in _system_like(query) if place > seen]
    shown, paging = page.cut(found, lambda item: f"{item[0]}:{item[1]}")
    return {**paging, "QualificationTypes": [one for _, _, one in shown]}


def _listed(requester: Requester, query: str, must_request: bool, must_own: bool) -> QuerySet[Any]:
    can_request = Q(can_request=True) | (Q(mturk__is_active=True) & ~Q(mturk__test=""))
    rows: QuerySet[Any] = Qualification.objects.filter(~Q(kind=Qualification.Kind.QUIZ), requester__isnull=False)
    rows = rows.filter(Q(mturk=None) | Q(mturk__deleted_at=None)).select_related("mturk")
    rows = rows.filter(requester=requester) if must_own else rows.filter(Q(requester=requester) | can_request)
    if must_request:
        rows = rows.filter(can_request)
    rows = rows.annotate(
        rank=Case(When(name__iexact=query, then=Value(0)), default=Value(1), output_field=IntegerField()),
        said=Upper(Concat("name", Value(" "), "mturk__keywords", Value(" "), "description", output_field=TextField())),
    )
    for word in query.upper().split():
        rows = rows.filter(said__contains=word)
    return rows


def _system_like(query: str) -> list[tuple[int, dict[str, Any]]]:
    words = query.upper().split()
    return [
        (place, _told_system(name))
        for place, (name, one) in enumerate(SYSTEM.items())
        if all(word in f"{one.name} {one.description}".upper() for word in words)
    ]


def told(row: Qualification, requester: Requester) -> dict[str, Any]:
    more = about(row)
    return {
        "QualificationTypeId": ids.written(row.public_id),
        "CreationTime": row.created_at,
        "Name": row.name,
        "Description": row.description,
        "Keywords": more.keywords or None,
        "QualificationTypeStatus": "Active" if more.is_active else "Inactive",
        "Test": more.test or None,
        "TestDurationInSeconds": more.test_seconds,
        "AnswerKey": (more.answer_key or None) if row.requester_id == requester.pk else None,
        "RetryDelayInSeconds": row.retry_seconds if row.retry_seconds < NEVER else None,
        "IsRequestable": row.can_request or bool(more.test and more.is_active),
        "AutoGranted": row.auto_value is not None,
        "AutoGrantedValue": row.auto_value,
    }


def _told_system(name: str) -> dict[str, Any]:
    one = SYSTEM[name]
    return {
        "QualificationTypeId": name,
        "CreationTime": BEGINNING,
        "Name": one.name,
        "Description": one.description,
        "QualificationTypeStatus": "Active",
        "IsRequestable": False,
        "AutoGranted": False,
    }


# --- who holds it -----------------------------------------------------------------------------------------------------


def associate_qualification_with_worker(key: AccessKey, members: Members) -> dict[str, Any]:
    found = own_type(key.requester, members["QualificationTypeId"])
    qualifications.grant(
        qualification=found,
        worker=people.worker_of(key.requester, members["WorkerId"]),
        value=members.get("IntegerValue"),
        is_told=members.get("SendNotification", True),
    )
    return {}


def disassociate_qualification_from_worker(key: AccessKey, members: Members) -> dict[str, Any]:
    found = own_type(key.requester, members["QualificationTypeId"])
    worker = people.worker_of(key.requester, members["WorkerId"])
    qualifications.check_text("Reason", members.get("Reason", ""), 1000)
    if not qualifications.revoke(qualification=found, worker=worker):
        raise _not_held(found, worker, members)
    return {}


def get_qualification_score(key: AccessKey, members: Members) -> dict[str, Any]:
    found = own_type(key.requester, members["QualificationTypeId"])
    worker = people.worker_of(key.requester, members["WorkerId"])
    held = Grant.objects.filter(qualification=found, worker=worker).first()
    if held is None:
        raise _not_held(found, worker, members)
    return {"Qualification": _told_held(Held.of(held, found), members["WorkerId"])}


def _not_held(found: Qualification, worker: Worker, members: Members) -> RequestError:
    if Revocation.objects.filter(qualification=found, worker=worker).exists():
        return RequestError(
            "InvalidQualificationState",
            f"The Qualification {members['QualificationTypeId']} of the worker {members['WorkerId']} is Revoked."
            " This operation can be called with a status of: Granted",
        )
    return RequestError(
        "QualificationDoesNotExist",
        f"You requested a Qualification that does not exist: {members['QualificationTypeId']}"
        f" of the worker {members['WorkerId']}.",
    )


class Held(NamedTuple):
    """A qualification that a worker holds, or held."""

    granted_at: datetime
    worker_id: int
    value: int | None
    status: str
    type_id: str

    @classmethod
    def of(cls, row: Grant | Revocation, of: Qualification) -> Held:
        status = "Granted" if isinstance(row, Grant) else "Revoked"
        return cls(row.granted_at, row.worker_id, row.value, status, ids.written(of.public_id))


def _told_held(held: Held, worker: str) -> dict[str, Any]:
    return {
        "QualificationTypeId": held.type_id,
        "WorkerId": worker,
        "GrantTime": held.granted_at,
        "IntegerValue": held.value,
        "Status": held.status,
    }


def list_workers_with_qualification_type(key: AccessKey, members: Members) -> dict[str, Any]:
    found, status = own_type(key.requester, members["QualificationTypeId"]), members.get("Status", "")
    page = Page(members, "ListWorkersWithQualificationType", found.pk, status)
    rows: list[Held] = []
    for name, table in (("Granted", Grant.objects), ("Revoked", Revocation.objects)):
        if status not in ("", name):
            continue
        some: QuerySet[Any] = table.filter(qualification=found)
        if page.after is not None:
            at, _, last = page.after.rpartition("|")
            moment = datetime.fromisoformat(at)
            some = some.filter(Q(granted_at__gt=moment) | Q(granted_at=moment, worker__gt=int(last)))
        rows += [Held.of(row, found) for row in some.order_by("granted_at", "worker")[: page.size + 1]]
    rows.sort(key=lambda held: (held.granted_at, held.worker_id))
    shown, paging = page.cut(rows, lambda held: f"{held.granted_at.isoformat()}|{held.worker_id}")
    names = people.worker_ids(key.requester, [held.worker_id for held in shown])
    return {**paging, "Qualifications": [_told_held(held, names[held.worker_id]) for held in shown]}


# --- who asks for it --------------------------------------------------------------------------------------------------


def list_qualification_requests(key: AccessKey, members: Members) -> dict[str, Any]:
    named = members.get("QualificationTypeId", "")
    rows = _requests(key.requester).filter(state=State.OPEN)
    if named:
        rows = rows.filter(qualification=own_type(key.requester, named))
    shown, paging = Page(members, "ListQualificationRequests", key.requester_id, named).of(rows)
    names = people.worker_ids(key.requester, [row.worker_id for row in shown])
    return {**paging, "QualificationRequests": [_told_request(row, names[row.worker_id]) for row in shown]}


def _requests(requester: Requester) -> QuerySet[QualificationRequest]:
    rows = QualificationRequest.objects.filter(qualification__requester=requester)
    return rows.select_related("qualification", "worker__user", "mturk")


def _told_request(row: QualificationRequest, worker: str) -> dict[str, Any]:
    try:
        taken = row.mturk
    except TestTaken.DoesNotExist:
        taken = None
    return {
        "QualificationRequestId": ids.written(row.public_id),
        "QualificationTypeId": ids.written(row.qualification.public_id),
        "WorkerId": worker,
        "Test": taken.test if taken else None,
        "Answer": taken.answer if taken else None,
        "SubmitTime": row.created_at,
    }


def _request_of(requester: Requester, name: str) -> QualificationRequest:
    found = find(_requests(requester), "QualificationRequest", name)
    if found.state != State.OPEN:
        raise _answered(name)
    return found


def _answered(name: str) -> RequestError:
    return RequestError(
        "InvalidQualificationRequestState",
        f"The QualificationRequest {name} has been answered. This operation can be called with a status of: Submitted",
    )


def accept_qualification_request(key: AccessKey, members: Members) -> dict[str, Any]:
    request = _request_of(key.requester, members["QualificationRequestId"])
    _answer(members, request=request, is_granted=True, value=members.get("IntegerValue"))
    return {}


def reject_qualification_request(key: AccessKey, members: Members) -> dict[str, Any]:
    request = _request_of(key.requester, members["QualificationRequestId"])
    reason = members.get("Reason", "").strip()
    qualifications.check_text("Reason", reason, LONGEST_REASON)
    _answer(members, request=request, is_granted=False, value=None, reason=reason or NO_REASON)
    return {}


def _answer(members: Members, **how: Any) -> None:
    try:
        qualifications.answer(**how)
    except DomainError as refusal:
        if refusal.code != "illegal_move":
            raise
        raise _answered(members["QualificationRequestId"]) from None
