"""Workers who answer from one key share one vote."""

import numpy as np
import pytest

from quality.estimators import SubtypeDawidSkene
from quality.estimators.collusion import shared_weights
from quality.estimators.copying import meetings_of, poisson_binomial_tail, surprise
from quality.estimators.encode import encode
from tests.support.copycats import with_copycats
from tests.support.datasets import load
from tests.support.twins import twin


@pytest.mark.parametrize("name", ["bluebirds", "rte", "dog"])
@pytest.mark.parametrize(("share", "at_most"), [(0.3, 0.03), (0.4, 0.08)])
def test_copycats_cost_little_more_than_their_answers(name, share, at_most):
    data, copied = with_copycats(load(name), share, seed=0)
    honest = type(data)(name, data.items[~copied], data.workers[~copied], data.labels[~copied], data.truth)

    attacked = SubtypeDawidSkene().fit(data.items, data.workers, data.labels)
    deleted = SubtypeDawidSkene().fit(honest.items, honest.workers, honest.labels)

    loss = data.accuracy(deleted.items_, deleted.labels_) - data.accuracy(attacked.items_, attacked.labels_)
    assert loss <= at_most
    (ring,) = attacked.clusters_
    guilty = set(data.workers[copied].tolist())
    assert len(set(ring) - guilty) <= 1
    assert len(set(ring) & guilty) >= 0.5 * len(guilty)


@pytest.mark.parametrize("name", ["music_genre", "face", "bluebirds", "temporal", "weather_cf", "zencrowd_us"])
def test_honest_crowds_are_left_alone(name):
    """Experts agree as copies do: without the test by likelihood, music_genre falls to .47."""
    data = load(name)

    assert SubtypeDawidSkene().fit(data.items, data.workers, data.labels).clusters_ == []


def test_honest_twins_are_left_alone():
    for name in "ABCD":
        crowd = twin(name, 5, 0)
        assert SubtypeDawidSkene().fit(crowd.items, crowd.workers, crowd.labels).clusters_ == []


def test_members_of_a_cluster_share_one_vote():
    answers = encode([1, 1, 1, 2, 2, 3], list("abcabc"), list("xxyxyx"))

    weight = shared_weights(answers, [np.array([0, 1])])

    np.testing.assert_allclose(weight, [0.5, 0.5, 1, 0.5, 0.5, 1])


def test_meetings_are_counted_once_for_each_item_of_a_pair():
    rng = np.random.default_rng(0)
    items, workers = rng.integers(0, 30, 400), rng.integers(0, 8, 400)
    once = np.unique(np.stack([items, workers]), axis=1)
    answers = encode(once[0], once[1], rng.integers(0, 2, once.shape[1]))

    met = meetings_of(answers, 10)

    given = {(int(i), int(w)): int(y) for i, w, y in zip(answers.item, answers.worker, answers.label, strict=True)}
    for place, (a, b) in enumerate(zip(met.first.tolist(), met.second.tolist(), strict=True)):
        both = [i for i in range(30) if (i, a) in given and (i, b) in given]
        assert met.common[place] == len(both) >= 10
        assert met.agreeing(answers.label)[place] == sum(given[i, a] == given[i, b] for i in both)


def test_large_jobs_look_at_some_items(monkeypatch):
    crowd = twin("A", 5, 0, n_items=400, n_workers=10)
    answers = encode(crowd.items, crowd.workers, crowd.labels)
    everything = meetings_of(answers, 1)
    monkeypatch.setattr("quality.estimators.copying.MOST_MEETINGS", 1000)

    some = meetings_of(answers, 1)

    assert 800 <= len(some.pair) <= 1000 < len(everything.pair)


def test_the_tail_is_exact():
    rng = np.random.default_rng(0)
    chance = rng.random(12)
    by_hand = sum(
        np.prod(np.where([n >> t & 1 for t in range(12)], chance, 1 - chance))
        for n in range(2**12)
        if n.bit_count() >= 10
    )

    assert poisson_binomial_tail(chance, 10) == pytest.approx(by_hand)
    tails, excess = surprise(np.zeros(12, int), chance, np.array([10]))
    assert tails[0] == pytest.approx(by_hand)
    assert excess[0] == pytest.approx((10 - chance.sum()) / (12 - chance.sum()))
