"""Confidence that means what it says."""

import json

import numpy as np
import pytest

from quality.estimators import HierarchicalDawidSkene
from quality.estimators.calibration import (
    GRID,
    INDEPENDENT,
    Calibration,
    Ceiling,
    Correctness,
    exponent_weights,
    independence,
    thinned_gold,
)
from quality.estimators.confidence import Sureness, live_sureness
from quality.estimators.conformal import conformal_sets, conformal_threshold
from quality.estimators.em import prepare, run
from quality.estimators.encode import encode, encode_gold
from quality.estimators.expectation import default_pattern
from quality.estimators.leave_out import held_out_evidence
from quality.estimators.metrics import (
    brier_score,
    expected_calibration_error,
    log_loss,
    majority_accuracy,
    reliability,
)
from tests.support.datasets import CATEGORICAL, load
from tests.support.twins import twin, uniform_gold


def test_without_twenty_gold_it_says_uncalibrated():
    crowd = twin("A", 3, 0)

    model = HierarchicalDawidSkene(gold_sample="random").fit(
        crowd.items, crowd.workers, crowd.labels, gold=uniform_gold(crowd.truth, 19, 0)
    )

    assert (model.calibration_.b, model.calibration_.n_gold, model.calibration_.calibrated) == (0.5, 19, False)
    ordinary = model.posteriors_.max(axis=1) < 1
    assert (model.confidence_[ordinary] < model.posteriors_.max(axis=1)[ordinary]).all()


def test_shared_errors_lower_the_exponent_and_independent_ones_do_not():
    exponents = {}
    for name in "AD":
        crowd = twin(name, 5, 0)
        gold = uniform_gold(crowd.truth, 100, 0)
        model = HierarchicalDawidSkene(gold_sample="random").fit(crowd.items, crowd.workers, crowd.labels, gold=gold)
        assert model.calibration_.calibrated
        assert model.calibration_.n_gold == 100
        exponents[name] = model.calibration_.b

    assert exponents["A"] > 0.6
    assert exponents["D"] < 0.5


def test_the_label_stays_the_argmax_at_one():
    crowd = twin("D", 5, 0)

    model = HierarchicalDawidSkene(gold_sample="random").fit(
        crowd.items, crowd.workers, crowd.labels, gold=uniform_gold(crowd.truth, 50, 0)
    )

    np.testing.assert_array_equal(model.labels_, model.classes_[model.posteriors_.argmax(axis=1)])


@pytest.mark.slow
def test_fifty_gold_calibrate_real_crowds():
    """Mean of the raw error over 14 sets and 4 draws: .13 at b = 1, about .05 calibrated; Brier .143 to .112."""
    rows = []
    for name in CATEGORICAL:
        data = load(name)
        for seed in range(4):
            chosen = np.random.default_rng(seed).choice(sorted(data.truth), 50, replace=False)
            gold = {item: data.truth[item] for item in chosen.tolist()}
            model = HierarchicalDawidSkene(gold_sample="random").fit(data.items, data.workers, data.labels, gold=gold)
            scored = [i for i, item in enumerate(model.items_) if item in data.truth and item not in gold]
            right = np.array([data.truth[model.items_[i]] == model.labels_[i] for i in scored])
            sure, shown = model.posteriors_.max(axis=1)[scored], model.confidence_[scored]
            rows.append([
                expected_calibration_error(sure, right), expected_calibration_error(shown, right),
                brier_score(sure, right), brier_score(shown, right),
            ])  # fmt: skip

    sure_gap, shown_gap, sure_brier, shown_brier = np.mean(rows, axis=0)
    assert sure_gap > 0.1
    assert shown_gap < 0.045
    assert shown_brier < 0.116 < sure_brier


def fitted(crowd, gold=None):
    answers = encode(crowd.items, crowd.workers, crowd.labels)
    setup = prepare(answers, encode_gold(gold, answers), default_pattern(len(answers.classes)), None)
    return setup, run(setup)


def test_leave_one_item_out_equals_doing_it_by_hand():
    crowd = twin("A", 3, 0, n_items=200, n_workers=12)
    setup, fit = fitted(crowd)

    found = held_out_evidence(setup, fit)

    for item in (0, 57, 199):
        expected = np.zeros(4)
        for w, y in zip(crowd.workers[crowd.items == item], crowd.labels[crowd.items == item], strict=True):
            others = fit.counts[w].copy()
            others[:, y] -= fit.posterior[item]
            rates = (others + 5 * fit.pooled) / (others.sum(axis=1, keepdims=True) + 5)
            if np.trace(rates) >= 1:
                expected += np.log(rates[:, y])
        np.testing.assert_allclose(found[item], expected, atol=1e-9)


