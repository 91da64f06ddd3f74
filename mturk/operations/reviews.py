"""What review policies found and did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mturk import ids
from mturk.models import AccessKey, ReviewEntry
from mturk.operations.hits import hit_of
from mturk.paging import Page

LEVELS = ("Assignment", "HIT")
#: A page of results: a HIT's report is read whole by most programs.
USUAL = 100


def list_review_policy_results_for_hit(key: AccessKey, members: Mapping[str, Any]) -> dict[str, Any]:
    row = hit_of(key.requester, members["HITId"])
    levels = sorted(set(members.get("PolicyLevels") or LEVELS))
    kinds = [
        kind
        for kind, member in ((ReviewEntry.Kind.ACTION, "RetrieveActions"), (ReviewEntry.Kind.RESULT, "RetrieveResults"))
        if members.get(member, True)
    ]
    page = Page({"MaxResults": USUAL, **members}, "ListReviewPolicyResultsForHIT", row.pk, *levels, *kinds)
    entries = ReviewEntry.objects.filter(hit=row, level__in=levels, kind__in=kinds).select_related("assignment")
    shown, paging = page.of(entries)
    told: dict[str, Any] = {"HITId": members["HITId"], "NextToken": paging.get("NextToken")}
    for level, policy in (("Assignment", row.assignment_policy), ("HIT", row.hit_policy)):
        if policy is None or level not in levels:
            continue
        told[f"{level}ReviewPolicy"] = {"PolicyName": policy["PolicyName"]}
        of_level = [entry for entry in shown if entry.level == level]
        told[f"{level}ReviewReport"] = {
            "ReviewResults": [_result(e, members["HITId"]) for e in of_level if e.kind == ReviewEntry.Kind.RESULT],
            "ReviewActions": [_action(e, members["HITId"]) for e in of_level if e.kind == ReviewEntry.Kind.ACTION],
        }
    return told


def _result(entry: ReviewEntry, hit: str) -> dict[str, Any]:
    return {
        "ActionId": ids.written(entry.action_id),
        "SubjectId": ids.written(entry.assignment.public_id) if entry.assignment else hit,
        "SubjectType": "Assignment" if entry.assignment else "HIT",
        "QuestionId": entry.question or None,
        "Key": entry.name,
        "Value": entry.value,
    }


def _action(entry: ReviewEntry, hit: str) -> dict[str, Any]:
    return {
        "ActionId": ids.written(entry.action_id),
        "ActionName": entry.name,
        "TargetId": ids.written(entry.assignment.public_id) if entry.assignment else hit,
        "TargetType": "Assignment" if entry.assignment else "HIT",
        "Status": entry.status,
        "CompleteTime": None if entry.status == "Intended" else entry.created_at,
        "Result": entry.value or None,
        "ErrorCode": entry.error_code or None,
    }
