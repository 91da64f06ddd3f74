"""Answers without classes: how much their consensus is expected to be worth, and certificates of a mean score."""

import json
import types

import numpy as np
import pytest

from quality.estimators import BoxConsensus, SequenceConsensus, TextConsensus, risk
from quality.estimators.certificate import AccuracyInterval, audit_interval, score_interval
from quality.estimators.grading import grade
from quality.estimators.risk import ONE_ANSWER, RiskModel, item_risks
from quality.estimators.stopping import Rule, decide_by_risk
from tests.support.datasets import rows


def by(kind, **options):
    return lambda answer, key: grade(kind, answer, key, **options).score


def sentences(n_items=80, seed=0):
    """Tags by four workers, of items that are the harder the higher their number."""
    rng = np.random.default_rng(seed)
    truth = {i: [rng.choice(["O", "B-X"]).item() for _ in range(6)] for i in range(n_items)}
    items, workers, answers = [], [], []
    for i, tags in truth.items():
        for worker in range(4):
            flips = rng.random(6) < 0.4 * i / n_items
            items.append(i)
            workers.append(worker)
            answers.append([("O" if t == "B-X" else "B-X") if f else t for t, f in zip(tags, flips, strict=True)])
    return items, workers, answers, truth


def test_risk_rises_where_answers_disagree_and_gold_says_how_much():
    items, workers, answers, truth = sentences()
    gold = {i: truth[i] for i in range(0, 80, 2)}

    found = item_risks(items, workers, answers, consensus=SequenceConsensus().fit, score=by("sequence"), gold=gold)

    model = SequenceConsensus().fit(items, workers, answers)
    rest = [i for i in range(80) if i not in gold]
    scores = np.array([by("sequence")(model.estimates_[i], truth[i]) for i in rest])
    risk = np.array([found.risk[i] for i in rest])
    assert found.calibrated and found.n_gold == 40
    assert np.corrcoef(risk, 1 - scores)[0, 1] > 0.4
    assert risk.mean() == pytest.approx(1 - scores.mean(), abs=0.06)
    assert risk.min() >= 0 and risk.max() <= 1


def test_without_gold_risk_is_what_the_answers_disagree():
    items, workers, answers, _ = sentences(10)

    found = item_risks(items, workers, answers, consensus=SequenceConsensus().fit, score=by("sequence"))

    assert not found.calibrated
    assert found.risk[0] == pytest.approx(0)
    assert all(found.risk[i] == pytest.approx(1 - found.agreement[i]) for i in range(10))


def test_an_answer_is_compared_with_the_others_alone():
    def mean(items, workers, values):
        ids = np.unique(items)
        return types.SimpleNamespace(items_=ids, estimates_=[np.mean(np.array(values)[items == i]) for i in ids])

    found = item_risks(
        [2, 1, 1, 2, 1], list("aabbc"), [7.0, 0.0, 10.0, 7.0, 20.0], consensus=mean,
        score=lambda answer, key: abs(answer - key) / 100,
    )  # fmt: skip

    assert found.agreement == {1: pytest.approx((0.15 + 0 + 0.15) / 3), 2: pytest.approx(0)}


def test_one_answer_says_why_there_is_no_figure():
    found = item_risks(
        ["x", "y", "y"], list("aab"), [[[0, 0, 1, 1]]] * 3, consensus=BoxConsensus().fit, score=by("boxes")
    )

    assert found.undefined == {"x": ONE_ANSWER}
    assert found.risk == {"y": pytest.approx(0)}


def test_a_score_outside_of_nought_and_one_is_refused():
    items, workers, answers, truth = sentences(20)

    with pytest.raises(ValueError, match="score gives 2.0 for item 0"):
        item_risks(items, workers, answers, consensus=SequenceConsensus().fit, score=lambda a, k: 2.0, gold=truth)


def test_stopping_by_risk():
    rule = Rule(tau=0.9, r_min=3, r_max=5)

    verdicts = [decide_by_risk(risk, n, rule) for risk, n in [(0.0, 2), (0.1, 3), (0.11, 3), (None, 3), (None, 5)]]

    assert [(v.action, v.reason) for v in verdicts] == [
        ("ask", "minimum"), ("settled", "target"), ("ask", "below target"), ("ask", "below target"),
        ("disputed", "maximum"),
    ]  # fmt: skip


