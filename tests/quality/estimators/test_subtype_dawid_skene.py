"""What the product delivers for categorical answers: kinds of items, abilities, and opinions weighed."""

import numpy as np
import pytest

from quality.estimators import HierarchicalDawidSkene, MajorityVote, SubtypeDawidSkene, default_estimator
from quality.estimators.encode import encode
from quality.estimators.leave_out import held_out_joint
from quality.estimators.metrics import majority_accuracy
from quality.estimators.opinions import MEMBERS
from quality.estimators.subtype_em import choose_kinds, log_joint, run_kinds
from tests.support.datasets import load
from tests.support.twins import crowd, one_coin, say, setup_of, twin, uniform_gold


def grebes(n_items=400, redundancy=25, seed=0):
    """Two classes; a quarter of class 0 looks to six in ten like class 1."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n_items)
    grebe = (truth == 0) & (rng.random(n_items) < 0.5)
    items = np.repeat(np.arange(n_items), redundancy)
    workers = np.concatenate([rng.choice(40, redundancy, replace=False) for _ in range(n_items)])
    says_one = np.where(truth == 1, 0.9, np.where(grebe, 0.6, 0.03))[items]
    return items, workers, (rng.random(len(items)) < says_one).astype(int), truth


def test_it_is_the_default():
    assert default_estimator("categorical") is SubtypeDawidSkene


# -- real crowds ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "at_least"),
    [
        ("rte", 0.92), ("bluebirds", 0.885), ("dog", 0.835), ("d_product", 0.93), ("temporal", 0.935), ("face", 0.645),
        ("ducks", 0.78), ("web", 0.835), ("music_genre", 0.785), ("weather_amt", 0.845), ("zencrowd_in", 0.765),
    ],
)  # fmt: skip
def test_delivered_accuracy_without_gold(name, at_least):
    data = load(name)

    model = SubtypeDawidSkene().fit(data.items, data.workers, data.labels)

    assert data.accuracy(model.items_, model.labels_) >= at_least


@pytest.mark.parametrize("name", ["rte", "dog", "bluebirds", "temporal", "face"])
def test_few_answers_are_never_worse_than_votes(name):
    data, gains = load(name), []

    for seed in range(6):
        part = data.first(2, np.random.default_rng(seed))
        model = SubtypeDawidSkene().fit(part.items, part.workers, part.labels)
        answers = encode(part.items, part.workers, part.labels)
        truth = np.searchsorted(answers.classes, [data.truth[item] for item in answers.items])
        gains.append(part.accuracy(model.items_, model.labels_) - majority_accuracy(answers.votes, truth))

    assert np.mean(gains) >= -0.005


def test_gold_shows_that_the_votes_know_better():
    """Workers of zencrowd_us share errors: without gold nothing can tell, and with it the votes are heard."""
    data, ours, votes = load("zencrowd_us"), [], []

    for seed in range(3):
        rng = np.random.default_rng(seed)
        gold = {item: data.truth[item] for item in rng.choice(sorted(data.truth), 50, replace=False).tolist()}
        model = SubtypeDawidSkene(gold_sample="random").fit(data.items, data.workers, data.labels, gold=gold)
        majority = MajorityVote().fit(data.items, data.workers, data.labels)
        ours.append(data.accuracy(model.items_, model.labels_))
        votes.append(data.accuracy(majority.items_, majority.labels_))
        assert set(model.opinions_) == set(MEMBERS)

    assert np.mean(ours) >= np.mean(votes) - 0.005
    assert np.mean(ours) > data.accuracy(*labels_of(HierarchicalDawidSkene, data)) + 0.02


def labels_of(method, data):
    model = method().fit(data.items, data.workers, data.labels)
    return model.items_, model.labels_


# -- kinds of items -----------------------------------------------------------------------------------------------


def test_kinds_of_items_are_found_where_there_are_some():
    items, workers, labels, truth = grebes()

    model = SubtypeDawidSkene().fit(items, workers, labels)
    without = HierarchicalDawidSkene().fit(items, workers, labels)

    assert model.n_kinds_ > 1
    assert (model.labels_ == truth).mean() >= (without.labels_ == truth).mean()


def test_one_kind_where_there_is_one():
    crowd_ = twin("A", 5, 0)

    assert SubtypeDawidSkene().fit(crowd_.items, crowd_.workers, crowd_.labels).n_kinds_ == 1


def test_ability_orders_workers():
    rng = np.random.default_rng(0)
    right = np.linspace(0.5, 0.95, 10)
    truth = rng.integers(0, 3, 600)
    items, workers = np.repeat(np.arange(600), 5), rng.integers(0, 10, 3000)
    labels = say(one_coin(right, 3), workers, truth[items], rng)

    model = SubtypeDawidSkene().fit(items, workers, labels)

    assert np.corrcoef(model.abilities_, right)[0, 1] > 0.9


def test_an_item_with_one_answer_keeps_its_vote():
    items, workers, labels, _ = crowd(redundancy=1).columns

    model = SubtypeDawidSkene().fit(items, workers, labels)

    np.testing.assert_array_equal(model.labels_, labels)


def test_leave_one_item_out_equals_doing_it_by_hand():
    items, workers, labels, _ = crowd(n_items=120).columns
    setup = setup_of(items, workers, labels)
    fit = run_kinds(setup, 2)
    found = fit.parameters

    joint = held_out_joint(setup, fit)

    for item in (0, 57, 119):
        expected = found.log_shares.reshape(3, 2).copy()
        for w, y in zip(workers[items == item], labels[items == item], strict=True):
            others = found.counts[w].copy()
            others[:, y] -= fit.posterior[item]
            row = others + 5 * found.average[w]
            rates = row[:, None, :] * found.lift
            expected += np.log(rates / rates.sum(axis=2, keepdims=True))[:, :, y]
        np.testing.assert_allclose(joint[item], np.log(np.exp(expected).sum(axis=1)), atol=1e-9)


def test_the_joint_of_a_fit_is_its_posterior():
    items, workers, labels, _ = crowd().columns
    setup = setup_of(items, workers, labels)
    fit = run_kinds(setup, 3)

    joint = log_joint(setup, fit)

    share = np.exp(joint - joint.max(axis=1, keepdims=True))
    np.testing.assert_allclose(share / share.sum(axis=1, keepdims=True), fit.posterior, atol=0.01)


def test_many_answers_choose_kinds_on_some(monkeypatch):
    items, workers, labels, truth = grebes()
    monkeypatch.setattr("quality.estimators.subtype_em.MANY", 4000)

    plain, best = choose_kinds(setup_of(items, workers, labels))

    assert plain.n_kinds == 1
    assert best.n_kinds > 1
    assert best.kinds.shape[0] == len(truth)


# -- gold ----------------------------------------------------------------------------------------------


def test_posteriors_are_surer_than_confidence_where_errors_are_shared():
    crowd_ = twin("D", 5, 0)

    model = SubtypeDawidSkene(gold_sample="random").fit(
        crowd_.items, crowd_.workers, crowd_.labels, gold=uniform_gold(crowd_.truth, 100, 0)
    )

    right = (model.labels_ == crowd_.truth).mean()
    assert model.posteriors_.max(axis=1).mean() > right + 0.08
    assert model.confidence_.mean() == pytest.approx(right, abs=0.08)
