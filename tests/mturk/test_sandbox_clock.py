"""The business clock of a sandbox: moved forward by its people, followed by its work and by nothing else."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from core.errors import Conflict, Invalid
from core.models import AuditEntry
from lifecycle.clock import STEPS
from lifecycle.decide import reject
from marketplace.models import Assignment
from mturk import ids
from mturk.services.sandbox import sandbox_for
from mturk.services.sandbox_clock import move_clock
from tests.mturk.conftest import QUESTION, TYPE

pytestmark = pytest.mark.django_db(transaction=True)
WHOLE = TYPE | {"LifetimeInSeconds": 3600, "Question": QUESTION, "MaxAssignments": 2}
#: Between the forward move and the sweep some seconds pass.
NEAR = timedelta(seconds=30)


@pytest.fixture
def owner(requester):
    return requester.members.get()


@pytest.fixture
def sandbox(owner):
    return sandbox_for(user=owner)


def sweep():
    for name, step, _seconds in STEPS:
        if name in ("digest", "decide", "expire", "mturk expiry", "mturk changes", "mturk disposal"):
            step()


def test_what_is_due_comes_sooner_and_live_work_is_untouched(requester, sandbox, owner, client_of, work_on):
    played, real = client_of(sandbox), client_of(requester)
    hits = {name: client.create_hit(**WHOLE)["HIT"] for name, client in (("play", played), ("live", real))}
    given = {name: ids.written(work_on(hit, [("q", "a")]).public_id) for name, hit in hits.items()}
    held = {name: work_on(hit) for name, hit in hits.items()}
    sweep()  # so that the sweep has looked at everything up to now
    before = {name: client.get_hit(HITId=hits[name]["HITId"])["HIT"] for name, client in (("live", real),)}
    told = played.get_assignment(AssignmentId=given["play"])["Assignment"]

    move_clock(requester=sandbox, forward=timedelta(seconds=601), by=owner)
    sweep()
    for place in held.values():
        place.refresh_from_db()
    assert (held["play"].state, held["live"].state) == ("expired", "accepted")
    assert played.get_hit(HITId=hits["play"]["HITId"])["HIT"]["HITStatus"] == "Assignable"

    move_clock(requester=sandbox, forward=timedelta(hours=1), by=owner)
    sweep()
    now = played.get_hit(HITId=hits["play"]["HITId"])["HIT"]
    assert (now["HITStatus"], now["NumberOfAssignmentsAvailable"]) == ("Reviewable", 0)
    moved = timedelta(seconds=601) + timedelta(hours=1)
    assert hits["play"]["CreationTime"] - now["CreationTime"] == moved
    approved = played.get_assignment(AssignmentId=given["play"])["Assignment"]
    assert approved["AssignmentStatus"] == "Approved"
    assert told["AutoApprovalTime"] - approved["AutoApprovalTime"] == moved
    assert played.get_account_balance()["OnHoldBalance"] == "0.00"

    assert real.get_hit(HITId=hits["live"]["HITId"])["HIT"] == before["live"]
    assert real.get_assignment(AssignmentId=given["live"])["Assignment"]["AssignmentStatus"] == "Submitted"
    rows = AuditEntry.objects.filter(act="sandbox.clock", subject=f"requester:{sandbox.pk}", actor=owner)
    assert [row.details["seconds"] for row in rows.order_by("pk")] == [601, 3600]
    call_command("invariants")


def test_the_time_for_an_appeal_runs_out_sooner(sandbox, owner, client_of, work_on):
    hit = client_of(sandbox).create_hit(**WHOLE)["HIT"]
    given = work_on(hit, [("q", "a")])
    reject(assignment=given, by=owner.pk, reason="No.")  # on a page: there even a sandbox waits for an appeal
    given.refresh_from_db()
    assert given.decide_at is not None

    move_clock(requester=sandbox, forward=timedelta(days=6), by=owner)
    sweep()
    assert Assignment.objects.get(pk=given.pk).decide_at is not None
    move_clock(requester=sandbox, forward=timedelta(days=1), by=owner)
    sweep()
    assert Assignment.objects.get(pk=given.pk).decide_at is None


def test_keys_and_request_tokens_keep_the_real_time(sandbox, owner, client_of):
    client = client_of(sandbox)
    client.create_hit(**WHOLE, UniqueRequestToken="once")

    move_clock(requester=sandbox, forward=timedelta(days=2), by=owner)

    assert client.get_account_balance()["AvailableBalance"]  # signed with the real date
    with pytest.raises(client.exceptions.RequestError):
        client.create_hit(**WHOLE, UniqueRequestToken="once")


def test_it_goes_forward_only_and_only_in_a_sandbox(requester, sandbox, owner):
    for wrong in (timedelta(), timedelta(days=-1), timedelta(days=367)):
        with pytest.raises(Invalid):
            move_clock(requester=sandbox, forward=wrong, by=owner)
    with pytest.raises(Conflict) as refused:
        move_clock(requester=requester, forward=timedelta(days=1), by=owner)
    assert refused.value.code == "not_a_sandbox"
    assert not AuditEntry.objects.filter(act="sandbox.clock").exists()


@pytest.fixture
def expired(sandbox, client_of):
    """Tells whether a HIT of the sandbox that has an hour is over."""
    client = client_of(sandbox)
    hit = client.create_hit(**WHOLE)["HIT"]

    def told():
        sweep()
        return client.get_hit(HITId=hit["HITId"])["HIT"]["HITStatus"] == "Reviewable"

    return told


def test_by_page(requester, owner, expired):
    pages = Client()
    pages.force_login(owner)
    page = pages.get(reverse("access_keys")).content.decode()
    assert reverse("sandbox_clock") in page

    def move(forward, unit):
        asked = {"forward": forward, "unit": unit}
        return pages.post(reverse("sandbox_clock"), asked, follow=True).content.decode()

    for wrong in (("", ""), ("-1", "days"), ("2", "weeks"), ("9999", "days"), ("0", "days")):
        assert "Say how far" in move(*wrong), wrong
    assert not expired()
    assert "It is later" in move("1", "hours")
    assert expired()


def test_who_has_no_sandbox_has_no_clock(requester, owner, make_user, make_requester):
    other = make_requester().members.get()
    pages = Client()
    pages.force_login(other)

    assert reverse("sandbox_clock") not in pages.get(reverse("access_keys")).content.decode()
    assert pages.post(reverse("sandbox_clock"), {"forward": "1", "unit": "days"}).status_code == 404


def test_by_program(requester, sandbox, owner, expired, api, make_requester):
    url = f"organisations/{sandbox.public_id}/clock"
    assert api(make_requester().members.get(), "write").post(url, {"seconds": 3600}).status_code == 404
    assert api(owner, "read").post(url, {"seconds": 3600}).status_code == 403
    assert not expired()

    done = api(owner, "write").post(url, {"seconds": 3600})

    assert done.status_code == 204 and expired()


def test_by_command(sandbox, owner, expired, capsys):
    with pytest.raises(CommandError):
        call_command("sandbox_clock", owner.email)
    call_command("sandbox_clock", owner.email, "--minutes", "60")

    assert "1:00:00" in capsys.readouterr().out and expired()
