"""State machines as data: the legal moves stand beside each model's states."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from django.db.models import Model
from django.utils.translation import gettext as _

from core.errors import IllegalMove

Row = TypeVar("Row", bound=Model)


def sources_of(model: type[Model], to: Any) -> list[Any]:
    """States from which `model` may move to `to`."""
    return [state for state, targets in model.MOVES.items() if to in targets]  # type: ignore[attr-defined]


def move(row: Row, to: Any, **changes: Any) -> Row:
    """Move `row` to state `to` and save `changes` with it.

    The check and the write are one UPDATE, so of two requests that race for
    the same move exactly one succeeds and the other gets `IllegalMove`.
    """
    model = type(row)
    changes["state"] = to
    moved = model._default_manager.filter(pk=row.pk, state__in=sources_of(model, to)).update(**changes)
    if not moved:
        raise IllegalMove(_("%(row)s cannot become %(state)s any more.") % {"row": row, "state": model.State(to).label})  # type: ignore[attr-defined]
    row.refresh_from_db(fields=list(changes))
    return row


def move_all(model: type[Model], ids: Collection[int], to: Any, **changes: Any) -> int:
    """Move those of the rows `ids` that may move to `to`; returns how many did. For rows that the caller has locked."""
    if not ids:
        return 0
    return model._default_manager.filter(pk__in=ids, state__in=sources_of(model, to)).update(state=to, **changes)
