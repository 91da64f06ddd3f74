"""Closing a large batch, and asking for more of it: in turns, each commit whole, and the rest after a kill."""

import random
import signal
import time

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from core.errors import Conflict, IllegalMove, InsufficientFunds, Invalid
from core.models import Operation
from core.operations import Turn, cancel_operation, resume_operation, take
from lifecycle import close, more
from lifecycle.accept import accept
from lifecycle.close import close_batch, close_finished
from lifecycle.invariants import check_invariants
from lifecycle.more import ask_for_more
from lifecycle.operations import run_to_end
from lifecycle.post_row import post_row
from lifecycle.submit import submit
from marketplace.models import Assignment, Batch, Hit
from marketplace.services import posting
from marketplace.services.judging import purse_of
from marketplace.services.posting import resume_batch
from payments.models import Account
from payments.selectors import balance
from payments.services.deposits import confirm_deposit, request_deposit
from payments.services.escrow import put_aside
from tests.marketplace.test_publish_kill import start, wait_for  # noqa: F401  a fixture
from tests.support.factories import body
from tests.test_lifecycle import run_clock

pytestmark = pytest.mark.django_db

FIXED = {"mode": "fixed", "answers": 2}


def broken():
    return [finding for finding in check_invariants() if finding.broken]


@pytest.fixture
def small_groups(monkeypatch):
    monkeypatch.setattr(close, "GROUP", 2)
    monkeypatch.setattr(more, "GROUP", 2)


@pytest.fixture
def worked(make_batch, make_worker):
    """Seven HITs with two places each: one answered and paid, one held, five untouched; its answerer and holder."""
    batch = make_batch(hits=7, rules=FIXED)
    answerer, holder = make_worker(), make_worker()
    place = accept(worker=answerer, batch=batch)
    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))
    run_clock()
    accept(worker=holder, batch=batch)
    return batch, holder


def turn_of(operation):
    return Turn(take(operation))


def test_a_small_batch_is_closed_on_return(worked):
    batch, _ = worked

    operation = close_batch(batch=batch)

    assert (operation.state, operation.done, operation.total) == ("done", 7, 7)
    assert batch.state == Batch.State.CLOSED
    assert balance(Account.Kind.ESCROW, batch.pk) == 110_000
    assert not broken()


def test_a_large_batch_closes_in_turns_and_every_commit_is_whole(worked, small_groups):
    batch, holder = worked

    operation = close_batch(batch=batch)

    assert (operation.state, operation.done, operation.total) == ("waiting", 0, 7)
    assert (batch.state, batch.paused_because) == ("paused", "closing")
    turn, before = turn_of(operation), balance(Account.Kind.ESCROW, batch.pk)
    for done in (2, 4, 6, 7):
        close.work(turn)
        assert turn.operation.done == done
        assert not broken()
        assert balance(Account.Kind.ESCROW, batch.pk) < before
        before = balance(Account.Kind.ESCROW, batch.pk)
        batch.refresh_from_db()
        assert batch.state == "paused"
    close.work(turn)
    batch.refresh_from_db()
    assert (batch.state, batch.paused_because, turn.operation.state) == ("closed", "", "done")
    assert balance(Account.Kind.ESCROW, batch.pk) == 110_000  # what is held can still be answered
    assert not broken()

    held = Assignment.objects.get(worker=holder)
    submit(assignment=held, raw=body(digit="zero"))
    run_clock()
    assert Assignment.objects.get(pk=held.pk).state == "approved"
    assert balance(Account.Kind.ESCROW, batch.pk) == 0
    assert not broken()


def test_nothing_opens_behind_the_back_of_a_batch_that_closes(worked, small_groups, make_worker):
    batch, _ = worked
    operation = close_batch(batch=batch)
    turn = turn_of(operation)
    close.work(turn)

    for act in (
        lambda: accept(worker=make_worker(), batch=Batch.objects.get(pk=batch.pk)),
        lambda: post_row(batch=Batch.objects.get(pk=batch.pk), data={"text": "late"}),
        lambda: ask_for_more(batch=Batch.objects.get(pk=batch.pk), answers=1),
        lambda: resume_batch(batch=batch),
        lambda: close_batch(batch=Batch.objects.get(pk=batch.pk)),
    ):
        with pytest.raises(Conflict):
            act()
    turn.pause()
    assert Hit.objects.filter(batch=batch).count() == 7
    assert run_to_end(Operation.objects.get(pk=operation.pk)).state == "done"
    assert not Hit.objects.filter(batch=batch, state__in=[Hit.State.OPEN, Hit.State.PARKED]).exists()
    with pytest.raises(IllegalMove):
        close_batch(batch=Batch.objects.get(pk=batch.pk))
    assert not broken()


