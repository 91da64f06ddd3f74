"""Boxes, masks, tags of tokens, transcripts, orders, contrary judges, and estimators from elsewhere."""

import json
import re
import types

import numpy as np
import pytest

from quality.estimators import (
    BoxConsensus,
    BradleyTerry,
    MaskConsensus,
    OneCoin,
    RankConsensus,
    RobustMean,
    SequenceConsensus,
    TextConsensus,
    default_estimator,
    named_estimator,
    plugins,
)
from quality.estimators.boxes import box_matches, exists, overlap
from quality.estimators.rankings import kendall_tau
from quality.estimators.sequences import best_path, spans_of, transitions
from quality.estimators.text import align, word_error_rate
from tests.support.datasets import load, rows


def columns(table, read=str):
    return [row["task"] for row in table], [row["worker"] for row in table], [read(row["label"]) for row in table]


# -- real crowds ------------------------------------------------------------------------------------------------


def test_boxes_of_pedestrians():
    truth = {row["task"]: np.array(json.loads(row["label"])).reshape(-1, 4) for row in rows(*PEDESTRIANS, "truth")}

    model = BoxConsensus().fit(*columns(rows(*PEDESTRIANS), json.loads))

    scored = [(found, truth[item]) for item, found in zip(model.items_, model.estimates_, strict=True) if item in truth]
    matched = sum(box_matches(found, true) for found, true in scored)
    assert 2 * matched / sum(len(found) + len(true) for found, true in scored) >= 0.92


PEDESTRIANS = ("boxes_pedestrians_a",)


def test_names_in_news():
    """A majority a tag reaches .676, Dawid-Skene a token .767."""
    truth = {row["task"]: row["label"].split() for row in rows("ner_conll_a", "truth")}

    some = set(sorted(truth)[::3])
    model = SequenceConsensus().fit(*columns([row for row in rows("ner_conll_a") if row["task"] in some], str.split))

    pairs = [(spans_of(tags), spans_of(truth[item])) for item, tags in zip(model.items_, model.estimates_, strict=True)]
    f1 = 2 * sum(len(a & b) for a, b in pairs) / sum(len(a) + len(b) for a, b in pairs)
    assert f1 >= 0.767


def test_transcripts_of_300_clips():
    """crowd-kit's ROVER has a word error rate of .0707 on these."""
    truth = {row["task"]: row["label"] for row in rows("crowdspeech_dev_clean", "truth")}
    clips = set(sorted(truth, key=int)[:300])
    table = [row for row in rows("crowdspeech_dev_clean") if row["task"] in clips]

    model = TextConsensus().fit(*columns(table, bare))

    assert model.is_built_
    rates = [word_error_rate(truth[item], text) for item, text in zip(model.items_, model.estimates_, strict=True)]
    assert np.mean(rates) <= 0.0705


def bare(text):
    return " ".join(re.sub(r"[^a-z0-9' ]+", " ", text.lower()).split())


def test_affect_is_no_worse_than_the_mean():
    truth = {row["task"]: float(row["label"]) for row in rows("affect_a", "truth")}
    items, workers, values = columns(rows("affect_a"), float)

    model = RobustMean().fit(items, workers, values)

    known = np.array([truth[item] for item in model.items_])
    mean = np.array([np.mean([v for i, v in zip(items, values, strict=True) if i == item]) for item in model.items_])
    assert model.is_mean_
    assert np.abs(model.estimates_ - known).mean() <= np.abs(mean - known).mean() + 1e-9


