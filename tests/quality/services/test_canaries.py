"""Gold that only suspects see, by the doors that workers have: a ring is exposed, people who work alone are not."""

import random
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from lifecycle.accept import accept
from lifecycle.expire import expire, return_place
from lifecycle.invariants import check_invariants
from lifecycle.refit import refit_project
from lifecycle.submit import submit
from lifecycle.watch import set_gold_shares
from marketplace.errors import NoWork
from marketplace.models import Assignment, Batch, Hit, Participation
from quality.models import CanarySet, Flag, GoldQuestion, Judgment, WorkerReliability
from quality.services import canaries, exposure
from quality.services.gold import mark_as_gold
from tests.support.factories import body
from tests.test_lifecycle import run_clock

WORDS = ("zero", "one", "two", "three")
QUESTION = {"name": "digit", "kind": "categorical", "labels": WORDS}
ORDINARY, GOLD = 60, 100
RING, HONEST = 4, 4


pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def seeded(db, monkeypatch):
    """The same draws each time; and so many canaries that a small batch does."""
    monkeypatch.setattr(canaries, "COMMON_FOR_EACH", 4)
    monkeypatch.setattr(exposure, "STALE_SECONDS", 0)  # else the clock on the wall had a say
    random.seed(3)
    with connection.cursor() as cursor:
        cursor.execute("SELECT setseed(0.25)")


@pytest.fixture
def market(make_project, make_batch, make_worker):
    """A project in which a fit has found a ring of four, and a new batch of it with gold."""
    project = make_project(
        questions=[QUESTION],
        rules={"mode": "fixed", "answers": RING + HONEST, "gold_share": 0.2, "max_open": 100, "gates": False},
    )
    workers = [make_worker() for _ in range(RING + HONEST)]
    first = make_batch(project=project, hits=60)
    rng = np.random.default_rng(1)
    truth, key = rng.integers(0, 4, (2, 60))
    said = np.where(rng.random((HONEST + RING, 60)) < 0.85, truth, rng.integers(0, 4, (HONEST + RING, 60)))
    said[:RING] = key
    Judgment.objects.bulk_create(
        Judgment(
            project=project, batch=first, hit=hit, worker=worker, assignment_id=0, question="digit", version=1,
            label=int(said[w, n]),
        )
        for n, hit in enumerate(Hit.objects.filter(batch=first).order_by("pk"))
        for w, worker in enumerate(workers)
    )  # fmt: skip
    refit_project(project=project)
    ring = set(WorkerReliability.objects.filter(cluster=1).values_list("worker_id", flat=True))
    assert ring == {worker.pk for worker in workers[:RING]}

    batch = make_batch(project=project, hits=ORDINARY + GOLD, places=RING + HONEST)
    for number, hit in enumerate(list(batch.hits.order_by("pk"))[:GOLD]):
        mark_as_gold(hit=hit, keys={"gold": WORDS[number % 4]})

    return batch, workers[:RING], workers[RING:]


def work(batch, worker, answer):
    """One HIT by the doors that workers have; False where there is none."""
    try:
        place = accept(worker=worker, batch=batch)
    except NoWork:
        return False
    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit=WORDS[answer(place.hit_id)]))
    return True


