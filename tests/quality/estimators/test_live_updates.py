"""Belief by belief, as the services do it."""

import numpy as np
import pytest

from quality.estimators import HierarchicalDawidSkene
from quality.estimators.live import class_prior, pooled_confusion, update_item
from tests.support.datasets import load


def one_pass(model, items, workers, labels, rng):
    """Feed the answers one at a time in random order; returns the labels and the stored counts."""
    item, worker, label = (
        np.searchsorted(ids, column)
        for ids, column in ((model.items_, items), (model.workers_, workers), (model.classes_, labels))
    )
    n_classes = len(model.classes_)
    counts = np.zeros((len(model.workers_), n_classes, n_classes))
    total = np.zeros(n_classes)
    answers = {i: [] for i in range(len(model.items_))}
    posteriors, found = {}, {}
    for n in rng.permutation(len(item)):
        i = item[n]
        answers[i].append((worker[n], label[n]))
        who, said = np.array(answers[i]).T
        belief = update_item(
            said, counts[who], pooled_confusion(counts.sum(axis=0)), class_prior(total), previous=posteriors.get(i)
        )
        for w, y, delta in zip(who, said, belief.deltas, strict=True):
            counts[w, :, y] += delta
        total += belief.prior_delta
        posteriors[i], found[i] = belief.posterior, belief.label
    return np.array([found[i] for i in range(len(found))]), counts, posteriors


@pytest.mark.parametrize("name", ["rte", "dog", "temporal"])
def test_one_pass_agrees_with_the_full_fit(name):
    data = load(name)
    model = HierarchicalDawidSkene().fit(data.items, data.workers, data.labels)

    found, _, _ = one_pass(model, data.items, data.workers, data.labels, np.random.default_rng(0))

    labels = model.classes_[found]
    assert (labels == model.labels_).mean() >= 0.95
    assert data.accuracy(model.items_, labels) >= data.accuracy(model.items_, model.labels_) - 0.02


def test_deltas_keep_the_counts_equal_to_the_sum_of_posteriors():
    rng = np.random.default_rng(1)
    items, workers, labels = np.repeat(np.arange(30), 4), np.tile(np.arange(4), 30), rng.integers(0, 3, 120)
    model = HierarchicalDawidSkene().fit(items, workers, labels)

    _, counts, posteriors = one_pass(model, items, workers, labels, rng)

    expected = np.zeros((4, 3, 3))
    for i, w, y in zip(items, workers, labels, strict=True):
        expected[w, :, y] += posteriors[i]
    np.testing.assert_allclose(counts, expected, atol=1e-9)


def test_the_update_takes_the_items_own_trace_out_of_its_workers():
    pooled, prior = pooled_confusion(np.zeros((2, 2))), np.array([0.5, 0.5])
    said = np.array([0, 0, 1])
    fresh = update_item(said, np.zeros((3, 2, 2)), pooled, prior)
    counts = np.zeros((3, 2, 2))
    for n, y in enumerate(said):
        counts[n, :, y] += fresh.deltas[n]

    again = update_item(said, counts, pooled, prior, previous=fresh.posterior, counted=np.ones(3, bool))

    np.testing.assert_allclose(again.posterior, fresh.posterior)
    np.testing.assert_allclose(again.deltas, 0, atol=1e-12)
    np.testing.assert_allclose(again.prior_delta, 0, atol=1e-12)


def test_gold_teaches_the_truth_whatever_is_said():
    belief = update_item(
        np.array([1]), np.zeros((1, 2, 2)), pooled_confusion(np.zeros((2, 2))), np.array([0.5, 0.5]),
        truth=np.array([1.0, 0.0]),
    )  # fmt: skip

    assert belief.label == 0
    assert belief.deltas.tolist() == [[1.0, 0.0]]


def test_no_answers_give_the_prior():
    belief = update_item(np.array([], int), np.zeros((0, 2, 2)), np.eye(2) * 0.6 + 0.2, np.array([0.3, 0.7]))

    np.testing.assert_allclose(belief.posterior, [0.3, 0.7])
    assert belief.label == 1
    assert belief.deltas.shape == (0, 2)


def test_counts_of_another_length_are_refused():
    with pytest.raises(ValueError, match="counts has 1 workers, labels has 2 answers"):
        update_item(np.array([0, 1]), np.zeros((1, 2, 2)), np.eye(2) * 0.6 + 0.2, np.array([0.5, 0.5]))
