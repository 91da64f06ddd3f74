"""Reading an uploaded table row by row, in constant memory: CSV (commas or semicolons), TSV and JSON lines, in UTF-8.

Some columns are not data but say something about the row; they are never shown to workers:
`external_id` (the requester's own id), `priority` (-100 to 100), `group` (a worker gets one of a group),
`gold` or `gold:<question>` (the key, which makes the row a gold question) and `explanation` (of the key).
A requester's own names for columns are turned into these, and into those that the template shows, by a mapping.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, NamedTuple, Protocol

import orjson

from core.storable import why_not_storable

FORMATS = ("csv", "tsv", "jsonl")
MOST_ROWS = 1_000_000
MOST_COLUMNS = 100
LARGEST_FIELD = 64 * 1024
LARGEST_RECORD = 4 * 1024 * 1024
LONGEST_COLUMN = 100
LONGEST_EXTERNAL_ID = 200
LONGEST_GROUP = 200
LONGEST_EXPLANATION = 10_000

GOLD, GOLD_OF = "gold", "gold:"
RESERVED = frozenset({"external_id", "priority", "group", "explanation", GOLD})


class Source(Protocol):
    """A file of bytes, of Python or of a storage."""

    def readline(self, limit: int, /) -> bytes: ...

    def seek(self, offset: int, /) -> Any: ...


class Row(NamedTuple):
    """One good row. `key` maps a question (or "gold": the only one) to the text or value of its key."""

    line: int
    data: dict[str, Any]
    external_id: str | None = None
    priority: int = 0
    group: str | None = None
    key: dict[str, Any] | None = None
    explanation: str = ""


class BadRow(NamedTuple):
    """Why a row cannot be used: the line it begins on, the column if it is about one, and what to do."""

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}, column {self.column}" if self.column else f"line {self.line}"
        return f"{where}: {self.message}"


@dataclass(frozen=True)
class Place:
    """How far a file was read: bytes, lines and rows; and the header of a table."""

    offset: int = 0
    lines: int = 0
    rows: int = 0
    header: Sequence[str] = ()
    delimiter: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "header": list(self.header)}


class Broken(Exception):
    """Nothing after this line can be read."""

    def __init__(self, line: int, message: str) -> None:
        self.bad = BadRow(line, "", message)
        super().__init__(str(self.bad))


class WrongCell(ValueError):
    """One cell of a row cannot be used."""

    def __init__(self, column: str, message: str) -> None:
        self.column, self.message = column, message
        super().__init__(message)


def format_of(name: str) -> str | None:
    """The format that a file's name tells."""
    ending = name.lower().rsplit(".", 1)[-1]
    return {"csv": "csv", "tsv": "tsv", "tab": "tsv", "jsonl": "jsonl", "ndjson": "jsonl"}.get(ending)


