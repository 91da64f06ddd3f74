"""The published algorithm, digit by digit."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from quality.estimators import DawidSkene
from quality.estimators.data import anaesthetists
from tests.support.datasets import load

PROJECT = Path(__file__).parents[3]
#: The environment that benchmarks/estimators.py makes for crowd-kit.
BENCH_PYTHON = PROJECT / "var/bench-venv/bin/python"
#: In the other library's hands: reads {items, workers, labels, rounds}, prints one posterior for each `rounds`.
CROWD_KIT = """
import json, sys
import pandas as pd
from crowdkit.aggregation import DawidSkene
given = json.load(sys.stdin)
data = pd.DataFrame({"task": given["items"], "worker": given["workers"], "label": given["labels"]})
found = {}
for rounds in given["rounds"]:
    table = DawidSkene(n_iter=rounds, tol=-1e300).fit(data).probas_
    found[rounds] = table.sort_index()[sorted(table.columns)].to_numpy().tolist()
json.dump(found, sys.stdout)
"""


def reference(items, workers, labels, rounds):
    """Dawid and Skene (1979), equations 2.3 to 2.5, over dense counts and with no logarithm."""
    ids = [np.unique(column, return_inverse=True) for column in (items, workers, labels)]
    (n_items, n_workers, n_classes), (i, w, y) = zip(*((len(u), c) for u, c in ids), strict=True)
    counts = np.zeros((n_workers, n_items, n_classes))
    np.add.at(counts, (w, i, y), 1)
    said = counts.sum(axis=1) > 0
    posterior = counts.sum(axis=0)
    posterior /= posterior.sum(axis=1, keepdims=True)
    for _ in range(rounds):
        prior = np.maximum(posterior.mean(axis=0), 1e-10)
        rates = np.maximum(np.einsum("ik,wil->wkl", posterior, counts), 1e-10) * said[:, None, :]
        rates /= rates.sum(axis=2, keepdims=True)
        joint = np.tile(prior.astype(np.longdouble), (n_items, 1))
        for worker in range(n_workers):
            power = np.where(counts[worker][:, None, :] > 0, rates[worker][None] ** counts[worker][:, None, :], 1.0)
            joint = joint * power.prod(axis=2)
        posterior = (joint / joint.sum(axis=1, keepdims=True)).astype(float)
    return posterior


def test_the_1979_table_gives_the_printed_digits():
    model = DawidSkene(n_iter=1000, tol=1e-12).fit(*anaesthetists())

    assert model.prior_.round(2).tolist() == [0.40, 0.42, 0.11, 0.07]
    assert model.confusions_.round(2).tolist() == [
        [[0.89, 0.11, 0, 0], [0.07, 0.88, 0.05, 0], [0, 0.34, 0.66, 0], [0, 0, 0.56, 0.44]],
        [[0.83, 0.17, 0, 0], [0.05, 0.63, 0.31, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        [[1, 0, 0, 0], [0.11, 0.79, 0.11, 0], [0, 0.4, 0.2, 0.4], [0, 0, 0.67, 0.33]],
        [[0.94, 0.06, 0, 0], [0.05, 0.84, 0.1, 0], [0, 0, 0.8, 0.2], [0, 0, 0.33, 0.67]],
        [[1, 0, 0, 0], [0.16, 0.73, 0.11, 0], [0, 0.21, 0.79, 0], [0, 0, 0.33, 0.67]],
    ]
    assert model.status_ == "ok"


@pytest.mark.parametrize("rounds", [1, 10, 50])
def test_the_1979_table_equals_a_plain_reading_of_the_paper(rounds):
    columns = anaesthetists()

    model = DawidSkene(n_iter=rounds, tol=0).fit(*columns)

    assert model.n_iter_ == rounds
    np.testing.assert_allclose(model.posteriors_, reference(*columns, rounds), atol=1e-9)


@pytest.mark.parametrize("name", ["rte", "bluebirds", "dog", "face", "temporal", "web"])
def test_posteriors_equal_crowd_kits_at_equal_rounds(name):
    if not BENCH_PYTHON.exists():
        pytest.skip("crowd-kit is not there: python benchmarks/estimators.py makes var/bench-venv")
    data = load(name)
    columns = {"items": data.items.tolist(), "workers": data.workers.tolist(), "labels": data.labels.tolist()}

    answer = subprocess.run(
        [BENCH_PYTHON, "-c", CROWD_KIT], input=json.dumps(columns | {"rounds": [10, 50]}), text=True,
        capture_output=True, check=True, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip

    for rounds, theirs in json.loads(answer.stdout).items():
        ours = DawidSkene(n_iter=int(rounds), tol=0).fit(data.items, data.workers, data.labels)
        np.testing.assert_allclose(ours.posteriors_, theirs, atol=1e-6)


@pytest.mark.parametrize("name", ["bluebirds", "face"])
def test_posteriors_equal_a_plain_reading_of_the_paper(name):
    data = load(name)

    model = DawidSkene(n_iter=10, tol=0).fit(data.items, data.workers, data.labels)

    np.testing.assert_allclose(model.posteriors_, reference(data.items, data.workers, data.labels, 10), atol=1e-6)


def test_the_likelihood_never_falls():
    rng = np.random.default_rng(0)
    items, workers = np.repeat(np.arange(100), 4), np.tile(np.arange(8), 50)

    model = DawidSkene(n_iter=60, tol=0).fit(items, workers, rng.integers(0, 3, 400))

    assert (np.diff(model.objective_) >= -1e-9 * 400).all()
    assert len(model.objective_) == 60


def test_it_says_when_the_rounds_were_not_enough():
    assert DawidSkene(n_iter=2).fit(*anaesthetists()).status_ == "numeric"


@pytest.mark.parametrize(("arguments", "named"), [({"n_iter": 0}, "n_iter"), ({"tol": -1}, "tol")])
def test_senseless_settings_are_refused(arguments, named):
    with pytest.raises(ValueError, match=named):
        DawidSkene(**arguments)