@pytest.mark.slow
def test_risk_of_boxes_of_pedestrians_is_calibrated():
    truth = {row["task"]: json.loads(row["label"]) for row in rows("boxes_pedestrians_a", "truth")}
    table = rows("boxes_pedestrians_a")
    columns = [r["task"] for r in table], [r["worker"] for r in table], [json.loads(r["label"]) for r in table]
    model = BoxConsensus().fit(*columns)
    scores = {
        item: by("boxes")(found, truth[item])
        for item, found in zip(model.items_.tolist(), model.estimates_, strict=True)
        if item in truth
    }
    fits = {}

    def consensus(items, workers, labels):  # the answers are the same, whatever is gold
        fits[len(items)] = fits.get(len(items)) or BoxConsensus().fit(items, workers, labels)
        return fits[len(items)]

    off = []
    for seed in range(6):
        chosen = np.random.default_rng(seed).permutation(sorted(scores))
        gold = {item: truth[item] for item in chosen[:150].tolist()}

        found = item_risks(*columns, consensus=consensus, score=by("boxes"), gold=gold)

        rest = [item for item in chosen[150:].tolist() if item in found.risk]
        risk, lost = np.array([(found.risk[item], 1 - scores[item]) for item in rest]).T
        off.append(risk.mean() - lost.mean())
        assert np.corrcoef(risk, lost)[0, 1] > 0.2
    # One draw of 150 is .02 off by itself.
    assert np.mean(off) == pytest.approx(0, abs=0.025)


# -- certificate of a mean score ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["beta", "two-point", "mostly right"])
@pytest.mark.parametrize(("n_delivered", "n_audited"), [(300, 60), (2000, 200)])
def test_the_interval_of_a_mean_score_covers(shape, n_delivered, n_audited):
    rng = np.random.default_rng(0)
    population = {
        "beta": rng.beta(9, 1, n_delivered),
        "two-point": rng.choice([0.02, 0.98], n_delivered, p=[0.03, 0.97]),
        "mostly right": np.where(rng.random(n_delivered) < 0.9, 1.0, rng.random(n_delivered)),
    }[shape]

    intervals = [score_interval(rng.choice(population, n_audited, replace=False), n_delivered) for _ in range(200)]

    covered = [found.lower <= population.mean() <= found.upper for found in intervals]
    assert np.mean(covered) >= 0.94
    assert np.mean([found.upper - found.lower for found in intervals]) < 9 * population.std() / n_audited**0.5 + 0.06


def test_scores_of_nought_and_one_are_counted_exactly():
    assert score_interval(np.r_[np.ones(376), np.zeros(24)], 5000) == audit_interval(5000, 400, 24)


def test_an_audit_of_everything_is_exact():
    scores = np.array([0.5, 0.75, 1.0])

    assert score_interval(scores, 3) == AccuracyInterval(0.75, 0.75, 0.75)


@pytest.mark.parametrize("scores", [[], [0.5, 1.2], [float("nan")], [0.5] * 4])
def test_scores_that_are_none_are_refused(scores):
    with pytest.raises(ValueError, match="scores"):
        score_interval(np.array(scores), 3)


def test_items_of_many_answers_are_looked_at_in_parts_and_come_out_the_same(monkeypatch):
    rng, fits = np.random.default_rng(5), []

    def medians(items, workers, labels):
        fits.append(len(labels))
        found = [float(np.median(np.array(labels)[items == item])) for item in np.unique(items)]
        return types.SimpleNamespace(items_=np.unique(items), estimates_=found)

    columns = np.repeat(np.arange(30), 1 + np.arange(30) % 5), np.arange(90), rng.normal(size=90)
    whole = item_risks(*columns, consensus=medians, score=lambda a, key: 1 / (1 + abs(a - key)))

    monkeypatch.setattr(risk, "CHUNK", 50)
    parts = item_risks(*columns, consensus=medians, score=lambda a, key: 1 / (1 + abs(a - key)))

    assert parts == whole and len(whole.risk) == 24
    assert fits[0] == sum(fits[1:]) == 6 * (2 + 6 + 12 + 20) and max(fits[1:]) <= 50


def test_no_more_than_twelve_answers_of_an_item_are_left_out():
    compared = []

    def score(answer, key):
        compared.append(answer)
        return 1.0

    found = item_risks([1] * 100, range(100), ["so"] * 100, consensus=TextConsensus().fit, score=score)

    assert (found.risk, len(compared)) == ({1: 0.0}, risk.MOST_LEFT_OUT)


def test_what_gold_taught_of_risks_is_kept_and_read_again():
    rng = np.random.default_rng(6)
    items, workers = np.repeat(np.arange(40), 3), np.tile(list("abc"), 40)
    said = [str(item) if rng.random() < 0.8 else "?" for item in items]
    gold = {item: str(item) for item in range(25)}

    found = item_risks(items, workers, said, consensus=TextConsensus().fit, score=by("text"), gold=gold)
    again = RiskModel.from_json(json.loads(json.dumps(found.model.to_json())))

    agreement = np.array([found.agreement[item] for item in range(40)])
    expected = again.expected(agreement, np.full(40, 3))
    assert np.allclose(1 - expected, [found.risk[item] for item in range(40)], atol=1e-12)
    assert item_risks(items, workers, said, consensus=TextConsensus().fit, score=by("text")).model is None