def test_leave_one_item_out_takes_out_every_repeat_of_a_worker():
    crowd = twin("A", 3, 0, n_items=100, n_workers=10)
    doubled = type(crowd)(*(np.concatenate([c, c]) for c in (crowd.items, crowd.workers, crowd.labels)), crowd.truth)
    setup, fit = fitted(doubled)

    found = held_out_evidence(setup, fit)

    w, y = crowd.workers[0], crowd.labels[0]
    others = fit.counts[w].copy()
    others[:, y] -= 2 * fit.posterior[0]
    rates = (others + 5 * fit.pooled) / (others.sum(axis=1, keepdims=True) + 5)
    alone = held_out_evidence(setup, fit, (setup.answers.item == 0) & (setup.answers.worker == w))
    np.testing.assert_allclose(alone[0], 2 * np.log(rates[:, y]), atol=1e-9)
    assert found.shape == (100, 4)


def test_chunks_do_not_change_the_evidence(monkeypatch):
    setup, fit = fitted(twin("A", 3, 0, n_items=100, n_workers=10))
    whole = held_out_evidence(setup, fit)

    monkeypatch.setattr("quality.estimators.leave_out.CHUNK", 7)

    np.testing.assert_allclose(held_out_evidence(setup, fit), whole, atol=1e-12)


def test_gold_is_thinned_to_what_ordinary_items_get():
    items = np.concatenate([np.repeat(np.arange(100), 3), np.repeat(np.arange(100, 110), 30)])
    workers = np.concatenate([np.tile(np.arange(3), 100), np.tile(np.arange(30), 10)])
    answers = encode(items, workers, items % 2)
    gold = encode_gold({i: int(i % 2) for i in range(100, 110)}, answers)

    kept = thinned_gold(answers, gold, np.random.default_rng(0))

    np.testing.assert_array_equal(np.bincount(answers.item[kept], minlength=110), [0] * 100 + [3] * 10)


def test_the_exponent_prior_is_centred_on_six_tenths():
    weights = exponent_weights(np.zeros(len(GRID)))

    assert weights.sum() == pytest.approx(1)
    assert GRID[weights.argmax()] == pytest.approx(0.6, abs=0.03)


def test_gold_tells_whether_errors_are_independent():
    at_one = {"yes": -5.0, "no": -25.0}

    found = {name: independence(-5 - 20 * (GRID - 0.6) ** 2, value) for name, value in at_one.items()}

    assert found["yes"] > INDEPENDENT
    assert found["no"] < 1e-6


def test_a_claim_takes_more_gold_the_higher_it_is():
    def least(tau, n_wrong=0):
        return next(
            n for n in range(1, 400)
            if Calibration(1.0, n, True, 1.0, np.full(n, 0.97), np.arange(n) >= n_wrong).proves(tau)
        )  # fmt: skip

    assert [least(tau) for tau in (0.8, 0.9, 0.95)] == [20, 43, 89]
    assert least(0.9, n_wrong=1) == 63
    assert not Calibration(1.0, 200, True, 1.0, np.full(200, 0.94), np.ones(200, bool)).proves(0.95)
    assert not Calibration(0.5, 0, False).proves(0.5)


@pytest.mark.parametrize(("n", "n_wrong"), [(0, 0), (19, 0), (40, 1), (60, 5), (120, 0)])
@pytest.mark.parametrize("tau", [0.5, 0.8, 0.95])
def test_what_it_takes_to_prove_a_target_is_enough_and_no_more(tau, n, n_wrong):
    def known(n):
        return Calibration(1.0, n, True, 1.0, np.full(n, 0.97), np.arange(n) >= n_wrong)

    more = known(n).more_to_prove(tau)

    assert known(n + more).proves(tau)
    assert (more == 0) == known(n).proves(tau)
    assert not more or not known(n + more - 1).proves(tau)


def test_sureness_survives_storage():
    crowd = twin("D", 5, 0)
    answers = encode(crowd.items, crowd.workers, crowd.labels)
    model = HierarchicalDawidSkene(gold_sample="random").fit(
        crowd.items, crowd.workers, crowd.labels, gold=uniform_gold(crowd.truth, 50, 0)
    )
    gold = encode_gold(uniform_gold(crowd.truth, 50, 0), answers)
    found = live_sureness(answers, gold, model.posteriors_, model.counts_, model.pooled_, model.prior_)

    again = Sureness.from_json(json.loads(json.dumps(found.to_json())))

    log_prior = np.broadcast_to(np.log(model.prior_), model.posteriors_.shape)
    joint, winner = np.log(np.maximum(model.posteriors_, 1e-300)), model.posteriors_.argmax(axis=1)
    np.testing.assert_array_equal(
        again.of(log_prior, answers.votes, joint, winner), found.of(log_prior, answers.votes, joint, winner)
    )
    assert found.most < 1
    assert live_sureness(answers, encode_gold(None, answers), *[None] * 4) is None


