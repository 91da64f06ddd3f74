"""One row of a standing batch: written, funded and open in one transaction, or not there at all."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import orjson
from django.db import IntegrityError, transaction

from core.errors import Invalid
from lifecycle.publish import keep_keys, rules_of
from marketplace.errors import BatchNotOpen
from marketplace.models import Batch, Hit, HitData
from marketplace.rows import RESERVED, BadRow, Columns, Row, mistake_of_columns, read_object
from marketplace.services import media, posting
from marketplace.services.copying import copy_rows
from marketplace.services.costs import Places, expected_answers
from marketplace.services.design import RowCheck


class Posted(NamedTuple):
    """`is_new` is False where the same row was posted before under this `external_id`."""

    hit: Hit
    data_row: HitData
    is_new: bool


def post_row(
    *,
    batch: Batch,
    data: Mapping[str, Any],
    external_id: str | None = None,
    priority: int = 0,
    group: str | None = None,
    key: Mapping[str, Any] | None = None,
    explanation: str = "",
    places: int | None = None,
) -> Posted:
    """Add one row to an open batch. `key` maps questions to accepted answers and makes the row a gold question.

    `places`: so many answers are asked, whatever the rules say, and none is asked again: there is no repair reserve.

    Raises
    ------
    Invalid
        Naming the column that does not fit.
    Conflict
        `external_id_taken` where the id is used for other data; `day_budget`; `batch_not_open`.
    InsufficientFunds
        Nothing was stored then.
    """
    if batch.published_at is None:  # a draft has no design yet that a row could fit
        raise BatchNotOpen
    about = {"external_id": external_id, "priority": priority, "group": group, "explanation": explanation or None}
    row = checked_row(batch, data, about, key or {})
    try:
        return write(batch, row, places)
    except IntegrityError as error:
        if "hit_external_id_once" not in str(error):
            raise
        return write(batch, row, places)  # the same id was posted at the same moment, and is there now


def checked_row(batch: Batch, data: Mapping[str, Any], about: dict[str, Any], key: Mapping[str, Any]) -> Row:
    reserved = {name: "This is no data. Send it beside the data, not in it." for name in data if name in RESERVED}
    if reserved:
        raise Invalid("The row has errors. Nothing was stored.", errors=reserved)
    try:
        text = orjson.dumps(dict(data)).decode()
    except TypeError as error:
        raise Invalid("The row is no JSON. Nothing was stored.", errors={"data": str(error)}) from None
    read = read_object(text)
    mistake = read if isinstance(read, str) else mistake_of_columns(list(data))
    if mistake:
        raise Invalid("The row has errors. Nothing was stored.", errors={"data": mistake})
    keys = {f"gold:{question}": value for question, value in key.items()}
    whole = {**read, **about, **keys}  # type: ignore[dict-item]
    row = Columns(list(whole)).row(1, whole, len(text.encode()))
    checked = RowCheck.of(batch.design).checked(row) if isinstance(row, Row) else row
    if isinstance(checked, BadRow):
        raise Invalid("The row has errors. Nothing was stored.", errors={checked.column or "data": checked.message})
    return checked


@transaction.atomic
def write(batch: Batch, row: Row, answers: int | None = None) -> Posted:
    asked = media.ask_for(requester=batch.project.requester, addresses=[RowCheck.of(batch.design).media_of(row.data)])
    rules = rules_of(batch)
    if answers is not None:
        rules = replace(rules, mode="fixed", answers=answers)
    expected = expected_answers(rules) if answers is None else 0
    places = Places(rules, batch.price, None, secrets.token_hex(8))
    (copied,) = copy_rows(batch=batch, rows=[row], first_index=0, places=places, parked=asked.missing_in_row)
    posting.lock_open(batch)
    hit = Hit.objects.get(pk=copied.hit_id)
    if copied.is_new:
        asked.make_wait({0: hit.pk})
        keep_keys(batch, [copied])
        posting.take_from_day_budget(batch=batch, amount=hit.funded * batch.price)
        posting.add_levels(batch=batch, levels={row.priority})
        posting.fund(batch=batch, places=hit.funded, expected=expected, key=f"row:{hit.pk}")
    return Posted(hit, HitData.objects.get(pk=hit.pk), copied.is_new)
