"""From an id of this API to the row it names."""

from __future__ import annotations

from typing import TypeVar

from django.db.models import Model, QuerySet

from mturk import ids
from mturk.errors import does_not_exist

Row = TypeVar("Row", bound=Model)


def look_up(rows: QuerySet[Row], name: str, *, field: str = "public_id") -> Row | None:
    """The one of `rows` that `name` stands for; None where it stands for none of them."""
    public_id = ids.read(name)
    return rows.filter(**{field: public_id}).first() if public_id else None


def find(rows: QuerySet[Row], kind: str, name: str, *, field: str = "public_id") -> Row:
    """The one of `rows` that `name` stands for. Raises `{kind}DoesNotExist`, also for what `rows` leaves out."""
    found = look_up(rows, name, field=field)
    if found is None:
        raise does_not_exist(kind, name)
    return found
