"""Ordinal, multilabel, numbers, pairs and texts."""

import numpy as np
import pytest

from quality.estimators import (
    BradleyTerry,
    HierarchicalDawidSkene,
    MultilabelDawidSkene,
    OrdinalDawidSkene,
    RobustMean,
    TextConsensus,
)
from quality.estimators.calibration import Calibration
from quality.estimators.text import word_error_rate
from tests.support import datasets
from tests.support.twins import say

# -- ordinal ----------------------------------------------------------------------------------------------------


def graded_crowd(seed, n_items=300, n_workers=60, redundancy=3):
    """Five grades; workers miss by a step or two."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 5, n_items)
    width = rng.uniform(0.4, 1.2, n_workers)
    gap = np.abs(np.arange(5)[:, None] - np.arange(5)[None])
    confusions = np.exp(-gap[None] / width[:, None, None])
    confusions /= confusions.sum(axis=2, keepdims=True)
    items = np.repeat(np.arange(n_items), redundancy)
    workers = np.concatenate([rng.choice(n_workers, redundancy, replace=False) for _ in range(n_items)])
    return items, workers, say(confusions, workers, truth[items], rng), truth


def test_the_ordinal_median_loses_less_than_the_nominal_label():
    ours, nominal = [], []
    for seed in range(5):
        items, workers, labels, truth = graded_crowd(seed)
        model = OrdinalDawidSkene().fit(items, workers, labels)
        plain = HierarchicalDawidSkene().fit(items, workers, labels)
        ours.append(np.abs(model.estimates_ - truth).mean())
        nominal.append(np.abs(plain.labels_ - truth).mean())

    assert np.mean(ours) < np.mean(nominal)


def test_ordinal_beats_the_rounded_mean_on_search_relevance():
    data = datasets.load("web")
    model = OrdinalDawidSkene().fit(data.items, data.workers, data.labels.astype(int))
    known = np.array([item in data.truth for item in model.items_])
    truth = np.array([int(data.truth[item]) for item in model.items_[known]])
    position = np.searchsorted(model.items_, data.items)
    mean = np.bincount(position, data.labels.astype(int)) / np.bincount(position)

    assert np.abs(model.estimates_[known] - truth).mean() < np.abs(mean.round()[known] - truth).mean() - 0.05


def test_named_grades_keep_their_order_whatever_the_alphabet():
    items, workers, labels, _ = graded_crowd(0)
    names = np.array(["awful", "poor", "fair", "good", "best"])

    numbered = OrdinalDawidSkene().fit(items, workers, labels)
    named = OrdinalDawidSkene(order=names.tolist()).fit(items, workers, names[labels])

    assert named.estimates_.tolist() == names[numbered.estimates_].tolist()
    np.testing.assert_allclose(named.confidence_, numbered.confidence_, atol=1e-9)


def test_a_grade_outside_the_order_is_refused():
    with pytest.raises(ValueError, match="labels contains 'odd'"):
        OrdinalDawidSkene(order=["a", "b"]).fit([1], ["w"], ["odd"])
    with pytest.raises(ValueError, match="order names a grade twice"):
        OrdinalDawidSkene(order=["a", "a"])


# -- multilabel -------------------------------------------------------------------------------------------------

LABELS = np.array(["bird", "car", "sea", "sky"])


def tagging_crowd(seed=0, n_items=300, n_workers=30, redundancy=3):
    """Each label has its own frequency; workers differ in how much they overlook."""
    rng = np.random.default_rng(seed)
    truth = rng.random((n_items, 4)) < [0.05, 0.3, 0.5, 0.8]
    hit, false = rng.uniform(0.5, 0.95, n_workers), rng.uniform(0.01, 0.2, n_workers)
    items = np.repeat(np.arange(n_items), redundancy)
    workers = np.concatenate([rng.choice(n_workers, redundancy, replace=False) for _ in range(n_items)])
    chance = np.where(truth[items], hit[workers, None], false[workers, None])
    chosen = rng.random(chance.shape) < chance
    return items, workers, [LABELS[row].tolist() for row in chosen], truth, chosen


def as_table(estimates):
    return np.array([[label in row for label in LABELS] for row in estimates])


def test_multilabel_beats_the_majority_label_by_label():
    ours, majority = [], []
    for seed in range(3):
        items, workers, answers, truth, chosen = tagging_crowd(seed)
        model = MultilabelDawidSkene().fit(items, workers, answers)
        votes = np.add.reduceat(chosen, np.arange(0, len(items), 3))
        ours.append((as_table(model.estimates_) == truth).mean())
        majority.append(((votes >= 2) == truth).mean())

    assert np.mean(ours) > np.mean(majority) + 0.02


def test_multilabel_learns_how_common_each_label_is():
    items, workers, answers, truth, _ = tagging_crowd(n_items=800)

    model = MultilabelDawidSkene().fit(items, workers, answers)

    np.testing.assert_allclose(model.prior_, truth.mean(axis=0), atol=0.08)
    assert model.posteriors_.shape == (800, 4)


def test_multilabel_gold_is_clamped_and_calibrates():
    items, workers, answers, truth, _ = tagging_crowd()
    gold = {int(i): LABELS[truth[i]].tolist() for i in range(0, 300, 6)}

    model = MultilabelDawidSkene(gold_sample="random").fit(items, workers, answers, gold=gold)

    assert model.calibration_.calibrated
    assert all(model.estimates_[i] == tuple(gold[i]) for i in gold)
    np.testing.assert_allclose(model.confidence_[list(gold)], 1)


def test_multilabel_is_as_sure_as_gold_bears_out():
    items, workers, answers, truth, _ = tagging_crowd(n_items=600, redundancy=5)
    ordinary = np.arange(600) >= 60

    def fitted(n_gold, n_wrong=0):
        known = {i: truth[i] ^ (i < n_wrong) for i in range(n_gold)}
        gold = {i: LABELS[holds].tolist() for i, holds in known.items()}
        model = MultilabelDawidSkene(seed=0).fit(items, workers, answers, gold=gold)
        return model, model.label_confidence_[ordinary]

    (without, alone), (few, with_few) = fitted(0), fitted(19)
    (right, borne_out), (wrong, doubted) = fitted(50), fitted(50, n_wrong=5)

    # Nineteen items are too few, though they are 76 verdicts.
    assert not without.calibration_.calibrated and not few.calibration_.calibrated
    assert alone.max() > 0.999 and with_few.max() > 0.999
    assert borne_out.max() <= right.calibration_.most < 0.99
    assert doubted.max() <= wrong.calibration_.most < 0.93
    assert doubted.mean() < borne_out.mean() - 0.05


def test_all_verdicts_on_an_item_prove_as_much_as_one():
    items, workers, answers, truth, _ = tagging_crowd(n_items=600, redundancy=5)
    gold = {i: LABELS[truth[i]].tolist() for i in range(50)}

    calibration = MultilabelDawidSkene(seed=0).fit(items, workers, answers, gold=gold).calibration_

    sure, right = calibration.stated >= 0.8, calibration.right
    assert (calibration.n_gold, len(right), calibration.per_item) == (50, 200, 4)
    as_many = Calibration(1.0, 200, True, 1.0, calibration.stated, right)  # as if each verdict were an item
    assert right[sure].mean() > 0.95 and as_many.proves(0.85)
    assert calibration.proves(0.8) and not calibration.proves(0.95)


def test_multilabel_takes_empty_answers_in_any_order():
    items, workers, answers, _, _ = tagging_crowd()
    shuffled = np.random.default_rng(1).permutation(len(items))

    one = MultilabelDawidSkene().fit(items, workers, answers)
    other = MultilabelDawidSkene().fit(items[shuffled], workers[shuffled], [answers[n] for n in shuffled])

    assert one.posteriors_.tobytes() == other.posteriors_.tobytes()
    empty = MultilabelDawidSkene().fit([1, 1], ["a", "b"], [[], []], classes=["x"])
    assert empty.estimates_ == [()]


@pytest.mark.parametrize(
    ("labels", "gold", "named"),
    [
        (["sea", "sky"], None, "labels must hold collections"),
        ([[], []], None, "labels chooses nothing"),
        ([["a"]], None, "labels has length 1"),
        ([["a"], ["b"]], {1: ["z"]}, "gold label 'z'"),
        ([["a"], ["b"]], {1: "a"}, "gold of item 1 must be a collection"),
    ],
)
def test_multilabel_refuses_bad_input_by_name(labels, gold, named):
    with pytest.raises(ValueError, match=named):
        MultilabelDawidSkene().fit([1, 2], ["a", "b"], labels, gold=gold)


# -- numbers ----------------------------------------------------------------------------------------------------


def measuring_crowd(seed, n_items=200, n_workers=30, redundancy=5):
    rng = np.random.default_rng(seed)
    truth, bias, spread = rng.normal(0, 10, n_items), rng.normal(0, 1, n_workers), np.exp(rng.normal(0, 0.5, n_workers))
    items = np.repeat(np.arange(n_items), redundancy)
    workers = np.concatenate([rng.choice(n_workers, redundancy, replace=False) for _ in range(n_items)])
    values = truth[items] + bias[workers] + spread[workers] * rng.standard_t(4, len(items))
    return items, workers, values, truth


def test_robust_mean_beats_mean_and_median_and_its_interval_covers():
    errors, inside = [], []
    for seed in range(10):
        items, workers, values, truth = measuring_crowd(seed)
        model = RobustMean().fit(items, workers, values)
        mean = np.bincount(items, values) / np.bincount(items)
        errors.append([np.abs(x - truth).mean() for x in (model.estimates_, mean, model.medians_)])
        inside.append(((model.intervals_[:, 0] <= truth) & (truth <= model.intervals_[:, 1])).mean())
        assert model.status_ == "ok"

    ours, mean, median = np.mean(errors, axis=0)
    assert ours < 0.8 * min(mean, median)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.025)


def test_robust_mean_moves_with_the_unit_and_the_origin():
    items, workers, values, _ = measuring_crowd(0)

    one = RobustMean().fit(items, workers, values)
    other = RobustMean().fit(items, workers, 1000 * values + 7)

    np.testing.assert_allclose(other.estimates_, 1000 * one.estimates_ + 7, rtol=1e-6, atol=1e-2)
    np.testing.assert_allclose(other.spreads_, 1000 * one.spreads_, rtol=1e-3)


def test_robust_mean_does_not_mind_the_order():
    items, workers, values, _ = measuring_crowd(0)
    shuffled = np.random.default_rng(1).permutation(len(items))

    one = RobustMean().fit(items, workers, values)
    other = RobustMean().fit(items[shuffled], workers[shuffled], values[shuffled])

    assert one.estimates_.tobytes() == other.estimates_.tobytes()


def test_robust_mean_is_fine_with_one_answer_and_with_no_spread():
    assert RobustMean().fit([1], ["a"], [5]).estimates_.tolist() == [5.0]
    same = RobustMean().fit([1, 1, 2, 2], list("abab"), [3, 3, 4, 4])
    np.testing.assert_allclose(same.estimates_, [3, 4])
    assert np.isfinite(same.intervals_).all()


def test_robust_mean_keeps_gold():
    items, workers, values, truth = measuring_crowd(0)

    model = RobustMean().fit(items, workers, values, gold={0: float(truth[0]), 12345: 1.0})

    assert model.estimates_[0] == truth[0]
    assert model.intervals_[0].tolist() == [truth[0], truth[0]]


@pytest.mark.parametrize(
    ("values", "gold", "named"),
    [([1, float("nan")], None, "labels contains NaN"), (["x", 1], None, "labels must be numbers"),
     ([1, 2], {1: float("inf")}, "gold value"), ([1], None, "labels has length 1")],
)  # fmt: skip
def test_robust_mean_refuses_bad_input_by_name(values, gold, named):
    with pytest.raises(ValueError, match=named):
        RobustMean().fit([1, 2], ["a", "b"], values, gold=gold)


# -- pairs ------------------------------------------------------------------------------------------------------


def compare(score, taste, n_each, rng, side=0.3):
    n_workers, n = taste.shape
    workers = np.repeat(np.arange(n_workers), n_each)
    left = rng.integers(0, n, len(workers))
    right = (left + rng.integers(1, n, len(workers))) % n
    d = score[left] - score[right] + taste[workers, left] - taste[workers, right] + side
    return left, right, workers, np.where(rng.random(len(workers)) < 1 / (1 + np.exp(-d)), "left", "right")


@pytest.mark.slow
def test_clustered_intervals_cover_where_tastes_differ():
    rng = np.random.default_rng(0)
    score = rng.normal(0, 1, 20)
    score -= score.mean()
    # What many people with such tastes would settle on: their differences flatten the scale.
    crowd = compare(score, rng.normal(0, 0.7, (20_000, 20)), 40, rng)
    target = BradleyTerry().fit(*crowd).scores_
    inside = []
    for seed in range(200):
        rng = np.random.default_rng(1000 + seed)
        model = BradleyTerry().fit(*compare(score, rng.normal(0, 0.7, (60, 20)), 40, rng))
        inside.append(((model.intervals_[:, 0] <= target) & (target <= model.intervals_[:, 1])).mean())

    assert 0.92 <= np.mean(inside) <= 0.97


def test_scores_side_and_ties_are_recovered():
    rng = np.random.default_rng(0)
    score = np.linspace(-1.5, 1.5, 6)
    n = 30_000
    left = rng.integers(0, 6, n)
    right = (left + rng.integers(1, 6, n)) % 6
    d = score[left] - score[right] + 0.4
    chance = np.stack([np.exp(d / 2), np.full(n, 0.8), np.exp(-d / 2)], axis=1)
    chance /= chance.sum(axis=1, keepdims=True)
    outcome = np.array(["left", "tie", "right"])[(rng.random(n)[:, None] > chance.cumsum(axis=1)).sum(axis=1)]

    model = BradleyTerry().fit(left, right, rng.integers(0, 300, n), outcome)

    np.testing.assert_allclose(model.scores_, score, atol=0.1)
    assert model.side_ == pytest.approx(0.4, abs=0.06)
    assert model.tie_ == pytest.approx(0.8, abs=0.05)
    assert model.ranks_.tolist() == [6, 5, 4, 3, 2, 1]
    assert (model.rank_intervals_[:, 0] <= model.ranks_).all()
    assert (model.ranks_ <= model.rank_intervals_[:, 1]).all()
    assert model.status_ == "ok"


def test_swapping_sides_turns_the_side_around_and_nothing_else():
    rng = np.random.default_rng(0)
    left, right, workers, outcome = compare(rng.normal(0, 1, 8), np.zeros((20, 8)), 30, rng)
    turned = np.where(outcome == "left", "right", "left")

    one = BradleyTerry().fit(left, right, workers, outcome)
    other = BradleyTerry().fit(right, left, workers, turned)

    np.testing.assert_allclose(other.scores_, one.scores_, atol=1e-8)
    np.testing.assert_allclose(other.intervals_, one.intervals_, atol=1e-8)
    assert other.side_ == pytest.approx(-one.side_)
    assert one.scores_.sum() == pytest.approx(0, abs=1e-8)


def test_an_unbeaten_item_stays_finite():
    model = BradleyTerry().fit(["a"] * 50, ["b"] * 50, list(range(50)), ["left"] * 50)

    assert np.isfinite(model.scores_).all()
    assert model.scores_[0] > model.scores_[1]
    assert model.status_ == "ok"


@pytest.mark.slow
def test_pairwise_scores_agree_with_published_ones():
    """Convincing arguments: rank correlation with scores that the authors derived from the same answers."""
    from scipy.stats import spearmanr

    rows = datasets.rows("convarg_a")
    published = {
        (row["topic"], row["item"]): float(row["rank_score"]) for row in datasets.rows("convarg_a", "item_scores")
    }
    found = []
    for topic in sorted({row["topic"] for row in rows})[:6]:
        here = [row for row in rows if row["topic"] == topic]
        outcome = [{"a1": "left", "a2": "right", "equal": "tie"}[row["label"]] for row in here]
        model = BradleyTerry().fit(
            [r["left"] for r in here], [r["right"] for r in here], [r["worker"] for r in here], outcome
        )
        known = [i for i, item in enumerate(model.items_) if (topic, item) in published]
        theirs = [published[topic, model.items_[i]] for i in known]
        found.append(abs(spearmanr(model.scores_[known], theirs).statistic))

    assert np.mean(found) > 0.7


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((["a"], ["a"], ["w"], ["left"]), "left and right are both 'a'"),
        ((["a"], ["b"], ["w"], ["first"]), "outcomes contains 'first'"),
        ((["a"], ["b", "c"], ["w"], ["left"]), "right has length 2"),
        ((["a"], [1], ["w"], ["left"]), "left and right must be both"),
        (([], [], [], []), "left is empty"),
    ],
)
def test_pairs_refuse_bad_input_by_name(arguments, named):
    with pytest.raises(ValueError, match=named):
        BradleyTerry().fit(*arguments)


# -- texts ------------------------------------------------------------------------------------------------------


def test_spelling_variants_vote_together():
    model = TextConsensus().fit(
        [1] * 5, list("abcde"), ["Ｍain  Street", "main street", "Main Street", "Maine Street", "Maine street"]
    )

    assert model.estimates_ == ["Main Street"]
    assert 0.5 < model.confidence_[0] < 1


def test_the_text_of_more_reliable_workers_wins_a_tie():
    items = np.append(np.repeat(np.arange(30), 4), [99, 99])
    workers = np.append(np.tile(list("abcd"), 30), ["a", "d"])
    texts = [f"text {i}" if w != "d" else f"noise {i}" for i, w in zip(items[:-2], workers[:-2], strict=True)]

    model = TextConsensus().fit(items, workers, [*texts, "zebra", "aardvark"])

    assert model.estimates_[-1] == "zebra"
    assert model.agreement_[0] > 0.9 > 0.3 > model.agreement_[3]


def test_a_gold_text_wins_and_weights_count():
    texts = ["x", "x", "y"]

    assert TextConsensus().fit([1, 1, 1], list("abc"), texts, gold={1: "Y"}).estimates_ == ["y"]
    assert TextConsensus().fit([1, 1, 1], list("abc"), texts, weights=[0.4, 0.4, 1]).estimates_ == ["y"]


def test_transcripts_get_better_by_voting():
    truth = {row["task"]: row["label"] for row in datasets.rows("crowdspeech_dev_clean", "truth")}
    some = set(sorted(truth)[:300])
    rows = [row for row in datasets.rows("crowdspeech_dev_clean") if row["task"] in some]

    model = TextConsensus().fit([r["task"] for r in rows], [r["worker"] for r in rows], [r["label"] for r in rows])

    voted = np.mean([word_error_rate(truth[i], t) for i, t in zip(model.items_, model.estimates_, strict=True)])
    single = np.mean([word_error_rate(truth[row["task"]], row["label"]) for row in rows])
    assert voted < 0.7 * single


def test_texts_are_refused_where_they_are_none():
    with pytest.raises(ValueError, match="labels must hold texts"):
        TextConsensus().fit([1], ["a"], [3])


def test_edits_between_texts_are_counted_as_a_table_of_them_has_it():
    def by_table(wanted, given):
        row = list(range(len(given) + 1))
        for i, word in enumerate(wanted, 1):
            corner, row[0] = row[0], i
            for j, other in enumerate(given, 1):
                corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (word != other))
        return row[-1]

    rng = np.random.default_rng(4)
    for size in [*range(1, 10)] * 20 + [150]:  # beyond one machine word too
        wanted, given = ([*rng.choice(list("abc"), rng.integers(size) + 1)] for _ in range(2))
        edits = by_table(wanted, given)
        assert word_error_rate(" ".join(wanted), " ".join(given)) == edits / len(wanted)