def test_held_out_preferences_of_arguments():
    table = rows("convarg_a")
    truth = {row["task"]: row["label"] for row in rows("convarg_a", "truth")}
    said = {"a1": "left", "a2": "right", "equal": "tie"}
    right = []
    for topic in sorted({row["topic"] for row in table})[:6]:
        part = [row for row in table if row["topic"] == topic]
        tasks = sorted({row["task"] for row in part})
        held = set(np.random.default_rng(0).choice(tasks, len(tasks) // 5, replace=False).tolist())
        model = BradleyTerry().fit(
            *([row[name] for row in part if row["task"] not in held] for name in ("left", "right", "worker")),
            [said[row["label"]] for row in part if row["task"] not in held],
        )
        score = dict(zip(model.items_, model.scores_, strict=True))
        sides = {row["task"]: (row["left"], row["right"]) for row in part}
        right += [
            (score[sides[task][0]] > score[sides[task][1]]) == (truth[task] == "a1")
            for task in held
            if truth.get(task) in ("a1", "a2") and set(sides[task]) <= set(score)
        ]
    assert np.mean(right) >= 0.82


# -- boxes --------------------------------------------------------------------------------------------------------


def test_a_thing_that_half_overlook_is_there_and_one_that_one_imagines_is_not():
    rng = np.random.default_rng(0)
    items, workers, boxes = [], [], []
    for item in range(60):
        for worker in range(6):
            drawn = [[10, 10, 30, 40]]
            if worker < 3:
                drawn.append([100, 100, 110, 112])
            if worker == item % 6:
                drawn.append([*(200 + rng.integers(0, 500, 2)), 0, 0])
                drawn[-1][2:] = [drawn[-1][0] + 20, drawn[-1][1] + 20]
            items.append(item)
            workers.append(worker)
            boxes.append(drawn)

    model = BoxConsensus().fit(items, workers, boxes)

    assert {len(found) for found in model.estimates_} == {2}
    assert ((model.confidence_ >= 0) & (model.confidence_ <= 1)).all()
    assert model.false_alarms_ == pytest.approx(np.full(6, 1 / 6), abs=0.05)


def test_a_picture_in_which_nobody_saw_anything_has_no_box():
    model = BoxConsensus().fit([1, 1, 2, 2], list("abab"), [[], [], [[0, 0, 1, 1]], [[0, 0, 1, 1]]])

    assert [len(found) for found in model.estimates_] == [0, 1]


def test_gold_boxes_settle_what_is_there():
    answers = [[[0, 0, 10, 10], [50, 50, 60, 60]]] * 3

    model = BoxConsensus().fit([1, 1, 1], list("abc"), answers, gold={1: [[0, 0, 10, 10]]})

    assert model.estimates_[0].tolist() == [[0, 0, 10, 10]]


def test_recall_is_learned():
    rng = np.random.default_rng(1)
    recall = np.array([0.95, 0.9, 0.8, 0.4])
    candidate, worker = np.repeat(np.arange(300), 4), np.tile(np.arange(4), 300)
    said = rng.random(1200) < recall[worker]
    seen = np.bincount(candidate, said) > 0
    keep = seen[candidate]
    renumbered = (np.cumsum(seen) - 1)[candidate[keep]]

    there, found = exists(renumbered, worker[keep], said[keep], np.ones(keep.sum()), int(seen.sum()), 4, {})

    assert (np.diff(found) < 0).all()
    assert there.mean() > 0.9


@pytest.mark.parametrize("wrong", [[[[1, 2, 3]]], [[[5, 0, 1, 1]]], [[[0, 0, float("nan"), 1]]]])
def test_boxes_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="labels"):
        BoxConsensus().fit([1], ["a"], wrong)


def test_overlap_of_a_box_with_itself_is_one():
    box = np.array([[0, 0, 2, 3], [5, 5, 6, 6]], float)

    np.testing.assert_allclose(overlap(box, box), np.eye(2))


# -- masks ----------------------------------------------------------------------------------------------------------


def test_masks_weigh_careful_workers_more():
    rng = np.random.default_rng(0)
    truth = [np.zeros((40, 40), bool) for _ in range(6)]
    for mask in truth:
        top, left = rng.integers(0, 20, 2)
        mask[top : top + 15, left : left + 15] = True
    errors = np.array([0.02, 0.03, 0.2, 0.2, 0.2])
    items, workers = np.repeat(np.arange(6), 5), np.tile(np.arange(5), 6)
    masks = [truth[i] ^ (rng.random((40, 40)) < errors[w]) for i, w in zip(items, workers, strict=True)]

    model = MaskConsensus().fit(items, workers, masks)

    votes = [np.mean(masks[5 * i : 5 * i + 5], axis=0) > 0.5 for i in range(6)]
    wrong = sum((found != true).sum() for found, true in zip(model.estimates_, truth, strict=True))
    assert wrong < sum((found != true).sum() for found, true in zip(votes, truth, strict=True)) / 2
    assert model.status_ == "ok"
    assert model.sensitivities_[0] == pytest.approx(0.98, abs=0.02)
    assert model.specificities_[2] == pytest.approx(0.8, abs=0.03)
    assert (model.confidence_ > 0.9).all()


def test_masks_do_not_depend_on_the_order_of_answers():
    rng = np.random.default_rng(0)
    items, workers = np.repeat([1, 2], 3), np.tile([0, 1, 2], 2)
    masks = [rng.random((5, 7)) < 0.5 for _ in items]
    order = rng.permutation(6)

    one = MaskConsensus().fit(items, workers, masks)
    other = MaskConsensus().fit(items[order], workers[order], [masks[n] for n in order])

    for a, b in zip(one.probabilities_, other.probabilities_, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)


def test_masks_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        MaskConsensus().fit([1, 1], ["a", "b"], [np.ones((2, 2)), np.ones((2, 3))])


def test_a_gold_mask_is_delivered():
    gold = np.array([[True, False]])

    model = MaskConsensus().fit([1, 1], ["a", "b"], [~gold, ~gold], gold={1: gold})

    assert model.estimates_[0].tolist() == gold.tolist()


# -- tags -------------------------------------------------------------------------------------------------------------


def test_the_best_valid_sequence_is_found():
    rng = np.random.default_rng(0)
    tags = np.array(["B-X", "B-Y", "I-X", "I-Y", "O"])
    allowed, first = transitions(tags)
    score = rng.normal(size=(4, 5))

    def total(path):
        return sum(score[n, k] for n, k in enumerate(path)) + first[path[0]] + sum(
            allowed[a, b] for a, b in zip(path, path[1:], strict=False)
        )  # fmt: skip

    best = max(np.ndindex(5, 5, 5, 5), key=total)
    assert tuple(best_path(score, allowed, first)) == best
    assert total(best) > -1e6


def test_sequences_are_valid_even_where_votes_are_not():
    answers = [["O", "I-X"], ["O", "I-X"], ["B-X", "O"]]

    model = SequenceConsensus().fit([1, 1, 1], list("abc"), answers)

    (tags,) = model.estimates_
    assert not (tags[1] == "I-X" and tags[0] == "O")


def test_answers_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="differ in length"):
        SequenceConsensus().fit([1, 1], ["a", "b"], [["O"], ["O", "O"]])
    with pytest.raises(ValueError, match="gold of item 1 has 2 tags"):
        SequenceConsensus().fit([1], ["a"], [["O"]], gold={1: ["O", "O"]})


