"""How often gold is shown, to whom, and what that costs."""

import pytest
from django.core.cache import cache
from django.utils import timezone

from lifecycle.accept import accept, accept_ahead, accept_named, open_accepted
from lifecycle.expire import expire, return_place
from lifecycle.invariants import check_invariants
from lifecycle.submit import submit
from lifecycle.watch import limit_gold, set_gold_shares
from marketplace.errors import NoWork
from marketplace.models import Assignment, Hit, Participation
from marketplace.selectors import design_of
from marketplace.services.judging import purse_of
from payments.models import Account
from payments.selectors import balance
from payments.services.escrow import put_aside
from quality.models import Flag, GoldQuestion, WorkerReliability
from quality.services import exposure
from quality.services.exposure import ending_chances
from quality.services.gold import mark_as_gold
from quality.services.shares import Supply, supply_of
from tests.support.factories import body
from tests.test_lifecycle import run_clock


def make_gold(batch, number):
    for hit in batch.hits.order_by("pk")[:number]:
        mark_as_gold(hit=hit, keys={"gold": "one"})
    return Hit.objects.filter(batch=batch, lane=1).order_by("pk")


def work(worker, batch):
    place = accept(worker=worker, batch=batch)
    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))
    return place.hit_id


def set_share(worker, batch, share):
    Participation.objects.update_or_create(worker=worker, batch=batch, defaults={"lane_share": share})


@pytest.mark.django_db
def test_gold_is_drawn_only_while_there_is_ordinary_work_for_the_worker(make_batch, make_worker):
    batch, worker = make_batch(hits=6, rules={"mode": "fixed", "answers": 2}), make_worker()
    gold = make_gold(batch, 4)
    set_share(worker, batch, 0.5)

    had = []
    with pytest.raises(NoWork):
        while True:
            had.append(work(worker, batch))

    lanes = [Hit.objects.get(pk=pk).lane for pk in had]
    assert lanes.count(0) == 2
    assert lanes[-1] == 0  # the last one is never gold: it would be known by that
    assert gold.filter(assignments__worker=worker).count() == lanes.count(1)


@pytest.mark.django_db
def test_a_share_of_one_draws_gold_first_and_of_zero_never(make_batch, make_worker):
    batch = make_batch(hits=8, rules={"mode": "fixed", "answers": 2})
    make_gold(batch, 4)
    eager, never = make_worker(), make_worker()
    set_share(eager, batch, 1.0)
    set_share(never, batch, 0.0)

    assert [Hit.objects.get(pk=work(eager, batch)).lane for _ in range(5)] == [1, 1, 1, 1, 0]
    assert [Hit.objects.get(pk=work(never, batch)).lane for _ in range(4)] == [0] * 4


@pytest.mark.django_db
def test_both_lanes_go_on_from_the_same_position(make_batch, make_worker):
    batch, worker = make_batch(hits=3), make_worker()

    accept(worker=worker, batch=batch)

    row = Participation.objects.get(worker=worker, batch=batch)
    had = Hit.objects.get(assignments__worker=worker)
    assert row.cursor in (had.position + 1, had.position)
    assert row.lane_cursor != row.cursor  # where it began


@pytest.fixture
def ended(make_batch, make_worker):
    """A batch with gold and 50 ordinary HITs that have ended: half after one opening, half after three. One is open."""
    batch = make_batch(hits=56, places=1, rules={"mode": "target"})
    Hit.objects.filter(batch=batch).update(funded=5)
    put_aside(purse=purse_of(batch), amount=4 * 56 * batch.price, key="more")
    make_gold(batch, 5)
    workers, now = [make_worker() for _ in range(3)], timezone.now()
    ordinary = list(batch.hits.filter(lane=0).order_by("pk")[:50])
    Assignment.objects.bulk_create(
        Assignment(hit=hit, batch=batch, worker=worker, state="approved", reward=0, deadline=now, opened_at=now)
        for number, hit in enumerate(ordinary)
        for worker in workers[: 1 if number % 2 else 3]
    )
    Hit.objects.filter(pk__in=[hit.pk for hit in ordinary]).update(state=Hit.State.RETIRED, taken=1)
    return batch


def answer(gold, worker):
    place = accept_named(worker=worker, hit=gold.hit)
    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="zero"))
    run_clock()
    gold.refresh_from_db()
    gold.hit.refresh_from_db()


