"""Projects, and a batch from draft to closed."""

import io
from datetime import timedelta
from functools import partial

import pytest
from django.core.files import File
from django.db import IntegrityError, connection
from django.utils import timezone

from core.errors import Conflict, IllegalMove, InsufficientFunds, Invalid
from lifecycle import post_row as posting_rows
from lifecycle.accept import accept
from lifecycle.close import close_batch
from lifecycle.invariants import check_invariants
from lifecycle.operations import run_to_end
from lifecycle.post_row import post_row
from lifecycle.publish import publish_batch
from lifecycle.submit import submit
from marketplace.errors import BatchNotOpen, NoWork
from marketplace.models import Assignment, Batch, Hit, HitData, Project
from marketplace.rules import Rules
from marketplace.services.costs import answers_before, expected_answers, preview
from marketplace.services.posting import (
    ask_for_more,
    attach_upload,
    cancel_hit,
    clone_batch,
    create_batch,
    extend_batch,
    pause_batch,
    release_parked,
    resume_batch,
)
from marketplace.services.projects import archive_project, clone_project, create_project, update_project
from payments.models import Account
from payments.selectors import balance
from quality.models import GoldQuestion
from tests.support.factories import DIGIT, body
from tests.test_lifecycle import run_clock

pytestmark = pytest.mark.django_db


def broken():
    return [finding for finding in check_invariants() if finding.broken]


def escrow(batch):
    return balance(Account.Kind.ESCROW, batch.pk)


# --- projects ---------------------------------------------------------------------------------------------------------


def test_a_project_is_stored_as_it_was_given(make_requester):
    project = create_project(
        requester=make_requester(), name="Digits", questions=[DIGIT], template="{{image i}}", rules={"reward": "0.02"}
    )
    assert Project.objects.get() == project
    assert (project.audience, project.instruction_version) == ("public", 1)


def test_all_mistakes_of_a_project_are_named_and_nothing_is_stored(make_requester):
    with pytest.raises(Invalid) as caught:
        create_project(
            requester=make_requester(),
            name="x",
            questions=[{**DIGIT, "labels": []}],
            template="{{}}",
            instructions="![x](https://elsewhere.example/x.png)",
            rules={"mode": "guess", "reward": "cheap"},
        )
    assert set(caught.value.errors) == {
        "questions[0].labels",
        "template",
        "instructions",
        "rules.mode",
        "rules.reward",
    }
    assert not Project.objects.exists()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": " "}, "name"), ({"name": 3}, "name"), ({"name": "x", "audience": "all"}, "audience"),
        ({"name": "x", "questions": {}}, "questions"), ({"name": "x", "rules": []}, "rules"),
        ({"name": "x", "topics": "a"}, "topics"), ({"name": "x", "is_distressing": "no"}, "is_distressing"),
        ({"name": "x", "requester_id": 3}, "requester_id"), ({"name": "x", "template": None}, "template"),
    ],
)  # fmt: skip
def test_a_wrong_field_of_a_project_is_named(make_requester, fields, named):
    with pytest.raises(Invalid) as caught:
        create_project(requester=make_requester(), **fields)
    assert list(caught.value.errors) == [named]


def test_new_instructions_have_a_new_version(make_project):
    project = make_project(instructions="Look.")

    assert update_project(project=project, name="Other").instruction_version == 1
    project = update_project(project=project, instructions="Look twice.")
    assert project.instruction_version == 2
    with pytest.raises(Invalid):
        update_project(project=project, template="{{", name="Third")
    project.refresh_from_db()
    assert (project.name, project.template) == ("Other", "{{text}}")


def test_a_clone_has_the_same_design(make_project):
    project = make_project(topics=["digits"])
    clone = clone_project(project=project)
    assert clone.pk != project.pk
    assert (clone.name, clone.questions, clone.rules, clone.topics) == (
        "Read digits (copy)",
        project.questions,
        project.rules,
        ["digits"],
    )
    assert archive_project(project=project).archived_at is not None


