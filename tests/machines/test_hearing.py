"""Predictions enter beliefs and refits as one noisy worker."""

import io

import numpy as np
import pytest

from core.errors import Conflict, Invalid
from lifecycle.accept import accept
from lifecycle.machines import upload_predictions
from lifecycle.refit import refit_project
from lifecycle.submit import submit
from marketplace.models import Assignment, Hit
from quality.estimators.machine import lower_bound
from quality.models import AggregationRun, Belief, MachineTrust, Prediction
from quality.services.aggregation import changed_since
from quality.services.machine_report import report_of
from quality.services.machines import check_version, connect_machine
from tests.support.factories import body
from tests.test_lifecycle import run_clock

pytestmark = pytest.mark.django_db


def answer(batch, worker, word):
    """One answer by a worker to whatever they are given; the HIT."""
    place = accept(worker=worker, batch=batch)
    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit=word))
    run_clock()
    return place.hit_id


def only_the_others(setting):
    """People get ordinary items only."""
    Hit.objects.filter(pk__in=[hit.pk for hit in setting.known]).update(max_assignments=0)


def table(setting, rows, header="row,digit,digit.confidence"):
    return io.BytesIO("\n".join([header, *rows]).encode())


def test_a_live_belief_moves_by_the_capped_word_of_a_checked_machine(setting, make_worker):
    alone = setting()
    only_the_others(alone)
    said = answer(alone.batch, make_worker(), "one")
    without = np.array(Belief.objects.get(hit_id=said).posterior)
    heard = setting()
    only_the_others(heard)
    check_version(heard.speak(wrong=5))
    hit_id = answer(heard.batch, make_worker(), "one")

    moved = np.array(Belief.objects.get(hit_id=hit_id).posterior)

    shift = abs(np.log(moved[1] / moved[0]) - np.log(without[1] / without[0]))
    lower = lower_bound(55, 5)
    assert 0.5 < shift <= np.log(lower / (1 - lower)) + 1e-6
    assert moved[heard.truth[hit_id]] > without[heard.truth[hit_id]]
    assert Belief.objects.get(hit_id=hit_id).answers == 1


def test_an_unchecked_machine_changes_nothing(setting, make_worker):
    heard = setting(known=49)
    only_the_others(heard)
    version = heard.speak()

    [trust] = check_version(version)
    hit_id = answer(heard.batch, make_worker(), "one")

    assert trust.found["checked"] == 49
    assert Belief.objects.get(hit_id=hit_id).posterior == pytest.approx([0.2, 0.8])


def test_a_new_version_begins_without_trust(setting, make_worker):
    heard = setting()
    only_the_others(heard)
    check_version(heard.speak(version="1"))
    heard.speak(version="2", hits=heard.others)

    hit_id = answer(heard.batch, make_worker(), "one")

    assert Belief.objects.get(hit_id=hit_id).posterior == pytest.approx([0.2, 0.8])


def test_a_refit_hears_the_machine_and_can_be_computed_again(setting, make_worker):
    heard = setting(rules={"mode": "fixed", "answers": 1})
    only_the_others(heard)
    worker = make_worker()
    given = [answer(heard.batch, worker, "one") for _ in range(6)]
    [run] = refit_project(project=heard.batch.project)
    before = {pk: Belief.objects.get(hit_id=pk).posterior for pk in given}
    check_version(heard.speak(wrong=2))

    [again] = refit_project(project=heard.batch.project)

    assert "machines" not in run.parameters and again.parameters["machines"]["versions"]
    for pk in given:
        now = Belief.objects.get(hit_id=pk).posterior
        assert now[heard.truth[pk]] > before[pk][heard.truth[pk]]
    # Further predictions, and other figures of trust, do not change what a run can be computed from.
    heard.speak(wrong=30)
    MachineTrust.objects.all().delete()
    assert changed_since(AggregationRun.objects.get(pk=again.pk)) == []


def test_a_table_is_taken_whole_or_not_at_all(setting):
    heard = setting(known=2, others=3)
    for number, hit in enumerate(heard.hits):
        hit.data_row.row_number = number
        hit.data_row.save(update_fields=["row_number"])

    with pytest.raises(Invalid) as refusal:
        upload_predictions(
            machine=heard.machine, batch=heard.batch, name="p.csv", by=heard.owner,
            file=table(heard, ["0,one,0.9", "1,three,0.9", "99,one,", ",one,", "2,one,7"]),
        )  # fmt: skip

    assert {"line 3, column digit", "line 4, column row", "line 5, column hit", "line 6, column digit"} == set(
        refusal.value.errors
    )
    assert not Prediction.objects.exists()
    taken = upload_predictions(
        machine=heard.machine, batch=heard.batch, name="p.csv", by=heard.owner,
        file=table(heard, ["0,one,0.9", "1,zero,"]),
    )  # fmt: skip
    assert taken == 2
    assert list(Prediction.objects.order_by("pk").values_list("label", "score")) == [(1, 0.9), (0, None)]


def test_predictions_of_tables_are_checked_by_the_clock(setting):
    heard = setting(known=60, others=2)
    heard.speak(wrong=3)

    from lifecycle.machines import take_in_predictions

    assert take_in_predictions() == 1 and take_in_predictions() == 0
    [report] = report_of(heard.batch)
    assert (report.items, report.checked[0].trust.checked, report.checked[0].trust.right) == (62, 60, 57)


def test_a_name_is_taken_once_and_an_address_must_be_public(setting):
    heard = setting(known=1, others=1)

    with pytest.raises(Conflict) as refusal:
        connect_machine(project=heard.batch.project, name="Net", by=heard.owner)
    assert refusal.value.code == "machine_exists"
    with pytest.raises(Invalid) as refusal:
        connect_machine(
            project=heard.batch.project, name="Other", source="http", url="https://10.0.0.1/x", by=heard.owner
        )
    assert set(refusal.value.errors) == {"url"}
