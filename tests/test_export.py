"""Labels and answers as files: complete, under random names, harmless in a spreadsheet."""

import csv
import io
import json

import pyarrow.parquet as pq
import pytest
from django.core.files.storage import default_storage

from core.operations import take
from lifecycle import export
from lifecycle.accept import accept
from lifecycle.export import file_name, start_export
from lifecycle.operations import run_to_end
from lifecycle.refit import refit_project
from lifecycle.submit import submit
from marketplace.models import Assignment, HitData
from quality.models import GoldQuestion
from quality.services.exporting import count_rows
from tests.support.factories import body
from tests.test_lifecycle import run_clock

pytestmark = pytest.mark.django_db


@pytest.fixture
def answered(make_batch, make_worker):
    """A batch of three HITs that two workers have answered."""

    def make(answer="one", **kwargs):
        batch = make_batch(hits=3, rules={"mode": "fixed", "answers": 2}, **kwargs)
        for worker in [make_worker(), make_worker()]:
            for _ in range(3):
                place = accept(worker=worker, batch=batch)
                name = batch.design["questions"][0]["name"]
                submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(**{name: answer}))
        run_clock()
        refit_project(project=batch.project)
        return batch

    return make


def content_of(operation) -> bytes:
    assert operation.state == "done", operation.error
    with default_storage.open(operation.result["file"], "rb") as file:
        return file.read()


def table_of(operation) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content_of(operation).decode())))


def parquet_of(operation):
    return pq.read_table(io.BytesIO(content_of(operation)))


def test_labels_carry_their_confidence_and_the_requesters_columns(answered):
    batch = answered()

    rows = table_of(run_to_end(start_export(batch=batch)))

    assert [row["digit"] for row in rows] == ["one"] * 3
    assert [row["data.text"] for row in rows] == ["item 0", "item 1", "item 2"]
    assert all(0.5 < float(row["digit.confidence"]) < 1 and len(row["digit.confidence"]) <= 6 for row in rows)


def test_how_many_rows_there_will_be_is_known_before(answered):
    batch = answered()

    operation = start_export(batch=batch, what="answers")

    assert operation.total == 6
    assert len(table_of(run_to_end(operation))) == 6
    assert operation.arguments["snapshot"] in file_name(operation)


def test_known_answers_are_marked_for_the_requester(answered):
    batch = answered()
    row = HitData.objects.filter(batch=batch).earliest("pk")
    GoldQuestion.objects.create(project=batch.project, hit=row.hit, keys={"digit": {"accept": ["one"]}})

    rows = [json.loads(line) for line in content_of(run_to_end(start_export(batch=batch, format="jsonl"))).splitlines()]

    assert [row["gold"] for row in rows] == [True, False, False]


def test_a_worker_is_a_pseudonym(answered):
    batch = answered()

    text = content_of(run_to_end(start_export(batch=batch, what="answers"))).decode()

    people = Assignment.objects.filter(batch=batch).values_list("worker__user__email", "worker__public_id")
    assert not any(email in text or str(public_id) in text for email, public_id in people)
    assert {row["worker"][0] for row in csv.DictReader(io.StringIO(text))} == {"W"}


@pytest.mark.parametrize("said", ["=1+1", "+1", "-1", "@SUM(A1)", "\uff1d1"])
def test_no_cell_is_a_formula(answered, make_project, said):
    project = make_project(questions=[{"name": "note", "kind": "text"}])
    project.rules = {**project.rules, "mode": "fixed", "answers": 2}
    project.save(update_fields=["rules"])

    rows = table_of(run_to_end(start_export(batch=answered(said, project=project), what="answers")))

    assert {row["answer.note"] for row in rows} == {f"'{said}"}


def test_numbers_have_an_interval(answered, make_project):
    project = make_project(questions=[{"name": "length", "kind": "number"}])
    project.rules = {**project.rules, "mode": "fixed", "answers": 2}
    project.save(update_fields=["rules"])

    rows = table_of(run_to_end(start_export(batch=answered(12.5, project=project))))

    assert {float(row["length"]) for row in rows} == {12.5}
    assert all(float(row["length.low"]) <= 12.5 <= float(row["length.high"]) for row in rows)


def test_a_file_that_is_cut_off_is_made_again_and_never_seen_by_halves(answered, monkeypatch):
    batch = answered()
    monkeypatch.setattr(export, "AT_ONCE", 1)
    operation = start_export(batch=batch)
    whole = content_of(run_to_end(start_export(batch=batch)))
    turn = export.Turn(take(operation))
    export.export(turn)  # one part, and then the process is gone
    assert "file" not in turn.operation.result
    parts = turn.cursor["parts"]
    turn.pause()
    operation.refresh_from_db()

    assert content_of(run_to_end(operation)) == whole
    assert len(parts) == 1 and not default_storage.exists(parts[0])


