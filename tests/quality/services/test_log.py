"""Rows of a binary COPY become arrays as they come in."""

import numpy as np
import pytest

from quality.services import log
from quality.services.log import FIELDS, HEADER, ROW, columns_of

HEAD, END = b"PGCOPY\n\xff\r\n\0" + bytes(HEADER - 11), b"\xff\xff"


def rows_of(n):
    rows = np.zeros(n, ROW)
    for place, (name, kind) in enumerate(FIELDS):
        rows[name] = np.arange(n) * (place + 1) - (0.25 if kind == ">f8" else 1)
    return rows


@pytest.mark.parametrize("n", [0, 1, 9, 1000])
@pytest.mark.parametrize("step", [1, 7, 86, 5000])
@pytest.mark.parametrize("chunk", [1, 200, 1 << 24])
def test_however_they_are_cut(n, step, chunk, monkeypatch):
    monkeypatch.setattr(log, "CHUNK", chunk)
    rows = rows_of(n)
    sent = HEAD + rows.tobytes() + END

    found = columns_of(sent[start : start + step] for start in range(0, len(sent), step))

    assert list(found) == [name for name, _ in FIELDS]
    for name, kind in FIELDS:
        np.testing.assert_array_equal(found[name], rows[name])
        assert found[name].dtype == (np.float64 if kind == ">f8" else np.int64)
