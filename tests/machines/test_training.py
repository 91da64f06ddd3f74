"""The model that is trained here: what it learns, what it doubts, what it would ask next."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from core.errors import Conflict
from core.models import Operation
from lifecycle.operations import run_to_end
from lifecycle.train import ask_first, start_training
from marketplace.models import Hit, HitData
from quality.estimators.learning import ask_next, doubtful_labels
from quality.models import GoldQuestion, Machine, Prediction
from quality.services.local_model import TooLittle, features_of, learn_labels, picture_features


def test_planted_errors_lead_the_list_of_doubtful_labels():
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 600)
    points = rng.normal(size=(600, 5)) + 4.5 * np.eye(5)[truth]
    labels = truth.copy()
    planted = rng.choice(600, 30, replace=False)
    labels[planted] = (labels[planted] + 1) % 3

    learned = learn_labels(points, labels, np.ones(600), 3, seed=0, kind="text")
    doubt = doubtful_labels(labels, learned.probabilities)

    found = doubt.rows[:30]
    assert np.isin(found, planted).mean() >= 0.9 and np.isin(planted, found).mean() >= 2 / 3
    assert (doubt.suggested[:20] == truth[doubt.rows[:20]]).mean() >= 0.9
    assert (np.diff(doubt.margins) <= 1e-12).all()


def test_a_label_never_votes_for_itself():
    """Labels without any pattern: a model that had seen them would know them by heart."""
    rng = np.random.default_rng(0)
    points, labels = np.eye(120), rng.integers(0, 2, 120)

    learned = learn_labels(points, labels, np.ones(120), 2, seed=0, kind="text")

    assert learned.accuracy < 0.6


def test_asking_what_the_model_is_unsure_of_learns_faster_than_asking_at_random():
    """Mean of 8 draws: 60 labels at random, then the 60 that the model names, or 60 more at random."""
    gains = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        points = rng.uniform(-1, 1, (1500, 2))
        truth = (points[:, 1] > 0.6 * np.sin(2 * points[:, 0])).astype(int)
        wide = np.hstack([points, points**2, points**3, points[:, :1] * points[:, 1:]])
        scores = []
        for is_active in (True, False):
            labels = np.full(1500, -1)
            start = rng.permutation(1500)[:60]
            labels[start] = truth[start]
            learned = learn_labels(wide, labels, np.ones(1500), 2, seed=0, kind="text")
            free = np.flatnonzero(labels < 0)
            named = ask_next(learned.probabilities[free], learned.features[free], most=60)
            chosen = named if is_active else rng.permutation(len(free))[:60]
            labels[free[chosen]] = truth[free[chosen]]
            again = learn_labels(wide, labels, np.ones(1500), 2, seed=0, kind="text")
            rest = labels < 0
            scores.append((again.probabilities[rest].argmax(axis=1) == truth[rest]).mean())
        gains.append(scores[0] - scores[1])

    assert np.mean(gains) > 0


def test_the_next_ones_to_ask_are_not_all_alike():
    probabilities = np.array([[0.5, 0.5], [0.51, 0.49], [0.55, 0.45], [0.9, 0.1]])
    features = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])

    assert ask_next(probabilities, features, most=2).tolist() == [0, 2]


def test_too_little_is_said():
    with pytest.raises(TooLittle):
        learn_labels(np.eye(40), np.arange(40) % 2, np.ones(40), 2, seed=0, kind="text")


def drawn(is_round: bool, rng) -> bytes:
    picture = Image.new("RGB", (60, 60), "white")
    left, top = rng.integers(4, 16, 2)
    box = [int(left), int(top), int(left) + 34, int(top) + 34]
    draw = ImageDraw.Draw(picture)
    draw.ellipse(box, fill="black") if is_round else draw.rectangle(box, fill="black")
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def test_pictures_are_told_apart_by_their_edges():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 160)
    features = np.stack([picture_features(drawn(bool(one), rng)) for one in truth])

    learned = learn_labels(features, truth, np.ones(160), 2, seed=0, kind="pictures")

    assert learned.accuracy >= 0.95


@pytest.fixture
def texts(finished):
    """A finished batch whose texts tell the class, but for a label that its workers got wrong."""
    done = finished(items=120, accuracy=0.95)
    for hit, truth in zip(done.hits, done.truth, strict=True):
        words = ["ship sea harbour sail", "tree forest leaf root"][truth]
        HitData.objects.filter(hit=hit).update(data={"text": f"{words} number {hit.pk}"})
    return done


@pytest.mark.django_db
def test_a_model_learns_from_a_batch_and_speaks_of_all_of_it(texts):
    operation = run_to_end(start_training(batch=texts.batch, by=texts.owner))

    assert operation.state == Operation.State.DONE, operation.error
    result = operation.result
    assert (result["kind"], result["learned_from"], result["question"]) == ("text", 120, "digit")
    assert result["agrees"] >= 0.95
    said = dict(Prediction.objects.values_list("hit_id", "label"))
    right = np.mean([said[hit.pk] == truth for hit, truth in zip(texts.hits, texts.truth, strict=True)])
    assert right >= 0.95 and Machine.objects.get().source == "local"


@pytest.mark.django_db
def test_known_answers_are_not_among_the_doubtful_or_the_next(texts):
    hidden = texts.hits[:10]
    Hit.objects.filter(pk__in=[hit.pk for hit in hidden]).update(lane=1)
    for hit in hidden:
        wrong = ("zero", "one")[1 - texts.truth[texts.hits.index(hit)]]
        GoldQuestion.objects.create(project=texts.batch.project, hit=hit, keys={"digit": {"accept": [wrong]}})

    result = run_to_end(start_training(batch=texts.batch, by=texts.owner)).result

    named = {row[0] for row in result["doubtful"]} | set(result["next"])
    assert not named & {hit.pk for hit in hidden}


@pytest.mark.django_db
def test_the_items_that_a_model_names_come_first(texts, make_batch):
    batch = make_batch(project=texts.batch.project, hits=12)
    with pytest.raises(Conflict):
        ask_first(batch=batch, count=5, by=texts.owner)
    ids = list(Hit.objects.filter(batch=batch).values_list("pk", flat=True))
    Operation.objects.create(
        kind="train",
        subject=f"batch:{batch.pk}",
        state="done",
        result={"next": ids[3:8]},
        requester_id=batch.project.requester_id,
    )

    assert ask_first(batch=batch, count=3, by=texts.owner) == 3

    assert set(Hit.objects.filter(batch=batch, priority=50).values_list("pk", flat=True)) == set(ids[3:6])
    batch.refresh_from_db()
    assert batch.levels == [50, 0]


@pytest.mark.django_db
def test_items_without_anything_to_learn_from_are_refused_in_words():
    with pytest.raises(TooLittle):
        features_of([{"box": [1, 2]}, {"box": [3]}], 1)
