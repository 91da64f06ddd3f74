"""Reading uploaded tables."""

import csv
import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.rows import BadRow, Place, Reader, Row, format_of


def read(content, format="csv", start=None):
    return list(Reader(io.BytesIO(content if isinstance(content, bytes) else content.encode()), format, start))


def test_a_table_is_read_with_its_line_numbers():
    assert read('text,n\r\n"a, ""b""\nc",1\r\n\r\nd,2') == [
        Row(2, {"text": 'a, "b"\nc', "n": "1"}),
        Row(5, {"text": "d", "n": "2"}),
    ]


@pytest.mark.parametrize(
    ("content", "format"),
    [("a,b\n1,2\n", "csv"), ("a;b\n1;2\n", "csv"), ("a\tb\n1\t2\n", "tsv"), ("\ufeffa,b\n1,2", "csv"),
     ('{"a": "1", "b": "2"}\n', "jsonl"), ('\ufeff{"a": "1", "b": "2"}', "jsonl")],
)  # fmt: skip
def test_formats_and_a_byte_order_mark(content, format):
    (row,) = read(content, format)
    assert row.data == {"a": "1", "b": "2"}


def test_what_is_about_the_row_is_no_data():
    (row,) = read("external_id,priority,group,gold,explanation,text\n17,-5,g,cat,since it meows,x\n")
    assert row == Row(2, {"text": "x"}, "17", -5, "g", {"gold": "cat"}, "since it meows")

    first, second = read('{"external_id": 17, "gold:a": ["x"], "gold:b": null, "text": 1}\n{"text": "y"}\n', "jsonl")
    assert first == Row(1, {"text": 1}, "17", 0, None, {"a": ["x"]})
    assert second == Row(2, {"text": "y"})


@pytest.mark.parametrize(
    ("content", "format", "line", "column", "says"),
    [
        ("", "csv", 1, "", "names the columns"),
        ("\n", "csv", 1, "", "names the columns"),
        ("a,a\n1,2\n", "csv", 1, "", 'Two columns are called "a"'),
        ("a,\n1,2\n", "csv", 1, "", "Column 2 needs a name"),
        ("gold,gold:x,a\n1,2,3\n", "csv", 1, "", "not both"),
        (",".join(f"c{n}" for n in range(101)) + "\n", "csv", 1, "", "at most 100"),
        ("a,b\n1,2\n\n3\n", "csv", 4, "", "Has 1 cells; the first line names 2"),
        ('a\nx\n"open\nmore\n', "csv", 3, "", "never closed"),
        ('a\n"x"y\n', "csv", 2, "", "Double a quote"),
        ("a\nx\ry\n", "csv", 2, "", "line ends"),
        (b"a\ncaf\xe9\n", "csv", 2, "", 'Not UTF-8 after "caf"'),
        ("a\nx\n".encode("utf-16"), "csv", 1, "", "UTF-16"),
        (b"a\nx\x00\n", "csv", 2, "", "NUL"),
        ("a\n" + "x" * 65_537 + "\n", "csv", 2, "a", "at most 65536"),
        ("a\n" + "€" * 30_000 + "\n", "csv", 2, "a", "Has 90000 bytes"),
        ("a\n" + "x" * 5_000_000 + "\n", "csv", 2, "", "more than 4 MB"),
        ("a,priority\nx,101\n", "csv", 2, "priority", "from -100 to 100"),
        ("a,priority\nx,high\n", "csv", 2, "priority", "from -100 to 100"),
        ("a,external_id\nx," + "y" * 201 + "\n", "csv", 2, "external_id", "at most 200"),
        ("a,gold,explanation\nx,,so\n", "csv", 2, "explanation", "needs a key"),
        ("gold\nx\n", "csv", 2, "", "no data"),
        ('{"a": 1}\n{"a": \n', "jsonl", 2, "", "No JSON"),
        ("[1]\n", "jsonl", 1, "", "No object"),
        ("{}\n", "jsonl", 1, "", "empty"),
        ('{"a": NaN}\n', "jsonl", 1, "", "No JSON"),
        ('{"a": "\\u0000"}\n', "jsonl", 1, "", "NUL"),
        ('{"a": [9223372036854775808]}\n', "jsonl", 1, "", "Write it as text"),
        ('{"a": -1e19}\n', "jsonl", 1, "", "Write it as text"),
        ('{"a": "\\ud800"}\n', "jsonl", 1, "", "No JSON"),
        ('{"": 1}\n', "jsonl", 1, "", "Column 1 needs a name"),
        ('{"a": ' + "[" * 20 + "]" * 20 + "}\n", "jsonl", 1, "", "more than 20 deep"),
        ('{"a": ' + "[" * 1000 + "]" * 1000 + "}\n", "jsonl", 1, "", "more than 20 deep"),
        ('{"a": ' + "[" * 5000 + "]" * 5000 + "}\n", "jsonl", 1, "", "No JSON"),
        ('{"a": {"b": "' + "x" * 65_536 + '"}}\n', "jsonl", 1, "a", "at most 65536"),
    ],
)
def test_a_bad_row_is_named_by_line_and_column_with_a_remedy(content, format, line, column, says):
    bad = [row for row in read(content, format) if isinstance(row, BadRow)]
    assert [(row.line, row.column) for row in bad] == [(line, column)]
    assert says in bad[0].message


