"""Recorded crowds through the whole market."""

import json

import pytest
from django.core.management import CommandError, call_command

from lifecycle import close
from lifecycle.invariants import check_invariants
from lifecycle.replay import Recording, Settings, read_recording, replay
from marketplace.models import Answer, Assignment, Batch
from payments.models import Account
from payments.selectors import balance
from quality.models import GoldScore, Judgment
from tests.support.datasets import ROOT

#: Commits for real: thousands of answers in one transaction would update the same rows in ever longer chains.
pytestmark = pytest.mark.django_db(transaction=True)


def recorded(name: str) -> Recording:
    if not (ROOT / name).is_dir():
        pytest.skip(f"no data set {name!r}: set DATASETS_DIR to the folder that holds it")
    return read_recording(ROOT / name)


def small(*, tasks=6, workers=4) -> Recording:
    """Everybody is right, apart from the last worker."""
    truth = {f"t{n}": str(n % 2) for n in range(tasks)}
    answers = [
        (task, f"w{w}", label if w < workers - 1 else str(1 - int(label)))
        for task, label in truth.items()
        for w in range(workers)
    ]
    return Recording("small", answers, truth)


def test_every_answer_is_given_paid_and_accounted_for():
    report = replay(small(), Settings())

    assert (report.tasks, report.workers, report.answers) == (6, 4, 24)
    assert (report.accuracy_majority, report.accuracy_delivered) == (1.0, 1.0)
    assert report.spent == 24 * 11_000
    assert (report.held, report.invariants_broken, report.is_accounted_for) == (0, 0, True)
    assert {a.state for a in Assignment.objects.all()} == {"approved"}
    assert balance(Account.Kind.FEES) == 24 * 1_000


def test_a_batch_that_closes_in_turns_is_closed_once(monkeypatch):
    monkeypatch.setattr(close, "GROUP", 4)

    report = replay(small(tasks=9), Settings())

    assert (report.answers, report.held, report.invariants_broken, report.is_accounted_for) == (36, 0, 0, True)
    assert {batch.state for batch in Batch.objects.all()} == {"closed"}


def test_tasks_with_other_numbers_of_answers_and_repeats_keep_them():
    answers = [("a", "w1", "0"), ("a", "w1", "1"), ("a", "w2", "1"), ("b", "w1", "0"), ("c", "w3", "1")]

    report = replay(Recording("odd", answers, {"a": "1", "b": "0", "c": "0"}), Settings())

    assert (report.answers, Answer.objects.count(), Judgment.objects.count()) == (4, 5, 4)  # the newest word
    assert report.accuracy_majority == pytest.approx(2 / 3)
    assert report.invariants_broken == 0


def test_hidden_truths_are_gold_and_are_not_scored_as_labels():
    report = replay(small(tasks=8), Settings(gold=3))

    assert GoldScore.objects.count() == 3 * 4
    assert GoldScore.objects.filter(passed=False).count() == 3
    assert (report.answers, report.accuracy_delivered) == (32, 1.0)


def test_redundancy_draws_fewer_workers_a_task():
    report = replay(small(), Settings(redundancy=2))

    assert (report.answers, report.recorded) == (12, 12)


def test_the_adaptive_way_stops_early_and_gives_back_what_it_saved():
    report = replay(small(tasks=40, workers=12), Settings(adaptive=True, gold=0))

    assert report.answers < report.recorded
    assert report.spent == report.answers * 11_000
    assert report.is_accounted_for and report.invariants_broken == 0
    assert report.accuracy_delivered >= 0.95


@pytest.mark.dataset
@pytest.mark.parametrize(
    ("name", "bar"),
    [
        ("bluebirds", 0.885),
        ("temporal", 0.935),
        pytest.param("dog", 0.835, marks=pytest.mark.slow),
        pytest.param("face", 0.645, marks=pytest.mark.slow),
        pytest.param("rte", 0.92, marks=pytest.mark.slow),
        pytest.param("d_product", 0.93, marks=pytest.mark.slow),
    ],
)
def test_a_real_crowd_delivers_good_labels(name, bar):
    recording = recorded(name)

    report = replay(recording, Settings())

    assert report.accuracy_delivered >= bar
    assert report.answers == len(recording.newest())
    assert report.is_accounted_for
    assert [finding for finding in check_invariants() if finding.broken] == []


@pytest.mark.dataset
@pytest.mark.slow
def test_a_real_crowd_saves_answers_where_the_market_stops():
    report = replay(recorded("temporal"), Settings(adaptive=True, gold=50))

    assert report.accuracy_delivered >= 0.91
    assert report.answers < 0.6 * report.recorded
    assert report.is_accounted_for and report.invariants_broken == 0


def test_the_last_line_is_one_object(tmp_path, capsys):
    write(tmp_path, small())

    call_command("replay", str(tmp_path / "labels.csv"), "--json")

    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said["tasks"] == 6 and said["answers"] == 24 and said["spent"] == "0.264"
    assert said["invariants_broken"] == 0 and said["accuracy_delivered"] == 1.0
    assert {"workers", "accuracy_majority", "mean_confidence", "seconds"} <= set(said)


@pytest.mark.parametrize(
    ("header", "message"), [("task,worker,label", "classes are 2 to"), ("task,label", "no such column")]
)
def test_a_table_that_cannot_be_replayed_says_why(tmp_path, header, message):
    (tmp_path / "labels.csv").write_text(header + "\n" + "t,w,1\n"[: len(header)])

    with pytest.raises(CommandError, match=message):
        call_command("replay", str(tmp_path))


def write(folder, recording: Recording) -> None:
    rows = "".join(",".join(answer) + "\n" for answer in recording.answers)
    (folder / "labels.csv").write_text("task,worker,label\n" + rows)
    truths = "".join(f"{task},{label}\n" for task, label in recording.truth.items())
    (folder / "truth.csv").write_text("task,label\n" + truths)