def test_a_turn_that_dies_in_the_middle_of_a_commit_is_done_again(worked, small_groups, monkeypatch):
    batch, _ = worked
    operation = close_batch(batch=batch)
    real, calls = close.release_unneeded, []

    def killed(**kwargs):
        calls.append(1)
        real(**kwargs)
        if len(calls) == 2:
            raise SystemExit  # as a signal does: nothing tidies up

    monkeypatch.setattr(close, "release_unneeded", killed)
    with pytest.raises(SystemExit):
        run_to_end(operation)
    operation.refresh_from_db()
    assert (operation.done, operation.state) == (2, "running")
    assert not broken()
    Operation.objects.update(lease_until="2000-01-01T00:00Z")

    assert run_to_end(operation).state == "done"

    assert Batch.objects.get(pk=batch.pk).state == "closed"
    assert balance(Account.Kind.ESCROW, batch.pk) == 110_000
    assert not broken()


def test_closing_can_be_cancelled_before_a_hit_has_ended(worked, small_groups):
    batch, _ = worked
    operation = close_batch(batch=batch)
    cancel_operation(operation=operation)

    operation = run_to_end(operation)

    batch.refresh_from_db()
    assert (operation.state, batch.state, batch.paused_because) == ("cancelled", "paused", "requester")
    assert Hit.objects.filter(batch=batch, state=Hit.State.OPEN).count() == 7
    assert not broken()
    resume_batch(batch=batch)
    turn = turn_of(close_batch(batch=batch))
    close.work(turn)
    cancel_operation(operation=turn.operation)
    close.work(turn)
    turn.pause()
    assert run_to_end(turn.operation).state == "done"
    assert Batch.objects.get(pk=batch.pk).state == "closed"


def test_a_large_batch_that_is_finished_closes_by_itself(worked, small_groups, make_worker):
    batch, holder = worked
    Assignment.objects.filter(worker=holder).update(deadline=timezone.now())
    run_clock()
    for worker in [make_worker(), make_worker()]:
        while Hit.objects.filter(batch=batch, room=True).exclude(assignments__worker=worker).exists():
            place = accept(worker=worker, batch=batch)
            submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))
    run_clock()
    batch.refresh_from_db()
    if batch.state == "open":
        assert close_finished() == 1
        assert close_finished() == 0

    run_to_end(Operation.objects.get(kind="close"))

    batch.refresh_from_db()
    assert batch.state == "closed"
    assert balance(Account.Kind.ESCROW, batch.pk) == balance(Account.Kind.REPAIR, batch.pk) == 0
    assert not broken()


def test_more_of_a_large_batch_is_asked_for_in_turns(worked, small_groups):
    batch, _ = worked
    before = dict(Hit.objects.values_list("pk", "funded"))

    operation = ask_for_more(batch=batch, answers=3)

    assert (operation.state, operation.total) == ("waiting", 7)
    turn = turn_of(operation)
    for done in (2, 4, 6, 7):
        more.work(turn)
        assert turn.operation.done == done
        assert not broken()
    turn.pause()
    assert run_to_end(operation).result == {"hits": 7}
    assert {pk: funded - before[pk] for pk, funded in Hit.objects.values_list("pk", "funded")} == dict.fromkeys(
        before, 3
    )


def test_what_is_asked_of_a_large_batch_is_checked_before_anything_is_done(
    small_groups, make_batch, make_project, make_requester
):
    project = make_project(requester=make_requester(deposit="3.00"), rules=FIXED)
    batch = make_batch(project=project, hits=7)

    with pytest.raises(InsufficientFunds):
        ask_for_more(batch=batch, answers=2)
    with pytest.raises(Invalid):
        ask_for_more(batch=batch, answers=posting.MOST_PLACES)
    with pytest.raises(Invalid):
        ask_for_more(batch=batch, answers=0)
    assert not Operation.objects.exists()


