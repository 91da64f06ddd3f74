"""Gate, looks and monitor on simulated workers: the figures of QUALITY.md section 4, and a crowd in the database."""

import numpy as np
import pytest

from lifecycle.watch import carry_pauses, take_in_scores
from marketplace.models import Participation
from quality.estimators.gold import Bar, Monitor
from quality.models import Flag, WorkerReliability
from quality.selectors import Pool
from quality.services.watching import read_record

POOL = Pool(0.85, Bar(0.85, 0.60, warns_only=False))
DRAWS = 400


def answers(rng, accuracy, n):
    return (rng.random(n) < accuracy).tolist()


@pytest.mark.parametrize(("accuracy", "passes"), [(0.45, 0.002), (0.60, 0.043), (0.85, 0.963), (0.95, 1.0)])
def test_the_gate_passes_as_often_as_the_table_says(accuracy, passes):
    rng = np.random.default_rng(1)

    passed = sum(read_record(answers(rng, accuracy, 60), POOL).verdict == "pass" for _ in range(DRAWS))

    spread = 3 * np.sqrt(passes * (1 - passes) / DRAWS) + 0.5 / DRAWS
    assert abs(passed / DRAWS - passes) <= spread + 0.015


def test_steady_workers_are_seldom_alarmed_and_hardly_ever_stopped():
    rng = np.random.default_rng(2)
    records = [read_record(answers(rng, 0.85, 150), POOL) for _ in range(DRAWS)]

    alarmed = np.mean([any(n <= 100 for n in record.raised) for record in records])
    stopped = np.mean([bool(record.stopped) for record in records])

    assert alarmed <= 0.45
    assert stopped <= 0.05


def test_a_drop_is_seen_within_twenty_golds():
    rng = np.random.default_rng(3)
    waits = []
    for _ in range(200):
        record = read_record(answers(rng, 0.88, 100) + answers(rng, 0.60, 200), POOL)
        waits.append(next(n for n in record.raised if n > 100) - 100)

    assert np.mean(waits) <= 20
    assert read_record([], POOL).monitor == Monitor()


@pytest.mark.django_db
@pytest.mark.slow
def test_a_crowd_with_spammers_loses_them_and_nobody_else(make_batch, make_worker, score_golds):
    rng = np.random.default_rng(4)
    batch = make_batch(hits=60, rules={"mode": "fixed", "answers": 30})
    good, bad = [make_worker() for _ in range(17)], [make_worker() for _ in range(3)]
    accuracy = {worker.pk: a for worker, a in zip(good, rng.uniform(0.82, 0.95, 17), strict=True)}
    for worker in good + bad:
        Participation.objects.create(worker=worker, batch=batch, taken_in_all=1)

    for _ in range(4):
        for worker in good + bad:
            if not Participation.objects.filter(worker=worker, barred="paused").exists():
                score_golds(worker, batch, answers(rng, accuracy.get(worker.pk, 0.5), 15))
        take_in_scores()
        carry_pauses()

    rows = {row.worker_id: row for row in WorkerReliability.objects.filter(question="digit", part="")}
    paused = {worker_id for worker_id, row in rows.items() if row.state == "paused"}
    assert paused == {worker.pk for worker in bad}
    assert sum(rows[worker.pk].state == "trusted" for worker in good) >= 12
    assert set(Participation.objects.filter(barred="paused").values_list("worker_id", flat=True)) == paused
    assert Flag.objects.filter(kind="paused").count() == 3
    # They were stopped at a look, not after all of their golds.
    assert all(20 <= rows[worker.pk].checked <= 45 for worker in bad)
