"""The fit over Dask workers is the fit of one process."""

import os

import numpy as np
import pytest

from quality.estimators import SubtypeDawidSkene
from quality.estimators.distributed import fit_on_dask
from tests.support.datasets import load
from tests.support.twins import twin

dask, distributed = pytest.importorskip("dask"), pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client():
    """Two worker processes on this machine, which may be busy."""
    patient = {f"distributed.comm.timeouts.{what}": "300s" for what in ("connect", "tcp")}
    with (
        dask.config.set(patient),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def cut(items, workers, labels, n_parts):
    """Ranges of items, in disorder."""
    edges = np.array_split(np.unique(items), n_parts)
    parts = [np.isin(items, ids) for ids in edges]
    return [(items[part], workers[part], labels[part]) for part in reversed(parts)]


def posteriors_of(found):
    items, beliefs = zip(*(found.part(number) for number in range(found.n_parts)), strict=True)
    return np.concatenate(items), np.concatenate(beliefs)


@pytest.mark.parametrize("name", ["weather_cf", "weather_amt"])
def test_two_workers_give_the_posteriors_of_one_process(client, name):
    data = load(name)
    columns = data.items, data.workers, data.labels

    found = fit_on_dask(client, cut(*columns, 2))

    whole = SubtypeDawidSkene().fit(*columns)
    items, posteriors = posteriors_of(found)
    assert whole.status_ == "ok" and not whole.clusters_
    assert items.tolist() == whole.items_.tolist()
    assert found.n_kinds == whole.n_kinds_
    assert found.n_iter == whole.n_iter_
    np.testing.assert_allclose(posteriors, whole.posteriors_, rtol=0, atol=1e-9)
    np.testing.assert_allclose(found.best.confusions, whole.confusions_, rtol=0, atol=1e-9)


def test_parts_are_loaded_where_they_are_held(client):
    crowd = twin("A", 3, 0, n_items=300, n_workers=20)
    parts = cut(crowd.items, crowd.workers, crowd.labels, 4)

    here = os.getpid()

    def loader(part):
        def load_part():
            assert os.getpid() != here
            return part

        return load_part

    found = fit_on_dask(client, [loader(part) for part in parts])

    whole = SubtypeDawidSkene().fit(crowd.items, crowd.workers, crowd.labels)
    np.testing.assert_allclose(posteriors_of(found)[1], whole.posteriors_, rtol=0, atol=1e-9)


def test_an_item_in_two_parts_is_refused(client):
    part = (np.arange(30), np.tile([0, 1, 2], 10), np.zeros(30, int))

    with pytest.raises(ValueError, match="parts overlap: one ends at item 29, another begins at 0"):
        fit_on_dask(client, [part, part])
    with pytest.raises(ValueError, match="parts is empty"):
        fit_on_dask(client, [])
