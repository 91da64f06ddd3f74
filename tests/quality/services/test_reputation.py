"""Reputation: decayed, cautious, and never fresher than yesterday."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.models import Watermark
from lifecycle.accept import accept_named
from lifecycle.submit import submit
from marketplace.models import Assignment
from quality.models import GoldScore, WorkerReliability
from quality.services.gold import make_soft
from quality.services.reputation import refresh_reputation, refresh_reputations, shown_intervals
from tests.support.factories import body
from tests.test_lifecycle import run_clock
from workers_app.models import Reputation

DAY = timedelta(days=1)


def age(days, worker=None):
    scores = GoldScore.objects.filter(worker=worker) if worker else GoldScore.objects.all()
    scores.update(created_at=timezone.now() - days * DAY)


@pytest.mark.django_db
def test_the_score_is_the_lower_bound_of_what_was_seen(make_batch, make_worker, score_golds):
    batch, worker = make_batch(hits=40), make_worker()
    score_golds(worker, batch, [True] * 36 + [False] * 4)
    age(1.5)

    reputation = refresh_reputation(worker_id=worker.pk, project_id=batch.project_id, until=timezone.now())

    assert (reputation.checked, round(reputation.a + reputation.b - 5)) == (40, 37)  # 40 with decay
    assert 0.75 < reputation.score < 0.9


@pytest.mark.django_db
def test_old_scores_count_half_after_ninety_days(make_batch, make_worker, score_golds):
    batch, worker = make_batch(hits=10), make_worker()
    score_golds(worker, batch, [True] * 10)
    age(90)

    reputation = refresh_reputation(worker_id=worker.pk, project_id=batch.project_id, until=timezone.now())

    assert reputation.a + reputation.b == pytest.approx(5 + 5, abs=0.01)


@pytest.mark.django_db
def test_what_is_known_from_other_work_is_where_it_begins(make_batch, make_worker, score_golds):
    here, there, other = make_batch(hits=1), make_batch(hits=60), make_batch(hits=60)
    good, bad = make_worker(), make_worker()
    score_golds(good, there, [True] * 60)
    score_golds(bad, other, [False] * 60)
    age(2)

    scores = [
        refresh_reputation(worker_id=worker.pk, project_id=here.project_id, until=timezone.now()).score
        for worker in (good, bad)
    ]

    assert scores[0] > 0.6 > 0.1 > scores[1]


@pytest.mark.django_db
def test_todays_scores_wait_for_tomorrow(make_batch, make_worker, score_golds):
    batch, worker = make_batch(hits=30), make_worker()
    score_golds(worker, batch, [True] * 30)
    assert (refresh_reputations(), Reputation.objects.count()) == (0, 0)

    age(1)
    Watermark.objects.all().delete()
    assert (refresh_reputations(), refresh_reputations()) == (1, 0)

    score = Reputation.objects.get().score
    low, high, mean = shown_intervals(worker)[batch.project_id]
    assert abs(low - score) <= 0.025
    assert low <= mean <= high <= 1
    assert all(abs(shown * 20 - round(shown * 20)) < 1e-9 for shown in (low, high, mean))


@pytest.mark.django_db
def test_soft_gold_says_a_little_and_fails_nobody(make_batch, make_worker):
    batch, worker = make_batch(hits=3, rules={"mode": "fixed", "answers": 3}), make_worker()
    for hit in batch.hits.all():
        place = accept_named(worker=worker, hit=hit)
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="zero"))
    run_clock()

    for hit in batch.hits.all():
        make_soft(hit=hit, keys={"gold": "one"}, weight=0.96)
    run_clock()

    row = WorkerReliability.objects.get(worker=worker, question="digit")
    assert (row.right, row.wrong) == (pytest.approx(3 * 0.5 * 0.04), pytest.approx(3 * 0.5 * 0.96))
    assert (row.checked, row.state) == (0, "quiz")
