"""Krippendorff's alpha against the published worked example."""

import numpy as np
import pytest

from quality.estimators.agreement import LEVELS, krippendorff_alpha, krippendorff_interval

#: Krippendorff (2011), section E: four observers, twelve units, values missing.
OBSERVERS = ("1 2 3 3 2 1 4 1 2 * * *", "1 2 3 3 2 2 4 1 2 5 * 3", "* 3 3 3 2 3 4 2 2 5 1 *", "1 2 3 3 2 4 4 1 2 5 1 *")
ROWS = [
    (unit, observer, int(value))
    for observer, line in enumerate(OBSERVERS)
    for unit, value in enumerate(line.split())
    if value != "*"
]
COLUMNS = tuple(zip(*ROWS, strict=True))


@pytest.mark.parametrize(
    ("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_the_published_example(level, alpha):
    assert krippendorff_alpha(*COLUMNS, level=level) == pytest.approx(alpha, abs=0.0005)


def test_two_observers_without_missing_data():
    """Krippendorff (2011), section A: binary data, ten units, alpha .095."""
    first, second = (
        ["0", "1", "0", "0", "0", "0", "0", "0", "1", "0"],
        ["1", "1", "1", "0", "0", "1", "0", "0", "0", "0"],
    )

    alpha = krippendorff_alpha(list(range(10)) * 2, [0] * 10 + [1] * 10, first + second)

    assert alpha == pytest.approx(0.095, abs=0.0005)


@pytest.mark.parametrize("level", LEVELS)
def test_perfect_agreement_is_one(level):
    assert krippendorff_alpha([1, 1, 2, 2], list("abab"), [3, 3, 5, 5], level) == pytest.approx(1)


@pytest.mark.parametrize("level", LEVELS)
def test_random_answers_are_near_zero(level):
    rng = np.random.default_rng(0)

    assert abs(krippendorff_alpha(np.repeat(np.arange(2000), 3), np.tile([0, 1, 2], 2000), rng.integers(0, 4, 6000),
                                  level)) < 0.04  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
def test_the_order_of_answers_does_not_matter(level):
    shuffled = [COLUMNS[c][::-1] for c in range(3)]

    assert krippendorff_alpha(*shuffled, level=level) == pytest.approx(krippendorff_alpha(*COLUMNS, level=level))


def test_items_with_one_answer_do_not_count():
    alone = [column + (extra,) for column, extra in zip(COLUMNS, (99, 0, 5), strict=True)]

    assert krippendorff_alpha(*alone) == pytest.approx(krippendorff_alpha(*COLUMNS))


@pytest.mark.parametrize("labels", [["x", "x"], ["x", "y"]])
def test_where_nothing_can_be_compared_it_is_not_a_number(labels):
    items = [1, 1] if labels[0] == labels[1] else [1, 2]

    assert np.isnan(krippendorff_alpha(items, ["a", "b"], labels))


@pytest.mark.parametrize("level", LEVELS)
def test_the_bootstrap_interval_holds_alpha_and_repeats(level):
    lower, upper = krippendorff_interval(*COLUMNS, level=level, rng=np.random.default_rng(0), draws=300)

    assert lower < krippendorff_alpha(*COLUMNS, level=level) <= upper <= 1
    assert (lower, upper) == krippendorff_interval(*COLUMNS, level=level, rng=np.random.default_rng(0), draws=300)


def test_the_bootstrap_interval_covers():
    """Alpha over a large population, against intervals from samples of 100 items."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 40_000)
    labels = np.where(rng.random((40_000, 3)) < 0.7, truth[:, None], rng.integers(0, 3, (40_000, 3)))
    population = krippendorff_alpha(np.repeat(np.arange(40_000), 3), np.tile([0, 1, 2], 40_000), labels.ravel())
    inside = []
    for seed in range(100):
        some = rng.choice(40_000, 100, replace=False)
        lower, upper = krippendorff_interval(
            np.repeat(some, 3),
            np.tile([0, 1, 2], 100),
            labels[some].ravel(),
            rng=np.random.default_rng(seed),
            draws=200,
        )
        inside.append(lower <= population <= upper)

    assert np.mean(inside) >= 0.88


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (([1], ["a"], ["x"], "fuzzy"), "level must be one of"),
        (([1, 1], ["a", "b"], ["x", "y"], "interval"), "labels must be numbers"),
        (([1, 1], ["a", "b"], [1.0, float("nan")], "interval"), "labels contains NaN"),
        (([1, 1], ["a", "b"], [-1.0, 2.0], "ratio"), "labels must not be negative"),
        (([1, 1], ["a"], ["x", "y"], "nominal"), "workers has length 1"),
        ((np.zeros(4000, int), np.arange(4000), np.arange(4000), "interval"), "distinct values"),
    ],
)
def test_bad_input_is_refused_by_name(arguments, named):
    with pytest.raises(ValueError, match=named):
        krippendorff_alpha(*arguments)
