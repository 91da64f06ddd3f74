"""From an uploaded file to open work: all of it or nothing, whatever happens on the way."""

import io
import json
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from core import money
from core.errors import Conflict, IllegalMove, Invalid
from core.models import Operation
from core.operations import MOST_FAILURES, Turn, cancel_operation, resume_operation, take, work_on
from lifecycle import publish as publishing
from lifecycle.invariants import check_invariants
from lifecycle.operations import WORK, run_due_operations, run_to_end
from lifecycle.publish import add_rows, check_upload, publish_batch
from lifecycle.upkeep import forget_old_rows
from marketplace.models import Batch, Hit, HitData
from marketplace.services import checking, posting
from marketplace.services.posting import attach_upload, create_batch, preview_batch
from payments.models import Account, Transfer
from payments.selectors import balance
from payments.services.deposits import confirm_deposit, request_deposit
from quality.models import GoldQuestion

pytestmark = pytest.mark.django_db


def upload(text, name="rows.csv"):
    return {"file": File(io.BytesIO(text.encode()), name=name), "name": name}


@pytest.fixture(autouse=True)
def own_media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def make_draft(make_project):
    def make(text="text\na\nb\nc\n", *, name="rows.csv", project=None, **fields):
        batch = create_batch(project=project or make_project(**fields))
        return attach_upload(batch=batch, **upload(text, name))

    return make


def publish(batch):
    operation = run_to_end(publish_batch(batch=batch))
    batch.refresh_from_db()
    return operation


def broken():
    return [finding for finding in check_invariants() if finding.broken]


def escrow(batch):
    return balance(Account.Kind.ESCROW, batch.pk)


def nothing_was_published(batch):
    batch.refresh_from_db()
    counts = [model.objects.count() for model in (Hit, HitData, GoldQuestion)]
    return (batch.state, *counts) == ("draft", 0, 0, 0) and not Transfer.objects.filter(kind="escrow").exists()


def test_a_file_becomes_an_open_batch(make_draft):
    batch = make_draft('text,priority,group\n"a, ü\\",1,g\nb,,g\nc,-2,\n')
    requester = batch.project.requester
    before = balance(Account.Kind.AVAILABLE, requester.pk)
    shown = preview_batch(batch=batch, rows=3)

    operation = publish(batch)

    assert (operation.state, operation.done, operation.total, operation.error) == ("done", 3, 3, "")
    assert (batch.state, batch.levels, batch.reward, batch.fee) == ("open", [1, 0, -2], 100_000, 10_000)
    hits = list(Hit.objects.filter(batch=batch).select_related("data_row").order_by("pk"))
    assert [hit.data_row.data for hit in hits] == [{"text": "a, ü\\"}, {"text": "b"}, {"text": "c"}]
    assert [hit.data_row.row_number for hit in hits] == [1, 2, 3]
    assert [(h.max_assignments, h.funded, h.taken, h.room, h.lane) for h in hits] == [(2, 7, 0, True, 0)] * 3
    assert hits[0].group_key == hits[1].group_key
    assert [hit.group_key is None for hit in hits] == [False, False, True]
    assert len({hit.position for hit in hits}) == 3
    assert all(hit.data_row.public_id.version == 4 for hit in hits)
    assert escrow(batch) == 3 * 7 * 110_000
    assert before - balance(Account.Kind.AVAILABLE, requester.pk) == shown.put_aside
    assert not broken()


def test_a_draft_can_be_published_once(make_draft):
    batch = make_draft()
    publish(batch)

    with pytest.raises(IllegalMove):
        publish_batch(batch=batch)
    with pytest.raises(Conflict):
        attach_upload(batch=batch, **upload("text\nx\n"))


def test_a_bad_row_is_named_and_nothing_is_published(make_draft):
    batch = make_draft("text,priority\na,1\nb\nc,high\n")

    operation = publish(batch)

    assert operation.state == "failed"
    assert operation.error.startswith("2 rows are bad, the first at line 3: Has 1 cells")
    assert operation.result["errors"] == [
        {"line": 3, "column": "", "message": "Has 1 cells; the first line names 2 columns."},
        {"line": 4, "column": "priority", "message": "Write a whole number from -100 to 100."},
    ]
    assert nothing_was_published(batch)
    assert publish(attach_upload(batch=batch, **upload("text\nx\n"))).state == "done"