def test_good_rows_around_a_bad_one_are_read():
    assert [type(row) for row in read("a,b\n1,2\n3\n4,5\n")] == [Row, BadRow, Row]


def test_json_within_the_limits_is_read():
    assert len(read('{"a": ' + "[" * 19 + "]" * 19 + "}\n", "jsonl")) == 1
    assert isinstance(read('{"a": 9223372036854775807, "b": 1e-9, "c": "1e99"}\n', "jsonl")[0], Row)
    assert isinstance(read('{"a": "' + "[" * 30 + '", "b": "\\\\u0000"}\n', "jsonl")[0], Row)


def test_a_file_may_have_a_million_rows_and_no_more(monkeypatch):
    monkeypatch.setattr("marketplace.rows.MOST_ROWS", 3)
    assert [type(row) for row in read("a\n1\n2\n3\n4\n5\n")] == [Row, Row, Row, BadRow]


def test_memory_does_not_grow_with_the_file():
    def peak(rows):
        file = io.BytesIO(b"a,b\n" + b"some text,more text\n" * rows)
        tracemalloc.start()
        assert sum(1 for _ in Reader(file, "csv")) == rows
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    assert peak(20_000) < peak(100) + 20_000


def test_the_format_is_told_by_the_name():
    assert [format_of(name) for name in ("a.CSV", "b.tab", "c.ndjson", "d.xlsx", "e")] == [
        "csv",
        "tsv",
        "jsonl",
        None,
        None,
    ]


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), max_size=12)
tables = st.lists(st.lists(cells, min_size=2, max_size=2), max_size=8)


@given(tables, st.sampled_from([",", ";", "\t"]), st.sampled_from(["\n", "\r\n"]), st.booleans(), st.data())
def test_any_table_that_python_writes_is_read_back_from_any_place(table, delimiter, ending, mark, data):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=ending).writerows([["a", "b"], *table])
    content = out.getvalue().encode("utf-8-sig" if mark else "utf-8")
    format = "tsv" if delimiter == "\t" else "csv"

    reader = Reader(io.BytesIO(content), format)
    rows, places = [], []
    for row in reader:
        rows.append(row)
        places.append(reader.place)

    assert [row.data for row in rows] == [{"a": a, "b": b} for a, b in table]
    if places:
        index = data.draw(st.integers(0, len(places) - 1))
        stored = Place(**json.loads(json.dumps(places[index].to_json())))
        assert read(content, format, stored) == rows[index + 1 :]


@given(st.binary(max_size=200), st.sampled_from(["csv", "tsv", "jsonl"]))
def test_any_bytes_give_rows_or_remedies(content, format):
    for row in read(content, format):
        assert isinstance(row, Row) or (row.line >= 1 and row.message)
