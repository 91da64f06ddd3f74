"""HIT types, and the standing batches in which their HITs are posted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson
from django.db import transaction

from core import money
from core.errors import Invalid
from marketplace.models import Batch, Requester
from marketplace.schema import Schema
from marketplace.services import posting
from marketplace.services.projects import create_project
from mturk import answers, derive, requirements
from mturk.amounts import micros
from mturk.errors import RequestError
from mturk.models import HitType, Standing
from mturk.services import sandbox

YEAR, MONTH = 31_536_000, 2_592_000
#: Batches that one HIT type may have, one for each set of questions.
MOST_STANDINGS = 20
#: Assignments of one requester's batch that a worker may hold at once.
MOST_HELD = 25


def read_values(members: Mapping[str, Any]) -> dict[str, Any]:
    """The seven values of a HIT type, normalised.

    Raises
    ------
    RequestError
        `ParameterOutOfRange` or `InvalidParameterValue`, naming the member.
    """
    delay = members.get("AutoApprovalDelayInSeconds", MONTH)
    in_range("AssignmentDurationInSeconds", members["AssignmentDurationInSeconds"], 30, YEAR)
    in_range("AutoApprovalDelayInSeconds", delay, 0, MONTH)
    keywords = members.get("Keywords", "")
    for name, text, most in (
        ("Title", members["Title"], 128),
        ("Description", members["Description"], 2000),
        ("Keywords", keywords, 1000),
    ):
        if len(text) > most or (name == "Title" and not text.strip()):
            raise RequestError("InvalidParameterValue", f"{name}: 1 to {most} characters.")
    asked = list(members.get("QualificationRequirements", []))
    requirements.rules_of(asked)
    return {
        "title": members["Title"],
        "description": members["Description"],
        "keywords": keywords,
        "reward": micros("Reward", members["Reward"]),
        "assignment_seconds": members["AssignmentDurationInSeconds"],
        "auto_approve_seconds": delay,
        "requirements": asked,
    }


def in_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise RequestError("ParameterOutOfRange", f"{name} must be from {low} to {high}.")


def find_or_make_type(*, requester: Requester, members: Mapping[str, Any]) -> HitType:
    """The requester's type of these seven values: the one there is, or a new one."""
    values = read_values(members)
    normal = {**values, "requirements": sorted(orjson.dumps(one, option=orjson.OPT_SORT_KEYS).decode()
                                               for one in values["requirements"])}  # fmt: skip
    fingerprint = hashlib.sha256(orjson.dumps(normal, option=orjson.OPT_SORT_KEYS)).hexdigest()
    found, _ = HitType.objects.get_or_create(requester=requester, fingerprint=fingerprint, defaults=values)
    return found


def standing_batch(*, hit_type: HitType, question: str = "", assignments: int = 1) -> Batch:
    """Where the HITs of this type that ask the same as `question` are posted: made, or made anew where it was closed.

    What a question asks beside its fields is derived from it. Where nearly every HIT asks something else, as with
    answers that are data themselves, the later ones ask for their fields alone. In a sandbox, HITs of many assignments
    have a batch of their own, since their fee is another.
    """
    is_many = assignments >= sandbox.MANY and sandbox.is_sandbox(hit_type.requester)
    questions = questions_for(question)
    found = _standing(hit_type, questions, is_many)
    known = Standing.objects.filter(hit_type=hit_type)
    if found is None and questions != answers.QUESTIONS and known.count() >= MOST_STANDINGS:
        questions = answers.QUESTIONS
        found = _standing(hit_type, questions, is_many)
    if found is not None and found.batch.takes_more:
        return found.batch
    return _make_batch(hit_type, questions, is_many=is_many)


def _standing(hit_type: HitType, questions: list[dict[str, Any]], is_many: bool) -> Standing | None:
    rows = Standing.objects.filter(hit_type=hit_type, questions_hash=_hash(questions, is_many))
    return rows.select_related("batch__project__requester").first()


def _hash(questions: list[dict[str, Any]], is_many: bool) -> str:
    return hashlib.sha256(orjson.dumps([*questions, is_many] if is_many else questions)).hexdigest()


def questions_for(question: str) -> list[dict[str, Any]]:
    """The fields as they come, and what can be derived; the fields alone where the market refuses the rest."""
    derived = derive.questions_from(question) if question else []
    questions = [*answers.QUESTIONS, *derived]
    try:
        Schema.from_json(questions)
    except Invalid:
        return answers.QUESTIONS
    return questions


@transaction.atomic
def _make_batch(hit_type: HitType, questions: list[dict[str, Any]], *, is_many: bool) -> Batch:
    hit_type = HitType.objects.select_for_update().get(pk=hit_type.pk)
    found = _standing(hit_type, questions, is_many)
    if found is not None and found.batch.takes_more:  # somebody made it this moment
        return found.batch
    project = found.batch.project if found is not None else create_project(
        requester=hit_type.requester,
        name=hit_type.title.strip(),
        summary=hit_type.description[:300],
        questions=questions,
        rules=_rules(hit_type),
    )  # fmt: skip
    batch = posting.create_batch(project=project, is_standing=True)
    posting.begin_publishing(batch=batch)
    if sandbox.is_sandbox(hit_type.requester):
        is_for_masters = any(one["QualificationTypeId"] in requirements.MASTERS_IDS for one in hit_type.requirements)
        fee = sandbox.fee_of(batch.reward, is_many=is_many, is_for_masters=is_for_masters)
        Batch.objects.filter(pk=batch.pk).update(fee=fee)
        batch.refresh_from_db(fields=["fee"])
    posting.open_published(batch=batch, hits=0, levels=[0])
    Standing.objects.update_or_create(
        hit_type=hit_type, questions_hash=_hash(questions, is_many), defaults={"batch": batch}
    )
    return Batch.objects.select_related("project__requester").get(pk=batch.pk)


def _rules(hit_type: HitType) -> dict[str, Any]:
    """Each HIT says how many answers it asks for; gold comes with review policies, not from the market's own share."""
    return {
        "mode": "fixed",
        "answers": 1,
        "reward": money.format_amount(hit_type.reward),
        "assignment_seconds": hit_type.assignment_seconds,
        "auto_approve_seconds": hit_type.auto_approve_seconds,
        "undo_seconds": 0,
        "gold_share": 0,
        "max_share": None,
        "max_open": MOST_HELD,
        "requirements": requirements.rules_of(hit_type.requirements),
    }
