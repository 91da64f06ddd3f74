"""Labels and answers as files: complete, under random names, harmless in a spreadsheet."""

import csv
import io
import json

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
