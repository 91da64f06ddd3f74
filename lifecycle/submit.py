"""Submit: a worker's answer is checked, stored and acknowledged; what follows happens later, in the digest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from marketplace.models import Assignment
from marketplace.selectors import Design, design_of
from marketplace.services.submitting import Receipt, parse_body, revise_answer, submit_again, submit_first
from payments.services.goodwill import pay_late
from quality.models import Flag


def submit(*, assignment: Assignment, raw: bytes, undo: int | None = None) -> Receipt:
    """Store `raw`, the JSON as the worker sent it. `undo` is how many seconds it can be taken back; default the rules'.

    `assignment` comes with its batch (and HIT data, where the questions look at it), from one scoped query.

    Raises
    ------
    AnswerInvalid, NotYours, AlreadyFinal, DeadlinePassed
    """
    design = design_of(assignment.batch)
    parsed = parse_body(raw, design.schema, _item_data(assignment, design))
    undo = design.rules.undo_seconds if undo is None else undo
    about: dict[str, Any] = {"assignment": assignment, "raw": raw, "parsed": parsed, "undo": undo}
    return submit_first(**about) or _submit_again(**about)


@transaction.atomic
def _submit_again(*, assignment: Assignment, **about: Any) -> Receipt:
    """What comes too late is stored and compensated in one transaction: nobody has the work and not the goodwill."""
    receipt = submit_again(assignment=assignment, **about)
    if not receipt.has_place:
        compensate_late(assignment)
    return receipt


def compensate_late(assignment: Assignment) -> None:
    """The place was gone, the work was done: goodwill pays once a worker a day; beyond that staff decide."""
    currency = assignment.batch.project.requester.currency
    paid = pay_late(
        worker_id=assignment.worker_id, amount=assignment.reward, day=timezone.now().date(), currency=currency
    )
    if not paid and assignment.reward:
        Flag.objects.get_or_create(
            key=f"late:{assignment.pk}",
            defaults={
                "kind": "late",
                "project": assignment.batch.project,
                "batch": assignment.batch,
                "worker_id": assignment.worker_id,
                "evidence": {"assignment": str(assignment.public_id)},
                "message": "An answer came after its place was gone. Staff decide whether it is compensated.",
                "expires_at": timezone.now() + timedelta(days=90),
            },
        )


def revise(*, assignment: Assignment, raw: bytes) -> Receipt:
    """Another version after the first became final: for replays of recorded crowds. Raises as `submit`."""
    design = design_of(assignment.batch)
    parsed = parse_body(raw, design.schema, _item_data(assignment, design))
    return revise_answer(assignment=assignment, raw=raw, parsed=parsed)


def _item_data(assignment: Assignment, design: Design) -> dict[str, Any]:
    """The item's data where a question looks at it: most do not, and then it need not be read."""
    looks = design.schema.needed_columns or any(question.when for question in design.schema)
    return assignment.hit.data_row.data if looks else {}
