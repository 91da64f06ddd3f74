"""What estimators take, and what they refuse by name."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from quality.estimators import (
    BradleyTerry,
    DawidSkene,
    HierarchicalDawidSkene,
    MajorityVote,
    MultilabelDawidSkene,
    OrdinalDawidSkene,
    RobustMean,
    SubtypeDawidSkene,
    TextConsensus,
    default_estimator,
)

CATEGORICAL = [MajorityVote, DawidSkene, HierarchicalDawidSkene, OrdinalDawidSkene, SubtypeDawidSkene]
ITEMS, WORKERS, LABELS = [1, 1, 2, 2], ["a", "b", "a", "b"], ["x", "x", "y", "x"]


@pytest.mark.parametrize("estimator", CATEGORICAL)
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"items": []}, "items is empty"),
        ({"workers": ["a", "b"]}, "workers has length 2"),
        ({"labels": ["x"] * 5}, "labels has length 5"),
        ({"labels": [1.0, float("nan"), 1.0, 1.0]}, "labels contains a missing value"),
        ({"labels": ["x", None, "x", "x"]}, "labels contains a missing value"),
        ({"labels": ["x", 1, "x", "x"]}, "labels must be all str or all int"),
        ({"items": "abcd"}, "items must be a sequence"),
        ({"items": np.ones((2, 2), int)}, "items must be one-dimensional"),
        ({"items": [[1], [2], [3], [4]]}, "items must hold str or int"),
        ({"gold": {1: "z"}}, "gold label 'z' of item 1 is not a class"),
        ({"gold": {1: []}}, "gold accepts no label for item 1"),
        ({"gold": [1, "x"]}, "gold must map items to labels"),
        ({"weights": [1, 1, 1]}, "weights has shape"),
        ({"weights": [1, 1, 0, 1]}, "weights must be positive"),
        ({"weights": [1, 1, float("nan"), 1]}, "weights must be positive"),
        ({"weights": ["a", 1, 1, 1]}, "weights must be numbers"),
        ({"classes": ["x"]}, "labels contains 'y', which is not among classes"),
    ],
)
def test_bad_input_is_refused_by_name(estimator, change, named):
    arguments = {"items": ITEMS, "workers": WORKERS, "labels": LABELS} | change

    with pytest.raises(ValueError, match=named):
        estimator().fit(**arguments)


@pytest.mark.parametrize("estimator", CATEGORICAL)
def test_attributes_have_the_promised_shapes(estimator):
    model = estimator().fit(ITEMS, WORKERS, LABELS, gold={1: "x", 99: "y"})

    assert model.items_.tolist() == [1, 2]
    assert model.workers_.tolist() == ["a", "b"]
    assert model.classes_.tolist() == ["x", "y"]
    assert model.posteriors_.shape == (2, 2)
    assert model.labels_.shape == model.confidence_.shape == (2,)
    assert model.confusions_.shape == (2, 2, 2)
    assert model.prior_.shape == (2,)
    assert model.labels_[0] == "x"
    assert isinstance(model.n_iter_, int)
    assert all(isinstance(value, float) for value in model.objective_)
    assert isinstance(model.status_, str)
    assert model.calibration_.n_gold == 1
    assert model.calibration_.calibrated is False
    np.testing.assert_allclose(model.posteriors_.sum(axis=1), 1, atol=1e-9)
    np.testing.assert_allclose(model.confusions_.sum(axis=2), 1, atol=1e-9)


@pytest.mark.parametrize("estimator", CATEGORICAL)
def test_lists_and_arrays_give_the_same_bytes(estimator):
    one = estimator().fit(ITEMS, WORKERS, LABELS)
    other = estimator().fit(np.array(ITEMS), np.array(WORKERS), np.array(LABELS))

    assert one.posteriors_.tobytes() == other.posteriors_.tobytes()
    assert one.labels_.tolist() == other.labels_.tolist()


@pytest.mark.parametrize("estimator", CATEGORICAL)
def test_no_argument_is_changed(estimator):
    columns = [np.array(ITEMS), np.array(WORKERS), np.array(LABELS)]
    before = [column.copy() for column in columns]
    gold = {1: ["x", "y"]}

    estimator().fit(*columns, gold=gold)

    for column, copy in zip(columns, before, strict=True):
        np.testing.assert_array_equal(column, copy)
    assert gold == {1: ["x", "y"]}


@pytest.mark.parametrize("estimator", CATEGORICAL)
def test_one_answer_one_class_is_fine(estimator):
    model = estimator().fit([7], ["a"], ["only"])

    assert model.labels_.tolist() == ["only"]
    assert model.posteriors_.tolist() == [[1.0]]


@pytest.mark.parametrize("estimator", CATEGORICAL)
def test_a_class_that_nobody_said_can_be_named(estimator):
    model = estimator().fit(ITEMS, WORKERS, LABELS, classes=["x", "y", "z"])

    assert model.classes_.tolist() == ["x", "y", "z"]
    assert model.posteriors_.shape == (2, 3)
    assert set(model.labels_) <= {"x", "y"}


@pytest.mark.parametrize("estimator", [MajorityVote, DawidSkene, HierarchicalDawidSkene, SubtypeDawidSkene])
def test_a_gold_item_may_accept_several_labels(estimator):
    model = estimator().fit(ITEMS, WORKERS, LABELS, gold={1: ["x", "y"], 2: {"y"}})

    assert model.posteriors_.tolist() == [[0.5, 0.5], [0.0, 1.0]]


def test_ties_go_to_the_larger_prior():
    model = MajorityVote().fit([1, 1, 2, 3], list("abab"), ["x", "y", "y", "y"])

    assert model.labels_.tolist() == ["y", "y", "y"]


def test_weights_count():
    model = MajorityVote().fit([1, 1, 1], list("abc"), ["x", "x", "y"], weights=[0.5, 0.4, 1.0])

    assert model.labels_.tolist() == ["y"]


@pytest.mark.parametrize(
    ("kind", "estimator"),
    [
        ("categorical", SubtypeDawidSkene),
        ("multilabel", MultilabelDawidSkene),
        ("ordinal", OrdinalDawidSkene),
        ("number", RobustMean),
        ("pairwise", BradleyTerry),
        ("text", TextConsensus),
    ],
)
def test_each_kind_has_its_estimator(kind, estimator):
    assert default_estimator(kind) is estimator
    assert estimator(seed=1, gold_sample="random").seed == 1


def test_a_kind_without_an_estimator_is_refused():
    with pytest.raises(ValueError, match="kind 'smell' has no estimator"):
        default_estimator("smell")


def test_the_library_needs_no_django():
    code = "import sys; sys.modules['django'] = None; import quality.estimators, quality.estimators.grading"

    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