def test_gold_tags_are_delivered():
    model = SequenceConsensus().fit([1, 1], ["a", "b"], [["O", "O"], ["O", "O"]], gold={1: ["B-X", "I-X"]})

    assert model.estimates_ == [["B-X", "I-X"]]


# -- texts ------------------------------------------------------------------------------------------------------------


def test_every_word_of_every_text_has_one_slot():
    texts = [["a", "b", "c", "d"], ["a", "c", "d"], ["b", "c", "x", "d", "e"], []]

    slots = align(texts)

    for place, words in enumerate(texts):
        assert [slot[place] for slot in slots if slot[place] >= 0] == list(range(len(words)))


def test_a_text_is_built_that_nobody_wrote():
    said = ["the cat sat on a mat", "the bat sat on the mat", "a cat sat on the mat"]

    model = TextConsensus().fit([1, 1, 1], list("abc"), said)

    assert model.estimates_ == ["the cat sat on the mat"]
    assert 0 < model.confidence_[0] < 1


def test_short_texts_are_chosen_not_built():
    model = TextConsensus().fit([1, 1, 1], list("abc"), ["Main St", "Maine St", "Main Rd"])

    assert not model.is_built_
    assert model.estimates_[0] in ("Main St", "Maine St", "Main Rd")


def test_case_and_punctuation_do_not_divide_votes():
    said = ["Stop, she said to him.", "stop she said to him", "Stop, she sat to him."]

    model = TextConsensus().fit([1, 1, 1], list("abc"), said)

    assert model.estimates_ == ["Stop, she said to him."]


# -- orders -----------------------------------------------------------------------------------------------------------


