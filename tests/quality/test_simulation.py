"""Simulated crowds are what their recipe says, and experiments on them come out as they must."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from django.core.management import CommandError, call_command

from quality.simulation.crowds import Recipe, draw
from quality.simulation.experiment import run

SMALL = Recipe("A", items=150, workers=24, answers=5)


def share_right(crowd, keep=None):
    right = crowd.labels == crowd.truth[crowd.items]
    return float(right.mean() if keep is None else right[keep].mean())


def balanced(crowd):
    """The same with classes weighed alike: who always says the frequent one gains nothing."""
    truth = crowd.truth[crowd.items]
    return float(np.mean([share_right(crowd, truth == k) for k in np.unique(truth)]))


def test_a_recipe_draws_the_same_crowd_again_and_another_seed_another():
    one, again, other = draw(SMALL, 1), draw(SMALL, 1), draw(SMALL, 2)

    assert (one.labels == again.labels).all() and (one.workers == again.workers).all()
    assert (one.labels != other.labels).any()


@pytest.mark.parametrize("name", "ABCD")
def test_the_share_of_right_answers_falls_as_each_slider_rises(name):
    plain = Recipe(name, items=600, workers=40, answers=3, spam=0.0, difficulty=0.0)
    before = balanced(draw(plain, 0))

    for slider in ("spam", "collusion", "drift", "difficulty"):
        assert balanced(draw(replace(plain, **{slider: 0.6}), 0)) < before - 0.02, slider


def test_drift_spoils_late_answers_and_leaves_the_first_as_they_were():
    crowd = draw(Recipe("A", items=2000, workers=40, answers=3, spam=0.0, drift=0.8), 0)
    still = draw(Recipe("A", items=2000, workers=40, answers=3, spam=0.0), 0)
    early, late = crowd.items < 200, crowd.items >= 1800

    assert share_right(crowd, early) == pytest.approx(share_right(still, early), abs=0.05)
    # At the end .76 of the answers are guesses of one in four.
    assert share_right(crowd, late) == pytest.approx(0.24 * 0.8 + 0.76 * 0.25, abs=0.06)


def test_copycats_say_the_same_wherever_they_meet():
    crowd = draw(replace(SMALL, collusion=0.5), 0)
    said: dict[int, list[int]] = {}
    for item, worker, label in zip(crowd.items, crowd.workers, crowd.labels, strict=True):
        if crowd.copycats[worker]:
            said.setdefault(int(item), []).append(int(label))
    shared = [labels for labels in said.values() if len(labels) > 1]

    assert crowd.copycats.sum() == 12
    assert np.mean([len(set(labels)) == 1 for labels in shared]) > 0.8


def test_only_hard_items_mislead():
    crowd = draw(Recipe("D", items=1000, workers=40, answers=3, spam=0.0), 0)

    assert crowd.hard.mean() == pytest.approx(0.25, abs=0.05)
    assert share_right(crowd, crowd.hard[crowd.items]) < 0.45
    assert share_right(crowd, ~crowd.hard[crowd.items]) > 0.7


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"twin": "Z"}, "twin"), ({"spam": 1.2}, "spam"), ({"answers": 99}, "answers"), ({"items": 0}, "items"),
     ({"twin": "B", "skill": 0.9}, "skill"), ({"classes": 1}, "classes"), ({"skill": 1.0}, "skill")],
)  # fmt: skip
def test_a_recipe_that_cannot_be_drawn_is_refused_by_name(wrong, named):
    with pytest.raises(ValueError, match=named):
        replace(SMALL, **wrong)


@pytest.fixture(scope="module")
def result():
    return run(SMALL, answers=(1, 5), methods=("majority", "delivered"), targets=(0.9,), crowds=2, gold=30,
               slider="spam", values=(0.0, 0.6))  # fmt: skip


def test_more_answers_are_more_often_right(result):
    for method in ("majority", "delivered"):
        one, five = result.of(method)
        assert (one.answers, five.answers) == (1, 5)
        assert five.accuracy > one.accuracy + 0.1
        assert one.low <= one.accuracy <= one.high


def test_stopping_buys_less_than_all_and_says_what_reached_the_target(result):
    (stopped,) = result.stopped

    assert 2 <= stopped.answers < 5
    assert stopped.target == 0.9
    assert 0 < stopped.reached <= 1
    assert stopped.accuracy > result.of("delivered")[0].accuracy


def test_known_items_are_not_scored():
    """All items but one known: the one decides, so the accuracy is 0 or 1."""
    (outcome,) = run(replace(SMALL, items=21), answers=(3,), methods=("majority",), crowds=1, gold=20).outcomes

    assert outcome.accuracy in (0.0, 1.0)


def test_a_sweep_moves_one_slider(result):
    none, much = result.swept

    assert (none.value, much.value) == (0.0, 0.6)
    assert none.outcomes[1].accuracy > much.outcomes[1].accuracy


def test_a_ring_is_counted_as_found_only_by_its_members():
    found = run(Recipe("A", items=300, workers=30, collusion=0.2), answers=(7,), methods=("delivered",), crowds=1).found

    assert found.copycats == 6
    assert found.found == 6 and found.accused == 0


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"answers": ()}, "answers"), ({"crowds": 0}, "crowds"), ({"gold": 150}, "gold"), ({"targets": (0.2,)}, "targets"),
     ({"slider": "luck", "values": (1.0,)}, "slider"), ({"methods": ("guess",)}, "guess")],
)  # fmt: skip
def test_an_experiment_that_cannot_be_run_is_refused_by_name(wrong, named):
    with pytest.raises(ValueError, match=named):
        run(SMALL, **{"answers": (1,), "methods": ("majority",), "crowds": 1} | wrong)


# --- the command ------------------------------------------------------------------------------------------------------

FEW = ["--items", "80", "--workers", "12", "--crowds", "1", "--answers", "1,3", "--methods", "majority,delivered"]


def test_the_command_writes_tables_and_plots_that_stand_alone(tmp_path, capsys):
    call_command("simulate", *FEW, "--targets", "0.9", "--sweep", "spam=0:0.4:0.4", "--out", str(tmp_path), "--json")

    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "results.json").read_text())
    assert [one["answers"] for one in told["outcomes"]] == [1, 1, 3, 3]
    with (tmp_path / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 + 1 + 4
    assert {row["method"] for row in rows} == {"majority", "delivered", "stopping"}
    for name in ("accuracy", "calibration", "spam"):
        drawn = ElementTree.parse(tmp_path / f"{name}.svg").getroot()  # noqa: S314  written by us
        assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
        lines = [one for one in drawn.iter("{http://www.w3.org/2000/svg}path") if one.get("stroke-width") == "2"]
        assert len(lines) >= 2 if name != "calibration" else lines
        assert not [one for one in drawn.iter() if "class" in one.attrib], "no stylesheet comes with a file"


def test_the_command_prints_a_line_for_each_method_and_number(capsys):
    call_command("simulate", *FEW)

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["majority", "delivered", "majority", "delivered"]


@pytest.mark.parametrize(
    "wrong",
    [["--sweep", "spam=1"], ["--sweep", "luck=0:1:1"], ["--spam", "2"], ["--answers", "1.5"], ["--methods", "guess"]],
    ids=lambda one: one[0],
)
def test_the_command_refuses_what_it_cannot_do_and_writes_nothing(wrong, tmp_path):
    with pytest.raises(CommandError):
        call_command("simulate", *FEW, "--out", str(tmp_path / "out"), *wrong)

    assert not (tmp_path / "out").exists()
