"""Other rules, tried on the past: what they would have cost, and how right they would have been."""

from dataclasses import replace

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from core.errors import Invalid
from lifecycle.refit import refit_project
from quality.models import Belief, GoldQuestion, Judgment, WorkerReliability
from quality.services.machines import Said, check_version, connect_machine, record_predictions, version_of
from quality.services.whatif import Scenario, curve_of, past_of, try_out
from workers_app.services.pseudonyms import pseudonyms

pytestmark = pytest.mark.django_db


@pytest.fixture
def past(finished):
    """120 items with five answers of three quarters right, the truth of 60 known; nothing of it taught the labels."""
    done = finished(items=120, accuracy=0.75)
    GoldQuestion.objects.bulk_create(
        GoldQuestion(project=done.batch.project, hit=hit, keys={"digit": {"accept": [done.word(hit.pk)]}})
        for hit in done.hits[:60]
    )
    return done, past_of(done.batch)


def test_fewer_answers_cost_less_and_are_less_right(past):
    done, log = past

    curve = curve_of(log, Scenario())

    assert [round(one.each, 2) for one in curve] == [1, 2, 3, 4, 5]
    assert [one.cost for one in curve] == [120 * r * done.batch.price for r in range(1, 6)]
    assert curve[0].accuracy + 0.05 < curve[-1].accuracy
    assert all(one.low <= one.accuracy <= one.high and one.known == 60 for one in curve)
    right = np.mean([Belief.objects.get(hit=hit).label == done.truth[n] for n, hit in enumerate(done.hits[:60])])
    assert try_out(log, Scenario()).accuracy == pytest.approx(right, abs=0.02)


def test_the_majority_is_what_one_counts_by_hand(past):
    done, log = past

    found = try_out(log, Scenario(method="majority"))

    said = dict.fromkeys([hit.pk for hit in done.hits], 0)
    for hit, label in Judgment.objects.values_list("hit_id", "label"):
        said[hit] += label
    by_hand = np.mean([(said[hit.pk] >= 3) == done.truth[n] for n, hit in enumerate(done.hits[:60])])
    assert found.accuracy == pytest.approx(by_hand)


def test_without_a_worker_their_answers_are_gone_and_nothing_is_stored(past):
    done, log = past
    worker = WorkerReliability.objects.filter(project=done.batch.project).first().worker_id
    before = list(Belief.objects.order_by("pk").values_list("label", "confidence", "run"))

    found = try_out(log, Scenario(without=frozenset({worker})))

    assert found.judgments == 480 and found.cost == 480 * done.batch.price
    assert list(Belief.objects.order_by("pk").values_list("label", "confidence", "run")) == before


def test_a_target_stops_early_and_a_higher_one_later(past):
    _done, log = past

    low, high = (try_out(log, Scenario(target=target, least=2)) for target in (0.7, 0.97))

    assert 2 <= low.each < high.each <= 5
    assert low.cost < high.cost
    assert low.short <= high.short
    assert try_out(log, Scenario(target=0.7, least=2, most=2)).each == 2


def test_a_gate_leaves_out_what_bad_workers_said_after_it_would_have_paused_them(past):
    done, log = past
    worker = int(log.log.worker[0])
    ids = np.sort(log.log.id[log.log.worker == worker])
    checks = {worker: [(int(pk), n >= 15) for n, pk in enumerate(ids[:20])]}

    found = try_out(replace(log, checks=checks, mean=0.75), Scenario(gate=0.7))

    assert found.paused == 1
    assert found.judgments == 600 - int((ids > ids[19]).sum())


def test_a_machine_is_heard_or_left_out(past, client):
    """One that is always right makes labels better and stops sooner; a majority of votes has no place for it."""
    done, before = past
    version = version_of(connect_machine(project=done.batch.project, name="Net", by=done.owner), "1")
    truth = {hit.pk: int(done.truth[n]) for n, hit in enumerate(done.hits)}
    record_predictions(version=version, said=[Said(pk, "digit", "", label, None, None) for pk, label in truth.items()])
    check_version(version)

    log = past_of(done.batch)

    heard, not_heard = try_out(log, Scenario()), try_out(log, Scenario(machines=False))
    assert heard.accuracy > not_heard.accuracy == try_out(before, Scenario()).accuracy
    sooner, later = (try_out(log, Scenario(target=0.9, machines=one)) for one in (True, False))
    assert sooner.each < later.each and sooner.accuracy > later.accuracy
    votes = [try_out(log, Scenario(method="majority", machines=one)) for one in (True, False)]
    assert votes[0] == votes[1]
    client.force_login(done.owner)
    page = client.get(reverse("studio_whatif", args=[done.batch.public_id]), {"machines": "0"})
    assert page.context["has_machines"] and page.context["after"] == not_heard


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"method": "oracle"}, "method"),
        ({"answers": 0}, "answers"),
        ({"target": 0.2}, "target"),
        ({"target": 0.9, "answers": 3}, "answers"),
        ({"least": 3, "most": 2}, "most"),
        ({"gate": 1.5}, "gate"),
    ],
)
def test_what_makes_no_sense_is_named(past, wrong, field):
    with pytest.raises(Invalid) as refusal:
        try_out(past[1], Scenario(**wrong))

    assert list(refusal.value.errors) == [field]


def test_the_page_shows_both_and_names_what_is_wrong(past):
    done, log = past
    client = Client()
    client.force_login(done.owner)
    url = reverse("studio_whatif", args=[done.batch.public_id])
    code = pseudonyms(done.batch.project.pseudonym_scope, [int(log.log.worker[0])]).popitem()[1]

    found = client.get(url, {"answers": "3", "without": code})
    wrong = client.get(url, {"answers": "three"})

    assert found.context["after"].each == 3 and found.context["before"].each == 5
    assert len(found.context["curve"]) == 4  # one of five is left out
    assert wrong.status_code == 200 and list(wrong.context["errors"]) == ["answers"]


def test_known_answers_vouch_for_the_confidence_each_held_out_of_the_fit(past):
    done, _log = past

    [run] = refit_project(project=done.batch.project)

    found = run.report["reliability"]
    assert sum(one["count"] for one in found["groups"]) == 60
    assert all(one["low"] <= one["right"] <= one["high"] for one in found["groups"])
    assert min(one["stated"] for one in found["groups"]) < 0.97  # clamped, each would be 1
    client = Client()
    client.force_login(done.owner)
    page = client.get(reverse("studio_results", args=[done.batch.public_id]))
    assert page.context["reliability"] and not page.context["is_audited"]