def test_chances_come_from_what_is_known_so_far():
    ended, has_room, waits = (True, False), (False, True), (False, False)
    rows = [(*ended, 2)] * 10 + [(*ended, 4)] * 10 + [(*has_room, 2)] * 5 + [(*waits, 2)] * 100 + [(*waits, 3)] * 5

    chances = ending_chances(rows)

    # At 2: 10 ended; 10 + 5 + 5 are known to have gone on; of the 100 that wait nothing is known there.
    assert chances == {1: 0.0, 2: 10 / 30, 3: 0.0, 4: 1.0}
    assert ending_chances([(*ended, 2)] * 9) == {}


@pytest.mark.django_db
def test_gold_ends_as_ordinary_hits_did_and_its_money_goes_back(ended, make_worker, monkeypatch):
    monkeypatch.setattr(exposure.random, "random", lambda: 0.49)  # half of them ended after one opening
    gold = GoldQuestion.objects.first()
    before = balance(Account.Kind.AVAILABLE, ended.project.requester_id)

    answer(gold, make_worker())

    assert (gold.state, gold.limit, gold.hit.state, gold.hit.funded) == ("retired", 1, Hit.State.RETIRED, 0)
    assert balance(Account.Kind.AVAILABLE, ended.project.requester_id) == before + 4 * ended.price
    assert gold.scores.get().passed is False
    assert WorkerReliability.objects.get(question="digit").wrong == 1
    assert check_invariants(["W10", "M3"])[0].broken == []


@pytest.mark.django_db
def test_gold_goes_on_as_ordinary_hits_did(ended, make_worker, monkeypatch):
    monkeypatch.setattr(exposure.random, "random", lambda: 0.51)
    gold = GoldQuestion.objects.first()

    places = []
    for _ in range(3):
        answer(gold, make_worker())
        places.append((gold.hit.taken, gold.hit.max_assignments, gold.state))

    # All ended after the third opening at the latest.
    assert places == [(1, 2, "active"), (2, 3, "active"), (3, 3, "retired")]
    assert gold.limit == 3


@pytest.mark.django_db
def test_gold_waits_while_too_little_is_known_and_the_sweep_settles_it_later(ended, make_worker, monkeypatch):
    monkeypatch.setattr(exposure, "KNOWN_FROM", 51)
    gold = GoldQuestion.objects.first()
    answer(gold, make_worker())
    assert (gold.state, gold.hit.state, gold.hit.room, limit_gold()) == ("active", Hit.State.OPEN, False, 0)

    monkeypatch.setattr(exposure, "KNOWN_FROM", 50)
    cache.clear()

    assert limit_gold() == 1
    gold.refresh_from_db()
    gold.hit.refresh_from_db()
    assert gold.state == "retired" or gold.hit.room


@pytest.mark.django_db
def test_an_opening_counts_also_when_the_place_comes_back(ended, make_worker, monkeypatch):
    monkeypatch.setattr(exposure.random, "random", lambda: 0.51)
    gold = GoldQuestion.objects.first()

    for _ in range(3):
        place = accept_named(worker=make_worker(), hit=gold.hit)
        return_place(assignment=Assignment.objects.get(pk=place.assignment_id), reason="unclear")
        limit_gold()

    gold.hit.refresh_from_db()
    gold.refresh_from_db()
    assert (gold.hit.taken, gold.hit.room, gold.state, gold.limit) == (0, False, "retired", 3)
    assert check_invariants(["W10"])[0].broken == []


@pytest.mark.django_db
def test_a_place_taken_ahead_and_never_opened_is_no_exposure(ended, make_worker):
    gold = GoldQuestion.objects.first()
    place = accept_named(worker=make_worker(), hit=gold.hit)
    Assignment.objects.filter(pk=place.assignment_id).update(
        is_ahead=True, opened_at=None, deadline="2026-01-01T00:00Z"
    )

    expire(assignment_id=place.assignment_id)

    gold.hit.refresh_from_db()
    assert (gold.hit.taken, gold.hit.max_assignments, gold.hit.room) == (0, 1, True)


@pytest.mark.django_db
def test_a_late_answer_to_gold_finds_its_place_free_as_elsewhere(ended, make_worker):
    gold = GoldQuestion.objects.first()
    place = accept_named(worker=make_worker(), hit=gold.hit)
    Assignment.objects.filter(pk=place.assignment_id).update(deadline="2026-01-01T00:00Z")
    expire(assignment_id=place.assignment_id)
    assert Hit.objects.get(pk=gold.hit_id).room is False

    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"))

    assert Assignment.objects.get(pk=place.assignment_id).state == "submitted"
    assert list(Hit.objects.filter(pk=gold.hit_id).values_list("taken", "max_assignments")) == [(1, 1)]