# --- costs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "answers"),
    [
        ({"mode": "target", "min_answers": 2, "max_answers": 7}, (200, 335, 700)),
        ({"mode": "fixed", "answers": 3}, (300, 300, 300)),
        ({"mode": "sampled"}, (100, 120, 300)),
        ({"mode": "budget", "budget": "33.00", "min_answers": 2, "max_answers": 7}, (200, 300, 300)),
    ],
)
def test_a_preview_tells_the_least_the_expected_and_the_most(rules, answers):
    shown = preview(rules=Rules.from_json(rules), rows=100, reward=100_000, fee=10_000)

    assert (shown.minimum.answers, shown.expected.answers, shown.maximum.answers) == answers
    assert shown.maximum.total == answers[2] * 110_000
    assert shown.repair == answers[1] * 110_000 // 20
    assert shown.put_aside == shown.maximum.total + shown.repair


def test_a_preview_learns_from_the_last_two_batches(make_batch, make_project):
    project = make_project()
    assert answers_before(project) is None
    for taken in (7, 4, 3):
        batch = make_batch(project=project, places=7)
        Batch.objects.filter(pk=batch.pk).update(published_at=timezone.now())
        Hit.objects.filter(batch=batch).update(state=Hit.State.RETIRED, taken=taken)
    assert answers_before(project) == 3.5
    assert expected_answers(Rules(), 3.5) == 3.5


def test_hourly_pay_is_shown_by_the_requesters_estimate():
    shown = preview(rules=Rules(estimated_seconds=18), rows=1, reward=50_000, fee=0)
    assert str(shown.hourly) == "10.00"


# --- the life of a batch ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "named"),
    [({"name": "x" * 161}, "name"), ({"expires_at": timezone.now() - timedelta(1)}, "expires_at"),
     ({"day_budget": 5}, "day_budget"), ({"day_budget": 0, "is_standing": True}, "day_budget")],
)  # fmt: skip
def test_a_wrong_batch_is_not_made(make_project, fields, named):
    with pytest.raises(Invalid) as caught:
        create_batch(project=make_project(), **fields)
    assert list(caught.value.errors) == [named]
    assert not Batch.objects.exists()


def test_pausing_and_resuming(make_batch, make_worker):
    batch = make_batch()
    pause_batch(batch=batch)
    assert (batch.state, batch.paused_because) == ("paused", "requester")
    with pytest.raises(BatchNotOpen):
        accept(worker=make_worker(), batch=batch)
    with pytest.raises(IllegalMove):
        pause_batch(batch=batch)

    assert resume_batch(batch=batch).state == "open"
    assert accept(worker=make_worker(), batch=batch)


@pytest.mark.parametrize("reason", ["staff", "flags"])
def test_what_staff_paused_only_staff_resume(make_batch, reason):
    batch = make_batch()
    pause_batch(batch=batch, reason=reason)
    with pytest.raises(Conflict):
        resume_batch(batch=batch)
    assert resume_batch(batch=batch, by_staff=True).state == "open"


def test_an_expired_batch_goes_on_when_extended(make_batch):
    batch = make_batch(expires_at=timezone.now() - timedelta(1))
    pause_batch(batch=batch, reason="expired")
    with pytest.raises(Conflict):
        resume_batch(batch=batch)
    with pytest.raises(Invalid):
        extend_batch(batch=batch, expires_at=timezone.now() - timedelta(1))

    assert extend_batch(batch=batch, expires_at=timezone.now() + timedelta(1)).state == "open"
    pause_batch(batch=batch)
    assert extend_batch(batch=batch, expires_at=None).state == "paused"
    with pytest.raises(Conflict):
        close_batch(batch=batch)
        extend_batch(batch=batch, expires_at=None)


def test_a_clone_is_a_draft_with_a_copy_of_the_file(make_project, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    batch = create_batch(project=make_project())
    attach_upload(batch=batch, file=File(io.BytesIO(b"text\nx\n"), name="x"), name="rows.csv")
    run_to_end(publish_batch(batch=batch))

    clone = clone_batch(batch=batch)

    assert (clone.state, clone.upload_name) == ("draft", "rows.csv")
    assert clone.upload.name != batch.upload.name
    assert run_to_end(publish_batch(batch=clone)).state == "done"


def answer(batch, worker, label="one"):
    place = accept(worker=worker, batch=batch)
    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit=label))