def test_asking_for_more_goes_on_where_the_money_ended(
    small_groups, make_batch, make_project, make_requester, make_user
):
    requester = make_requester(deposit="10.00")
    batch = make_batch(project=make_project(requester=requester, rules=FIXED), hits=7)
    operation = ask_for_more(batch=batch, answers=1)
    spent = balance(Account.Kind.AVAILABLE, requester.pk) - 3 * 110_000
    put_aside(purse=purse_of(make_batch(project=batch.project, hits=0)), amount=spent, key="spent meanwhile")

    operation = run_to_end(operation)

    assert (operation.state, operation.done, operation.can_resume) == ("failed", 2, True)
    assert operation.error.endswith("2 of 7 HITs have been asked again.")
    assert "Nothing was changed" not in operation.error
    confirm_deposit(deposit=request_deposit(requester=requester, amount=10**7), by=make_user(is_staff=True))
    operation = run_to_end(resume_operation(operation=operation))
    assert (operation.state, operation.result, operation.error) == ("done", {"hits": 7}, "")
    assert set(Hit.objects.filter(batch=batch).values_list("max_assignments", "funded")) == {(3, 3)}


def test_the_page_shows_how_far_it_is_and_goes_on_with_what_failed(worked, small_groups):
    batch, _ = worked
    browser = Client()
    browser.force_login(batch.project.requester.members.get())
    close_batch(batch=batch)
    close.work(turn_of(Operation.objects.get()))

    page = browser.get(reverse("studio_batch", args=[batch.public_id])).content.decode()
    assert "Closing" in page
    assert "2 of 7" in page
    assert reverse("batch_act", args=[batch.public_id, "resume"]) not in page

    Operation.objects.update(state="failed", error="It broke.")
    page = browser.get(reverse("studio_batch", args=[batch.public_id])).content.decode()
    assert "It broke." in page
    browser.post(reverse("batch_act", args=[batch.public_id, "go-on"]))
    assert run_to_end(Operation.objects.get()).state == "done"
    assert Batch.objects.get(pk=batch.pk).state == "closed"


def test_the_api_answers_202_with_the_operation(worked, small_groups, api):
    batch, _ = worked
    client = api(batch.project.requester.members.get(), "read", "write", "money")

    asked = client.post(f"batches/{batch.public_id}/more", {"answers": 1})
    assert (asked.status_code, asked.json()["state"], asked.json()["total"]) == (202, "waiting", 7)
    run_to_end(Operation.objects.get())
    assert client.get(f"operations/{asked.json()['id']}").json()["result"] == {"hits": 7}

    closed = client.post(f"batches/{batch.public_id}/close")
    assert (closed.status_code, closed.json()["kind"], closed.json()["state"]) == (202, "close", "waiting")
    assert client.get(f"batches/{batch.public_id}").json()["paused_because"] == "closing"


MANY = """
INSERT INTO marketplace_hit (batch_id, priority, position, max_assignments, funded, state, lane)
SELECT %(batch)s, 0, n, 1, 1, 0, 0 FROM generate_series(1, %(hits)s) n
"""


@pytest.mark.drill
@pytest.mark.django_db(transaction=True)
def test_closing_survives_kill_9(start, make_batch, make_project, make_requester):  # noqa: F811
    project = make_project(requester=make_requester(deposit="1000000.00"), rules={"mode": "fixed", "answers": 1})
    batch, hits = make_batch(project=project, hits=0), 60_000
    with connection.cursor() as cursor:
        cursor.execute(MANY, {"batch": batch.pk, "hits": hits})
    put_aside(purse=purse_of(batch), amount=hits * batch.price, key="many")
    operation, chance = close_batch(batch=batch), random.Random(0)
    assert operation.state == "waiting"

    for part in (0, 20_000, 40_000):
        process = start()
        wait_for(
            lambda part=part: operation.refresh_from_db() or operation.done >= part and operation.state == "running"
        )
        time.sleep(chance.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not broken()
        Operation.objects.filter(state="running").update(lease_until="2000-01-01T00:00Z")  # spares the test 30 s
    start()
    wait_for(lambda: operation.refresh_from_db() or operation.finished_at)

    batch.refresh_from_db()
    assert (operation.state, operation.error, operation.done, batch.state) == ("done", "", hits, "closed")
    assert balance(Account.Kind.ESCROW, batch.pk) == 0
    assert set(Hit.objects.filter(batch=batch).values_list("state", "funded")) == {(Hit.State.CANCELLED, 0)}
    assert not broken()
