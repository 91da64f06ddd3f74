"""Review policies at work. They decide in the requester's name, with the policy as reason; workers may appeal."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, Q

from core.errors import DomainError
from core.errors import InsufficientFunds as NoMoney
from lifecycle.decide import approve
from marketplace.models import Answer, Assignment
from mturk import answers, policies
from mturk.errors import RequestError
from mturk.models import MturkHit, ReviewEntry
from mturk.services import hits
from mturk.services.decisions import refuse

State = Assignment.State
Kind = ReviewEntry.Kind
#: A policy may reject so large a share of a batch's decisions, in percent, once there are so many; more waits for a
#: person.
MOST_REJECTED, REJECTED_FROM = 10, 20
WRONG_STATE = "AWS.MechanicalTurk.InvalidAssignmentState"


@dataclass
class Report:
    """Writes down one run of a policy."""

    row: MturkHit
    level: str

    def __post_init__(self) -> None:
        self.review = uuid.uuid4()

    def begin(self, assignment: Assignment | None = None) -> None:
        self._write(assignment, Kind.ACTION, self.review, "review", status="Succeeded")

    def result(self, key: str, value: object, *, of: Assignment | None = None, question: str = "") -> None:
        self._write(of, Kind.RESULT, self.review, key, question=question, value=str(value))

    def action(self, name: str, status: str, *, of: Assignment | None = None, value: str = "", error: str = "") -> None:
        self._write(of, Kind.ACTION, uuid.uuid4(), name, status=status, value=value, error_code=error)

    def _write(self, assignment: Assignment | None, kind: str, action_id: uuid.UUID, name: str, **more: str) -> None:
        ReviewEntry.objects.create(
            hit=self.row,
            assignment=assignment,
            level=self.level,
            kind=kind,
            action_id=action_id,
            name=name,
            **{field: text[:200] if field == "question" else text for field, text in more.items()},
        )


def answers_of(assignments: list[Assignment]) -> dict[int, dict[str, frozenset[str]]]:
    """The newest answers, by assignment and question."""
    rows = Answer.objects.filter(assignment__in=assignments).order_by("version").only("assignment", "data")
    return {row.assignment_id: answers.values_of(answers.fields_of(row.data)) for row in rows}


# --- known answers ----------------------------------------------------------------------------------------------------


def score_known_answers(row: MturkHit, assignment: Assignment) -> None:
    """Score one answer, and do what its score asks for. The HIT is locked."""
    policy = policies.read_known_answers(row.assignment_policy or {})
    right = policy.grade(answers_of([assignment]).get(assignment.pk, {}))
    score = 100 * sum(right.values()) // len(right)
    report = Report(row, "Assignment")
    report.begin(assignment)
    for question, is_right in right.items():
        report.result("KnownAnswerCorrect", int(is_right), of=assignment, question=question)
    report.result("KnownAnswerScore", score, of=assignment)
    if score >= policy.approve_from:
        _approve(report, assignment, policy.approve_reason)
    elif score < policy.reject_below:
        reason = policy.reject_reason or f"{policies.KNOWN_ANSWERS}: {score} of 100 is below {policy.reject_below}."
        _reject(report, assignment, reason)
    if score < policy.extend_below:
        _extend(report, row, policy.extend_most, policy.extend_seconds)


# --- plurality --------------------------------------------------------------------------------------------------------


def compare(row: MturkHit) -> None:
    """Compare the answers of a HIT that has become Reviewable. The HIT is locked."""
    policy = policies.read_plurality(row.hit_policy or {})
    counted = _counted(row, policy)
    said = answers_of(counted)
    verdict = policies.agree(policy, [said.get(one.pk, {}) for one in counted])
    report = Report(row, "HIT")
    report.begin()
    for question in policy.questions:
        found = verdict.agreed.get(question)
        report.result("AgreedAnswerFound", str(found is not None).lower(), question=question)
        if found is not None:
            report.result("AgreedAnswer", "|".join(sorted(found.answer)), question=question)
            report.result("AnswerAgreementScore", found.share, question=question)
    report.result("HitAgreementScore", verdict.hit_score)
    for index, assignment in enumerate(counted):
        score = verdict.score_of(index)
        if score is None:
            continue
        report.result("WorkerAgreementScore", score, of=assignment)
        report.result("PluralityAnswersCorrect", verdict.right[index], of=assignment)
        report.result("PluralityAnswersIncorrect", len(verdict.agreed) - verdict.right[index], of=assignment)
        if policy.approve_from is not None and score >= policy.approve_from:
            _approve(report, assignment, "")
        elif score < policy.reject_below:
            reason = policy.reject_reason or f"{policies.PLURALITY}: {score} of 100 is below {policy.reject_below}."
            _reject(report, assignment, reason)
    if verdict.hit_score < policy.extend_below:
        _extend(report, row, policy.extend_most, policy.extend_seconds)


def _counted(row: MturkHit, policy: policies.Plurality) -> list[Assignment]:
    states = [State.SUBMITTED, State.REVISING, State.APPROVED] + ([] if policy.no_rejected else [State.REJECTED])
    rows = list(Assignment.objects.filter(hit=row.pk, state__in=states).order_by("submitted_at", "pk"))
    if policy.known_from is None:
        return rows
    scores = {
        assignment: int(value)
        for assignment, value in ReviewEntry.objects.filter(hit=row, kind=Kind.RESULT, name="KnownAnswerScore")
        .order_by("pk")
        .values_list("assignment", "value")
    }
    return [one for one in rows if scores.get(one.pk, 100) >= policy.known_from]


# --- actions ----------------------------------------------------------------------------------------------------------


def _approve(report: Report, assignment: Assignment, reason: str) -> None:
    assignment.refresh_from_db()
    if assignment.state == State.APPROVED:
        report.action("approve", "Succeeded", of=assignment, value="It was approved before.")
    elif assignment.state != State.SUBMITTED:
        report.action("approve", "Failed", of=assignment, error=WRONG_STATE)
    else:
        _try(report, "approve", lambda: approve(assignment=assignment, reason=reason), assignment)


def _reject(report: Report, assignment: Assignment, reason: str) -> None:
    assignment.refresh_from_db()
    if assignment.state == State.REJECTED:
        report.action("reject", "Succeeded", of=assignment, value="It was rejected before.")
    elif assignment.state != State.SUBMITTED:
        report.action("reject", "Failed", of=assignment, error=WRONG_STATE)
    elif _too_many_rejected(assignment.batch_id):
        waits = f"Over {MOST_REJECTED} % of this batch would be rejected by policy: a person decides on this one."
        report.action("reject", "Intended", of=assignment, value=waits)
    else:
        _try(report, "reject", lambda: refuse(assignment=assignment, by=None, reason=reason), assignment)


def _too_many_rejected(batch_id: int) -> bool:
    counts = Assignment.objects.filter(batch=batch_id, state__in=[State.APPROVED, State.REJECTED]).aggregate(
        decided=Count("pk"), rejected=Count("pk", filter=Q(state=State.REJECTED))
    )
    is_many = counts["decided"] >= REJECTED_FROM
    return is_many and (counts["rejected"] + 1) * 100 > MOST_REJECTED * (counts["decided"] + 1)


def _extend(report: Report, row: MturkHit, most: int, seconds: int) -> None:
    row = hits.lock(row.pk)
    now_many = row.hit.max_assignments
    if now_many >= most or now_many < hits.MANY <= now_many + 1:
        report.action("extend", "Succeeded", value="It has as many assignments as it may have.")
        return

    def more() -> None:
        if seconds:
            hits.set_expiry(row=row, at=row.expires_at + timedelta(seconds=seconds))
        hits.add_assignments(row=row, more=1)

    _try(report, "extend", more, None)


def _try(report: Report, name: str, act: Callable[[], object], assignment: Assignment | None) -> None:
    """What cannot be done is written down, and changes nothing."""
    try:
        with transaction.atomic():
            act()
    except NoMoney:
        report.action(name, "Failed", of=assignment, error="AWS.MechanicalTurk.InsufficientFunds")
    except RequestError as refusal:
        report.action(name, "Failed", of=assignment, value=refusal.message, error=refusal.code)
    except DomainError as refusal:
        report.action(name, "Failed", of=assignment, value=refusal.message, error=WRONG_STATE)
    else:
        report.action(name, "Succeeded", of=assignment)
