"""Agreement of pairs and halves against worked examples; the map puts like workers near one another."""

import numpy as np
import pytest

from quality.estimators.maps import worker_map
from quality.estimators.pairs import gwet_ac1, split_half, worker_pairs
from quality.simulation.crowds import Recipe, draw, one_coin


def table_of(both_yes, yes_no, no_yes, both_no):
    """Answers of workers a and b from their two-by-two table."""
    said = [(1, 1)] * both_yes + [(1, 0)] * yes_no + [(0, 1)] * no_yes + [(0, 0)] * both_no
    items = np.repeat(np.arange(len(said)), 2)
    return items, np.tile(["a", "b"], len(said)), np.array(said).ravel()


def test_kappa_is_cohens_on_the_textbook_table():
    """20, 5, 10, 15 of 50 proposals: observed .7, by chance .5, kappa .4."""
    pairs = worker_pairs(*table_of(20, 5, 10, 15))

    assert (pairs.common[0], float(pairs.equal[0])) == (50, pytest.approx(0.7))
    assert float(pairs.kappa[0]) == pytest.approx(0.4)
    assert float(pairs.low[0]) == pytest.approx(0.562, abs=0.001) and float(pairs.high[0]) == pytest.approx(
        0.809, abs=0.001
    )
    assert float(pairs.kappa_low[0]) < 0.4 < float(pairs.kappa_high[0])


def test_ac1_stays_up_where_one_class_dominates_and_kappa_falls():
    """118, 5, 2, 0 of 125 (Gwet's case): agreement .944, AC1 .94, kappa about -.02."""
    items, workers, labels = table_of(118, 5, 2, 0)

    assert gwet_ac1(items, labels) == pytest.approx(0.941, abs=0.001)
    assert float(worker_pairs(items, workers, labels).kappa[0]) == pytest.approx(-0.023, abs=0.001)


def test_pairs_with_too_little_in_common_are_left_out_and_each_pair_comes_once():
    items, workers, labels = [1, 1, 1, 2, 2, 3], list("abcabc"), [0, 0, 1, 0, 0, 1]

    pairs = worker_pairs(items, workers, labels, least=2)

    assert [(pairs.workers[a], pairs.workers[b]) for a, b in zip(pairs.first, pairs.second, strict=True)] == [
        ("a", "b")
    ]


def test_two_who_always_say_the_same_thing_have_no_kappa():
    pairs = worker_pairs(*table_of(9, 0, 0, 0))

    assert float(pairs.equal[0]) == 1 and np.isnan(pairs.kappa[0])


def test_nothing_to_compare_is_not_a_number():
    assert np.isnan(gwet_ac1([1, 2], [0, 1]))
    assert split_half([1, 1, 2, 2], [0, 0, 1, 1], rng=np.random.default_rng(0)) is None


def test_halves_of_many_answers_agree_more_than_halves_of_few():
    crowd = draw(Recipe("A", items=200, workers=40, answers=12), 0)
    few, many = crowd.first(4), crowd.first(12)

    shares = [split_half(items, labels, rng=np.random.default_rng(0)).share for items, _workers, labels in (few, many)]

    assert shares[1] > shares[0] + 0.05


def test_halves_of_unanimous_answers_agree():
    halves = split_half(np.repeat(np.arange(12), 4), np.repeat(np.arange(12) % 3, 4), rng=np.random.default_rng(0))

    assert (halves.share, halves.items) == (pytest.approx(1.0), 12)


def test_the_map_puts_like_workers_together_and_spammers_by_themselves():
    confusions = one_coin(np.array([0.9] * 6 + [0.25] * 3), 4)
    found = worker_map(confusions * 100, one_coin(np.array([0.8]), 4)[0])
    good, bad = found.places[:6], found.places[6:]

    assert np.ptp(good, axis=0).max() < 1e-9 and np.ptp(bad, axis=0).max() < 1e-9
    assert good[0, 0] > bad[0, 0] and found.perfect[0] > found.random[0]
    assert np.linalg.norm(bad[0] - found.random) < np.linalg.norm(bad[0] - found.perfect)
    assert found.right[0] > 0.85 and found.right[-1] < 0.35
    assert found.kept == pytest.approx(1.0)


def test_a_worker_with_few_answers_stands_by_the_average():
    pooled = one_coin(np.array([0.8]), 3)[0]
    counts = np.stack([np.eye(3) * 50, np.eye(3)[::-1] * 50, np.full((3, 3), 0.01)])

    found = worker_map(counts, pooled)

    assert found.distance[2] < 0.05 < found.distance[0]


def test_the_map_does_not_depend_on_the_order_of_workers():
    rng = np.random.default_rng(1)
    counts, pooled = rng.gamma(1, 5, (8, 3, 3)), one_coin(np.array([0.7]), 3)[0]
    order = rng.permutation(8)

    assert np.allclose(worker_map(counts, pooled).places[order], worker_map(counts[order], pooled).places)
