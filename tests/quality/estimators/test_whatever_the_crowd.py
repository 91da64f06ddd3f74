"""What must hold whatever the crowd, for each of the models that judge workers."""

import numpy as np
import pytest

from quality.estimators import HierarchicalDawidSkene, MajorityVote, SubtypeDawidSkene
from tests.support.twins import crowd, inverted_crowd, uniform_gold


@pytest.fixture(params=[HierarchicalDawidSkene, SubtypeDawidSkene])
def method(request):
    return request.param


def test_the_order_of_answers_changes_no_byte(method):
    items, workers, labels, truth = crowd().columns
    gold = uniform_gold(truth, 30, seed=0)
    shuffled = np.random.default_rng(1).permutation(len(items))

    one = method(gold_sample="random").fit(items, workers, labels, gold=gold)
    other = method(gold_sample="random").fit(
        items[shuffled], workers[shuffled], labels[shuffled], gold=dict(reversed(gold.items()))
    )

    for name in ("posteriors_", "confidence_", "confusions_", "counts_", "prior_"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
    assert one.objective_ == other.objective_
    assert one.calibration_ == other.calibration_


def test_renaming_items_and_workers_changes_nothing(method):
    items, workers, labels, _ = crowd().columns
    rename_items, rename_workers = np.random.default_rng(2).permutation(300), np.random.default_rng(3).permutation(9)

    one = method().fit(items, workers, labels)
    other = method().fit(rename_items[items], rename_workers[workers], labels)

    np.testing.assert_allclose(other.posteriors_[rename_items], one.posteriors_, atol=1e-9)
    np.testing.assert_allclose(other.confusions_[rename_workers], one.confusions_, atol=1e-9)
    np.testing.assert_allclose(other.confidence_[rename_items], one.confidence_, atol=1e-9)


def test_renaming_classes_renames_the_answer(method):
    items, workers, labels, truth = crowd().columns
    rename = np.array([2, 0, 1])
    gold = uniform_gold(truth, 30, seed=0)

    one = method(gold_sample="random").fit(items, workers, labels, gold=gold)
    other = method(gold_sample="random").fit(
        items, workers, rename[labels], gold={item: rename[label] for item, label in gold.items()}
    )

    np.testing.assert_array_equal(other.labels_, rename[one.labels_])
    np.testing.assert_allclose(other.posteriors_[:, rename], one.posteriors_, atol=1e-6)
    np.testing.assert_allclose(other.confusions_[:, rename][:, :, rename], one.confusions_, atol=1e-6)
    np.testing.assert_allclose(other.confidence_, one.confidence_, atol=1e-6)


def test_results_are_finite_and_sum_to_one_on_odd_crowds(method):
    rng = np.random.default_rng(0)
    for n_items, n_workers, n_classes in ((1, 1, 1), (2, 1, 2), (40, 2, 2), (50, 30, 25), (300, 4, 2)):
        items = rng.integers(0, n_items, 4 * n_items)
        model = method().fit(items, rng.integers(0, n_workers, 4 * n_items), rng.integers(0, n_classes, 4 * n_items))
        np.testing.assert_allclose(model.posteriors_.sum(axis=1), 1, atol=1e-9)
        assert ((model.confidence_ >= 0) & (model.confidence_ <= 1 + 1e-12)).all()


def test_gold_items_are_delivered_as_known(method):
    items, workers, labels, truth = crowd().columns
    gold = uniform_gold(truth, 40, 0) | {0: int((labels[0] + 1) % 3)}

    model = method(gold_sample="random").fit(items, workers, labels, gold=gold)

    assert model.labels_[0] == gold[0]
    assert model.confidence_[0] == 1.0


def test_adversaries_carry_no_information(method):
    items, workers, labels, truth = inverted_crowd().columns

    model = method().fit(items, workers, labels)

    assert model.adversaries_.tolist() == [0, 1, 2, 3, 4, 5]
    assert model.status_ == "adversary"
    for worker in model.adversaries_:
        np.testing.assert_allclose(model.confusions_[worker][0], model.confusions_[worker][1])
    assert (model.labels_ == truth).mean() > (MajorityVote().fit(items, workers, labels).labels_ == truth).mean()


def test_a_second_collapse_delivers_the_votes(method, monkeypatch):
    items, workers, labels, _ = crowd().columns
    monkeypatch.setattr("quality.estimators.guards.is_collapsed", lambda *_: True)

    model = method().fit(items, workers, labels)

    assert model.status_ == "degenerate"
    np.testing.assert_allclose(model.posteriors_, MajorityVote().fit(items, workers, labels).posteriors_)