def test_orders_are_recovered_and_careless_workers_count_less():
    rng = np.random.default_rng(0)
    things, items, workers, answers = list("abcdef"), [], [], []
    for item in range(30):
        for worker in range(7):
            order = list(things)
            for _ in range(2 if worker < 4 else 30):
                n = rng.integers(0, 5)
                order[n], order[n + 1] = order[n + 1], order[n]
            items.append(item)
            workers.append(worker)
            answers.append(order)

    model = RankConsensus().fit(items, workers, answers)

    assert np.mean([kendall_tau(order, things) for order in model.estimates_]) >= 0.85
    assert model.agreement_[:4].min() > model.agreement_[4:].max()


def test_a_partial_order_is_enough():
    model = RankConsensus().fit([1, 1], ["a", "b"], [["x", "y"], ["y", "z"]])

    assert model.estimates_ == [("x", "y", "z")]


def test_repeats_in_an_order_are_refused():
    with pytest.raises(ValueError, match="without repeats"):
        RankConsensus().fit([1], ["a"], [["x", "x"]])


# -- contrary judges ------------------------------------------------------------------------------------------------


def test_worker_quality_helps_where_some_answer_at_random_or_contrary():
    """30 % random and 10 % adversarial workers: rank correlation .79 -> .85."""
    gains = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        score = rng.normal(0, 1.5, 40)
        honesty = np.where(np.arange(60) < 18, 0.5, np.where(np.arange(60) < 24, 0.1, 1.0))
        worker, left = rng.integers(0, 60, 800), rng.integers(0, 40, 800)
        right = (left + rng.integers(1, 40, 800)) % 40
        wins = rng.random(800) < 1 / (1 + np.exp(score[right] - score[left]))
        said = np.where(wins == (rng.random(800) < honesty[worker]), "left", "right")
        plain, aware = (BradleyTerry(worker_quality=aware).fit(left, right, worker, said) for aware in (False, True))
        gains.append(np.corrcoef(aware.scores_, score)[0, 1] - np.corrcoef(plain.scores_, score)[0, 1])
        assert aware.reliabilities_[24:].mean() > aware.reliabilities_[:18].mean() > aware.reliabilities_[18:24].mean()

    assert np.mean(gains) > 0.03


# -- from elsewhere -------------------------------------------------------------------------------------------------


def test_one_coin_learns_accuracies():
    rng = np.random.default_rng(0)
    right, truth = np.linspace(0.5, 0.95, 8), rng.integers(0, 5, 400)
    items, workers = np.repeat(np.arange(400), 4), rng.integers(0, 8, 1600)
    wrong = (truth[items] + rng.integers(1, 5, 1600)) % 5
    labels = np.where(rng.random(1600) < right[workers], truth[items], wrong)

    model = OneCoin().fit(items, workers, labels)

    assert model.status_ == "ok"
    np.testing.assert_allclose(model.accuracies_, right, atol=0.08)
    assert (np.diff(model.objective_) > -1e-6 * len(items)).all()


def test_plug_ins_are_found_by_entry_point(monkeypatch):
    point = types.SimpleNamespace(name="ours", load=lambda: OneCoin)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point] if group == plugins.GROUP else [])

    assert named_estimator("ours") is OneCoin
    with pytest.raises(ValueError, match="'theirs'; installed ones: ours"):
        named_estimator("theirs")


def test_crowd_kits_methods_answer_like_ours():
    pytest.importorskip("crowdkit.aggregation")
    data = load("bluebirds")

    model = named_estimator("crowd-kit:DawidSkene")().fit(data.items, data.workers, data.labels)

    assert data.accuracy(model.items_, model.labels_) > 0.85


def test_without_crowd_kit_the_adapter_says_what_to_install(monkeypatch):
    monkeypatch.setattr(plugins, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))

    with pytest.raises(ImportError, match="pip install crowd-kit"):
        named_estimator("crowd-kit:GLAD")().fit([1, 1], ["a", "b"], ["x", "y"])
    with pytest.raises(ValueError, match="weights"):
        named_estimator("crowd-kit:GLAD")().fit([1, 1], ["a", "b"], ["x", "y"], weights=[1, 0.5])


@pytest.mark.parametrize("kind", ["boxes", "mask", "ranking", "sequence"])
def test_each_kind_has_its_default(kind):
    assert default_estimator(kind)(seed=1, gold_sample="random").seed == 1
