"""What a machine's word is worth."""

import numpy as np
import pytest

from quality.estimators.machine import Trust, assess, evidence, lower_bound, together


def checks(n, right, *, classes=2, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, n)
    said = truth.copy()
    said[: n - right] = (truth[: n - right] + 1) % classes
    return truth, said


def test_fifty_checks_are_needed_before_a_machine_says_anything():
    few, enough = assess(*checks(49, 49), None, 2), assess(*checks(50, 50), None, 2)

    assert not evidence(few, np.array([1])).any()
    assert evidence(enough, np.array([1]))[0, 0] < -2


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("right", [100, 95, 80, 60])
def test_log_odds_never_pass_what_the_lower_bound_of_accuracy_allows(classes, right):
    trust = assess(*checks(100, right, classes=classes), None, classes)

    words = evidence(trust, np.arange(classes))

    lower = lower_bound(right, 100 - right)
    most = max(0.0, np.log(lower * (classes - 1) / (1 - lower)))
    assert np.ptp(words, axis=1).max() <= most + 1e-9


def test_a_machine_that_guesses_says_nothing():
    trust = assess(*checks(200, 100), None, 2)

    assert not evidence(trust, np.array([0, 1])).any()


def test_what_it_says_itself_of_its_certainty_makes_it_quieter_but_not_louder_than_checks_allow():
    truth = np.zeros(300, int)
    said = np.r_[np.zeros(150, int), np.arange(150) % 2]
    score = np.r_[np.full(150, 0.9), np.full(150, 0.1)]
    trust = assess(truth, said, score, 2)

    sure, unsure = evidence(trust, np.array([0, 0]), np.array([1.0, 0.1]))

    assert np.ptp(unsure) == 0 < np.ptp(sure)
    assert np.ptp(sure) <= np.log(lower_bound(150, 0) / (1 - lower_bound(150, 0))) + 1e-9


def test_two_machines_weigh_no_more_than_the_better_one():
    said = together(np.array([[0.0, -2.0], [0.0, -1.5]]))

    assert said.tolist() == [0.0, -2.0]


def test_a_threshold_holds_as_often_as_it_claims():
    """Of 400 machines that are right 90 % of the time everywhere, hardly one in twenty is let past .95."""
    rng = np.random.default_rng(1)
    let = 0
    for _ in range(400):
        right = rng.random(150) < 0.90
        trust = assess(np.zeros(150, int), np.where(right, 0, 1), rng.random(150), 2)
        let += trust.threshold_for(0.90) is not None

    assert let / 400 <= 0.05


def test_what_was_found_survives_storage():
    trust = assess(*checks(120, 100, classes=3), np.linspace(0, 1, 120), 3)

    assert Trust.from_json(trust.to_json()) == trust