def test_parquet_has_the_same_cells_with_types(answered):
    batch = answered()
    lines = table_of(run_to_end(start_export(batch=batch)))

    operation = run_to_end(start_export(batch=batch, format="parquet"))

    table = parquet_of(operation)
    assert table.column_names == list(lines[0])
    assert table.column("digit").to_pylist() == ["one"] * 3
    assert table.column("gold").to_pylist() == [False] * 3
    assert table.column("digit.answers").to_pylist() == [2, 2, 2]
    assert [f"{c}" for c in table.column("digit.confidence").to_pylist()] == [r["digit.confidence"] for r in lines]
    told = {name.decode(): value.decode() for name, value in table.schema.metadata.items()}
    assert told["touchstone.snapshot"] == operation.arguments["snapshot"]
    assert told["touchstone.table"] == "labels"
    assert file_name(operation).endswith(".parquet")


QUESTIONS = [
    {"name": "note", "kind": "text"},
    {"name": "length", "kind": "number"},
    {"name": "depth", "kind": "number", "na": True},
    {"name": "seen", "kind": "multilabel", "labels": ["cat", "dog"]},
    {"name": "state", "kind": "categorical", "labels": ["new", "old"]},
]
SAID = {"note": "=1+1", "length": 12.5, "depth": 3, "seen": ["dog"], "state": "old"}


@pytest.fixture
def many_kinds(make_project, make_batch, make_worker):
    """One item answered by two, another by nobody."""
    project = make_project(questions=QUESTIONS, rules={"mode": "fixed", "answers": 2})
    batch = make_batch(project=project, hits=2)
    hit = batch.hits.earliest("pk")
    batch.hits.exclude(pk=hit.pk).update(priority=-1)
    batch.levels = [0, -1]
    batch.save(update_fields=["levels"])
    for worker in [make_worker(), make_worker()]:
        place = accept(worker=worker, batch=batch)
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(**SAID))
    run_clock()
    refit_project(project=project)
    return batch


def test_each_kind_of_question_has_its_type(many_kinds):
    table = parquet_of(run_to_end(start_export(batch=many_kinds, what="answers", format="parquet")))

    types = {field.name: str(field.type) for field in table.schema}
    assert types["answer.length"] == "double"
    assert types["answer.seen"].startswith("list<")
    assert types["submitted_at"] == "timestamp[us, tz=UTC]"
    first = table.slice(0, 1).to_pylist()[0]
    assert {name: first[f"answer.{name}"] for name in SAID} == SAID | {"depth": "3"}


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_both_has_a_row_for_each_answer_beside_its_labels(many_kinds, format):
    operation = run_to_end(start_export(batch=many_kinds, what="both", format=format))

    if format == "jsonl":
        rows = [json.loads(line) for line in content_of(operation).splitlines()]
        said = [row["answer"] and row["answer"]["answers"]["note"] for row in rows]
        labels = [row["labels"].get("state", {}).get("label") for row in rows]
    else:
        rows = table_of(operation) if format == "csv" else parquet_of(operation).to_pylist()
        said = [row["answer.note"] or None for row in rows]
        labels = [row["state"] or None for row in rows]
        assert [bool(row["assignment"]) for row in rows] == [True, True, False]
        assert [row["assignment.state"] or None for row in rows][2] is None
    assert said == [{"csv": "'=1+1"}.get(format, "=1+1")] * 2 + [None]
    assert labels[:2] == ["old", "old"]
    assert operation.total == operation.done == 3


def test_the_parts_of_a_parquet_file_are_one_table(many_kinds, monkeypatch):
    monkeypatch.setattr(export, "AT_ONCE", 1)

    operation = run_to_end(start_export(batch=many_kinds, format="parquet"))

    parts = operation.cursor["parts"]
    assert parquet_of(operation).num_rows == len(parts) == 2
    assert not any(default_storage.exists(part) for part in parts)


@pytest.mark.parametrize("what", ["labels", "answers", "both"])
@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_an_export_without_rows_is_a_file_with_its_columns(make_batch, what, format):
    operation = run_to_end(start_export(batch=make_batch(hits=0), what=what, format=format))

    if format == "parquet":
        assert "hit" in parquet_of(operation).column_names
    else:
        assert (b"hit" in content_of(operation)) == (format == "csv")


@pytest.mark.parametrize("what", ["labels", "answers", "both"])
def test_a_filter_counts_what_it_lets_through(many_kinds, what):
    operation = run_to_end(start_export(batch=many_kinds, what=what, states="decided"))

    assert operation.arguments["states"] == "decided"
    assert count_rows(many_kinds, what, "decided") == len(table_of(operation))
    assert count_rows(many_kinds, what) == {"labels": 2, "answers": 2, "both": 3}[what]
