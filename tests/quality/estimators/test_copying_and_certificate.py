"""Copying pairs, and the interval of a certificate."""

import numpy as np
import pytest

from benchmarks import crowds
from quality.estimators import HierarchicalDawidSkene
from quality.estimators.certificate import audit_interval
from quality.estimators.copying import find_copying, poisson_binomial_tail
from tests.support.twins import one_coin, say


def job(seed, n_common, copy_rate, n_items=400, n_workers=40, redundancy=6):
    """Workers 0 and 1 meet on exactly `n_common` items; there the second copies the first at `copy_rate`."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, n_items)
    confusions = one_coin(rng.beta(8, 2, n_workers), 4)
    chosen = np.array([rng.choice(np.arange(2, n_workers), redundancy, replace=False) for _ in range(n_items)])
    chosen[:n_common, :2] = [0, 1]
    items, workers = np.repeat(np.arange(n_items), redundancy), chosen.ravel()
    labels = say(confusions, workers, truth[items], rng)
    table = labels.reshape(n_items, redundancy)
    copied = np.arange(n_items) < n_common
    copied &= rng.random(n_items) < copy_rate
    table[copied, 1] = table[copied, 0]
    return items, workers, table.ravel()


def test_a_copying_pair_is_found_from_35_common_items():
    found = {common: [] for common in (10, 35)}
    for common in found:
        for seed in range(20):
            columns = job(seed, common, copy_rate=0.9)
            model = HierarchicalDawidSkene().fit(*columns)
            pairs = find_copying(*columns, model.posteriors_, model.confusions_).pairs
            found[common].append(any(pair[:2] == (0, 1) for pair in pairs))

    assert np.mean(found[35]) >= 0.9
    assert np.mean(found[10]) == 0  # too few common items to say


def crowded(seed):
    """Everybody answers half of 80 items: all pairs have about 20 items in common, and nobody copies."""
    rng = np.random.default_rng(seed)
    truth, confusions = rng.integers(0, 4, 80), one_coin(rng.beta(8, 2, 25), 4)
    given = rng.random((80, 25)) < 0.5
    items, workers = np.nonzero(given)
    return items, workers, say(confusions, workers, truth[items], rng)


def test_people_who_work_alone_are_not_paired():
    false = []
    for seed in range(40):
        columns = crowded(seed)
        model = HierarchicalDawidSkene().fit(*columns)
        copying = find_copying(*columns, model.posteriors_, model.confusions_)
        assert copying.n_tested > 200
        false.append(len(copying.pairs))

    assert np.mean(false) <= 0.05


def test_pairs_form_clusters():
    items, workers, labels = crowded(0)
    for copier in (1, 2):
        for item in np.unique(items):
            original = (items == item) & (workers == 0)
            if original.any():
                labels[(items == item) & (workers == copier)] = labels[original][0]
    model = HierarchicalDawidSkene().fit(items, workers, labels)

    copying = find_copying(items, workers, labels, model.posteriors_, model.confusions_)

    assert any({0, 1} <= set(cluster) or {0, 2} <= set(cluster) for cluster in copying.clusters)


def test_the_tail_is_that_of_the_binomial():
    from scipy.stats import binom

    assert poisson_binomial_tail(np.full(30, 0.7), 27) == pytest.approx(binom.sf(26, 30, 0.7))
    assert poisson_binomial_tail(np.array([0.2, 0.9]), 0) == pytest.approx(1)


def test_a_fit_to_other_answers_is_refused():
    with pytest.raises(ValueError, match="posteriors and confusions"):
        find_copying([1], ["a"], ["x"], np.ones((2, 1)), np.ones((1, 1, 1)))


@pytest.mark.slow
def test_the_certificate_covers_everywhere_on_the_grid():
    """Exactly, over all possible audits, where simulation would draw 20 000 a cell."""
    covers = crowds.exact_coverage()

    assert len(covers) == 100
    assert min(covers) >= 0.945
    assert np.mean(covers) <= 0.98


def test_no_errors_bound_the_rate_by_about_3_7_over_n():
    bounds = audit_interval(100_000, 200, 0)

    assert bounds.upper == 1.0
    assert 1 - bounds.lower == pytest.approx(3.7 / 200, abs=0.001)


def test_a_full_audit_is_certain():
    assert audit_interval(50, 50, 5).lower == audit_interval(50, 50, 5).upper == pytest.approx(0.9)


@pytest.mark.parametrize("counts", [(10, 11, 0), (10, 0, 0), (10, 5, 6), (10, 5, -1)])
def test_counts_that_do_not_fit_are_refused(counts):
    with pytest.raises(ValueError, match="n_audited|n_errors"):
        audit_interval(*counts)