def test_more_answers_are_funded_and_finished_hits_open_again(make_batch, make_worker):
    batch = make_batch(hits=2, rules={"mode": "fixed", "answers": 1})
    worker = make_worker()
    answer(batch, worker)
    run_clock()
    done = Hit.objects.get(state=Hit.State.RETIRED)

    assert ask_for_more(batch=batch, answers=2) == 2

    done.refresh_from_db()
    assert (done.state, done.max_assignments, done.funded, done.taken) == (Hit.State.OPEN, 3, 2, 1)
    other = Hit.objects.exclude(pk=done.pk).get()
    assert (other.max_assignments, other.funded) == (3, 3)
    assert escrow(batch) == 5 * 110_000
    assert not broken()
    assert ask_for_more(batch=batch, answers=1, hit_ids=[other.pk]) == 1
    assert not broken()


def test_more_answers_without_the_money_change_nothing(make_batch, make_project, make_requester):
    project = make_project(requester=make_requester(deposit="1.00"), rules={"mode": "fixed", "answers": 1})
    batch = make_batch(project=project)
    with pytest.raises(InsufficientFunds):
        ask_for_more(batch=batch, answers=100)
    with pytest.raises(Invalid):
        ask_for_more(batch=batch, answers=10_000)
    with pytest.raises(Invalid):
        ask_for_more(batch=batch, answers=0)
    assert Hit.objects.get().max_assignments == 1
    assert escrow(batch) == 110_000
    close_batch(batch=batch)
    with pytest.raises(Conflict):
        ask_for_more(batch=batch, answers=1)


def test_a_batch_that_closes_meanwhile_takes_no_more_answers(make_batch):
    batch = make_batch(rules={"mode": "fixed", "answers": 1})

    def close_first(execute, sql, params, many, context):
        if "FOR NO KEY UPDATE" in sql and "marketplace_hit" in sql and not closed:
            closed.append(True)
            close_batch(batch=Batch.objects.get(pk=batch.pk))
        return execute(sql, params, many, context)

    closed = []
    with connection.execute_wrapper(close_first), pytest.raises(BatchNotOpen):
        ask_for_more(batch=batch, answers=2)
    assert closed
    assert not broken()


def test_a_cancelled_hit_gives_back_what_nobody_holds(make_batch, make_worker):
    batch = make_batch(rules={"mode": "fixed", "answers": 3})
    place = accept(worker=make_worker(), batch=batch)

    hit = cancel_hit(hit=Hit.objects.get())

    assert (hit.state, hit.funded) == (Hit.State.CANCELLED, 1)
    assert escrow(batch) == 110_000
    with pytest.raises(NoWork):
        accept(worker=make_worker(), batch=batch)
    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))
    run_clock()
    assert Assignment.objects.get().state == "approved"
    assert not broken()
    with pytest.raises(IllegalMove):
        cancel_hit(hit=hit)


def test_a_parked_hit_opens_when_the_requester_says_so(make_batch):
    make_batch()
    Hit.objects.update(state=Hit.State.PARKED)
    assert release_parked(hit=Hit.objects.get()).room


# --- standing batches -------------------------------------------------------------------------------------------------


@pytest.fixture
def standing(make_project):
    def make(*, project=None, **fields):
        fields.setdefault("is_standing", True)
        batch = create_batch(project=project or make_project(), **fields)
        assert run_to_end(publish_batch(batch=batch)).state == "done"
        batch.refresh_from_db()
        return batch

    return make


def test_a_row_is_posted_funded_and_can_be_worked_on_at_once(standing, make_worker):
    batch = standing()

    posted = post_row(batch=batch, data={"text": "x", "more": [1]}, external_id="7", priority=3)

    assert posted.is_new
    assert (posted.hit.max_assignments, posted.hit.funded, posted.hit.priority) == (2, 7, 3)
    assert (posted.data_row.data, posted.data_row.external_id) == ({"text": "x", "more": [1]}, "7")
    assert escrow(batch) == 7 * 110_000
    assert accept(worker=make_worker(), batch=batch).hit_id == posted.hit.pk
    assert not broken()


