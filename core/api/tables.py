"""Tables for spreadsheets: CSV in which no cell is a formula, whatever a person wrote into it (T12)."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.http import StreamingHttpResponse

#: Beginnings that a spreadsheet takes for a formula, and their full-width forms.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class Number(str):
    """Digits that we wrote ourselves: -12.50 stays a number."""


def csv_response(rows: Iterable[Sequence[Any]], *, header: Sequence[str], name: str) -> StreamingHttpResponse:
    response = StreamingHttpResponse(_lines(rows, header), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def safe_cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" ").startswith(FORMULA) and not isinstance(value, Number | int) else text


def _lines(rows: Iterable[Sequence[Any]], header: Sequence[str]) -> Iterator[str]:
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_ALL)
    yield writer.writerow(header)
    for row in rows:
        yield writer.writerow([safe_cell(cell) for cell in row])


class _Echo:
    def write(self, text: str) -> str:
        return text
