"""Tables of an export as Parquet: every column has a type that the questions decide, so that all parts agree on it.

What a person wrote stays as it was: no cell of Parquet is a formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from io import BytesIO
from typing import IO, Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from marketplace.models import Batch
from marketplace.schema import Question
from marketplace.selectors import design_of
from quality.services.exporting import flat, share_ends

#: Rows in one row group: large enough for readers that skip by group, small enough to hold in memory.
GROUP_ROWS = 100_000

TEXT, TEXTS, NUMBER, WHOLE, YES_NO = pa.string(), pa.list_(pa.string()), pa.float64(), pa.int64(), pa.bool_()
#: Columns that are not text; what is not named here, the requester's own data among it, is.
TYPES = {"row": WHOLE, "gold": YES_NO, "counts": YES_NO, "seconds": NUMBER, "submitted_at": pa.timestamp("us", "UTC")}
TYPES_OF_LABELS = {".confidence": NUMBER, ".answers": WHOLE, ".low": NUMBER, ".high": NUMBER}


def schema_of(batch: Batch, columns: Sequence[str], facts: Mapping[str, str]) -> pa.Schema:
    """Types of the columns; `facts` (what, snapshot, batch) travel with the file."""
    types = dict(TYPES)
    for question in design_of(batch).schema:
        types |= {f"{question.name}{end}": kind for end, kind in TYPES_OF_LABELS.items()}
        types |= {f"{question.name}{end}": NUMBER for end in (*share_ends(question), ".entropy") if end != ".shares"}
        types |= dict.fromkeys((question.name, f"answer.{question.name}"), _type_of(question))
    metadata = {f"touchstone.{name}": value for name, value in facts.items()}
    return pa.schema([(column, types.get(column, TEXT)) for column in columns], metadata=metadata)


def _type_of(question: Question) -> pa.DataType:
    if question.for_ != "item" or question.na and question.kind == "number":
        return TEXT  # an object by part, as JSON; or a number, or that it can't be told
    return {"number": NUMBER, "multilabel": TEXTS}.get(question.kind, TEXT)


def to_parquet(rows: Iterable[Mapping[str, Any]], schema: pa.Schema) -> bytes:
    """One part of a table."""
    cells = [flat(row) for row in rows]
    arrays = [pa.array([_READ[f.type](row.get(f.name)) for row in cells], type=f.type) for f in schema]
    out = BytesIO()
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), out, compression="zstd")
    return out.getvalue()


def join(parts: Iterator[IO[bytes]], schema: pa.Schema, out: IO[bytes]) -> None:
    """The parts as one file, in row groups of `GROUP_ROWS`."""
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        waiting: list[pa.Table] = []
        for part in parts:
            waiting.append(pq.read_table(part))
            if sum(table.num_rows for table in waiting) >= GROUP_ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting))


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else orjson.dumps(value).decode()


def _texts(value: Any) -> list[str] | None:
    if value is None:
        return None
    return [str(_text(one)) for one in (value if isinstance(value, list) else [value])]


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _as_is(value: Any) -> Any:
    return value


_READ: dict[pa.DataType, Callable[[Any], Any]] = {
    TEXT: _text,
    TEXTS: _texts,
    NUMBER: _number,
    WHOLE: _as_is,
    YES_NO: _as_is,
    TYPES["submitted_at"]: _time,
}
