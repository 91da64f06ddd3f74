"""The default estimator: what must hold whatever the crowd, and what it reaches on real ones."""

from dataclasses import replace

import numpy as np
import pytest

from quality.estimators import HierarchicalDawidSkene, MajorityVote, NumericError
from quality.estimators import em as em_module
from quality.estimators.em import run
from quality.estimators.encode import encode
from quality.estimators.expectation import evidence, normalise_in_place
from quality.estimators.metrics import majority_accuracy
from tests.support.datasets import load
from tests.support.twins import crowd, inverted_crowd, one_coin, say, setup_of, twin, two_coin, uniform_gold

# -- real crowds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "accuracy"), [("bluebirds", 0.889), ("dog", 0.840), ("face", 0.654), ("d_product", 0.937)]
)
def test_reference_accuracy_at_full_redundancy(name, accuracy):
    data = load(name)

    model = HierarchicalDawidSkene().fit(data.items, data.workers, data.labels)

    assert data.accuracy(model.items_, model.labels_) == pytest.approx(accuracy, abs=0.005)


@pytest.mark.parametrize(
    ("name", "at_least"),
    [("rte", 0.92), ("bluebirds", 0.885), ("dog", 0.835), ("d_product", 0.93), ("temporal", 0.935), ("face", 0.645)],
)
def test_delivered_accuracy_without_gold(name, at_least):
    data = load(name)

    model = HierarchicalDawidSkene().fit(data.items, data.workers, data.labels)

    assert data.accuracy(model.items_, model.labels_) >= at_least


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "redundancy", "gain"),
    [
        ("bluebirds", 2, None), ("bluebirds", 3, None), ("dog", 2, 0.022), ("dog", 3, 0.007), ("face", 2, -0.001),
        ("face", 3, 0.005), ("d_product", 2, 0.111),
    ],
)  # fmt: skip
def test_gain_over_majority_at_low_redundancy(name, redundancy, gain):
    """Mean of 40 draws. Bluebirds, with 108 items, only has to come near the majority."""
    data = load(name)
    item = np.unique(data.items, return_inverse=True)[1]
    gains = []

    for seed in range(40):
        keep = first_answers(item, redundancy, np.random.default_rng(seed))
        model = HierarchicalDawidSkene().fit(data.items[keep], data.workers[keep], data.labels[keep])
        answers = encode(data.items[keep], data.workers[keep], data.labels[keep])
        truth = np.searchsorted(answers.classes, [data.truth[item] for item in answers.items])
        gains.append(data.accuracy(model.items_, model.labels_) - majority_accuracy(answers.votes, truth))

    if gain is None:
        assert np.mean(gains) >= -0.015
    else:
        assert np.mean(gains) == pytest.approx(gain, abs=0.015)


def first_answers(item, redundancy, rng):
    """Positions of `redundancy` answers of each item, drawn at random."""
    order = np.lexsort((rng.random(len(item)), item))
    count = np.bincount(item)
    rank = np.arange(len(item)) - np.repeat(np.cumsum(count) - count, count)
    return np.sort(order[rank < redundancy])


# -- what changes nothing ---------------------------------------------------------------------------------------


def test_half_weights_on_doubled_answers_change_nothing():
    items, workers, labels, _ = crowd().columns

    one = HierarchicalDawidSkene().fit(items, workers, labels)
    other = HierarchicalDawidSkene().fit(
        np.tile(items, 2), np.tile(workers, 2), np.tile(labels, 2), weights=np.full(2 * len(items), 0.5)
    )

    np.testing.assert_allclose(other.posteriors_, one.posteriors_, atol=1e-9)


def test_one_more_agreeing_good_worker_never_lowers_the_label():
    items, workers, labels, _ = crowd().columns
    fit = run(setup_of(items, workers, labels))
    answers = encode(items, workers, labels)
    label = fit.posterior.argmax(axis=1)
    good = one_coin(np.array([0.8]), 3)[0]

    joint = np.log(fit.prior[0]) + evidence(answers, np.log(fit.confusions))
    before, _ = normalise_in_place(joint.copy())
    after, _ = normalise_in_place(joint + np.log(good[:, label]).T)

    rows = np.arange(len(label))
    assert (after[rows, label] >= before[rows, label] - 1e-12).all()


def test_the_objective_never_falls_while_the_pool_is_held():
    items, workers, labels, truth = crowd(n_classes=4).columns
    setup = replace(setup_of(items, workers, labels, uniform_gold(truth, 10, 0) | {0: [0, 1]}), guard=False)

    fit = run(setup, pooled=run(setup).pooled, max_rounds=80, must_settle=False)

    assert len(fit.objective) > 5
    assert (np.diff(fit.objective) >= -1e-9 * len(items)).all()


