"""Workers' answers, and what the requester decides on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from core import clock
from core.errors import Conflict
from lifecycle.decide import approve
from marketplace.models import Answer, Assignment, Requester
from mturk import answers, ids, people, status
from mturk.errors import RequestError
from mturk.finding import find
from mturk.models import AccessKey, AnswerFile
from mturk.operations.hits import hit_of, hits_of
from mturk.operations.hits import told as told_hits
from mturk.paging import Page
from mturk.services import files
from mturk.services.decisions import refuse

Members = Mapping[str, Any]
State = Assignment.State
LONGEST_FEEDBACK = 1000
#: After it was submitted.
OVERRIDDEN_WITHIN = timedelta(days=30)
#: Stands where a program gave no reason: the market's workers always read one.
NO_REASON = "The requester gave no reason."


def assignments_of(requester: Requester) -> QuerySet[Assignment]:
    return Assignment.objects.filter(hit__mturk__requester=requester).select_related(
        "hit__data_row", "hit__mturk__hit_type"
    )


def assignment_of(requester: Requester, name: str) -> Assignment:
    """Raises `AssignmentDoesNotExist`, also for another's."""
    return find(assignments_of(requester), "Assignment", name)


def list_assignments_for_hit(key: AccessKey, members: Members) -> dict[str, Any]:
    """Those that were submitted, the first one first."""
    hit = hit_of(key.requester, members["HITId"])
    wanted = sorted(set(members.get("AssignmentStatuses") or ["Submitted", "Approved", "Rejected"]))
    states = [state for state, name in status.STATUS_OF.items() if name in wanted]
    rows = assignments_of(key.requester).filter(hit=hit.pk, state__in=states)
    page = Page(members, "ListAssignmentsForHIT", key.requester_id, hit.pk, *wanted)
    if page.after is not None:
        at, _, last = page.after.rpartition("|")
        moment = datetime.fromisoformat(at)
        rows = rows.filter(Q(submitted_at__gt=moment) | Q(submitted_at=moment, pk__gt=int(last)))
    found = list(rows.order_by("submitted_at", "pk")[: page.size + 1])
    shown, about = page.cut(found, lambda row: f"{row.submitted_at.isoformat() if row.submitted_at else ''}|{row.pk}")
    return {**about, "Assignments": told(key.requester, shown)}


def get_assignment(key: AccessKey, members: Members) -> dict[str, Any]:
    assignment = assignment_of(key.requester, members["AssignmentId"])
    if assignment.state not in status.ANSWERED:
        raise wrong_state("Reviewable,Approved,Rejected")
    hit = hits_of(key.requester).get(pk=assignment.hit_id)
    return {"Assignment": told(key.requester, [assignment])[0], "HIT": told_hits([hit])[0]}


def get_file_upload_url(key: AccessKey, members: Members) -> dict[str, Any]:
    """A link for a minute to the file that answers a question."""
    assignment = assignment_of(key.requester, members["AssignmentId"])
    if assignment.state not in status.ANSWERED:
        raise wrong_state("Submitted,Approved,Rejected")
    question = members["QuestionIdentifier"]
    kept = AnswerFile.objects.filter(assignment=assignment, question=question).order_by("-pk").first()
    if kept is None:
        raise RequestError(
            "InvalidParameterValue",
            f"QuestionIdentifier: {question} has no file in the answer of this assignment.",
        )
    return {"FileUploadURL": files.link_to(kept)}


def wrong_state(allowed: str) -> RequestError:
    return RequestError("InvalidAssignmentState", f"This operation can be called with a status of: {allowed}")


def approve_assignment(key: AccessKey, members: Members) -> dict[str, Any]:
    assignment = assignment_of(key.requester, members["AssignmentId"])
    feedback = _feedback(members)
    if assignment.state == State.REJECTED and _may_override(assignment, members):
        feedback = feedback or _told_feedback(assignment) or ""
    elif assignment.state != State.SUBMITTED:
        raise wrong_state("Submitted")
    try:
        approve(assignment=assignment, by=key.made_by_id, reason=feedback)
    except Conflict:  # somebody decided it this moment, or its rejection is over 30 days old
        raise wrong_state("Submitted") from None
    return {}


def _may_override(assignment: Assignment, members: Members) -> bool:
    submitted_at = assignment.submitted_at
    is_young = submitted_at is not None and submitted_at > clock.now() - OVERRIDDEN_WITHIN
    return bool(members.get("OverrideRejection")) and is_young and assignment.hit.mturk.disposed_at is None


def reject_assignment(key: AccessKey, members: Members) -> dict[str, Any]:
    assignment = assignment_of(key.requester, members["AssignmentId"])
    if assignment.state != State.SUBMITTED:
        raise wrong_state("Submitted")
    reason = _feedback(members)
    try:
        refuse(assignment=assignment, by=key.made_by_id, reason=reason or NO_REASON)
    except Conflict:
        raise wrong_state("Submitted") from None
    return {}


def _feedback(members: Members) -> str:
    feedback = members.get("RequesterFeedback", "").strip()
    if len(feedback) > LONGEST_FEEDBACK:
        raise RequestError("InvalidParameterValue", f"RequesterFeedback: at most {LONGEST_FEEDBACK} characters.")
    return feedback


def told(requester: Requester, rows: Sequence[Assignment]) -> list[dict[str, Any]]:
    """Assignment structures; the queries are as many for all as for one."""
    said = {
        answer.assignment_id: answer.data
        for answer in Answer.objects.filter(assignment__in=rows).order_by("version").only("assignment", "data")
    }
    names = people.worker_ids(requester, [row.worker_id for row in rows])
    return [_told(row, names[row.worker_id], said.get(row.pk)) for row in rows]


def _told(row: Assignment, worker: str, data: dict[str, Any] | None) -> dict[str, Any]:
    state, submitted_at, decided_at = row.state, row.submitted_at, row.decided_at
    delay = timedelta(seconds=row.hit.mturk.hit_type.auto_approve_seconds)
    silent_at = submitted_at + delay if submitted_at else None
    if row.decided_by is None and decided_at and silent_at and decided_at > silent_at:
        decided_at = silent_at  # the clock's decision is of its own time, not of the sweep that came to it
    return {
        "AssignmentId": ids.written(row.public_id),
        "WorkerId": worker,
        "HITId": ids.written(row.hit.data_row.public_id),
        "AssignmentStatus": status.STATUS_OF[State(state)],
        "AutoApprovalTime": silent_at,
        "AcceptTime": row.opened_at or row.accepted_at,
        "SubmitTime": submitted_at,
        "ApprovalTime": decided_at if state == State.APPROVED else None,
        "RejectionTime": row.decided_at if state == State.REJECTED else None,
        "Deadline": row.deadline,
        "Answer": answers.xml_of(answers.entries_of(data)),
        "RequesterFeedback": _told_feedback(row),
    }


def _told_feedback(row: Assignment) -> str | None:
    if row.decided_at is None:
        return None
    return "" if row.decision_reason == NO_REASON else row.decision_reason or None
