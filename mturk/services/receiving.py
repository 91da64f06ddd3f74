"""Answers that come from frames: with a ticket they are handed in; without one they wait until the worker confirms."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from core.errors import Conflict, Invalid
from lifecycle.submit import submit
from marketplace.errors import AlreadyFinal
from marketplace.models import Assignment
from marketplace.services.submitting import Receipt
from mturk import answers, derive
from mturk.form import Entry, FileUpload, Form, Upload, check_fields
from mturk.models import AnswerFile, PendingAnswer
from mturk.questions import form_of

State = Assignment.State
#: What the fields of one answer may have together.
LONGEST_FIELDS = 100_000
MOST_FIELDS = 2000

Fields = list[tuple[str, str]]


class FormRefused(Invalid):
    """The answers to a QuestionForm have mistakes; `errors` by question."""

    code = "form_invalid"


def hand_in(
    *, assignment: Assignment, fields: Fields, files: Mapping[str, UploadedFile[Any]] | None = None
) -> Receipt | None:
    """Store what a frame of this assignment posted, as the worker's answer. The same again changes nothing: None.

    Raises
    ------
    FormRefused
        What a QuestionForm asks for is missing or does not fit.
    AnswerInvalid, NotYours, AlreadyFinal, DeadlinePassed
        As `lifecycle.submit`.
    """
    fields = [(name, value) for name, value in fields if name not in answers.RESERVED]
    form = form_of(assignment.hit.mturk.question)
    with transaction.atomic():
        entries = _checked(form, fields, files or {}, assignment) if form else _plain(fields, files or {})
        given = derive.answers_from(assignment.hit.mturk.question, entries)
        raw = answers.body_of(entries, derived=given, seconds=_seconds(assignment))
        try:
            receipt = submit(assignment=assignment, raw=raw)
        except AlreadyFinal:
            if not _is_the_same(assignment, entries):
                raise
            transaction.set_rollback(True)  # the files of the second copy
            return None
        PendingAnswer.objects.filter(assignment=assignment).delete()
    return receipt


def _plain(fields: Fields, files: Mapping[str, Any]) -> list[Entry]:
    """Every field a text. A file of a page without FileUploadAnswer leaves its name."""
    texts = [*fields, *((name, file.name or "") for name, file in files.items())]
    if len(texts) > MOST_FIELDS or sum(len(name) + len(value) for name, value in texts) > LONGEST_FIELDS:
        raise Invalid(_("That is too much for one answer."), code="too_large")
    return [(name, value, "text") for name, value in texts]


def _checked(form: Form, fields: Fields, files: Mapping[str, Any], assignment: Assignment) -> list[Entry]:
    by_name: dict[str, list[str]] = {}
    for name, value in fields:
        by_name.setdefault(name, []).append(value)
    wanted = {question.identifier for question in form.questions if isinstance(question.answer, FileUpload)}
    uploads = {
        name: Upload(f"{assignment.public_id.hex}/{secrets.token_hex(8)}", file.size or 0)
        for name, file in files.items()
        if name in wanted
    }
    entries, errors = check_fields(form, by_name, uploads)
    if errors:
        raise FormRefused(errors=errors)
    for name, upload in uploads.items():
        kept = AnswerFile(assignment=assignment, question=name, key=upload.key, size=upload.size)
        kept.file.save(upload.key.partition("/")[2], files[name], save=False)
        kept.save(force_insert=True)
    return entries


def _seconds(assignment: Assignment) -> float | None:
    """At work since the page was opened, as far as we can tell from outside of the frame."""
    opened_at = assignment.opened_at
    return round((timezone.now() - opened_at).total_seconds(), 3) if opened_at else None


def _is_the_same(assignment: Assignment, entries: Iterable[Entry]) -> bool:
    last = assignment.answers.order_by("-version").first()
    same = [(name, value) for name, value, kind in entries if not kind.startswith("file:")]
    return last is not None and answers.fields_of(last.data) == same


# --- without a ticket -------------------------------------------------------------------------------------------------


@transaction.atomic
def keep_pending(*, assignment: Assignment, fields: Fields) -> PendingAnswer:
    """Keep what somebody posted in this assignment's name, the latest only, until its worker confirms it.

    Raises
    ------
    Conflict
        `not_held`: nobody can hand it in any more.
    """
    fields = [(name, value) for name, value in fields if name not in answers.RESERVED]
    _plain(fields, {})
    if assignment.state != State.ACCEPTED or assignment.is_ahead or assignment.deadline <= timezone.now():
        raise Conflict(_("This assignment cannot be handed in any more."), code="not_held")
    kept, _made = PendingAnswer.objects.update_or_create(
        assignment=assignment, defaults={"fields": fields, "received_at": timezone.now()}
    )
    return kept


def confirm_pending(*, assignment: Assignment) -> Receipt | None:
    """The worker says that what waits is theirs.

    Raises
    ------
    Conflict
        `nothing_waits`
    """
    waiting = PendingAnswer.objects.filter(assignment=assignment).first()
    if waiting is None:
        raise Conflict(_("Nothing waits to be confirmed."), code="nothing_waits")
    return hand_in(assignment=assignment, fields=[(name, value) for name, value in waiting.fields])
