"""What the product delivers for categorical answers: kinds of items, abilities, and opinions weighed."""

import numpy as np
import pytest

from quality.estimators import HierarchicalDawidSkene, MajorityVote, SubtypeDawidSkene, default_estimator
from quality.estimators.em import prepare
from quality.estimators.encode import encode, encode_gold
from quality.estimators.expectation import default_pattern
from quality.estimators.leave_out import held_out_joint
from quality.estimators.metrics import majority_accuracy
from quality.estimators.opinions import MEMBERS
from quality.estimators.subtype_em import choose_kinds, log_joint, run_kinds
from tests.support.datasets import load
from tests.support.twins import one_coin, say, twin, uniform_gold


def crowd(n_items=300, n_workers=9, redundancy=4, n_classes=3, seed=2):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, n_classes, n_items)
    items = np.repeat(np.arange(n_items), redundancy)
    workers = np.concatenate([rng.choice(n_workers, redundancy, replace=False) for _ in range(n_items)])
    confusions = one_coin(rng.uniform(0.55, 0.95, n_workers), n_classes)
    return items, workers, say(confusions, workers, truth[items], rng), truth


def grebes(n_items=400, redundancy=25, seed=0):
    """Two classes; a quarter of class 0 looks to six in ten like class 1."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 2, n_items)
    grebe = (truth == 0) & (rng.random(n_items) < 0.5)
    items = np.repeat(np.arange(n_items), redundancy)
    workers = np.concatenate([rng.choice(40, redundancy, replace=False) for _ in range(n_items)])
    says_one = np.where(truth == 1, 0.9, np.where(grebe, 0.6, 0.03))[items]
    return items, workers, (rng.random(len(items)) < says_one).astype(int), truth


def setup_of(items, workers, labels, gold=None, gold_sample=None):
    answers = encode(items, workers, labels)
    return prepare(answers, encode_gold(gold, answers), default_pattern(len(answers.classes)), gold_sample)


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
    items, workers, labels, _ = crowd(redundancy=1)

    model = SubtypeDawidSkene().fit(items, workers, labels)

    np.testing.assert_array_equal(model.labels_, labels)


def test_leave_one_item_out_equals_doing_it_by_hand():
    items, workers, labels, _ = crowd(n_items=120)
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
    items, workers, labels, _ = crowd()
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


# -- what changes nothing ---------------------------------------------------------------------------------------


def test_the_order_of_answers_changes_no_byte():
    items, workers, labels, truth = crowd()
    gold = uniform_gold(truth, 30, seed=0)
    shuffled = np.random.default_rng(1).permutation(len(items))

    one = SubtypeDawidSkene(gold_sample="random").fit(items, workers, labels, gold=gold)
    other = SubtypeDawidSkene(gold_sample="random").fit(
        items[shuffled], workers[shuffled], labels[shuffled], gold=dict(reversed(gold.items()))
    )

    for name in ("posteriors_", "confidence_", "confusions_", "counts_", "prior_"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
    assert one.calibration_ == other.calibration_


def test_renaming_classes_renames_the_answer():
    items, workers, labels, truth = crowd()
    rename = np.array([2, 0, 1])
    gold = uniform_gold(truth, 30, seed=0)

    one = SubtypeDawidSkene(gold_sample="random").fit(items, workers, labels, gold=gold)
    other = SubtypeDawidSkene(gold_sample="random").fit(
        items, workers, rename[labels], gold={item: rename[label] for item, label in gold.items()}
    )

    np.testing.assert_array_equal(other.labels_, rename[one.labels_])
    np.testing.assert_allclose(other.posteriors_[:, rename], one.posteriors_, atol=1e-6)


def test_renaming_workers_changes_nothing():
    items, workers, labels, _ = crowd()
    rename = np.random.default_rng(3).permutation(9)

    one = SubtypeDawidSkene().fit(items, workers, labels)
    other = SubtypeDawidSkene().fit(items, rename[workers], labels)

    np.testing.assert_allclose(other.posteriors_, one.posteriors_, atol=1e-9)
    np.testing.assert_allclose(other.confusions_[rename], one.confusions_, atol=1e-9)


def test_results_are_finite_and_sum_to_one_on_odd_crowds():
    rng = np.random.default_rng(0)
    for n_items, n_workers, n_classes in ((1, 1, 1), (2, 1, 2), (40, 2, 2), (50, 30, 25), (300, 4, 2)):
        items = rng.integers(0, n_items, 4 * n_items)
        model = SubtypeDawidSkene().fit(
            items, rng.integers(0, n_workers, 4 * n_items), rng.integers(0, n_classes, 4 * n_items)
        )
        np.testing.assert_allclose(model.posteriors_.sum(axis=1), 1, atol=1e-9)
        assert ((model.confidence_ >= 0) & (model.confidence_ <= 1 + 1e-12)).all()


# -- gold and guards ----------------------------------------------------------------------------------------------


def test_gold_items_are_delivered_as_known():
    items, workers, labels, truth = crowd()
    gold = uniform_gold(truth, 40, 0) | {0: int((labels[0] + 1) % 3)}

    model = SubtypeDawidSkene(gold_sample="random").fit(items, workers, labels, gold=gold)

    assert model.labels_[0] == gold[0]
    assert model.confidence_[0] == 1.0


def test_posteriors_are_surer_than_confidence_where_errors_are_shared():
    crowd_ = twin("D", 5, 0)

    model = SubtypeDawidSkene(gold_sample="random").fit(
        crowd_.items, crowd_.workers, crowd_.labels, gold=uniform_gold(crowd_.truth, 100, 0)
    )

    right = (model.labels_ == crowd_.truth).mean()
    assert model.posteriors_.max(axis=1).mean() > right + 0.08
    assert model.confidence_.mean() == pytest.approx(right, abs=0.08)


def test_a_second_collapse_delivers_the_votes(monkeypatch):
    items, workers, labels, _ = crowd()
    monkeypatch.setattr("quality.estimators.guards.is_collapsed", lambda *_: True)

    model = SubtypeDawidSkene().fit(items, workers, labels)

    assert model.status_ == "degenerate"
    np.testing.assert_allclose(model.posteriors_, MajorityVote().fit(items, workers, labels).posteriors_)


def test_adversaries_carry_no_information():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 600)
    right = np.where(np.arange(40) < 6, 0.08, rng.beta(8, 2, 40))
    items = np.repeat(np.arange(600), 5)
    workers = np.concatenate([rng.choice(40, 5, replace=False) for _ in range(600)])
    labels = say(one_coin(right, 2), workers, truth[items], rng)

    model = SubtypeDawidSkene().fit(items, workers, labels)

    assert model.adversaries_.tolist() == [0, 1, 2, 3, 4, 5]
    assert model.status_ == "adversary"
    for worker in model.adversaries_:
        np.testing.assert_allclose(model.confusions_[worker][0], model.confusions_[worker][1])