def test_at_most_a_hundred_mistakes_are_told(make_draft):
    operation = publish(make_draft("text,n\n" + "a\n" * 500))
    assert len(operation.result["errors"]) == 100


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("other\nx\n", 2, "text", "the row has only: other"),
        ("text\n", 1, "", "There are no rows"),
        ("text,gold\na,two\n", 2, "gold", 'one of "zero", "one"'),
        ("text,gold:shape\na,one\n", 2, "gold:shape", "gold:digit"),
        ("text,external_id\na,1\nb,1\n", 3, "external_id", "Line 2 has the same id and other data"),
    ],
)
def test_what_the_project_cannot_use_is_a_bad_row(make_draft, text, line, column, says):
    batch = make_draft(text)

    (error,) = publish(batch).result["errors"]

    assert (error["line"], error["column"]) == (line, column)
    assert says in error["message"]
    assert nothing_was_published(batch)


def test_the_same_external_id_with_the_same_data_is_one_hit(make_draft):
    batch = make_draft("text,external_id\na,1\nb,\na,1\nc,2\nd,\n")

    operation = publish(batch)

    assert (operation.state, operation.result["hits"]) == ("done", 4)
    assert list(HitData.objects.order_by("pk").values_list("external_id", flat=True)) == ["1", None, "2", None]
    assert escrow(batch) == 4 * 7 * 110_000


def test_a_key_makes_a_gold_question_that_no_worker_sees(make_draft):
    batch = make_draft("text,gold,explanation\na,one,since it is\nb,,\nc,zero|one,\n")

    operation = publish(batch)

    assert operation.result["keyed"] == 2
    golds = list(GoldQuestion.objects.order_by("pk"))
    assert [(gold.keys, gold.explanation, gold.pool) for gold in golds] == [
        ({"digit": {"accept": ["one"]}}, "since it is", "test"),
        ({"digit": {"accept": ["zero", "one"]}}, "", "test"),
    ]
    assert list(Hit.objects.order_by("pk").values_list("lane", flat=True)) == [1, 0, 1]
    assert [set(row.data) for row in HitData.objects.all()] == [{"text"}] * 3


def test_rows_that_look_alike_are_a_warning(make_draft):
    result = publish(make_draft("text\nA cat.\ndog\n a  CAT\nbird\na cat!\n")).result
    assert (result["look_alikes"], result["look_alike_lines"]) == (2, [[4, 2], [6, 2]])


