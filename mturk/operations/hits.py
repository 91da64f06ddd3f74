"""HITs and HIT types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import QuerySet

from marketplace.models import Requester
from mturk import ids, requirements, status
from mturk.amounts import dollars
from mturk.errors import RequestError
from mturk.finding import find
from mturk.models import AccessKey, HitType, MturkHit
from mturk.paging import Page
from mturk.services import hits, tokens
from mturk.services.hit_types import find_or_make_type
from mturk.services.layouts import question_of
from workers_app.models import Qualification

Members = Mapping[str, Any]


def hits_of(requester: Requester) -> QuerySet[MturkHit]:
    rows = MturkHit.objects.filter(requester=requester).select_related("hit__data_row", "hit_type")
    return rows.defer("layout_values")


def hit_of(requester: Requester, name: str) -> MturkHit:
    """Raises `HITDoesNotExist`, also for another's."""
    return find(hits_of(requester), "HIT", name, field="hit__data_row__public_id")


def type_of(requester: Requester, name: str) -> HitType:
    return find(HitType.objects.filter(requester=requester), "HITType", name)


def create_hit_type(key: AccessKey, members: Members) -> dict[str, Any]:
    return {"HITTypeId": ids.written(find_or_make_type(requester=key.requester, members=members).public_id)}


def create_hit(key: AccessKey, members: Members) -> dict[str, Any]:
    token = _token(key, members)
    return _post(find_or_make_type(requester=key.requester, members=members), members, token)


def create_hit_with_hit_type(key: AccessKey, members: Members) -> dict[str, Any]:
    token = _token(key, members)
    return _post(_usable_type(key.requester, members["HITTypeId"]), members, token)


def _usable_type(requester: Requester, name: str) -> HitType:
    """Raises `RequestError` where a qualification that the type asks for was deleted or made Inactive meanwhile."""
    hit_type = type_of(requester, name)
    requirements.rules_of(hit_type.requirements)
    return hit_type


def _token(key: AccessKey, members: Members) -> int | None:
    """Both operations share their tokens."""
    return tokens.hold_token(requester=key.requester, operation="CreateHIT", token=members.get("UniqueRequestToken"))


def _post(hit_type: HitType, members: Members, token: int | None) -> dict[str, Any]:
    made = hits.post_hit(
        hit_type=hit_type,
        question=_question(hit_type, members),
        layout_id=members.get("HITLayoutId", ""),
        layout_values={one["Name"]: one["Value"] for one in members.get("HITLayoutParameters") or []},
        assignment_policy=members.get("AssignmentReviewPolicy"),
        hit_policy=members.get("HITReviewPolicy"),
        lifetime=members["LifetimeInSeconds"],
        assignments=members.get("MaxAssignments", 1),
        annotation=members.get("RequesterAnnotation", ""),
    )
    row = hits_of(hit_type.requester).get(pk=made.pk)
    tokens.note_made(token, hits.written_id(row))
    return {"HIT": told([row])[0]}


def _question(hit_type: HitType, members: Members) -> str:
    if ("Question" in members) == ("HITLayoutId" in members):
        raise RequestError("AWS.MissingParameters", "Give either Question or HITLayoutId.")
    if "Question" in members:
        return str(members["Question"])
    return question_of(
        requester=hit_type.requester,
        layout_id=members["HITLayoutId"],
        parameters=members.get("HITLayoutParameters") or [],
    )


def get_hit(key: AccessKey, members: Members) -> dict[str, Any]:
    return {"HIT": told([hit_of(key.requester, members["HITId"])])[0]}


def list_hits(key: AccessKey, members: Members) -> dict[str, Any]:
    return _page(hits_of(key.requester).filter(disposed_at=None), members, "ListHITs", key.requester_id)


def list_reviewable_hits(key: AccessKey, members: Members) -> dict[str, Any]:
    wanted, named = members.get("Status", "Reviewable"), members.get("HITTypeId", "")
    rows = status.reviewable(hits_of(key.requester), reviewing=wanted == "Reviewing")
    if named:
        rows = rows.filter(hit_type=type_of(key.requester, named))
    return _page(rows, members, "ListReviewableHITs", key.requester_id, wanted, named)


def list_hits_for_qualification_type(key: AccessKey, members: Members) -> dict[str, Any]:
    named = members["QualificationTypeId"]
    if named not in requirements.SYSTEM:
        find(Qualification.objects.all(), "QualificationType", named)
    asking = HitType.objects.filter(
        requester=key.requester, requirements__contains=[{"QualificationTypeId": named}]
    ).values("pk")
    rows = hits_of(key.requester).filter(disposed_at=None, hit_type__in=asking)
    return _page(rows, members, "ListHITsForQualificationType", key.requester_id, named)


def _page(rows: QuerySet[MturkHit], members: Members, *scope: Any) -> dict[str, Any]:
    shown, about = Page(members, *scope).of(rows, newest_first=True)
    return {**about, "HITs": told(shown)}


def update_expiration_for_hit(key: AccessKey, members: Members) -> dict[str, Any]:
    hits.set_expiry(row=hit_of(key.requester, members["HITId"]), at=members["ExpireAt"])
    return {}


def update_hit_review_status(key: AccessKey, members: Members) -> dict[str, Any]:
    hits.set_reviewing(row=hit_of(key.requester, members["HITId"]), revert=members.get("Revert", False))
    return {}


def update_hit_type_of_hit(key: AccessKey, members: Members) -> dict[str, Any]:
    row = hit_of(key.requester, members["HITId"])
    hits.change_type(row=row, hit_type=_usable_type(key.requester, members["HITTypeId"]))
    return {}


def create_additional_assignments_for_hit(key: AccessKey, members: Members) -> dict[str, Any]:
    token = members.get("UniqueRequestToken")
    tokens.hold_token(requester=key.requester, operation="CreateAdditionalAssignmentsForHIT", token=token)
    row = hit_of(key.requester, members["HITId"])
    hits.add_assignments(row=row, more=members["NumberOfAdditionalAssignments"])
    return {}


def delete_hit(key: AccessKey, members: Members) -> dict[str, Any]:
    hits.delete_hit(row=hit_of(key.requester, members["HITId"]))
    return {}


def told(rows: Sequence[MturkHit]) -> list[dict[str, Any]]:
    """HIT structures; two queries for all of them."""
    standings = status.standings(rows)
    return [_told(row, standings[row.pk]) for row in rows]


def _told(row: MturkHit, standing: status.Progress) -> dict[str, Any]:
    hit_type = row.hit_type
    return {
        "HITId": hits.written_id(row),
        "HITTypeId": ids.written(hit_type.public_id),
        "HITGroupId": ids.written(hit_type.group_id),
        "HITLayoutId": row.layout_id or None,
        "CreationTime": row.created_at,
        "Title": hit_type.title,
        "Description": hit_type.description,
        "Question": row.question,
        "Keywords": hit_type.keywords,
        "HITStatus": standing.status,
        "MaxAssignments": row.hit.max_assignments,
        "Reward": dollars(hit_type.reward),
        "AutoApprovalDelayInSeconds": hit_type.auto_approve_seconds,
        "Expiration": row.expires_at,
        "AssignmentDurationInSeconds": hit_type.assignment_seconds,
        "RequesterAnnotation": row.annotation or None,
        "QualificationRequirements": [requirements.told(one) for one in hit_type.requirements],
        "HITReviewStatus": "NotReviewed",
        "NumberOfAssignmentsPending": standing.pending,
        "NumberOfAssignmentsAvailable": standing.available,
        "NumberOfAssignmentsCompleted": standing.completed,
    }