class Reader:
    """Iterate for `Row` and `BadRow`; `place` tells at any time where another reader could go on.

    After a `BadRow` that leaves the rest unreadable (an open quote, a wrong encoding) there is no more. `names` maps
    columns of the file to what they are called here; a column that maps to "" is left out. `as_it_is`
    takes every column for data, under whatever name.
    """

    def __init__(
        self,
        file: Source,
        format: str,
        start: Place | None = None,
        names: Mapping[str, str] | None = None,
        *,
        as_it_is: bool = False,
    ) -> None:
        if format not in FORMATS:
            raise ValueError(f"format must be one of {', '.join(FORMATS)}")
        start = start or Place()
        self.file, self.format = file, format
        self.offset, self.lines, self.rows = start.offset, start.lines, start.rows
        self.header, self.delimiter = list(start.header), start.delimiter
        self.names, self.as_it_is = dict(names or {}), as_it_is
        self.pending = 0  # bytes read of the record in hand

    @property
    def place(self) -> Place:
        return Place(self.offset, self.lines, self.rows, self.header, self.delimiter)

    def __iter__(self) -> Iterator[Row | BadRow]:
        self.file.seek(self.offset)
        try:
            yield from self._json_rows() if self.format == "jsonl" else self._table_rows()
        except Broken as broken:
            yield broken.bad

    def _texts(self) -> Iterator[str]:
        """The lines as text. Bounded, so that an endless line, or a quote that never closes, costs no memory."""
        readline = self.file.readline
        while raw := readline(LARGEST_RECORD + 1):
            if self.offset == 0 and self.pending == 0:
                if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
                    raise Broken(1, "The file is in UTF-16. Save it as UTF-8.")
                raw, self.offset = (raw[3:], 3) if raw.startswith(b"\xef\xbb\xbf") else (raw, 0)
            self.lines += 1
            self.pending += len(raw)
            if self.pending > LARGEST_RECORD:
                raise Broken(self.lines, f"A row of more than {LARGEST_RECORD >> 20} MB. Is a quote not closed?")
            if b"\x00" in raw:
                raise Broken(self.lines, "Holds a NUL byte, so it is no text. Save the table as UTF-8 text.")
            try:
                yield raw.decode()
            except UnicodeDecodeError as error:
                near = raw[max(0, error.start - 20) : error.start].decode(errors="replace").strip()
                where = f' after "{near}"' if near else ""
                raise Broken(self.lines, f"Not UTF-8{where}. Save the file as UTF-8.") from None

    def _next_record(self, line: int) -> int:
        """Count one row and return how many bytes it has."""
        size, self.pending = self.pending, 0
        self.offset += size
        self.rows += 1
        if self.rows > MOST_ROWS:
            raise Broken(line, f"More than {MOST_ROWS} rows. Split the file into several batches.")
        return size

    def _table_rows(self) -> Iterator[Row | BadRow]:
        texts = self._texts()
        if not self.header:
            self._read_header(texts)
        header, width = self.header, len(self.header)
        kept = [name for name in header if name]
        columns = Columns(kept)
        for line, record in self._records(texts):
            if not record:  # an empty line
                self.offset, self.pending = self.offset + self.pending, 0
                continue
            size = self._next_record(line)
            if len(record) == width:
                data = dict(zip(header, record))  # noqa: B905  just compared
                data.pop("", None)
                # Most rows have nothing to look at: a million of them are read twice.
                is_plain = self.as_it_is or (size <= LARGEST_FIELD and not columns.reserved)
                yield Row(line, data) if is_plain else columns.row(line, data, size)
            else:
                yield BadRow(line, "", f"Has {len(record)} cells; the first line names {width} columns.")

    def _records(self, texts: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
        """Records with the line they begin on."""
        csv.field_size_limit(LARGEST_RECORD)  # one for the process; ours is checked in bytes
        line = self.lines + 1
        try:
            for record in csv.reader(texts, delimiter=self.delimiter, strict=True):
                yield line, record
                line = self.lines + 1
        except csv.Error as error:
            raise Broken(line, mistake_of_table(str(error), self.delimiter)) from None

    def _read_header(self, texts: Iterator[str]) -> None:
        first = next(texts, "")
        self.delimiter = "\t" if self.format == "tsv" else ";" if ";" in first and "," not in first else ","
        self.lines = 0
        names = next((record for _, record in self._records(chain([first], texts))), [])
        self.lines = max(self.lines, 1)
        self.offset, self.pending = self.offset + self.pending, 0
        header = [name.strip() for name in names]
        if not any(header):
            raise Broken(1, "There is no first line that names the columns.")
        renamed = [self.names.get(name, name) for name in header]
        if mistake := mistake_of_columns(header) or mistake_of_columns([name for name in renamed if name]):
            raise Broken(1, mistake)
        self.header = renamed

    def _json_rows(self) -> Iterator[Row | BadRow]:
        known: dict[tuple[str, ...], Columns | str] = {}
        for text in self._texts():
            line = self.lines
            if text.isspace():
                self.offset, self.pending = self.offset + self.pending, 0
                continue
            size = self._next_record(line)
            data = read_object(text)
            if isinstance(data, str):
                yield BadRow(line, "", data)
                continue
            if self.names:
                data = {self.names.get(name, name): value for name, value in data.items() if self.names.get(name, name)}
            if self.as_it_is:
                yield Row(line, data)
                continue
            names = tuple(data)
            columns = known.get(names)
            if columns is None:
                columns = mistake_of_columns(names) or Columns(names)
                if len(known) < 1000:
                    known[names] = columns
            yield BadRow(line, "", columns) if isinstance(columns, str) else columns.row(line, data, size)


class Columns:
    """The columns of a row, sorted into data and what is about the row."""

    def __init__(self, names: Sequence[str]) -> None:
        self.reserved = [name for name in names if name in RESERVED or name.startswith(GOLD_OF)]
        self.keys = [name for name in self.reserved if name.startswith(GOLD)]

    def row(self, line: int, data: dict[str, Any], size: int) -> Row | BadRow:
        """The row, from a dict that becomes its data. `size` in bytes spares most rows the measuring."""
        try:
            if size > LARGEST_FIELD:
                check_sizes(data)
            if not self.reserved:
                return Row(line, data) if data else BadRow(line, "", "The row is empty.")
            about = {name: data.pop(name) for name in self.reserved}
            if not data:
                return BadRow(line, "", "The row has no data.")
            key = {name.removeprefix(GOLD_OF): about[name] for name in self.keys if about[name] not in (None, "")}
            explanation = read_text(about, "explanation", LONGEST_EXPLANATION)
            if explanation and not key:
                raise WrongCell("explanation", "An explanation needs a key beside it. Fill in the key or clear this.")
            return Row(
                line,
                data,
                read_text(about, "external_id", LONGEST_EXTERNAL_ID),
                read_priority(about.get("priority")),
                read_text(about, "group", LONGEST_GROUP),
                key or None,
                explanation or "",
            )
        except WrongCell as wrong:
            return BadRow(line, wrong.column, wrong.message)


def read_text(about: dict[str, Any], column: str, longest: int) -> str | None:
    value = about.get(column)
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or len(value) > longest:
        raise WrongCell(column, f"Write a text of at most {longest} characters.")
    return value


def read_priority(value: Any) -> int:
    if value is None or value == "":
        return 0
    try:
        priority = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else None
    except ValueError:
        priority = None
    if priority is None or not -100 <= priority <= 100:
        raise WrongCell("priority", "Write a whole number from -100 to 100.")
    return priority


def check_sizes(data: dict[str, Any]) -> None:
    for column, value in data.items():
        size = len(value.encode()) if isinstance(value, str) else len(orjson.dumps(value))
        if size > LARGEST_FIELD:
            raise WrongCell(column, f"Has {size} bytes; at most {LARGEST_FIELD} fit. Shorten it, or link to a file.")


def read_object(text: str) -> dict[str, Any] | str:
    """The object on a line, or what is wrong with it."""
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f'No JSON ({error.msg}, character {error.pos + 1}). Each line is one object, such as {{"text": "..."}}.'
    if not isinstance(data, dict):
        return 'No object. Each line is one object, such as {"text": "..."}.'
    return why_not_storable(text, data) or data


def mistake_of_columns(names: Sequence[str]) -> str | None:
    """What is wrong with the names of the columns."""
    if len(names) > MOST_COLUMNS:
        return f"{len(names)} columns; at most {MOST_COLUMNS} fit."
    for number, name in enumerate(names, 1):
        if not name.strip() or name != name.strip() or len(name) > LONGEST_COLUMN or "\x00" in name:
            return f"Column {number} needs a name of 1 to {LONGEST_COLUMN} characters without spaces around it."
        if name in names[: number - 1]:
            return f'Two columns are called "{name}". Rename one.'
    if GOLD in names and any(name.startswith(GOLD_OF) for name in names):
        return 'Name the keys either "gold" (of the only question) or "gold:<question>", not both.'
    return None


def mistake_of_table(error: str, delimiter: str) -> str:
    """What Python's csv module complains about, as a remedy."""
    if "unexpected end of data" in error:
        return "A quote is opened here and never closed. Close it, or double a quote that belongs to the text."
    if "expected after" in error:
        shown = {"\t": "a tab"}.get(delimiter, f'"{delimiter}"')
        return (
            f'After a closing quote comes {shown} or the end of the line. Double a quote that belongs to the text: "".'
        )
    if "new-line character" in error:
        return "A line ends with a lone carriage return. Save the file with the line ends of Windows or Unix."
    return f"Cannot be read as a table: {error}."
