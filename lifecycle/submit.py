"""Submit: a worker's answer is checked, stored and acknowledged; what follows happens later, in the digest."""

from __future__ import annotations

from typing import Any

from marketplace.models import Assignment
from marketplace.selectors import Design, design_of
from marketplace.services.submitting import Receipt, parse_body, submit_answer


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
    return submit_answer(assignment=assignment, raw=raw, parsed=parsed, undo=undo)


def _item_data(assignment: Assignment, design: Design) -> dict[str, Any]:
    """The item's data where a question looks at it: most do not, and then it need not be read."""
    looks = design.schema.needed_columns or any(question.when for question in design.schema)
    return assignment.hit.data_row.data if looks else {}
