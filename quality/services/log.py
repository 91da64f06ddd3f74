"""The judgment log as arrays: what the estimators fit, read by COPY (10^6 rows in seconds)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from django.db import connection
from psycopg import sql

from quality.services.healing import first_hits_of

#: One row of the binary COPY below: the number of fields, then the length of each before its value, big-endian.
FIELDS = (
    ("id", ">i8"),
    ("hit", ">i8"),
    ("part", ">i4"),
    ("worker", ">i8"),
    ("batch", ">i8"),
    ("label", ">i2"),
    ("number", ">f8"),
    ("weight", ">f8"),
)
SIZED = [pair for name, kind in FIELDS for pair in ((f"{name}_size", ">i4"), (name, kind))]
ROW = np.dtype([("fields", ">i2"), *SIZED])
HEADER = 19
#: Bytes of rows that are turned into arrays at once.
CHUNK = 1 << 24

# The newest word of each worker on each item counts; one that lost its weight stands in the log, and counts nothing.
NEWEST = sql.SQL("""
COPY (
    SELECT DISTINCT ON (hit_id, part, worker_id)
           id, hit_id, array_position({parts}::text[], part::text)::int4 - 1, worker_id, batch_id,
           coalesce(label, -1)::int2, coalesce(number, 'NaN'::float8), weight
    FROM quality_judgment WHERE project_id = {project} AND question = {question} AND id <= {last}
    ORDER BY hit_id, part, worker_id, id DESC
) TO STDOUT (FORMAT binary)
""")
PARTS = "SELECT DISTINCT part FROM quality_judgment WHERE project_id = %s AND question = %s AND id <= %s ORDER BY part"


@dataclass(frozen=True)
class Log:
    """The newest judgments about one question of a project, ordered by HIT, part and worker.

    Attributes
    ----------
    parts : tuple of str
        What `part` indexes, sorted.
    id, hit, part, worker, batch : ndarray of int64, shape (N,)
    label : ndarray of int64, shape (N,)
        Class index in the batch's own schema; -1 where the kind has no classes.
    number, weight : ndarray of float, shape (N,)
    """

    parts: tuple[str, ...]
    id: np.ndarray
    hit: np.ndarray
    part: np.ndarray
    worker: np.ndarray
    batch: np.ndarray
    label: np.ndarray
    number: np.ndarray
    weight: np.ndarray

    def __len__(self) -> int:
        return len(self.id)

    @property
    def item(self) -> np.ndarray:
        """One number for each HIT and part; `split_items` takes it apart."""
        return self.hit * len(self.parts) + self.part

    def split_items(self, item: np.ndarray) -> tuple[np.ndarray, list[str]]:
        """HITs and parts of items."""
        hit, part = np.divmod(np.asarray(item), max(len(self.parts), 1))
        return hit, [self.parts[place] for place in part]

    def only(self, keep: np.ndarray) -> Log:
        columns = {name: getattr(self, name)[keep] for name, _ in FIELDS}
        return replace(self, **columns)

    def digest(self) -> str:
        """SHA-256 of the rows that count."""
        found = hashlib.sha256("\0".join(self.parts).encode())
        for name in ("hit", "part", "worker", "label", "number", "weight"):
            found.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        return found.hexdigest()


def read_log(*, project_id: int, question: str, last: int) -> Log:
    """Judgments up to number `last`, which `close_log` gave: no smaller one can be committed after."""
    with connection.cursor() as cursor:
        cursor.execute(PARTS, [project_id, question, last])
        parts = tuple(part for (part,) in cursor.fetchall())
        literals = {"project": project_id, "question": question, "last": last, "parts": list(parts)}
        statement = NEWEST.format(**{name: sql.Literal(value) for name, value in literals.items()})
        with cursor.copy(statement) as copy:
            log = Log(parts=parts, **columns_of(copy))
    again = first_hits_of(project_id)
    return about_first_hits(log, again) if again else log


def about_first_hits(log: Log, again: Mapping[int, tuple[int, int]]) -> Log:
    """Answers to repair batches are answers about the items that these ask again, the newest of each worker.

    `again` maps a HIT to the first one and its batch.
    """
    asked = np.array(sorted(again), np.int64)
    first = np.array([again[hit] for hit in asked.tolist()], np.int64).reshape(-1, 2)
    at = np.minimum(np.searchsorted(asked, log.hit), len(asked) - 1)
    is_again = asked[at] == log.hit
    hit, batch = np.where(is_again, first[at, 0], log.hit), np.where(is_again, first[at, 1], log.batch)
    order = np.lexsort((-log.id, log.worker, log.part, hit))
    whose = np.stack([hit, log.part, log.worker])[:, order]
    is_newest = np.r_[True, (whose[:, 1:] != whose[:, :-1]).any(axis=0)][: len(order)]
    return replace(log, hit=hit, batch=batch).only(order[is_newest])


def columns_of(blocks: Iterable[bytes | bytearray | memoryview]) -> dict[str, np.ndarray]:
    """Columns of the rows that a binary COPY sends, a row or a part of one a block.

    Rows become arrays while more come in: kept as they are sent they would take as much memory again, and as an object
    each, thrice that.
    """
    pieces: dict[str, list[np.ndarray]] = {name: [] for name, _ in FIELDS}
    buffer = bytearray()
    start = HEADER
    for block in chain(blocks, [None]):
        buffer += block or b""
        if block is not None and len(buffer) < CHUNK:
            continue
        count = max(len(buffer) - start, 0) // ROW.itemsize
        rows = np.frombuffer(bytes(buffer), ROW, offset=min(start, len(buffer)), count=count)
        for name, kind in FIELDS:
            pieces[name].append(rows[name].astype(np.float64 if kind == ">f8" else np.int64))
        if count:
            del buffer[: start + count * ROW.itemsize]
            start = 0
    # One column after the other, so that only one is ever there twice.
    return {name: np.concatenate(pieces.pop(name)) for name, _ in FIELDS}


def read_texts(log: Log) -> np.ndarray:
    """The texts of a log's judgments, shape (N,)."""
    texts: dict[int, str] = {}
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, coalesce(text, '') FROM quality_judgment WHERE id = ANY(%s)", [log.id.tolist()])
        texts.update(cursor.fetchall())
    return np.array([texts[pk] for pk in log.id.tolist()], dtype=object)
