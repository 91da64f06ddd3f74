"""Items that only suspects see: exact against workers alone, sharp against those who share."""

import numpy as np
import pytest
from scipy.stats import binom

from quality.estimators.canaries import chances_to_repeat, repeat_rate, sharing
from tests.support.twins import one_coin, say

CANARIES, MEMBERS = 12, 4


def answers_of(said):
    """Columns of a table (I, members), in the order in which they came: each item member by member."""
    items, workers = np.divmod(np.arange(said.size), said.shape[1])
    return items, workers, said.ravel()


def known(truth, n_classes):
    return np.eye(n_classes, dtype=bool)[truth]


def alone(rng, accuracy, truth, n_classes, members=MEMBERS):
    confusions = one_coin(np.full(members, accuracy), n_classes)
    workers = np.tile(np.arange(members), len(truth))
    return say(confusions, workers, np.repeat(truth, members), rng).reshape(len(truth), members), confusions


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("accuracy", [0.5, 0.7, 0.9])
def test_workers_alone_are_seldom_convicted(accuracy, n_classes):
    rng, tails = np.random.default_rng(1), []
    for _ in range(400):
        truth = rng.integers(0, n_classes, CANARIES)
        said, confusions = alone(rng, accuracy, truth, n_classes)
        tails.append(sharing(*answers_of(said), known(truth, n_classes), confusions, 0.0).tail)

    # Exact: no level is kept worse than it says, but for the luck of 400 draws.
    for level in (0.01, 0.05, 0.2):
        assert np.mean(np.array(tails) <= level) <= binom.ppf(0.999, 400, level) / 400


@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_shared_key_is_exposed(n_classes):
    rng, tails = np.random.default_rng(2), []
    for _ in range(100):
        truth, key = rng.integers(0, n_classes, (2, CANARIES))
        slips = rng.random((CANARIES, MEMBERS)) < 0.05
        said = np.where(slips, rng.integers(0, n_classes, (CANARIES, MEMBERS)), key[:, None])
        guessing = one_coin(np.full(MEMBERS, 1 / n_classes), n_classes)  # which is how such a key looks
        tails.append(sharing(*answers_of(said), known(truth, n_classes), guessing, 0.35).tail)

    assert np.mean(np.array(tails) < 0.01) >= 0.9  # the others gave a wrong answer first too seldom


def test_hard_items_are_held_against_nobody():
    """Half of the items suggest one wrong answer to everybody: to those outside as well, who say how often."""
    rng, naive, fair = np.random.default_rng(3), [], []
    for _ in range(200):
        truth, outside = rng.integers(0, 4, CANARIES), rng.integers(0, 4, 60)

        def misled(truth):
            said, confusions = alone(rng, 0.8, truth, 4)
            lured = (rng.random(said.shape) < 0.7) & (np.arange(len(truth)) % 2 == 0)[:, None]
            return np.where(lured, (truth[:, None] + 1) % 4, said), confusions

        said, confusions = misled(truth)
        items, _workers, labels = answers_of(misled(outside)[0])
        others = chances_to_repeat(items, labels, labels == outside[items])
        naive.append(sharing(*answers_of(said), known(truth, 4), confusions, 0.0).tail)
        rate = repeat_rate(others.repeated)
        fair.append(sharing(*answers_of(said), known(truth, 4), confusions, rate).tail)

    assert np.mean(np.array(naive) < 0.01) > 0.5  # their confusions alone would convict them
    assert np.mean(np.array(fair) < 0.01) <= 0.03


def test_figures_of_a_small_case():
    truth, confusions = np.zeros(2, int), one_coin(np.full(3, 0.8), 3)
    said = np.array([[0, 2, 2], [1, 1, 2]])  # after each first wrong answer: one repeats; one repeats, one does not

    found = sharing(*answers_of(said), known(truth, 3), confusions, 0.0)

    assert (found.items, found.chances, found.repeated) == (2, 3, 2)
    assert found.expected == pytest.approx(0.3)
    assert found.tail == pytest.approx(3 * 0.1**2 * 0.9 + 0.1**3)


def test_where_nothing_is_known_of_others_nothing_is_proved():
    said, confusions = np.ones((CANARIES, MEMBERS), int), one_coin(np.full(MEMBERS, 0.9), 2)

    assert sharing(*answers_of(said), known(np.zeros(CANARIES, int), 2), confusions, repeat_rate(np.zeros(0))).tail == 1
    assert sharing(*answers_of(said * 0), known(np.zeros(CANARIES, int), 2), confusions, 0.1).tail == 1  # all right
    with pytest.raises(ValueError, match="at_least"):
        sharing(*answers_of(said), known(np.zeros(CANARIES, int), 2), confusions, 1.5)