def test_the_same_row_again_is_the_same_hit_and_other_data_a_conflict(standing):
    batch = standing()
    first = post_row(batch=batch, data={"text": "x"}, external_id="7")

    again = post_row(batch=batch, data={"text": "x"}, external_id="7")
    assert (again.hit, again.is_new) == (first.hit, False)
    with pytest.raises(Conflict) as caught:
        post_row(batch=batch, data={"text": "y"}, external_id="7")
    assert caught.value.code == "external_id_taken"
    assert post_row(batch=batch, data={"text": "x"}).hit != first.hit
    assert escrow(batch) == 2 * 7 * 110_000


def test_two_who_post_the_same_id_at_once_get_one_hit(standing, monkeypatch):
    batch = standing()
    first = post_row(batch=batch, data={"text": "x"}, external_id="7")
    calls = []
    real = posting_rows.write

    def late(batch, row, places):
        calls.append(row)
        if len(calls) == 1:
            raise IntegrityError("duplicate key value violates unique constraint hit_external_id_once")
        return real(batch, row, places)

    monkeypatch.setattr(posting_rows, "write", late)
    assert post_row(batch=batch, data={"text": "x"}, external_id="7").hit == first.hit


def test_a_row_without_the_money_is_not_stored(standing, make_project, make_requester):
    batch = standing(project=make_project(requester=make_requester(deposit="0.50")))
    with pytest.raises(InsufficientFunds) as caught:
        post_row(batch=batch, data={"text": "x"}, key={"digit": "one"})
    assert caught.value.code == "insufficient_funds"
    assert (Hit.objects.count(), HitData.objects.count(), GoldQuestion.objects.count()) == (0, 0, 0)


def test_a_daily_budget_ends_the_day(standing):
    batch = standing(day_budget=2 * 7 * 110_000 + 5)
    post = partial(post_row, batch=batch, data={"text": "x"})
    post()
    post()
    with pytest.raises(Conflict) as caught:
        post()
    assert caught.value.code == "day_budget"
    assert Hit.objects.count() == 2

    Batch.objects.update(spent_on=timezone.now().date() - timedelta(1))
    post()
    batch.refresh_from_db()
    assert batch.spent_that_day == 7 * 110_000


def test_a_posted_key_makes_gold(standing):
    posted = post_row(batch=standing(), data={"text": "x"}, key={"digit": "one"}, explanation="It is.")
    gold = GoldQuestion.objects.get()
    assert (gold.hit, gold.keys, gold.explanation) == (posted.hit, {"digit": {"accept": ["one"]}}, "It is.")
    assert posted.hit.lane == 1


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"data": {}}, "data"),
        ({"data": {"other": 1}}, "text"),
        ({"data": {"text": "a\x00"}}, "data"),
        ({"data": {"text": "x" * 70_000}}, "text"),
        ({"data": {"text": {1, 2}}}, "data"),
        ({"data": {"text": "x", "gold": "one"}}, "gold"),
        ({"data": {"text": "x"}, "priority": 101}, "priority"),
        ({"data": {"text": "x"}, "external_id": "x" * 201}, "external_id"),
        ({"data": {"text": "x"}, "key": {"digit": "two"}}, "gold:digit"),
        ({"data": {"text": "x"}, "key": {"shape": "one"}}, "gold:shape"),
        ({"data": {"text": "x"}, "explanation": "so"}, "explanation"),
    ],
)
def test_a_wrong_row_is_named_by_its_column(standing, row, named):
    with pytest.raises(Invalid) as caught:
        post_row(batch=standing(), **row)
    assert list(caught.value.errors) == [named]
    assert not Hit.objects.exists()


@pytest.mark.parametrize("state", ["draft", "closed"])
def test_rows_are_posted_to_open_batches_only(standing, make_project, state):
    batch = standing()
    Batch.objects.update(state=state)
    with pytest.raises(BatchNotOpen):
        post_row(batch=batch, data={"text": "x"})
    assert not Hit.objects.exists()