# -- regressions: traps that were seen ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dog", "face"])
def test_low_redundancy_does_not_collapse_into_one_class(name):
    """A flat Dirichlet on the confusions with a learned prior puts nearly all of dog at r = 2 into one class."""
    data = load(name)
    item = np.unique(data.items, return_inverse=True)[1]

    for seed in range(5):
        keep = first_answers(item, 2, np.random.default_rng(seed))
        model = HierarchicalDawidSkene().fit(data.items[keep], data.workers[keep], data.labels[keep])
        shares = np.unique(model.labels_, return_counts=True)[1] / len(model.labels_)
        assert len(shares) == 4
        assert shares.max() < 0.6


def test_a_skewed_prior_is_learned():
    """A uniform prior ruins skewed data: product match falls from .94 to .84."""
    data = load("d_product")

    model = HierarchicalDawidSkene().fit(data.items, data.workers, data.labels)

    truth = np.mean([label == model.classes_[0] for label in data.truth.values()])
    assert model.prior_[0] == pytest.approx(truth, abs=0.02)


def test_bias_that_depends_on_class_is_used():
    """A one-coin model falls below the majority here (.58-.71 against .76)."""
    data = load("bluebirds")
    answers = encode(data.items, data.workers, data.labels)
    truth = np.searchsorted(answers.classes, [data.truth[item] for item in answers.items])

    model = HierarchicalDawidSkene().fit(data.items, data.workers, data.labels)

    assert data.accuracy(model.items_, model.labels_) >= majority_accuracy(answers.votes, truth) + 0.1


def test_confidence_is_soft():
    """Hard assignment has similar labels and no usable confidence."""
    crowd_ = twin("A", 2, 0)

    model = HierarchicalDawidSkene().fit(crowd_.items, crowd_.workers, crowd_.labels)

    right, sure = model.labels_ == crowd_.truth, model.confidence_ > np.median(model.confidence_)
    assert right[sure].mean() > right[~sure].mean() + 0.2
    assert (model.posteriors_.max(axis=1) < 0.9).mean() > 0.3


# -- gold -------------------------------------------------------------------------------------------------------


def test_random_gold_teaches_the_prior_and_balanced_gold_does_not():
    rng = np.random.default_rng(0)
    truth = (rng.random(2000) < 0.1).astype(int)
    items = np.repeat(np.arange(2000), 2)
    workers = rng.integers(0, 50, 4000)
    labels = say(two_coin(np.full(50, 0.75), np.full(50, 0.75)), workers, truth[items], rng)
    balanced = {int(i): k for k in (0, 1) for i in np.flatnonzero(truth == k)[:60]}

    by_random = HierarchicalDawidSkene(gold_sample="random").fit(
        items, workers, labels, gold=uniform_gold(truth, 120, 0)
    )
    by_balanced = HierarchicalDawidSkene(gold_sample="balanced").fit(items, workers, labels, gold=balanced)
    misled = HierarchicalDawidSkene(gold_sample="random").fit(items, workers, labels, gold=balanced)

    assert by_random.prior_[1] < 0.2
    assert misled.prior_[1] > by_balanced.prior_[1] + 0.05


def test_an_unknown_gold_sample_is_refused():
    with pytest.raises(ValueError, match="gold_sample must be one of"):
        HierarchicalDawidSkene(gold_sample="handpicked")


# -- guards -----------------------------------------------------------------------------------------------------


def test_a_part_of_the_graph_that_is_too_small_uses_the_pool():
    items, workers, labels, _ = crowd().columns
    apart_items, apart_workers = np.repeat([900, 901, 902], 2), np.tile([700, 701], 3)

    model = HierarchicalDawidSkene().fit(
        np.append(items, apart_items), np.append(workers, apart_workers), np.append(labels, [0, 0, 1, 1, 2, 0])
    )

    for worker in (700, 701):
        np.testing.assert_allclose(model.confusions_[model.workers_ == worker][0], model.pooled_, atol=1e-12)
    assert np.abs(model.confusions_[0] - model.pooled_).max() > 0.01


def test_twenty_gold_answers_can_confirm_an_inversion():
    items, workers, labels, truth = inverted_crowd().columns
    gold = {int(item): int(truth[item]) for item in np.arange(300)}

    model = HierarchicalDawidSkene().fit(items, workers, labels, gold=gold)

    assert model.adversaries_.tolist() == []
    assert model.confusions_[0].diagonal().mean() < 0.2


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_inverters_do_little_harm(share):
    """Reference .946 and .932 (majority .852 and .768)."""
    accuracy = []
    for seed in range(5):
        items, workers, labels, truth = inverted_crowd(seed, n_items=1500, share=share).columns
        accuracy.append((HierarchicalDawidSkene().fit(items, workers, labels).labels_ == truth).mean())

    assert np.mean(accuracy) >= 0.92


