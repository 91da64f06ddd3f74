"""Qualification types: made, changed, deleted; granted and taken back; asked for, with a test or without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from core import clock
from core.errors import Conflict, Invalid
from lifecycle import qualify
from marketplace.models import Requester
from marketplace.services.media import ask_for
from mturk import answers
from mturk.answer_keys import read_key, read_test
from mturk.errors import RequestError
from mturk.form import check_fields
from mturk.models import QualificationType, Revocation, TestTaken
from mturk.questions import media_of
from mturk.services.hit_types import YEAR, in_range
from workers_app.models import Grant, Qualification, QualificationRequest, Worker
from workers_app.services.granting import LARGEST_VALUE, change_qualification, create_qualification
from workers_app.services.requesting import close_request, request_qualification

LONGEST_DESCRIPTION, LONGEST_KEYWORDS, LONGEST_NAME = 2000, 1000, 200
NEVER = Qualification.NEVER


def about(qualification: Qualification) -> QualificationType:
    """What the dialect knows of it: of one made in the studio, what is usual."""
    try:
        return qualification.mturk
    except QualificationType.DoesNotExist:
        return QualificationType(qualification=qualification)


@transaction.atomic
def create_type(*, requester: Requester, members: Mapping[str, Any]) -> Qualification:
    """Raises `RequestError`; nothing is stored then."""
    name, keywords = members["Name"].strip(), members.get("Keywords", "")
    check_text("Name", name, LONGEST_NAME, least=1)
    check_text("Description", members["Description"], LONGEST_DESCRIPTION)
    check_text("Keywords", keywords, LONGEST_KEYWORDS)
    retry = members.get("RetryDelayInSeconds")
    if retry is not None:
        in_range("RetryDelayInSeconds", retry, 0, NEVER - 1)
    test = _read_test(members, about=None)
    if test["test"] and members.get("AutoGranted"):
        raise RequestError("InvalidParameterValue", "AutoGranted: not together with a Test.")
    is_active = members["QualificationTypeStatus"] == "Active"
    try:
        made = create_qualification(
            requester=requester,
            name=name,
            description=members["Description"],
            can_request=is_active and not test["test"],
        )
    except Conflict:
        raise RequestError(
            "QualificationTypeAlreadyExists",
            "You have already created a QualificationType with this name."
            " A QualificationType's name must be unique among all of the QualificationTypes created by the same user.",
        ) from None
    Qualification.objects.filter(pk=made.pk).update(
        retry_seconds=NEVER if retry is None else retry, auto_value=_auto_value(members)
    )
    QualificationType.objects.create(qualification=made, keywords=keywords, is_active=is_active, **test)
    _fetch_media(made, test["test"])
    return Qualification.objects.select_related("mturk").get(pk=made.pk)


def _fetch_media(qualification: Qualification, test: str) -> None:
    """What a test shows is shown from here."""
    addresses = media_of(test) if test else []
    if qualification.requester and addresses:
        ask_for(requester=qualification.requester, addresses=[addresses])


def check_text(name: str, text: str, most: int, least: int = 0) -> None:
    if not least <= len(text) <= most:
        raise RequestError("InvalidParameterValue", f"{name}: {least} to {most} characters.")


def _auto_value(members: Mapping[str, Any]) -> int | None:
    if not members.get("AutoGranted"):
        return None
    value = members.get("AutoGrantedValue", 1)
    in_range("AutoGrantedValue", value, -LARGEST_VALUE, LARGEST_VALUE)
    return int(value)


def _read_test(members: Mapping[str, Any], about: QualificationType | None) -> dict[str, Any]:
    """Test, its time and its key as they are to be: a new test drops the key unless it brings one."""
    test = members.get("Test", about.test if about else "")
    seconds = members.get("TestDurationInSeconds", about.test_seconds if about else None)
    key = members.get("AnswerKey", about.answer_key if about and "Test" not in members else "")
    if not test:
        for name in ("AnswerKey", "TestDurationInSeconds", "Test"):
            if name in members:
                raise RequestError("InvalidParameterValue", f"{name}: there is no Test.")
        return {"test": "", "test_seconds": None, "answer_key": ""}
    if seconds is None:
        raise RequestError("AWS.MissingParameters", "TestDurationInSeconds must be there with a Test.")
    in_range("TestDurationInSeconds", seconds, 1, YEAR)
    form = read_test(test)
    if key:
        read_key(key, form)
    return {"test": test, "test_seconds": seconds, "answer_key": key}


@transaction.atomic
def update_type(*, qualification: Qualification, members: Mapping[str, Any]) -> Qualification:
    """Raises `RequestError`; nothing is changed then."""
    row = about(qualification)
    changes: dict[str, Any] = {}
    if "Description" in members:
        check_text("Description", members["Description"], LONGEST_DESCRIPTION)
        changes["description"] = members["Description"]
    if "RetryDelayInSeconds" in members:
        in_range("RetryDelayInSeconds", members["RetryDelayInSeconds"], 0, NEVER - 1)
        changes["retry_seconds"] = members["RetryDelayInSeconds"]
    if "Test" in members and not members["Test"].strip():
        raise RequestError("InvalidParameterValue", "Test: a test cannot be removed.")
    test = _read_test(members, row)
    if test["test"] and members.get("AutoGranted"):
        raise RequestError("InvalidParameterValue", "AutoGranted: not together with a Test.")
    if test["test"]:
        changes["auto_value"] = None
    elif "AutoGranted" in members:
        changes["auto_value"] = _auto_value(members)
    elif "AutoGrantedValue" in members and qualification.auto_value is not None:
        changes["auto_value"] = _auto_value({**members, "AutoGranted": True})
    is_active = members.get("QualificationTypeStatus", "Active" if row.is_active else "Inactive") == "Active"
    if qualification.kind == Qualification.Kind.VALUE:
        changes["can_request"] = is_active and not test["test"]
    Qualification.objects.filter(pk=qualification.pk).update(**changes)
    QualificationType.objects.update_or_create(
        qualification_id=qualification.pk, defaults={"is_active": is_active, **test}
    )
    _fetch_media(qualification, test["test"])
    return Qualification.objects.select_related("mturk").get(pk=qualification.pk)


@transaction.atomic
def delete_type(*, qualification: Qualification) -> None:
    """Its requests are refused, grants stay where HITs ask for them, and its name is free again."""
    waiting = qualification.requests.filter(state=QualificationRequest.State.OPEN).select_related("worker__user")
    for request in waiting.select_related("qualification", "worker__user"):
        qualify.answer_request(request=request, is_granted=False, answer="It is not there any more.")
    ending = f" ({qualification.public_id.hex[:8]})"
    free = qualification.name[: LONGEST_NAME - len(ending)] + ending
    change_qualification(qualification=qualification, name=free)
    Qualification.objects.filter(pk=qualification.pk).update(can_request=False)
    QualificationType.objects.update_or_create(
        qualification_id=qualification.pk, defaults={"deleted_at": clock.now(), "is_active": False}
    )


# --- who holds it -----------------------------------------------------------------------------------------------------


@transaction.atomic
def grant(*, qualification: Qualification, worker: Worker, value: int | None, is_told: bool = True) -> Grant:
    if value is not None:
        in_range("IntegerValue", value, -LARGEST_VALUE, LARGEST_VALUE)
    Revocation.objects.filter(qualification=qualification, worker=worker).delete()
    return qualify.grant(qualification=qualification, worker=worker, value=value, is_told=is_told)


@transaction.atomic
def revoke(*, qualification: Qualification, worker: Worker) -> bool:
    """False where the worker did not hold it."""
    held = Grant.objects.select_for_update().filter(qualification=qualification, worker=worker).first()
    if held is None:
        return False
    Revocation.objects.update_or_create(
        qualification=qualification,
        worker=worker,
        defaults={"value": held.value, "granted_at": held.granted_at, "revoked_at": clock.now()},
    )
    return qualify.revoke(qualification=qualification, worker=worker)


# --- asked for --------------------------------------------------------------------------------------------------------


@transaction.atomic
def ask(
    *, worker: Worker, qualification: Qualification, fields: Sequence[tuple[str, str]] = ()
) -> QualificationRequest:
    """What a worker does: ask, or hand in the test. One with an answer key is scored and granted at once, whatever
    the score; one that is granted to whoever asks, too; the others wait for the requester.

    Raises
    ------
    Invalid
        Answers that the test does not take, by its questions.
    Conflict
        `not_requestable`, `held_already`, `asked_already`, `asked_once`, `asked_lately`
    """
    row = about(qualification)
    if not row.is_active or row.deleted_at is not None or qualification.kind != Qualification.Kind.VALUE:
        raise Conflict("This qualification cannot be asked for.", code="not_requestable")
    if not row.test:
        Revocation.objects.filter(qualification=qualification, worker=worker).delete()
        return qualify.ask(worker=worker, qualification=qualification)
    form = read_test(row.test)
    given: dict[str, list[str]] = {}
    for name, text in fields:
        given.setdefault(name, []).append(text.replace("\0", ""))
    entries, errors = check_fields(form, given)
    if errors:
        raise Invalid(errors=errors)
    request = request_qualification(worker=worker, qualification=qualification, is_retake=True)
    TestTaken.objects.create(request=request, test=row.test, answer=answers.xml_of(entries) or "")
    if row.answer_key:
        chosen = {
            question.identifier: frozenset(text for name, text, _ in entries if name == question.identifier and text)
            for question in form.questions
        }
        value = read_key(row.answer_key, form).value(chosen)
        close_request(request=request, is_granted=True)
        grant(qualification=qualification, worker=worker, value=max(-LARGEST_VALUE, min(LARGEST_VALUE, value)))
    return request


@transaction.atomic
def answer(*, request: QualificationRequest, value: int | None, is_granted: bool, reason: str = "") -> None:
    """Raises `IllegalMove` for one that was answered before."""
    if is_granted:
        Revocation.objects.filter(qualification=request.qualification, worker=request.worker).delete()
    qualify.answer_request(request=request, is_granted=is_granted, value=value, answer=reason)
