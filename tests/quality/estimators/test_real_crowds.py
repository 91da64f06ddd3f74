"""What the benchmarks measure on real crowds, at counts that a test can afford."""

import numpy as np
import pytest

from benchmarks import adaptive, crowds

pytestmark = pytest.mark.dataset


@pytest.fixture(autouse=True)
def data():
    if not crowds.datasets.ROOT.is_dir():
        pytest.skip("no data sets: set DATASETS_DIR to the folder that holds them")


def holds(found):
    for name, value in found:
        assert crowds.LIMITS[name].holds(float(value)), f"{name}: {value}"


def test_the_gate_pauses_the_bad_and_spares_the_good():
    holds(crowds.gates(seeds=4))


def test_the_monitor_sees_a_fall_and_lets_steady_workers_be():
    holds(crowds.monitors(seeds=1))


@pytest.mark.parametrize("name", ["bluebirds", "web"])
def test_audits_of_delivered_labels_cover_their_accuracy(name):
    right, stated = crowds.delivered(name)

    exact, ppi, width = crowds.resampled(right, stated, min(200, len(right) // 3), audits=400)

    assert exact >= 0.94
    if len(ppi) >= 100:
        assert ppi.mean() >= 0.9
        assert width < 1


@pytest.mark.parametrize(("name", "cost", "accuracy"), [("rte", 5.5, 0.88), ("dog", 5.0, 0.79)])
def test_stopping_costs_half_of_what_there_is(name, cost, accuracy):
    """Ten answers an item there are. Nobody is promised .95 by 50 gold items."""
    make = adaptive.real(name)

    found = [adaptive.adaptive(make(seed), 0.95) for seed in range(2)]

    assert np.mean([one.cost for one in found]) <= cost
    assert np.mean([one.accuracy for one in found]) >= accuracy
    assert sum(len(one.reached) for one in found) == 0


def test_what_more_gold_proves_is_so(monkeypatch):
    monkeypatch.setattr(adaptive, "N_GOLD", 150)
    make = adaptive.real("temporal")

    reached = np.concatenate([adaptive.adaptive(make(seed), 0.85).reached for seed in range(3)])

    assert len(reached) > 400
    assert reached.mean() >= 0.85 - 0.02
