"""Gate, pause, monitor and share, against the check values of the quality design."""

import numpy as np
import pytest

from quality.estimators.gold import (
    LAST,
    Bar,
    Monitor,
    bar_for,
    decay,
    exposure_limit,
    gate,
    gate_sum,
    gold_share,
    golds_needed,
    is_bad_gold,
    monitor,
    pause_verdict,
    quiz_outcome,
)
from quality.estimators.intervals import beta_interval, consensus_interval, wilson_interval

POINTS = 0.015


def run_gate(accuracy):
    """Exact probability of passing and mean number of gold answers, by dynamic programming over right answers."""
    alive, passed, golds = {0: 1.0}, 0.0, 0.0
    for n in range(1, LAST + 1):
        after = {}
        for right, chance in alive.items():
            for step, p in ((1, accuracy), (0, 1 - accuracy)):
                after[right + step] = after.get(right + step, 0) + chance * p
        alive = {}
        for right, chance in after.items():
            state = gate(right, n - right)
            if state == "open":
                alive[right] = chance
            else:
                passed += chance * (state == "pass")
                golds += chance * n
    assert not alive
    return passed, golds


@pytest.mark.parametrize(
    ("accuracy", "passes", "golds"),
    [(0.45, 0.002, 9), (0.60, 0.043, 17), (0.725, 0.44, 28), (0.85, 0.963, 20), (0.95, 1.00, 11)],
)
def test_the_sequential_test_has_the_check_values(accuracy, passes, golds):
    passed, mean = run_gate(accuracy)

    assert passed == pytest.approx(passes, abs=POINTS)
    assert mean == pytest.approx(golds, abs=1)


def test_one_right_and_one_wrong_answer_weigh_as_stated():
    assert gate_sum(1, 0) == pytest.approx(0.348, abs=0.001)
    assert gate_sum(0, 1) == pytest.approx(-0.981, abs=0.001)


def test_undecided_at_sixty_goes_by_the_sign():
    assert gate(44, 16) == "fail"
    assert gate_sum(45, 15) > 0
    assert gate(45, 15) == "pass"


@pytest.mark.parametrize(("accuracy", "admitted"), [(0.60, 0.38), (0.85, 0.95)])
def test_a_quiz_of_ten_admits_as_stated(accuracy, admitted):
    from scipy.stats import binom

    chance = sum(binom.pmf(right, 10, accuracy) for right in range(11) if quiz_outcome(right) == "enter")

    assert chance == pytest.approx(admitted, abs=POINTS)


def test_five_or_six_of_ten_mean_one_more_quiz():
    assert [quiz_outcome(right) for right in range(11)] == ["fail"] * 5 + ["again"] * 2 + ["enter"] * 4


def test_the_bar_follows_the_pool():
    assert bar_for([0.9] * 20, 99) == Bar(0.85, 0.60, warns_only=True)
    assert bar_for([0.9] * 20, 100, 2) == Bar(0.85, 0.6, warns_only=False)
    hard = bar_for([0.3, 0.4, 0.5, 0.6], 400, 4)
    assert hard.p1 == pytest.approx(0.525)
    assert hard.p0 == pytest.approx(0.35)
    assert bar_for([0.55, 0.6], 400, 2).warns_only
    assert bar_for([0.5, 0.6], 400).p0 == pytest.approx(0.325)


def test_a_pause_needs_the_upper_bound_and_a_look():
    bar = Bar(warns_only=False)

    assert pause_verdict(8, 12, 0.8, bar, 0, 50) == "pause"
    assert pause_verdict(8, 13, 0.8, bar, 0, 50) == "keep"
    assert pause_verdict(14, 6, 0.8, bar, 0, 50) == "keep"
    assert pause_verdict(8, 12, 0.8, bar, 15, 50) == "suspect gold"


def alarms(rng, before, after, n_before, n):
    """Number of the first answer that raises the share, counted from the change; None if none did."""
    state, right, wrong = Monitor(), 0, 0
    for position in range(30 + n_before + n):
        is_right = rng.random() < (before if position < 30 + n_before else after)
        state = monitor(state, bool(is_right), right, wrong, 0.8)
        right, wrong = right + is_right, wrong + (not is_right)
        if position >= 30 + n_before and state.event:
            return position - 30 - n_before + 1
    return None


@pytest.mark.parametrize("accuracy", [0.75, 0.85])
def test_a_steady_worker_is_rarely_alarmed(accuracy):
    rng = np.random.default_rng(0)

    found = [alarms(rng, accuracy, accuracy, 0, 100) for _ in range(1500)]

    assert np.mean([at is not None for at in found]) <= 0.45


@pytest.mark.parametrize("accuracy", [0.75, 0.85, 0.90])
def test_a_drop_is_seen_within_twenty_answers(accuracy):
    """After 100 gold answers at the old accuracy; a drop sooner moves the worker's own mean too and takes longer."""
    rng = np.random.default_rng(0)

    found = [alarms(rng, accuracy, accuracy - 0.25, 70, 400) for _ in range(1500)]

    assert np.mean([at or 400 for at in found]) <= 20


