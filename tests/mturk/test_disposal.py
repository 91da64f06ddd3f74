"""A HIT that has been Reviewable for 120 days, and nothing happened to it, is disposed of as DeleteHIT would."""

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError
from django.core.management import call_command
from django.db import connection

from core import clock
from marketplace.models import Hit
from mturk import ids
from mturk.models import HitType, MturkHit
from mturk.services import hits
from mturk.services.hits import BEGINNING, IDLE_HITS, dispose_idle
from mturk.services.sandbox import sandbox_for
from mturk.services.sandbox_clock import move_clock
from tests.mturk.conftest import QUESTION, TYPE
from tests.mturk.test_sandbox_clock import sweep

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner(requester):
    return requester.members.get()


@pytest.fixture
def sandbox(owner):
    return sandbox_for(user=owner)


@pytest.fixture(autouse=True)
def from_the_beginning(monkeypatch):
    monkeypatch.setitem(hits._looked, "up to", BEGINNING)


@pytest.fixture
def play(client_of, sandbox):
    return client_of(sandbox)


@pytest.fixture
def post(play):
    def make(**members):
        members = {**TYPE, "LifetimeInSeconds": 3600, "Question": QUESTION, "MaxAssignments": 1, **members}
        return play.create_hit(**members)["HIT"]

    return make


@pytest.fixture
def status_of(play):
    return lambda hit: play.get_hit(HITId=hit["HITId"])["HIT"]["HITStatus"]


@pytest.fixture
def days(sandbox, owner):
    def go(number):
        move_clock(requester=sandbox, forward=timedelta(days=number), by=owner)
        sweep()

    return go


def test_what_was_answered_long_ago_is_disposed_of_with_its_money(play, post, work_on, status_of, days):
    answered, unanswered = post(MaxAssignments=2), post()
    given = work_on(answered, [("q", "a")])
    play.approve_assignment(AssignmentId=ids.written(given.public_id))
    days(119)
    assert (status_of(answered), status_of(unanswered)) == ("Reviewable", "Reviewable")

    days(121)

    assert (status_of(answered), status_of(unanswered)) == ("Disposed", "Disposed")
    assert play.list_hits()["HITs"] == []
    assert play.get_account_balance()["OnHoldBalance"] == "0.00"
    with pytest.raises(ClientError) as refused:
        play.delete_hit(HITId=answered["HITId"])
    assert "currently in the state 'Disposed'" in refused.value.response["Error"]["Message"]
    call_command("invariants")


def test_what_happens_to_a_hit_keeps_it(play, post, work_on, status_of, days):
    """A year to work in, one answer 100 days in, approved by silence: 120 days after that."""
    hit = post(LifetimeInSeconds=31_536_000)
    days(100)
    work_on(hit, [("q", "a")])
    days(1)
    assert status_of(hit) == "Reviewable"
    days(118)
    assert status_of(hit) == "Reviewable"
    days(3)
    assert status_of(hit) == "Disposed"


def test_what_can_still_be_taken_or_is_set_aside_stays(play, post, work_on, status_of, days):
    open_one = post(LifetimeInSeconds=31_536_000, MaxAssignments=2)
    given = work_on(open_one, [("q", "a")])
    set_aside = post()
    play.approve_assignment(AssignmentId=ids.written(given.public_id))
    days(1)
    play.update_hit_review_status(HITId=set_aside["HITId"])

    days(150)

    assert (status_of(open_one), status_of(set_aside)) == ("Assignable", "Reviewing")


def test_the_round_goes_on_where_it_was(post, status_of, days):
    made = [post() for _ in range(5)]
    days(1)
    MturkHit.objects.update(created_at=clock.now() - timedelta(days=200), expires_at=clock.now() - timedelta(days=190))

    assert [dispose_idle(most=2) for _ in range(3)] == [2, 2, 1]
    assert {status_of(hit) for hit in made} == {"Disposed"}
    assert hits._looked["up to"] == BEGINNING


def test_it_reads_an_index_and_stops(post):
    hit = post()
    first = MturkHit.objects.get(hit__data_row__public_id=ids.read(hit["HITId"]))
    now = clock.now()
    many = Hit.objects.bulk_create(Hit(batch_id=first.hit.batch_id, max_assignments=1) for _ in range(3000))
    MturkHit.objects.bulk_create(
        MturkHit(
            hit=one, requester_id=first.requester_id, hit_type=HitType.objects.get(), question="", expires_at=now,
            created_at=now - timedelta(days=300 if number < 1500 else 1), disposed_at=now if number < 1400 else None,
        )
        for number, one in enumerate(many)
    )  # fmt: skip
    about = {"now": now, "until": now - timedelta(days=120), "at": BEGINNING[0], "hit": 0, "most": 50}
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE mturk_mturkhit, marketplace_hit, marketplace_assignment")
        cursor.execute(f"EXPLAIN {IDLE_HITS}", about)
        plan = "\n".join(row[0] for row in cursor.fetchall())

    assert "mturk_hit_kept" in plan, plan
    assert "Seq Scan on mturk_mturkhit" not in plan and "Seq Scan on marketplace_hit" not in plan, plan
