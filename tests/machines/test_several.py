"""Where more than one answer is true."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from django.core.files.storage import default_storage
from django.urls import reverse

from core.errors import Invalid
from lifecycle.export import start_export
from lifecycle.operations import run_to_end
from lifecycle.refit import refit_project
from marketplace.models import Participation
from quality.estimators.disagreement import confused_pairs, entropy
from quality.models import Judgment
from quality.services.several import confusions_of, deliver_as, shares_on
from workers_app.models import Grant, QualificationRequest
from workers_app.services.granting import create_qualification


def crowd(*, items=60, workers=8, reads, seed=0):
    """Answers of `workers` to `items`; `reads(worker, rng)` says one of two classes."""
    rng = np.random.default_rng(seed)
    item, worker = np.repeat(np.arange(items), workers), np.tile(np.arange(workers), items)
    return item, worker, np.array([reads(one, rng) for one in worker])


def test_own_readings_of_the_guidelines_are_told_from_chance():
    by_reading = crowd(reads=lambda worker, rng: int(worker % 2 if rng.random() < 0.85 else 1 - worker % 2))
    by_chance = crowd(reads=lambda _worker, rng: int(rng.integers(2)))

    [reading] = confused_pairs(*by_reading, 2, rng=np.random.default_rng(0))
    [chance] = confused_pairs(*by_chance, 2, rng=np.random.default_rng(0))

    assert (reading.verdict, reading.leaning_first, reading.leaning_second) == ("guidelines", 4, 4)
    assert chance.verdict == "items" and chance.p_value > 0.01


def test_ambiguous_items_are_seldom_blamed_on_the_guidelines():
    """Items of very different ambiguity, workers all alike: one in a hundred at most, give or take chance."""
    blamed = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        lure = rng.random(40)
        item, worker = np.repeat(np.arange(40), 6), np.tile(np.arange(6), 40)
        pairs = confused_pairs(item, worker, (rng.random(240) < lure[item]).astype(int), 2, rng=rng)
        blamed += pairs[0].verdict == "guidelines"

    assert blamed <= 4


def test_workers_with_one_answer_each_prove_nothing():
    item = np.repeat(np.arange(20), 2)

    [pair] = confused_pairs(item, np.arange(40), np.tile([0, 1], 20), 2, rng=np.random.default_rng(0))

    assert pair.verdict == "unknown"


def test_entropy_is_0_for_one_voice_and_1_for_all_alike():
    assert entropy(np.array([[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]])) == pytest.approx([0, 1])


@pytest.mark.django_db
def test_the_distribution_goes_out_in_the_place_of_a_label(finished):
    done = finished(items=12, accuracy=0.7)
    hit = done.hits[0]
    said = list(Judgment.objects.filter(hit=hit).values_list("label", flat=True))
    one = said.count(1) / len(said)

    deliver_as(project=done.batch.project, delivers="distribution", by=done.owner)

    rows = {}
    for format in ("csv", "jsonl", "parquet"):
        done.batch.refresh_from_db()
        operation = run_to_end(start_export(batch=done.batch, what="labels", format=format))
        with default_storage.open(operation.result["file"], "rb") as file:
            rows[format] = pq.read_table(file).to_pylist()[0] if format == "parquet" else file.read().decode()
    header, first = rows["csv"].splitlines()[:2]
    cells = dict(zip(header.split(","), first.split(","), strict=True))
    assert float(cells["digit.share.one"]) == pytest.approx(one) and "digit.confidence" not in cells
    nested = json.loads(rows["jsonl"].splitlines()[0])["labels"]["digit"]
    assert nested["shares"] == {"zero": pytest.approx(1 - one), "one": pytest.approx(one)} and "label" not in nested
    assert nested["counts"] == {"zero": said.count(0), "one": said.count(1)}
    assert rows["parquet"]["digit.share.one"] == pytest.approx(one)
    assert rows["parquet"]["digit.answers"] == 5 and "digit" not in rows["parquet"]


@pytest.mark.django_db
def test_groups_hold_only_those_who_asked_and_never_a_few(finished, make_worker):
    done = finished(items=8)
    project = done.batch.project
    chosen = create_qualification(requester=project.requester, name="Dialect", can_request=True)
    given = create_qualification(requester=project.requester, name="List", can_request=False)
    with pytest.raises(Invalid):
        deliver_as(project=project, delivers="distribution", groups_by=str(given.public_id), by=done.owner)
    deliver_as(project=project, delivers="distribution", groups_by=str(chosen.public_id), by=done.owner)
    workers = [row.worker for row in Participation.objects.filter(batch=done.batch)]
    for number, worker in enumerate(workers):
        Grant.objects.create(qualification=chosen, worker=worker, value=3)
        if number:  # the first was put there by the requester
            QualificationRequest.objects.create(qualification=chosen, worker=worker, state="granted")
    done.batch.refresh_from_db()
    key = (done.hits[0].pk, "digit")

    four = shares_on(done.batch, [done.hits[0].pk])[key]
    QualificationRequest.objects.create(qualification=chosen, worker=workers[0], state="granted")
    five = shares_on(done.batch, [done.hits[0].pk])[key]

    assert "groups" not in four
    assert five["groups"]["Dialect 3"]["counts"] == five["counts"]


@pytest.mark.django_db
def test_the_results_say_what_disagreement_looks_like(finished, client):
    done = finished(items=40, accuracy=0.7)
    refit_project(project=done.batch.project)

    [found] = confusions_of(done.batch)

    assert (found.first, found.second, found.verdict) == ("zero", "one", "items")
    client.force_login(done.owner)
    deliver_as(project=done.batch.project, delivers="distribution", by=done.owner)
    page = client.get(reverse("studio_results", args=[done.batch.public_id])).content.decode()
    assert found.suggestion in page.replace("&#x27;", "'") and "digit" in page


@pytest.mark.django_db
def test_a_person_without_the_role_changes_nothing(finished, client, make_user):
    done = finished(items=5)
    url = reverse("batch_deliver", args=[done.batch.public_id])
    client.force_login(make_user())

    assert client.post(url, {"delivers": "distribution"}).status_code == 404
    client.force_login(done.owner)
    client.post(url, {"delivers": "distribution"})
    done.batch.project.refresh_from_db()
    assert done.batch.project.rules["delivers"] == "distribution"