def test_a_collapse_falls_back_to_the_pool(monkeypatch):
    items, workers, labels, _ = crowd().columns
    vanish_once = iter([True, False])
    monkeypatch.setattr("quality.estimators.guards.is_collapsed", lambda *_: next(vanish_once))

    model = HierarchicalDawidSkene().fit(items, workers, labels)

    assert model.status_ == "collapse"
    np.testing.assert_allclose(model.confusions_, np.broadcast_to(model.pooled_, model.confusions_.shape))


def test_a_vanished_class_is_a_collapse():
    shares = np.tile([[0.6, 0.4], [0.3, 0.7]], (50, 1))

    from quality.estimators.guards import is_collapsed

    assert is_collapsed(np.tile([[0.9, 0.1]], (100, 1)), shares)
    assert not is_collapsed(shares, shares)


def deceived_crowd(n_items):
    """Two of five copy one key, wrong for 45 % of items, and so agree perfectly; the others are right 8 times in 10."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, n_items)
    items, workers = np.repeat(np.arange(n_items), 5), np.tile(np.arange(5), n_items)
    key = np.where(rng.random(n_items) < 0.45, 1 - truth, truth)
    alone = np.where(rng.random(len(items)) < 0.8, truth[items], 1 - truth[items])
    return items, workers, np.where(workers < 2, key[items], alone), truth


def test_gold_that_the_model_loses_on_delivers_the_votes():
    items, workers, labels, truth = deceived_crowd(3000)

    model = HierarchicalDawidSkene(gold_sample="random").fit(items, workers, labels, gold=uniform_gold(truth, 100, 0))
    majority = MajorityVote().fit(items, workers, labels, gold=uniform_gold(truth, 100, 0))

    assert model.status_ == "fallback"
    assert model.guards_["gold_model"] < model.guards_["gold_majority"] - 0.1
    np.testing.assert_array_equal(model.labels_, majority.labels_)
    assert model.confidence_.mean() == pytest.approx((model.labels_ == truth).mean(), abs=0.06)


def test_enough_gold_undeceives_the_model():
    items, workers, labels, truth = deceived_crowd(400)
    gold = uniform_gold(truth, 150, 0)
    rest = ~np.isin(np.arange(400), list(gold))

    blind = HierarchicalDawidSkene().fit(items, workers, labels)
    model = HierarchicalDawidSkene(gold_sample="random").fit(items, workers, labels, gold=gold)

    assert model.status_ == "ok"
    assert (model.labels_ == truth)[rest].mean() > (blind.labels_ == truth)[rest].mean() + 0.1


def test_workers_without_differences_share_one_confusion():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 5, 4000)
    items = np.repeat(np.arange(4000), 3)
    workers = rng.integers(0, 3000, 12000)
    labels = say(one_coin(np.full(3000, 0.7), 5), workers, truth[items], rng)

    model = HierarchicalDawidSkene().fit(items, workers, labels)

    assert model.status_ == "held-out"
    assert model.guards_["held_out_excess"] > 0


def test_many_flips_ask_for_an_audit():
    crowd_ = twin("D", 3, 0)
    model = HierarchicalDawidSkene().fit(crowd_.items, crowd_.workers, crowd_.labels)
    assert model.guards_["flips"] < 0.25

    from quality.estimators.guards import flips_too_much

    answers = encode(crowd_.items, crowd_.workers, crowd_.labels)
    shares = MajorityVote().fit(crowd_.items, crowd_.workers, crowd_.labels).posteriors_
    found = {}
    assert flips_too_much(answers, shares, shares.argmin(axis=1), found)
    assert found["flips"] > 0.25


def test_a_fit_that_does_not_settle_fails_loudly(monkeypatch):
    items, workers, labels, _ = crowd().columns
    monkeypatch.setattr(em_module, "TOLERANCE", -1.0)

    with pytest.raises(NumericError, match="not settled after 300 rounds"):
        HierarchicalDawidSkene().fit(items, workers, labels)


def test_a_fit_that_is_not_finite_fails_loudly(monkeypatch):
    items, workers, labels, _ = crowd().columns
    monkeypatch.setattr(em_module, "evidence", lambda answers, logs: np.full((300, 3), np.nan))

    with pytest.raises(NumericError):
        run(setup_of(items, workers, labels), max_rounds=2, must_settle=False)
