"""The first pass over an uploaded file: every row is read and checked before any is published."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np
import orjson

from marketplace.models import Batch, Hit, Media
from marketplace.rows import BadRow, Place, Reader, Row, Source
from marketplace.services.copying import hits_by_external_id, row_hash, signed
from marketplace.services.design import MEDIA_PREFIX, RowCheck

MOST_ERRORS = 100
#: Rows that are compared with what the batch has in one query.
AT_ONCE = 2000
MOST_BYTES = 8 * 1024**2
NOBODY = 0


@dataclass
class Fingerprints:
    """Eight bytes each for what must not, or should not, repeat in the file: 28 MB for a million rows."""

    lines: array = field(default_factory=lambda: array("q"))
    looks: array = field(default_factory=lambda: array("q"))
    ids: array = field(default_factory=lambda: array("q"))
    datas: array = field(default_factory=lambda: array("q"))

    def add(self, row: Row) -> None:
        self.lines.append(row.line)
        self.looks.append(row_hash(row.data))
        if row.external_id is not None:
            self.ids.append(signed(row.external_id.encode()))
            self.datas.append(signed(orjson.dumps(row.data, option=orjson.OPT_SORT_KEYS)))
        else:
            self.ids.append(NOBODY)
            self.datas.append(NOBODY)

    def to_bytes(self) -> bytes:
        return b"".join(part.tobytes() for part in (self.lines, self.looks, self.ids, self.datas))

    @classmethod
    def from_bytes(cls, content: bytes) -> Fingerprints:
        quarter = len(content) // 4
        parts = [array("q", content[start : start + quarter]) for start in range(0, 4 * quarter, quarter or 1)]
        return cls(*parts) if parts else cls()

    def look_alikes(self, most: int = 20) -> tuple[int, list[tuple[int, int]]]:
        """How many rows look like an earlier one, and the lines of some such pairs."""
        pairs = repeats(self.looks)
        return len(pairs), [(self.lines[later], self.lines[first]) for later, first in pairs[:most]]

    def repeated_ids(self) -> tuple[int, list[tuple[int, int]]]:
        """How many rows repeat an external id with the same data, and the lines of those that do with other data."""
        same, other = 0, []
        for later, first in repeats(self.ids):
            if self.ids[later] == NOBODY:
                continue
            if self.datas[later] == self.datas[first]:
                same += 1
            else:
                other.append((self.lines[later], self.lines[first]))
        return same, other


def repeats(values: array) -> list[tuple[int, int]]:
    """(index, index of the first with the same value) of each value that came before; nobody's are left out."""
    column = np.frombuffer(values, dtype=np.int64)
    order = np.argsort(column, kind="stable")
    ranked = column[order]
    again = np.flatnonzero((ranked[1:] == ranked[:-1]) & (ranked[1:] != NOBODY)) + 1
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]]) if len(ranked) else again
    first = order[starts[np.searchsorted(starts, again, side="right") - 1]] if len(again) else again
    return sorted(zip(order[again].tolist(), first.tolist(), strict=True))


class Check:
    """Goes through a file and gathers what is wrong, up to 100 mistakes, and what a preview needs to know."""

    def __init__(self, batch: Batch, row_check: RowCheck, state: dict[str, Any] | None = None) -> None:
        state = state or {}
        self.batch, self.row_check = batch, row_check
        self.is_compared = batch.state != Batch.State.PUBLISHING and Hit.objects.filter(batch=batch).exists()
        self.place = Place(**state.get("place", {}))
        self.errors = [BadRow(*one) for one in state.get("errors", [])]
        self.rows, self.keyed, self.there = state.get("rows", 0), state.get("keyed", 0), state.get("there", 0)
        self.columns: list[str] = state.get("columns", [])
        self.prints = Fingerprints()

    def to_json(self) -> dict[str, Any]:
        """The state without the fingerprints, which are too large for a row of the database."""
        return {
            "place": self.place.to_json(),
            "errors": [list(one) for one in self.errors],
            "rows": self.rows,
            "keyed": self.keyed,
            "there": self.there,
            "columns": self.columns,
        }

    def read(self, file: Source, format: str, names: Mapping[str, str] | None = None) -> Iterator[None]:
        """Check on from `place`, stopping after every few thousand rows for the caller to look at the clock."""
        reader = Reader(file, format, self.place, names)
        held: list[Row] = []
        until = reader.offset + MOST_BYTES
        for row in reader:
            checked = self.row_check.checked(row) if isinstance(row, Row) else row
            if isinstance(checked, BadRow):
                self.errors.append(checked)
                if len(self.errors) >= MOST_ERRORS:
                    break
            else:
                held.append(checked)
            if len(held) == AT_ONCE or reader.offset >= until:
                self._take(held)
                held, self.place, until = [], reader.place, reader.offset + MOST_BYTES
                yield
        self._take(held)
        self.place = reader.place

    def _take(self, rows: list[Row]) -> None:
        if rows and not self.rows:
            self.columns = list(rows[0].data)
        self.rows += len(rows)
        for row in rows:
            self.keyed += row.key is not None
            self.prints.add(row)
        if self.is_compared:
            self._compare(rows)
        if self.row_check.template.media_columns:
            self.errors += unknown_media(self.batch, self.row_check, rows)

    def _compare(self, rows: list[Row]) -> None:
        """With what the batch has already, where rows are added."""
        known = hits_by_external_id(self.batch, rows)
        for row in rows:
            before = known.get(row.external_id) if row.external_id is not None else None
            if before is not None and before[1] != row.data:
                self.errors.append(taken(row.line, "another row of this batch"))
            self.there += before is not None

    def finish(self) -> dict[str, Any]:
        """What was found in the whole file; with `errors`, nothing of it may be published."""
        same, other = self.prints.repeated_ids()
        errors = self.errors + [taken(line, f"line {first}") for line, first in other]
        alike, pairs = self.prints.look_alikes()
        if not self.rows and not errors:
            errors.append(BadRow(1, "", "There are no rows. Add rows below the names of the columns."))
        return {
            "rows": self.rows,
            "hits": self.rows - same - self.there,
            "keyed": self.keyed,
            "columns": self.columns,
            "look_alikes": alike,
            "look_alike_lines": pairs,
            "errors": [one._asdict() for one in sorted(set(errors))[:MOST_ERRORS]],
        }


def unknown_media(batch: Batch, row_check: RowCheck, rows: list[Row]) -> Iterator[BadRow]:
    """Rows that name uploaded media which the requester does not have."""
    named = {
        (row.line, column): UUID(row.data[column].removeprefix(MEDIA_PREFIX))
        for row in rows
        for column in row_check.template.media_columns
        if row.data[column].startswith(MEDIA_PREFIX)
    }
    there = Media.objects.filter(requester=batch.project.requester_id, public_id__in=set(named.values()))
    known = set(there.values_list("public_id", flat=True)) if named else set()
    for (line, column), public_id in named.items():
        if public_id not in known:
            yield BadRow(line, column, "You have no uploaded media with this address. Upload it first.")


def taken(line: int, by: str) -> BadRow:
    return BadRow(line, "external_id", f"{by[0].upper()}{by[1:]} has the same id and other data. Give each its own id.")
