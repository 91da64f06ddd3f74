"""Boxes, masks, tags of tokens, transcripts, orders, contrary judges, and estimators from elsewhere."""

import types

import numpy as np
import pytest

from benchmarks import kinds
from quality.estimators import (
    BoxConsensus,
    BradleyTerry,
    MaskConsensus,
    OneCoin,
    RankConsensus,
    SequenceConsensus,
    TextConsensus,
    default_estimator,
    named_estimator,
    plugins,
)
from quality.estimators.boxes import exists, overlap
from quality.estimators.rankings import kendall_tau
from quality.estimators.sequences import best_path, transitions
from quality.estimators.text import align
from tests.support.datasets import load

# -- real crowds ------------------------------------------------------------------------------------------------


@pytest.mark.dataset
def test_boxes_of_pedestrians():
    assert kinds.boxes_f1() >= 0.92


@pytest.mark.dataset
def test_names_in_news():
    """A majority a tag reaches .676, Dawid-Skene a token .767."""
    assert kinds.span_f1(3) >= 0.767


@pytest.mark.dataset
def test_transcripts():
    """crowd-kit's ROVER has a word error rate of .0707 on 300 clips, of which these are the first 100."""
    ours, unweighted = kinds.transcripts(100)

    assert ours <= 0.0705
    assert ours <= unweighted + 0.001


@pytest.mark.dataset
def test_affect_is_no_worse_than_the_mean():
    ours, mean = kinds.affect_error()

    assert ours <= mean + 1e-9


@pytest.mark.dataset
def test_held_out_preferences_of_arguments():
    assert kinds.pair_accuracy(6) >= 0.82


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
