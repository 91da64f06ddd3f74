"""How workers agree, whom they resemble and what changes; and what a batch would give: pages and API."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from django.urls import reverse
from django.utils import timezone

from core.api import throttling
from marketplace.models import Batch
from marketplace.selectors import design_of
from quality import agreement, habits
from quality.estimators.agreement import krippendorff_alpha
from quality.forecast import Wish, foretell, start_for
from quality.models import Belief, CrowdModel, GoldScore, Judgment, WorkerReliability
from quality.services.gold import mark_as_gold

pytestmark = pytest.mark.django_db


@pytest.fixture
def done(finished, client):
    found = finished(items=40)
    client.force_login(found.owner)
    return found


def question_of(done):
    return design_of(done.batch).schema["digit"]


def page(name, done, **query):
    return reverse(name, args=[done.batch.public_id], query=query)


# --- agreement --------------------------------------------------------------------------------------------------------


def test_alpha_is_of_the_first_two_answers_of_each_item(done):
    rows = list(Judgment.objects.order_by("hit_id", "pk").values_list("hit_id", "worker_id", "label"))
    first = [row for place, row in enumerate(rows) if place % 5 < 2]
    expected = krippendorff_alpha(*zip(*first, strict=True))

    suite = agreement.suite_of(done.batch, question_of(done))

    assert suite.alpha.value == pytest.approx(expected)
    assert (suite.alpha.items, suite.alpha.answers) == (40, 80)
    assert suite.alpha.low < expected < suite.alpha.high


def test_the_newest_word_counts_and_a_lost_weight_says_nothing(done):
    rows = Judgment.objects.order_by("pk")
    changed, lost = rows[0], rows[7]
    for row, more in ((changed, {"label": 1 - changed.label}), (lost, {"label": lost.label, "weight": 0})):
        Judgment.objects.create(
            project=row.project, batch=row.batch, hit=row.hit, worker=row.worker, assignment=row.assignment,
            question="digit", version=2, **more,
        )  # fmt: skip

    said = agreement.said_about(done.batch, question_of(done))

    assert len(said) == 40 * 5 - 1
    mine = (said.hit == changed.hit_id) & (said.worker == changed.worker_id)
    assert said.label[mine].tolist() == [1 - changed.label]


def test_pairs_are_all_pairs_of_the_five_and_are_ordered(done):
    pairs = agreement.suite_of(done.batch, question_of(done)).pairs

    assert len(pairs.common) == 10 and set(pairs.common.tolist()) == {40}
    least = pairs.equal[agreement.ordered_pairs(pairs, "least")]
    assert least.tolist() == sorted(pairs.equal.tolist())
    assert pairs.equal[agreement.ordered_pairs(pairs, "most")][0] == least[-1]


def test_what_is_not_defined_says_why(make_batch, make_worker):
    batch = make_batch(hits=1)

    suite = agreement.suite_of(batch, design_of(batch).schema["digit"])

    assert suite.alpha.value is None and "fewer than five" in str(suite.alpha.why)


def test_rates_by_class_are_of_the_row_and_of_the_column():
    rates = agreement.rates_of([[8, 2], [1, 3]], ["zero", "one"])

    assert rates[0].found[1] == pytest.approx(0.8) and rates[0].meant[1] == pytest.approx(8 / 9)
    assert rates[1].answers == 4 and rates[1].found[0] < 0.75 < rates[1].found[2]
    assert agreement.rates_of([[5, 0], [0, 0]], ["zero", "one"])[1].found is None


def test_known_answers_are_counted_by_what_is_known(done):
    hit = done.hits[0]
    mark_as_gold(hit=hit, keys={"digit": done.word(hit.pk)}, pool="audit")
    said = list(Judgment.objects.filter(hit=hit).values_list("label", flat=True))

    counts = agreement.known_mixups(done.batch, question_of(done))

    assert counts[int(done.truth[0])] == [said.count(0), said.count(1)]
    assert sum(map(sum, counts)) == 5


@pytest.mark.parametrize("order", ["least", "most", "common", "nonsense"])
def test_the_page_of_agreement_shows_alpha_pairs_and_mixups(order, client, done):
    response = client.get(page("studio_agreement", done, order=order))

    text = response.content.decode()
    suite = response.context["suite"]
    assert f"{suite.alpha.value:.2f}" in text
    assert len(response.context["pairs"]) == 10
    assert response.context["rates"][0].answers > 0


def test_the_pages_ask_few_queries_for_any_batch(client, done, django_assert_max_num_queries):
    for name in ("studio_agreement", "studio_crowd"):
        client.get(page(name, done))
        with django_assert_max_num_queries(18):
            client.get(page(name, done))


# --- the map ----------------------------------------------------------------------------------------------------------


def test_the_map_has_each_worker_once_and_the_odd_one_far(done):
    rows = WorkerReliability.objects.filter(project=done.batch.project, part="").order_by("pk")
    assert rows.count() == 5
    odd = rows[2]
    WorkerReliability.objects.filter(pk=odd.pk).update(counts=[2.0, 18.0, 18.0, 2.0], answered=40)
    WorkerReliability.objects.exclude(pk=odd.pk).update(counts=[18.0, 2.0, 2.0, 18.0], answered=40)

    crowd = habits.map_of(done.batch, question_of(done))

    assert len(crowd.workers) == 5
    assert crowd.workers[0].worker_id == odd.worker_id
    assert crowd.workers[0].distance > 2 * crowd.workers[1].distance
    assert crowd.workers[0].x < min(one.x for one in crowd.workers[1:])


def test_the_map_takes_the_crowd_of_the_last_fit(done):
    crowd = CrowdModel.objects.get(project=done.batch.project, question="digit", part="")

    assert habits.map_of(done.batch, question_of(done)).at.average.shape == (2,)
    assert len(crowd.pooled) == 4


def test_no_map_of_two_workers(done):
    WorkerReliability.objects.filter(pk__in=WorkerReliability.objects.order_by("pk")[:3].values("pk")).update(
        answered=0
    )

    assert habits.map_of(done.batch, question_of(done)) is None


# --- over time --------------------------------------------------------------------------------------------------------


@pytest.fixture
def tiring(make_batch, make_worker):
    """Twenty items answered well by three workers, then twenty more on which one of them answers the other way."""
    batch = make_batch(hits=60)
    hits = list(batch.hits.order_by("pk"))
    workers = [make_worker() for _ in range(3)]
    began = timezone.now() - dt.timedelta(hours=2)
    rows = []
    for place, hit in enumerate(hits):
        for n, worker in enumerate(workers):
            wrong = n == 0 and place >= 30
            rows.append(
                Judgment(
                    project=batch.project, batch=batch, hit=hit, worker=worker, assignment_id=0, question="digit",
                    version=1, label=int(wrong), created_at=began + dt.timedelta(minutes=place),
                )
            )  # fmt: skip
    Judgment.objects.bulk_create(rows)
    Belief.objects.bulk_create(Belief(hit=hit, question="digit", label=0, state="settled") for hit in hits)
    return batch, workers


def test_who_changed_is_found_and_nobody_else(tiring):
    batch, workers = tiring

    drift = habits.drift_of(batch, design_of(batch).schema["digit"])

    assert drift.compared == 3
    assert [one.worker_id for one in drift.workers] == [workers[0].pk]
    change = drift.workers[0].change
    assert (change.before.share, change.after.share) == (1.0, 0.0) and change.high < 0


def test_the_tenths_follow_one_another_and_cover_all(tiring):
    batch, _workers = tiring

    drift = habits.drift_of(batch, design_of(batch).schema["digit"])

    assert [step.answers for step in drift.steps] == [18] * 10
    assert [step.begins_at for step in drift.steps] == sorted(step.begins_at for step in drift.steps)
    assert drift.steps[0].agreeing.share == 1.0 and drift.steps[-1].agreeing.share == pytest.approx(2 / 3)
    assert drift.steps[-1].shares == pytest.approx((2 / 3, 1 / 3))
    assert drift.agreeing.is_clear and drift.agreeing.difference < 0
    assert drift.known is None


def test_the_difference_of_two_rates_is_newcombes():
    """56 of 70 against 48 of 80 (Newcombe 1998, method 10): .20, from .0524 to .3339."""
    before, after = [0] * 32 + [1] * 48, [0] * 14 + [1] * 56

    change = habits.compare(np.array(before), np.array(after))

    assert change.difference == pytest.approx(0.2)
    assert (change.low, change.high) == (pytest.approx(0.0524, abs=1e-4), pytest.approx(0.3339, abs=1e-4))


def test_the_page_of_the_crowd_shows_map_and_time(client, done):
    response = client.get(page("studio_crowd", done))

    assert len(response.context["crowd"].workers) == 5
    assert len(response.context["drift"].steps) == 10
    assert "always right" in response.content.decode()


# --- what it would give -----------------------------------------------------------------------------------------------

QUICK = {"spam": 30, "known": 0, "classes": 2, "answers": 3}


def test_a_forecast_costs_answers_times_price_and_more_answers_are_more_often_right(db):
    found = foretell(Wish(items=100, reward=50_000, known=0))

    assert [plan.each for plan in found.fixed] == [1, 2, 3, 5, 7]
    assert [plan.cost for plan in found.fixed] == [plan.each * 100 * found.wish.price for plan in found.fixed]
    assert found.fixed[0].right < found.fixed[-1].right
    assert found.until_sure.cost == round(found.until_sure.answers * 100) * found.wish.price
    assert found.chosen.each == 3


def test_a_project_suggests_its_rules_rows_and_measured_workers(done):
    project = done.batch.project
    rules = design_of(done.batch).rules

    start = start_for(project)
    assert start.wish.reward == rules.reward_micros and start.wish.classes == 2
    assert (start.checked, start.wish.skill) == (0, 0.8)

    WorkerReliability.objects.filter(project=project).update(checked=40, right=36, wrong=4)
    measured = start_for(project)
    assert measured.checked == 200
    assert measured.wish.skill == pytest.approx(0.9, abs=0.01) and measured.wish.spam == 0


def test_moving_a_slider_brings_the_figures_alone(client, done):
    there = reverse("studio_forecast", query={"project": done.batch.project.public_id, **QUICK})

    whole, part = client.get(there), client.get(there, headers={"HX-Request": "true"})

    assert "<html" in whole.content.decode() and "<html" not in part.content.decode()
    assert 'id="foretold"' in part.content.decode() and "HX-Request" in part["Vary"]
    assert whole.context["found"].wish.spam == 0.3


def test_a_slider_out_of_range_is_refused_by_name(client, done):
    response = client.get(reverse("studio_forecast", query={**QUICK, "spam": 99, "reward": "much"}))

    assert response.status_code == 400
    assert set(response.context["form"].errors) == {"spam", "reward"}


def test_a_forecast_for_somebody_elses_project_is_not_there(client, done, make_project):
    assert client.get(reverse("studio_forecast", query={"project": make_project().public_id})).status_code == 404
    assert client.get(reverse("studio_forecast", query={"project": "nonsense"})).status_code == 404


def test_predictions_have_a_limit_for_each_person(client, done, api, settings):
    settings.API_RATES = {"forecast": 2}
    throttling.forget_held()
    there = reverse("studio_forecast", query=QUICK)
    pages = [client.get(there) for _visit in range(3)]
    part = client.get(there, headers={"HX-Request": "true"})
    program = api(done.owner, "read").get(f"projects/{done.batch.project.public_id}/forecast?items=100&known=0")

    assert [page.status_code for page in pages] == [200, 200, 429]
    assert part.status_code == 200 and "Not simulated just now" in part.content.decode()
    assert (program.status_code, program.json()["code"]) == (429, "throttled")


# --- programs ---------------------------------------------------------------------------------------------------------


def test_programs_read_the_same_figures(client, done, api):
    caller = api(done.owner, "read")
    where = f"batches/{done.batch.public_id}"
    suite = agreement.suite_of(done.batch, question_of(done))

    told = caller.get(f"{where}/agreement").json()
    crowd = caller.get(f"{where}/crowd").json()
    plans = caller.get(f"projects/{done.batch.project.public_id}/forecast?items=100&known=0").json()

    assert told["alpha"]["value"] == round(suite.alpha.value, 4) and len(told["pairs"]) == 10
    assert sum(map(sum, told["confusion"])) == 200
    assert len(crowd["workers"]) == 5 and len(crowd["steps"]) == 10 and crowd["known"] is None
    assert [plan["answers"] for plan in plans["fixed"]] == [1, 2, 3, 5, 7]
    assert plans["supposed"]["items"] == 100 and plans["until_sure"]["target"] == plans["supposed"]["target"]


@pytest.mark.parametrize("what", ["agreement", "crowd"])
def test_programs_hear_that_a_draft_has_asked_nothing(what, api, make_project):
    project = make_project(questions=[])
    draft = Batch.objects.create(project=project, name="A draft")

    told = api(project.requester.memberships.get().user, "read").get(f"batches/{draft.public_id}/{what}")

    assert (told.status_code, told.json()["code"]) == (409, "conflict")


def test_hidden_checks_over_time_are_counted_where_they_fell(done):
    hit = done.hits[0]
    gold = mark_as_gold(hit=hit, keys={"digit": done.word(hit.pk)}, pool="audit")
    for row in hit.assignments.all():
        GoldScore.objects.create(
            gold=gold,
            assignment=row,
            worker=row.worker,
            question="digit",
            answer=row.answers.get(),
            score=1,
            passed=True,
        )

    drift = habits.drift_of(done.batch, question_of(done))

    assert sum(step.known.count for step in drift.steps if step.known) == 5