def work_on(batch, ring, honest, of_ring, rounds=64):
    """All in turns; the clock goes on after every eight HITs."""
    rng = np.random.default_rng(5)
    first = min(batch.hits.values_list("pk", flat=True))  # ids differ from run to run

    def alone(hit):
        return hit % 4 if rng.random() < 0.7 else int(rng.integers(0, 4))

    for _ in range(rounds // 8):
        for _ in range(8):
            for worker in honest:
                work(batch, worker, lambda hit: alone(hit - first))
            for worker in ring:
                work(batch, worker, lambda hit: (of_ring or alone)(hit - first))
        run_clock()


def shared_key(hit):
    return hit // 4 % 4  # three of four are wrong


def broken():
    return [finding.name for finding in check_invariants() if finding.broken]


def had_by(batch, workers):
    rows = Assignment.objects.filter(batch=batch, worker__in=workers).values_list("worker_id", "hit_id")
    had = {worker.pk: set() for worker in workers}
    for worker, hit in rows:
        had[worker].add(hit)
    return had


def words(response):
    return " ".join(response.content.decode().split())


def test_a_ring_is_exposed(market, monkeypatch, client, make_user):
    monkeypatch.setattr(canaries, "MOST", 10)
    batch, ring, honest = market

    work_on(batch, ring, honest, shared_key)

    one = CanarySet.objects.get()
    members = {worker.pk for worker in ring}
    assert one.members == sorted(members) and (one.lane, len(one.hits)) == (3, 10)
    given = Assignment.objects.filter(hit__in=one.hits)
    assert set(given.values_list("worker_id", flat=True)) == members  # nobody else was given any
    assert one.found["items"] == 10 and one.found["repeated"] == one.found["chances"]
    assert one.found["p"] < 0.001
    flags = Flag.objects.filter(kind="copying", state="open")
    assert {flag.worker_id for flag in flags} == members
    assert all(flag.evidence["canaries"] == one.found for flag in flags)
    rows = WorkerReliability.objects.filter(project=batch.project, cluster__isnull=False)
    assert all(row.signs["canaries"] == one.found for row in rows)
    assert not WorkerReliability.objects.filter(state="paused").exists()  # a person decides
    assert broken() == []

    # All answered: it is over, once is enough, and what a fit writes anew still knows it.
    assert one.ended_at is not None
    assert set(Participation.objects.values_list("gold_lane", flat=True)) == {1}
    refit_project(project=batch.project)
    flags = Flag.objects.filter(kind="copying", state="open", worker__in=members)
    assert flags.count() == RING and all(flag.evidence["canaries"] == one.found for flag in flags)

    # Members were shown no more gold than others, and none of it more often than what they have in common anyway.
    golds = set(GoldQuestion.objects.values_list("hit_id", flat=True))
    of_ring, of_others = had_by(batch, ring), had_by(batch, honest)
    share, usual = (np.mean([len(had & golds) / len(had) for had in those.values()]) for those in (of_ring, of_others))
    assert abs(share - usual) < 0.1
    common = [sum(hit in had for had in of_ring.values()) for hit in set().union(*of_ring.values()) - golds]
    assert max(sum(hit in had for had in of_ring.values()) for hit in one.hits) <= max(common)
    assert len(one.hits) <= sum(n > 1 for n in common) // canaries.COMMON_FOR_EACH

    # The requester and staff read it beside the suspicion.
    client.force_login(batch.project.requester.memberships.get().user)
    page = words(client.get(reverse("studio_workers", args=[batch.public_id])))
    assert page.count("Given 10 items that nobody else saw.") == RING
    assert f"{one.found['repeated']} repeat it" in page and "By luck: " in page
    client.force_login(make_user(is_staff=True, is_superuser=True))
    assert "Given 10 items that nobody else saw." in words(client.get(reverse("staff_flags")))


def test_suspects_who_work_alone_are_not(market):
    batch, ring, honest = market

    work_on(batch, ring, honest, None)

    one = CanarySet.objects.get()
    assert one.found["items"] >= 8 and one.found["chances"] > 0
    assert one.found["p"] > 0.05


def test_where_suspicion_ends_canaries_become_gold_like_any_other(market):
    batch, ring, honest = market
    work_on(batch, ring, honest, shared_key, rounds=32)
    one = CanarySet.objects.get()
    left = set(Hit.objects.filter(lane=3, state=Hit.State.OPEN).values_list("pk", flat=True))
    assert one.ended_at is None and left
    assert set(Participation.objects.filter(worker__in=honest, batch=batch).values_list("gold_lane", flat=True)) == {1}

    # A place that was seen and given back is not given again.
    member = Participation.objects.filter(gold_lane=3).first()
    Participation.objects.filter(pk=member.pk).update(lane_share=1.0)
    place = accept(worker=member.worker, batch=batch)
    hit = Hit.objects.get(pk=place.hit_id)
    assert hit.lane == 3
    return_place(assignment=Assignment.objects.get(pk=place.assignment_id), reason="unclear")
    after = Hit.objects.get(pk=hit.pk)
    assert (after.taken, after.max_assignments) == (hit.taken - 1, hit.max_assignments - 1)

    # One that expired takes a late answer, and is as often answered as before.
    place = accept(worker=member.worker, batch=batch)
    before = Hit.objects.get(pk=place.hit_id)
    late = Assignment.objects.filter(pk=place.assignment_id)
    late.update(deadline=timezone.now() - timedelta(seconds=1))
    expire(assignment_id=place.assignment_id)
    submit(assignment=late.get(), raw=body(digit="one"))
    after = Hit.objects.get(pk=place.hit_id)
    assert (after.lane, after.taken, after.max_assignments) == (before.lane, before.taken, before.max_assignments)

    WorkerReliability.objects.update(cluster=None)
    set_gold_shares()

    one.refresh_from_db()
    assert one.ended_at is not None
    assert set(Hit.objects.filter(pk__in=left).values_list("lane", flat=True)) == {1}
    assert not Participation.objects.exclude(gold_lane=1).exists()
    assert broken() == []


def test_canaries_of_a_batch_that_closes_end_with_it(market):
    batch, ring, honest = market
    work_on(batch, ring, honest, shared_key, rounds=32)

    Batch.objects.filter(pk=batch.pk).update(state="closed")
    set_gold_shares()

    assert CanarySet.objects.get().ended_at is not None


def test_too_little_in_common_or_too_little_gold_sets_nothing_aside(market):
    batch, ring, honest = market
    work_on(batch, ring, honest, shared_key, rounds=8)  # fewer than 16 in common
    assert CanarySet.objects.count() == 0

    seen = Assignment.objects.filter(batch=batch).values("hit")
    Hit.objects.filter(batch=batch, lane__gt=0).exclude(pk__in=seen).update(group_key=F("pk"))
    work_on(batch, ring, honest, shared_key, rounds=28)

    assert canaries._in_common(batch.pk, [worker.pk for worker in ring])[1] >= 4
    assert CanarySet.objects.count() == 0
    assert not Hit.objects.filter(lane__gte=3).exists()