def test_a_pause_takes_two_passings_within_sixty():
    def feed(state, n_wrong, right, wrong):
        events = []
        for k in range(n_wrong):
            state = monitor(state, False, right, wrong + k, 0.9)
            events.append(state.event)
        return state, events

    state, first = feed(Monitor(), 4, 90, 10)
    _, soon = feed(state, 4, 90, 14)
    late = Monitor(state.u, state.passed_at - 70)
    _, later = feed(late, 4, 90, 14)

    assert first[-1] == "raise"
    assert state.u == 0
    assert soon[-1] == "pause"
    assert later[-1] == "raise"


def test_the_monitor_waits_for_thirty():
    assert monitor(Monitor(), False, 20, 9, 0.8) == Monitor()


def test_two_false_alarms_rarely_pause_a_steady_worker():
    """About .02 within 150 gold answers."""
    rng = np.random.default_rng(0)
    paused = 0
    for _ in range(1500):
        state, right, wrong = Monitor(), 0, 0
        for is_right in rng.random(180) < 0.85:
            state = monitor(state, bool(is_right), right, wrong, 0.8)
            right, wrong = right + is_right, wrong + (not is_right)
            if state.event == "pause":
                paused += 1
                break

    assert paused / 1500 <= 0.06


def test_the_gold_share_falls_with_trust():
    bar = Bar(warns_only=False)
    shares = [gold_share(round(0.95 * n), n - round(0.95 * n), 0.8, bar) for n in (0, 19, 20, 30, 45, 60)]

    assert shares[:2] == [0.25, 0.25]
    assert shares[2] == pytest.approx(0.10)
    assert 0.10 > shares[3] > shares[4] > 0.03
    assert shares[5] == 0.03
    assert gold_share(30, 30, 0.8, bar) > 0.03
    assert gold_share(59, 1, 0.8, bar, is_raised=True) == 0.30


def test_the_exposure_law():
    assert golds_needed(0.10, 100_000, 3) == pytest.approx(3333.3, abs=0.1)
    drawn = [exposure_limit([2, 2, 3, 7], np.random.default_rng(seed)) for seed in range(400)]
    assert set(drawn) == {2, 3, 7}
    assert np.mean(np.array(drawn) == 2) == pytest.approx(0.5, abs=0.1)


def leak_f1(n_golds, seed):
    """Ten of a hundred workers pool what they saw of 5000 items and call gold what comes back too often."""
    rng = np.random.default_rng(seed)
    n_items, n_workers, r, share = 5000, 100, 5, 0.10
    views = n_items * r / (1 - share)
    seen = rng.random((n_items, r)) < 0.1
    ordinary = seen.sum(axis=1)
    per_gold = rng.poisson(share * views / n_golds, n_golds) if share * views / n_golds > r else np.full(n_golds, r)
    gold = rng.binomial(np.minimum(per_gold, n_workers), 0.1)
    best = 0.0
    for cut in range(1, 30):
        hit, false = (gold >= cut).sum(), (ordinary >= cut).sum()
        if hit:
            best = max(best, 2 * hit / (2 * hit + false + (gold < cut).sum()))
    return best


def test_at_the_exposure_law_pooling_finds_no_gold():
    needed = round(golds_needed(0.10, 5000 * 5 / 0.9, 5))

    assert np.mean([leak_f1(needed, seed) for seed in range(5)]) <= 0.2
    assert np.mean([leak_f1(50, seed) for seed in range(5)]) >= 0.8


def test_a_key_that_strong_workers_reject_is_suspect():
    assert is_bad_gold(6, 4)
    assert not is_bad_gold(7, 3)
    assert not is_bad_gold(0, 3)


def test_old_gold_counts_half_after_two_hundred_or_ninety_days():
    assert decay(0, 0) == 1
    assert decay(200, 0) == decay(0, 90) == 0.5


@pytest.mark.parametrize(("right", "n", "bound"), [(5, 5, 0.566), (8, 10, 0.490), (16, 20, 0.584), (38, 50, 0.626)])
def test_wilson_bounds(right, n, bound):
    assert wilson_interval(right, n)[0] == pytest.approx(bound, abs=0.0005)


def test_the_gold_interval_covers():
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(2000):
        accuracy = rng.beta(4, 1)
        right = rng.binomial(30, accuracy)
        lower, _, upper = beta_interval(right, 30 - right, 0.8)
        inside.append(lower <= accuracy <= upper)

    assert np.mean(inside) == pytest.approx(0.9, abs=0.02)


def test_the_consensus_interval_narrows_with_evidence():
    pooled, prior = np.array([[0.8, 0.2], [0.2, 0.8]]), np.array([0.5, 0.5])
    few = consensus_interval(np.eye(2) * 5, pooled, prior, 0.5, np.random.default_rng(0))
    many = consensus_interval(np.eye(2) * 500, pooled, prior, 0.5, np.random.default_rng(0))

    assert many[0] > few[0]
    assert many[2] - many[0] < few[2] - few[0]
    assert few == consensus_interval(np.eye(2) * 5, pooled, prior, 0.5, np.random.default_rng(0))