@pytest.mark.django_db
def test_newcomers_draw_a_quarter_and_a_short_supply_lowers_it_and_is_told(make_batch, make_worker):
    batch = make_batch(hits=100, rules={"mode": "fixed", "answers": 3})
    make_gold(batch, 40)
    set_gold_shares()
    batch.refresh_from_db()
    assert batch.lane_share == pytest.approx(0.25)
    assert accept(worker=make_worker(), batch=batch)
    assert Participation.objects.get().lane_share == pytest.approx(0.25)

    for gold in GoldQuestion.objects.order_by("pk")[:39]:
        GoldQuestion.objects.filter(pk=gold.pk).update(state="retired")
        Hit.objects.filter(pk=gold.hit_id).update(state=Hit.State.RETIRED)
    while set_gold_shares():
        pass

    batch.refresh_from_db()
    supply = supply_of(batch)
    assert supply.golds == 1
    assert batch.lane_share == pytest.approx(supply.share, abs=0.003)
    assert batch.lane_share < 0.03
    flag = Flag.objects.get(kind="leak_risk")
    assert (flag.batch, flag.evidence["golds"]) == (batch, 1)
    more = flag.evidence["more"]
    assert f"Add {more} gold questions" in flag.message
    filled = Supply(1 + more, supply.left + more * supply.r, supply.ordinary_left, supply.r)
    asked = design_of(batch).rules.gold_share
    assert filled.share >= asked > Supply(more, filled.left - supply.r, filled.ordinary_left, supply.r).share
    assert set_gold_shares() == 0


@pytest.mark.django_db
def test_gold_beyond_the_share_is_kept_back_until_it_is_needed(make_batch):
    batch = make_batch(hits=100, rules={"mode": "fixed", "answers": 3})
    gold = make_gold(batch, 40)
    work_on = Hit.objects.filter(pk__in=list(gold.values_list("pk", flat=True)))

    set_gold_shares()

    # A quarter of the openings: 20 of the 40, beside 60 ordinary ones.
    assert [work_on.filter(lane=lane).count() for lane in (1, 2)] == [20, 20]
    assert set_gold_shares() == 0

    Hit.objects.filter(pk__in=list(work_on.filter(lane=1).values_list("pk", flat=True)[:5])).update(
        state=Hit.State.RETIRED
    )
    set_gold_shares()

    assert work_on.filter(lane=1, state=Hit.State.OPEN).count() == 20
    batch.refresh_from_db()
    assert batch.lane_share == pytest.approx(0.25)


@pytest.mark.django_db
def test_rules_scale_the_share_and_trust_lowers_it(make_batch, make_worker, score_golds):
    batch = make_batch(hits=200, rules={"mode": "fixed", "answers": 3, "gold_share": 0.05})
    make_gold(batch, 60)
    good, new = make_worker(), make_worker()
    set_share(good, batch, 0)
    set_share(new, batch, 0)
    score_golds(good, batch, [True] * 60)
    run_clock()

    set_gold_shares()

    shares = dict(Participation.objects.values_list("worker_id", "lane_share"))
    assert shares[new.pk] == pytest.approx(0.125)
    assert shares[good.pk] == pytest.approx(0.015)


@pytest.mark.django_db
def test_without_gold_nobody_draws_any(make_batch, make_worker):
    batch = make_batch(hits=3)
    gold = make_gold(batch, 1)
    set_gold_shares()
    GoldQuestion.objects.update(state="retired")
    gold.update(state=Hit.State.RETIRED)

    set_gold_shares()

    batch.refresh_from_db()
    assert (batch.lane_share, Flag.objects.count()) == (0, 0)


@pytest.mark.django_db
def test_places_taken_ahead_count_when_they_are_opened(make_batch, make_worker):
    batch, worker = make_batch(hits=2, rules={"mode": "fixed", "answers": 2}), make_worker()
    make_gold(batch, 1)
    set_share(worker, batch, 1.0)

    place = accept_ahead(worker=worker, batch=batch)
    assert Participation.objects.get().lane_opened == 0
    open_accepted(assignment=Assignment.objects.select_related("batch").get(pk=place.assignment_id))

    assert Participation.objects.get().lane_opened == 1