@pytest.mark.parametrize(
    ("rules", "places"),
    [
        ({"mode": "target", "min_answers": 2, "max_answers": 5}, {(2, 5)}),
        ({"mode": "fixed", "answers": 4}, {(4, 4)}),
        ({"mode": "budget", "budget": "60.00", "min_answers": 2, "max_answers": 7}, {(2, 2)}),
        ({"mode": "budget", "budget": "900.00", "min_answers": 2, "max_answers": 7}, {(2, 2)}),
        ({"mode": "sampled"}, {(1, 1), (3, 3)}),
    ],
)
def test_the_four_modes(make_draft, rules, places):
    batch = make_draft("text\n" + "".join(f"{n}\n" for n in range(100)), rules=rules)

    assert publish(batch).state == "done"

    hits = Hit.objects.filter(batch=batch)
    assert set(hits.values_list("max_assignments", "funded")) == places
    funded = sum(hits.values_list("funded", flat=True))
    assert escrow(batch) == funded * 110_000
    if rules["mode"] == "budget":
        shared = min(700, money.parse(rules["budget"]) // 110_000) - funded
        assert balance(Account.Kind.REPAIR, batch.pk) // 110_000 >= shared > 0
    if rules["mode"] == "sampled":
        assert 0 < hits.filter(funded=3).count() < 30
    assert not broken()


def test_a_budget_that_does_not_pay_the_fewest_answers_is_refused(make_draft):
    batch = make_draft(rules={"mode": "budget", "budget": "0.50"})

    operation = publish(batch)

    assert operation.error.startswith("The budget does not pay the fewest answers")
    assert "cost 0.66" in operation.error
    assert nothing_was_published(batch)


def test_without_the_money_the_batch_is_a_draft_again(make_draft, make_project, make_requester):
    batch = make_draft(project=make_project(requester=make_requester(deposit="2.00")))

    operation = publish(batch)

    assert operation.state == "failed"
    assert operation.error.startswith("This needs 2.365")
    assert nothing_was_published(batch)


def test_unpaid_work_moves_no_money(make_draft):
    batch = make_draft(audience="team", rules={"reward": "0"})

    assert publish(batch).state == "done"
    assert escrow(batch) == 0
    assert not broken()


def test_pay_below_the_floor_is_refused_for_the_public_crowd_only(make_draft):
    rules = {"reward": "0.02", "estimated_seconds": 10}
    batch = make_draft(rules=rules)

    with pytest.raises(Invalid) as caught:
        publish_batch(batch=batch)

    assert caught.value.code == "below_floor"
    assert caught.value.errors["rules.reward"].startswith("Your estimate makes 7.20 an hour; the floor is 8.00.")
    assert nothing_was_published(batch)
    assert publish(make_draft(audience="volunteers", rules=rules)).state == "done"
    assert publish(make_draft(rules={**rules, "reward": "0.03"})).state == "done"


@pytest.mark.parametrize("change", [{"questions": []}, {"template": "{{a"}, {"rules": {"mode": "guess"}}])
def test_a_project_with_errors_is_not_published(make_draft, change):
    batch = make_draft(**{name: value for name, value in change.items() if name == "questions"})
    type(batch.project).objects.update(**change)

    with pytest.raises(Invalid):
        publish_batch(batch=batch)
    assert nothing_was_published(batch)
    assert not Operation.objects.exists()


def test_later_edits_do_not_change_what_is_published(make_draft):
    batch = make_draft()
    publish(batch)
    type(batch.project).objects.update(template="{{other}}", rules={"reward": "9.00"})
    batch.refresh_from_db()

    assert (batch.design["template"], batch.design["rules"]["reward"], batch.price) == ("{{text}}", "0.10", 110_000)


def test_jsonl_with_parts(make_draft):
    question = {"name": "tone", "kind": "categorical", "labels": ["kind", "rude"], "for": "turn"}
    rows = [{"text": "x", "turns": ["a", {"id": "z", "who": "bot"}]}, {"text": "y", "turns": '["b"]'}]
    batch = make_draft("\n".join(map(json.dumps, rows)), name="rows.jsonl", questions=[question])

    assert publish(batch).state == "done"
    assert [row.data["turns"] for row in HitData.objects.order_by("pk")] == [["a", {"id": "z", "who": "bot"}], ["b"]]


# --- kills, turns, cancelling -----------------------------------------------------------------------------------------

ROWS = "text,external_id,gold\n" + "".join(f"row {n},{n},{'one' if n % 4 == 0 else ''}\n" for n in range(6))


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs, and what was not committed is gone."""


def kill_at(number):
    count = 0

    def wrapper(execute, sql, params, many, context):
        nonlocal count
        count += 1
        if count == number:
            raise Killed
        return execute(sql, params, many, context)

    return connection.execute_wrapper(wrapper)


@pytest.mark.django_db(transaction=True)
def test_a_kill_at_any_statement_loses_and_doubles_nothing(make_project, make_requester, monkeypatch):
    monkeypatch.setattr(publishing, "AT_ONCE", 2)
    project = make_project(requester=make_requester(deposit="100000.00"))
    killed_in = set()
    number = 0
    while True:
        number += 1
        batch = attach_upload(batch=create_batch(project=project), **upload(ROWS))
        operation = publish_batch(batch=batch)
        try:
            with kill_at(number):
                run_to_end(operation)
            survived = True
        except Killed:
            survived = False
            operation.refresh_from_db()
            killed_in.add(operation.cursor.get("phase", "check"))
        Operation.objects.filter(pk=operation.pk, state="running").update(lease_until="2000-01-01T00:00Z")
        run_to_end(operation)
        batch.refresh_from_db()
        operation.refresh_from_db()
        assert (operation.state, batch.state) == ("done", "open"), number
        data = HitData.objects.filter(batch=batch).order_by("pk")
        assert [row.data["text"] for row in data] == [f"row {n}" for n in range(6)], number
        assert GoldQuestion.objects.filter(hit__batch=batch).count() == 2
        assert escrow(batch) == 6 * 7 * 110_000
        if survived:
            break
    assert killed_in == {"check", "copy", "open"}
    assert not broken()


def test_work_goes_on_in_many_short_turns(make_draft, monkeypatch):
    monkeypatch.setattr(publishing, "AT_ONCE", 4)
    monkeypatch.setattr(checking, "AT_ONCE", 3)
    text = "text,external_id\n" + "".join(f"row {n},{n}\n" for n in range(20)) + "row 5,5\n"
    batch = make_draft(text)
    operation = publish_batch(batch=batch)

    turns = 0
    while operation.finished_at is None:
        assert work_on(take(operation), WORK["publish"], seconds=1e-9).failures == 0
        operation.refresh_from_db()
        turns += 1

    assert turns > 10
    assert (operation.state, operation.result["rows"], operation.result["hits"]) == ("done", 21, 20)
    assert Hit.objects.filter(batch=batch).count() == 20
    assert [name for name in default_storage.listdir("uploads")[1] if name.startswith("prints")] == []


@pytest.mark.parametrize("turns", [0, 1, 2, 4])
def test_cancelling_leaves_a_draft_and_nothing_else(make_draft, monkeypatch, turns):
    monkeypatch.setattr(publishing, "AT_ONCE", 2)
    batch = make_draft(ROWS)
    operation = publish_batch(batch=batch)
    for _ in range(turns):
        work_on(take(operation), WORK["publish"], seconds=1e-9)
    assert (Hit.objects.count() > 0) is (turns > 1)

    cancel_operation(operation=operation)
    run_to_end(operation)

    operation.refresh_from_db()
    assert operation.state == "cancelled"
    assert nothing_was_published(batch)
    assert publish(batch).state == "done"


def test_a_file_that_changes_after_its_check_is_refused(make_draft, monkeypatch):
    batch = make_draft()
    operation = publish_batch(batch=batch)
    while operation.cursor.get("phase") != "copy":
        work_on(take(operation), WORK["publish"], seconds=1e-9)
        operation.refresh_from_db()
    Path(batch.upload.path).write_text("text\na\nb,c\n")

    run_to_end(operation)

    operation.refresh_from_db()
    assert "changed since it was checked" in operation.error
    assert nothing_was_published(batch)


@pytest.mark.parametrize("phase", ["check_file", "copy_rows", "analyze"])
def test_what_breaks_on_our_side_again_and_again_leaves_a_draft(make_draft, monkeypatch, phase):
    batch = make_draft()
    operation = publish_batch(batch=batch)

    def break_down(*args, **kwargs):
        raise RuntimeError("no disk")

    with monkeypatch.context() as broken_down:
        broken_down.setattr(publishing, phase, break_down)
        for _ in range(MOST_FAILURES):
            Operation.objects.update(due_at=timezone.now())
            run_to_end(operation)

    operation.refresh_from_db()
    assert (operation.state, operation.error) == ("failed", "Something broke on our side. Staff can see why.")
    assert nothing_was_published(batch)
    assert publish(batch).state == "done"


def test_the_sweep_finds_what_is_to_be_published(make_draft):
    batch = make_draft()
    publish_batch(batch=batch)

    while run_due_operations():
        pass

    batch.refresh_from_db()
    assert batch.state == "open"


# --- before and after -------------------------------------------------------------------------------------------------


def test_a_checked_file_has_a_price_and_is_not_checked_again(make_draft, monkeypatch):
    batch = make_draft("text,gold\na,one\nb,\n")

    run_to_end(check_upload(batch=batch))

    batch.refresh_from_db()
    assert (batch.upload_facts["hits"], batch.upload_facts["keyed"], batch.upload_facts["columns"]) == (2, 1, ["text"])
    shown = preview_batch(batch=batch)
    assert (shown.minimum.answers, shown.expected.answers, shown.maximum.answers) == (4, 7, 14)
    assert (shown.maximum.rewards, shown.maximum.fees) == (1_400_000, 140_000)
    assert shown.put_aside == 1_540_000 + 7 * 110_000 // 20
    monkeypatch.setattr(publishing, "check_file", None)
    assert publish(batch).state == "done"


def test_a_changed_project_has_the_file_checked_again(make_draft):
    batch = make_draft()
    run_to_end(check_upload(batch=batch))
    type(batch.project).objects.update(template="{{other}}")
    batch = Batch.objects.get(pk=batch.pk)

    assert publish(batch).state == "failed"


@pytest.mark.parametrize("name", ["rows.xlsx", "rows", "rows.csv.exe"])
def test_a_file_that_is_no_table_is_refused(make_project, name):
    with pytest.raises(Invalid) as caught:
        attach_upload(batch=create_batch(project=make_project()), **upload("x", name))
    assert "Save the table as" in caught.value.errors["file"]


def test_another_file_takes_the_place_of_the_first(make_draft):
    batch = make_draft()
    first = batch.upload.name

    batch = attach_upload(batch=batch, **upload("text\nx\n"))

    assert not default_storage.exists(first)
    assert uuid.UUID(batch.upload.name.split("/")[-1].split(".")[0])
    publish(batch)
    assert HitData.objects.get().data == {"text": "x"}


def test_rows_are_added_to_an_open_batch(make_draft, monkeypatch):
    monkeypatch.setattr(publishing, "ADDED_AT_ONCE", 2)
    batch = make_draft("text,external_id\na,1\n")
    publish(batch)

    more = "text,external_id,priority,gold\na,1,,\nb,2,5,\nc,3,,one\nd,,,\ne,,,\n"
    operation = run_to_end(add_rows(batch=batch, **upload(more)))

    assert (operation.state, operation.result["hits"]) == ("done", 4)
    batch.refresh_from_db()
    assert batch.levels == [5, 0]
    assert escrow(batch) == 5 * 7 * 110_000
    assert GoldQuestion.objects.count() == 1
    assert not default_storage.exists(operation.arguments["file"])
    assert not broken()


def test_added_rows_may_not_say_otherwise_what_is_there(make_draft):
    batch = make_draft("text,external_id\na,1\n")
    publish(batch)

    operation = run_to_end(add_rows(batch=batch, **upload("text,external_id\nz,9\nb,1\n")))

    assert operation.state == "failed"
    assert [(error["line"], error["column"]) for error in operation.result["errors"]] == [(3, "external_id")]
    assert Hit.objects.count() == 1


def test_adding_stops_where_the_money_ends_and_says_so(make_draft, make_project, make_requester, monkeypatch):
    monkeypatch.setattr(publishing, "ADDED_AT_ONCE", 1)
    project = make_project(requester=make_requester(deposit="2.50"), rules={"mode": "fixed", "answers": 3})
    batch = make_draft("text\na\n", project=project)
    publish(batch)

    operation = run_to_end(add_rows(batch=batch, **upload("text\n" + "x\n" * 30)))

    added = Hit.objects.count() - 1
    assert (operation.state, operation.can_resume) == ("failed", True)
    assert operation.error.endswith(f"{added} of 30 rows were added. Add money, and resume this.")
    assert "Nothing was changed" not in operation.error
    assert 0 < added < 30
    assert escrow(batch) == (1 + added) * 3 * 110_000
    assert not broken()


def test_adding_goes_on_where_the_money_ended(make_draft, make_project, make_requester, make_user, monkeypatch):
    monkeypatch.setattr(publishing, "ADDED_AT_ONCE", 1)
    requester = make_requester(deposit="2.50")
    batch = make_draft("text\na\n", project=make_project(requester=requester, rules={"mode": "fixed", "answers": 3}))
    publish(batch)
    lines = [f"row {n}" for n in range(30)]
    operation = run_to_end(add_rows(batch=batch, **upload("\n".join(["text", *lines]))))
    confirm_deposit(deposit=request_deposit(requester=requester, amount=10**9), by=make_user(is_staff=True))

    operation = run_to_end(resume_operation(operation=operation))

    assert (operation.state, operation.error, operation.done) == ("done", "", 30)
    data = HitData.objects.filter(batch=batch).order_by("pk").values_list("data__text", flat=True)
    assert list(data) == ["a", *lines]
    assert escrow(batch) == 31 * 3 * 110_000
    assert not default_storage.exists(operation.arguments["file"])
    assert not broken()
    with pytest.raises(Conflict):
        resume_operation(operation=operation)


def test_a_turn_of_adding_that_dies_leaves_nothing_half_done(make_draft, monkeypatch):
    """Killed between two commits, and in the middle of one."""
    monkeypatch.setattr(publishing, "ADDED_AT_ONCE", 2)
    batch = make_draft("text\na\n")
    publish(batch)
    operation = add_rows(batch=batch, **upload("text\n" + "".join(f"row {n}\n" for n in range(7))))
    real, calls = publishing.fund_shown, []

    def killed(*args, **kwargs):
        calls.append(1)
        real(*args, **kwargs)
        if len(calls) == 2:
            raise SystemExit  # as a signal does: nothing tidies up

    monkeypatch.setattr(publishing, "fund_shown", killed)
    with pytest.raises(SystemExit):
        run_to_end(operation)
    assert Hit.objects.filter(batch=batch).count() == 3
    assert not broken()
    Operation.objects.filter(pk=operation.pk).update(lease_until="2000-01-01T00:00Z")

    operation = run_to_end(Operation.objects.get(pk=operation.pk))

    assert (operation.state, operation.done) == ("done", 7)
    assert HitData.objects.filter(batch=batch).values("data__text").distinct().count() == 8
    assert not broken()


@pytest.mark.logs_errors
def test_what_our_side_broke_can_be_gone_on_with(make_draft, monkeypatch):
    monkeypatch.setattr(publishing, "ADDED_AT_ONCE", 2)
    batch = make_draft("text\na\n")
    publish(batch)
    operation = add_rows(batch=batch, **upload("text\nb\nc\nd\n"))
    real = publishing.keep_keys
    monkeypatch.setattr(publishing, "keep_keys", lambda batch, copied: 1 / 0)
    for _ in range(5):
        Operation.objects.filter(pk=operation.pk).update(due_at="2000-01-01T00:00Z")
        operation = run_to_end(operation)
    assert (operation.state, operation.can_resume, Hit.objects.count()) == ("failed", True, 1)
    monkeypatch.setattr(publishing, "keep_keys", real)

    operation = run_to_end(resume_operation(operation=operation))

    assert (operation.state, Hit.objects.count()) == ("done", 4)


def test_a_cancelled_addition_says_what_stays(make_draft, monkeypatch):
    monkeypatch.setattr(publishing, "ADDED_AT_ONCE", 2)
    batch = make_draft("text\na\n")
    publish(batch)
    operation = add_rows(batch=batch, **upload("text\nb\nc\nd\n"))
    turn = Turn(take(operation))
    publishing.add(turn)  # the check
    publishing.add(turn)  # all of it, since the turn is young
    turn = Turn(turn.operation)
    cancel_operation(operation=operation)
    publishing.add(turn)

    operation.refresh_from_db()
    assert (operation.state, operation.can_resume) == ("cancelled", False)
    assert operation.error == "The first 3 rows were added and stay: leave them out of the next file."


def test_files_of_failed_additions_are_kept_for_a_month(make_draft, make_project, make_requester):
    project = make_project(requester=make_requester(deposit="2.50"), rules={"mode": "fixed", "answers": 3})
    batch = make_draft("text\na\n", project=project)
    publish(batch)
    operation = run_to_end(add_rows(batch=batch, **upload("text\n" + "x\n" * 30)))
    stored = operation.arguments["file"]

    forget_old_rows()
    assert default_storage.exists(stored)
    Operation.objects.filter(pk=operation.pk).update(finished_at=timezone.now() - timedelta(days=31))
    forget_old_rows()

    operation.refresh_from_db()
    assert not default_storage.exists(stored)
    assert not operation.can_resume


def test_rows_are_not_added_to_a_draft(make_draft):
    with pytest.raises(Conflict):
        add_rows(batch=make_draft(), **upload("text\nx\n"))


def test_a_standing_batch_opens_empty(make_project):
    batch = create_batch(project=make_project(), is_standing=True)

    assert publish(batch).state == "done"
    assert (batch.state, batch.levels) == ("open", [0])


def test_publishing_takes_few_statements(make_draft, django_assert_max_num_queries):
    batch = make_draft("text\n" + "x\n" * 3000)
    operation = publish_batch(batch=batch)
    with django_assert_max_num_queries(80):
        run_to_end(operation)


def test_a_lost_lease_writes_nothing(make_draft):
    batch = make_draft()
    operation = publish_batch(batch=batch)
    leased = take(operation)
    Operation.objects.update(lease_until="2000-01-01T00:00Z")
    again = take(operation)

    work_on(leased, WORK["publish"])
    assert Hit.objects.count() == 0
    assert work_on(again, WORK["publish"]).state == "done"
    assert Hit.objects.count() == 3


def test_a_turn_knows_when_it_is_over():
    assert Turn(Operation(), seconds=0).is_over
    assert posting.known_format("x.TSV") == "tsv"