def test_correctness_learns_a_margin_that_means_nothing():
    rng = np.random.default_rng(0)
    margin, votes, label = rng.normal(3, 2, 2000), np.zeros(2000), np.zeros(2000, int)
    useless = Correctness.fit(rng.random(2000) < 0.7, margin, votes, label, 2)
    useful = Correctness.fit(rng.random(2000) < 1 / (1 + np.exp(-margin)), margin, votes, label, 2)
    at = (np.array([0.0, 4.0]), np.zeros(2), np.zeros(2, int))

    assert np.ptp(useless.predict(*at)) < 0.12
    np.testing.assert_allclose(useful.predict(*at), [0.5, 0.98], atol=0.05)


def test_sureness_has_a_ceiling_that_gold_raises():
    def of_surest(n_gold, n_wrong):
        return Ceiling.fit(np.full(n_gold, 0.99), np.arange(n_gold) >= n_wrong).under(np.array([0.999])).item()

    assert of_surest(10, 0) < 0.93
    assert 0.95 < of_surest(20, 0) < 0.97
    assert of_surest(20, 2) < 0.9
    assert of_surest(40, 1) == pytest.approx(0.95, abs=0.005)
    assert of_surest(400, 0) > 0.99


def test_the_ceiling_leaves_unsure_labels_alone_and_keeps_the_order():
    of_gold, right = np.full(50, 0.98), np.arange(50) >= 2
    confidence = np.linspace(0, 1, 300)

    found = Ceiling.fit(of_gold, right).under(confidence)

    np.testing.assert_allclose(found[confidence < 0.8], confidence[confidence < 0.8], atol=1e-3)
    assert (found <= confidence + 1e-12).all()
    assert (np.diff(found) >= 0).all()


def test_conformal_sets_keep_their_promise():
    """Gold that the fit has not seen: P of the truth on items outside of it."""
    missed, n_labels = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        probability = rng.dirichlet([0.6] * 4, 2100) * 0.7 + 0.3 * rng.dirichlet([0.3] * 4, 2100)
        truth = np.array([rng.choice(4, p=p / p.sum()) for p in probability])
        of_truth = probability[np.arange(2100), truth]
        sets = conformal_sets(probability[100:], conformal_threshold(of_truth[:100], alpha=0.1))
        missed.append(1 - sets[np.arange(2000), truth[100:]].mean())
        n_labels.append(sets.sum(axis=1).mean())

    assert np.mean(missed) == pytest.approx(0.1, abs=0.015)
    assert np.mean(n_labels) < 3


def test_too_little_gold_promises_every_label():
    assert conformal_threshold(np.array([0.9, 0.8]), alpha=0.1) == 1.0


def test_metrics_of_a_perfect_and_of_a_useless_confidence():
    right = np.array([True] * 70 + [False] * 30)

    assert expected_calibration_error(np.full(100, 0.7), right) == pytest.approx(0, abs=1e-12)
    assert expected_calibration_error(np.full(100, 0.95), right) == pytest.approx(0.25, abs=0.01)
    assert brier_score(right.astype(float), right) == 0
    assert log_loss(right.astype(float), right) < 1e-9
    assert reliability(np.full(100, 0.75), right).count.tolist() == [0, 0, 0, 0, 0, 0, 0, 100, 0, 0]


def test_the_debiased_error_of_a_perfect_confidence_is_smaller():
    rng = np.random.default_rng(0)
    confidence = rng.random(300)
    right = rng.random(300) < confidence

    raw = expected_calibration_error(confidence, right, debiased=False)
    assert raw > 0.03
    assert expected_calibration_error(confidence, right) < raw / 2 + 0.005


def test_majority_accuracy_splits_ties():
    assert majority_accuracy(np.array([[1, 1, 1], [2, 0, 0]]), np.array([2, 0])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("confidence", [[1.2], [float("nan")], [[0.5]], []])
def test_metrics_refuse_what_is_no_probability(confidence):
    with pytest.raises(ValueError, match="confidence"):
        brier_score(np.array(confidence), np.ones(np.shape(confidence), bool))
