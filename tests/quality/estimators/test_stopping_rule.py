"""When to stop asking."""

import numpy as np
import pytest

from quality.estimators.stopping import (
    Rule,
    are_futile,
    decide,
    expected_entropy_drop,
    expected_top,
    is_futile,
    is_worth_asking,
    minimum_answers,
    wald_statistic,
    wald_threshold,
)

GOOD = np.array([[0.8, 0.2], [0.2, 0.8]])


@pytest.mark.parametrize(
    ("confidence", "label", "n", "expected"),
    [
        ([0.99, 0.01], 0, 1, ("ask", "minimum")),
        ([0.96, 0.04], 0, 2, ("settled", "target")),
        ([0.90, 0.10], 0, 2, ("ask", "below target")),
        ([0.96, 0.04], 0, 7, ("settled", "target")),
        ([0.90, 0.10], 0, 7, ("disputed", "maximum")),
        ([0.04, 0.96], 0, 3, ("ask", "below target")),  # the argmax differs from the label: disputed in the end
        ([0.04, 0.96], 0, 7, ("disputed", "maximum")),
    ],
)
def test_decisions(confidence, label, n, expected):
    verdict = decide(np.array(confidence), label, n)

    assert (verdict.action, verdict.reason) == expected


def test_newcomers_need_a_third_answer():
    assert decide(np.array([0.99, 0.01]), 0, 2, r_min=minimum_answers([50, 3])).action == "ask"
    assert decide(np.array([0.99, 0.01]), 0, 2, r_min=minimum_answers([50, 10])).action == "settled"


def test_the_minimum_never_exceeds_the_maximum():
    assert decide(np.array([0.5, 0.5]), 0, 2, Rule(r_min=2, r_max=2), r_min=3).reason == "maximum"


def test_the_future_is_a_fair_game_at_best():
    """Expected top never falls with more answers, and one answer at a lead of one gains nothing."""
    for confidence in ([0.5, 0.5], [0.8, 0.2], [0.97, 0.03]):
        tops = [expected_top(np.array(confidence), GOOD, n) for n in range(6)]
        assert (np.diff(tops) >= -1e-12).all()
    assert expected_top(np.array([0.8, 0.2]), GOOD, 1) == pytest.approx(0.8)
    assert expected_top(np.array([0.8, 0.2]), GOOD, 2) > 0.8


def test_expected_top_equals_the_sum_over_all_sequences():
    confidence, answer = np.array([0.5, 0.3, 0.2]), np.array([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.3, 0.3, 0.4]])

    brute = sum((confidence * answer[:, a] * answer[:, b]).max() for a in range(3) for b in range(3))

    assert expected_top(confidence, answer, 2) == pytest.approx(brute)


def test_the_value_rule_goes_on_at_lead_one_where_a_right_label_is_worth_it():
    assert is_worth_asking(np.array([0.8, 0.2]), GOOD, value=100, b=1.0)
    assert not is_worth_asking(np.array([0.8, 0.2]), GOOD, value=1, b=1.0)
    rule = Rule(tau=0.99, value=1, futility=None)
    verdict = decide(np.array([0.8, 0.2]), 0, 3, rule, pooled=GOOD, b=1.0)
    assert (verdict.action, verdict.reason) == ("settled", "value")


def test_a_crowd_that_cannot_tell_is_futile():
    blind = np.array([[0.52, 0.48], [0.48, 0.52]])

    assert is_futile(np.array([0.7, 0.3]), blind, b=0.5)
    assert not is_futile(np.array([0.7, 0.3]), GOOD, b=1.0)
    verdict = decide(np.array([0.7, 0.3]), 0, 3, pooled=blind, b=0.5)
    assert (verdict.action, verdict.reason) == ("disputed", "futile")


def test_a_united_item_just_below_the_target_is_not_disputed():
    """No four answers can flip it, so none gains anything: and yet the next one settles it."""
    verdict = decide(np.array([0.94, 0.06]), 0, 2, Rule(tau=0.95), pooled=GOOD, b=0.5)

    assert (verdict.action, verdict.reason) == ("ask", "below target")
    assert expected_top(np.array([0.94, 0.06]), np.array([[0.6, 0.4], [0.4, 0.6]]), 4) == pytest.approx(0.94)
    far = decide(np.array([0.94, 0.06]), 0, 2, Rule(tau=0.9999), pooled=GOOD, b=0.5)
    assert far.reason == "futile"


def test_one_item_and_many_are_judged_alike():
    rng = np.random.default_rng(0)
    beliefs = rng.dirichlet(np.full(3, 0.3), 60)
    pooled = np.array([[0.6, 0.2, 0.2], [0.3, 0.5, 0.2], [0.1, 0.1, 0.8]])

    together = are_futile(beliefs, pooled, beliefs.argmax(axis=1), b=0.4, tau=0.97)

    apart = [is_futile(belief, pooled, b=0.4, tau=0.97) for belief in beliefs]
    np.testing.assert_array_equal(together, apart)
    assert 0 < together.sum() < 60


def test_futility_can_be_switched_off():
    blind = np.array([[0.52, 0.48], [0.48, 0.52]])

    assert decide(np.array([0.7, 0.3]), 0, 3, Rule(futility=None), pooled=blind).action == "ask"


def test_many_classes_stay_countable():
    n_classes = 60
    pooled = np.full((n_classes, n_classes), 0.3 / (n_classes - 1))
    np.fill_diagonal(pooled, 0.7)

    assert not is_futile(np.full(n_classes, 1 / n_classes), pooled, b=1.0)


def test_wald_agrees_with_the_posterior_for_two_classes():
    accuracies, says_one = np.array([0.7, 0.9, 0.6]), np.array([1, 1, 0])

    odds = wald_statistic(says_one, accuracies)

    assert odds == pytest.approx(np.log(0.7 / 0.3) + np.log(9) - np.log(1.5))
    assert wald_threshold(0.95) == pytest.approx(np.log(19))


def test_a_better_worker_promises_more():
    belief = np.array([0.6, 0.4])
    better = np.array([[0.95, 0.05], [0.05, 0.95]])

    assert expected_entropy_drop(belief, better) > expected_entropy_drop(belief, GOOD) > 0
    assert expected_entropy_drop(belief, np.full((2, 2), 0.5)) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("settings", [{"tau": 0}, {"tau": 1.1}, {"r_min": 0}, {"r_min": 5, "r_max": 4}])
def test_senseless_rules_are_refused(settings):
    with pytest.raises(ValueError, match="tau|r_min"):
        Rule(**settings)
