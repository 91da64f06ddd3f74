"""Writing many HITs at once: COPY straight from Python into the narrow rows and their payload (CLAIM.md)."""

from __future__ import annotations

import os
import random
import string
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson
from django.db import connection

from core.errors import Conflict
from marketplace.models import Batch, Hit, HitData
from marketplace.rows import Row
from marketplace.services.costs import Places

HIT_COLUMNS = "id, batch_id, lane, priority, position, group_key, max_assignments, taken, funded, state"
DATA_COLUMNS = "hit_id, public_id, batch_id, row_number, external_id, row_hash, data"
#: Lines sent to the server at a time, so that it works while we prepare the next.
AT_ONCE = 500

NOT_WORDS = (string.punctuation + string.whitespace).encode()
ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class Copied(NamedTuple):
    """What became of a row: its HIT, and whether it is new or was there before under the same `external_id`."""

    hit_id: int
    row: Row
    is_new: bool


def copy_rows(
    *, batch: Batch, rows: Sequence[Row], first_index: int, places: Places, parked: Sequence[bool] | None = None
) -> list[Copied]:
    """Write a HIT for each row that has none yet. `first_index` is the first row's, from 0, in the batch.

    `parked` says which rows wait for their media. Runs in the caller's transaction.

    Raises
    ------
    Conflict
        `external_id_taken`: another row of the batch has the same `external_id` and other data.
    """
    known = hits_by_external_id(batch, rows)
    ids = iter(reserve_ids(len(rows)))
    names = random_uuids(len(rows))
    copied: list[Copied] = []
    data_lines: list[bytes] = []

    def hit_lines() -> Iterator[bytes]:
        for offset, row in enumerate(rows):
            if row.external_id is not None:
                before = known.get(row.external_id)
                if before is not None:
                    same_data(row, before[1])
                    copied.append(Copied(before[0], row, is_new=False))
                    continue
            hit_id, index = next(ids), first_index + offset
            data = orjson.dumps(row.data)
            data_lines.append(data_line(hit_id, names[offset], batch.pk, index + 1, row, data))
            opened, funded = places.of(index)
            state = Hit.State.PARKED if parked and parked[offset] else Hit.State.OPEN
            group = "\\N" if row.group is None else group_key(row.group)
            lane = 0 if row.key is None else 1
            position = random.getrandbits(31)
            copied.append(Copied(hit_id, row, is_new=True))
            if row.external_id is not None:
                known[row.external_id] = (hit_id, row.data)
            yield (
                f"{hit_id}\t{batch.pk}\t{lane}\t{row.priority}\t{position}\t{group}\t{opened}\t0\t{funded}\t{state:d}\n"
            ).encode()

    with connection.cursor() as cursor:
        send(cursor, f"COPY {Hit._meta.db_table} ({HIT_COLUMNS}) FROM STDIN", hit_lines())
        send(cursor, f"COPY {HitData._meta.db_table} ({DATA_COLUMNS}) FROM STDIN", iter(data_lines))
    return copied


def send(cursor: Any, statement: str, lines: Iterator[bytes]) -> None:
    with cursor.copy(statement) as copy:
        held: list[bytes] = []
        for line in lines:
            held.append(line)
            if len(held) == AT_ONCE:
                copy.write(b"".join(held))
                held.clear()
        copy.write(b"".join(held))


def data_line(hit_id: int, name: str, batch_id: int, number: int, row: Row, data: bytes) -> bytes:
    external_id = "\\N" if row.external_id is None else row.external_id.translate(ESCAPED)
    start = f"{hit_id}\t{name}\t{batch_id}\t{number}\t{external_id}\t{row_hash(row.data)}\t"
    return b"%s%s\n" % (start.encode(), data.replace(b"\\", b"\\\\"))


def hits_by_external_id(batch: Batch, rows: Sequence[Row]) -> dict[str, tuple[int, Any]]:
    """HIT and data of those external ids of `rows` that the batch has already."""
    wanted = [row.external_id for row in rows if row.external_id is not None]
    if not wanted:
        return {}
    found = HitData.objects.filter(batch=batch, external_id__in=wanted)
    return {str(one.external_id): (one.hit_id, one.data) for one in found.only("external_id", "hit_id", "data")}


def same_data(row: Row, before: Any) -> None:
    if before != row.data:
        raise Conflict(
            f'external_id "{row.external_id}" is already used in this batch for other data.',
            code="external_id_taken",
            errors={"external_id": "Use another id, or send the data as it was."},
        )


def reserve_ids(count: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('marketplace_hit_id_seq') FROM generate_series(1, %s::int)", [count])
        return [value for (value,) in cursor.fetchall()]


def random_uuids(count: int) -> list[str]:
    """UUIDv4 as 32 hexadecimal digits: no order in them, so they do not tell what was posted when."""
    digits = os.urandom(16 * count).hex()
    return [
        f"{one[:12]}4{one[13:16]}{'89ab'[int(one[16], 16) & 3]}{one[17:]}"
        for one in (digits[start : start + 32] for start in range(0, 32 * count, 32))
    ]


def group_key(group: str) -> int:
    return signed(group.encode())


def row_hash(data: dict[str, Any]) -> int:
    """Equal for rows that differ only in case, spaces and ASCII punctuation."""
    try:
        text = "\x1f".join(data.values())
    except TypeError:  # not only texts
        text = orjson.dumps(list(data.values())).decode()
    # Tables of bytes: a million rows are hashed twice, and a regular expression takes four times as long.
    folded = text.lower().encode() if text.isascii() else text.casefold().encode()
    return signed(folded.translate(None, NOT_WORDS))


def signed(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True)


def delete_hits(ids: Sequence[int]) -> None:
    """Take back HITs that nobody was ever offered."""
    with connection.cursor() as cursor:
        for table, column in (
            ("marketplace_mediawait", "hit_id"),
            ("marketplace_hitdata", "hit_id"),
            ("marketplace_hit", "id"),
        ):
            cursor.execute(f"DELETE FROM {table} WHERE {column} = ANY(%s)", [list(ids)])  # noqa: S608  our own names
