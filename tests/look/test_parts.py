"""The parts of the look that need no server: numbers as words, charts as marks, words that workers never see."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from django.template import Context, Template

from core import charts
from core.templatetags import touchstone as tags
from quality.estimators import DawidSkene
from quality.estimators.data import anaesthetists

ROOT = Path(__file__).resolve().parents[2]
TELLING = re.compile(r"gold|correct|honeypot|(?<![a-z])tests?(?![a-z])", re.IGNORECASE)


@pytest.mark.parametrize(
    ("micros", "currency", "words"),
    [
        (100_000, "EUR", "€0.10"),
        (1_234_500_000, "EUR", "€1,234.50"),
        (15_000, "EUR", "€0.015"),
        (-45_000_000, "USD", "\u2212$45.00"),
        (0, "EUR", "€0.00"),
        (5_000_000, "XTS", "XTS\u202f5.00"),
        (33, "EUR", "€0.00"),
    ],
)
def test_money_is_written_to_the_cent_and_finer_only_where_it_must_be(micros, currency, words):
    assert tags.money_words(micros, currency) == words


def test_a_share_is_a_percent_with_a_narrow_space():
    assert tags.percent(0.958) == "95.8\u202f%"
    assert tags.percent(0.1, 0) == "10\u202f%"
    assert tags.interval(0.936, 0.973) == "93.6\u202f% to 97.3\u202f%"


@pytest.mark.parametrize(
    ("share", "digits", "words"), [(0.9999, 1, "99.9"), (1.0, 0, "99"), (0.5, 0, "50"), (0.876, 1, "87.6")]
)
def test_nothing_is_wholly_sure(share, digits, words):
    assert tags.confidence(share, digits) == f"{words}\u202f%"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (22, "22 s"),
        (119, "119 s"),
        (240, "4 min"),
        (8400, "2 h 20 min"),
        (7200, "2 h"),
        (259200, "3 days"),
        (100000, "28 h"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds, words):
    assert tags.duration(seconds) == words


def test_bars_reach_their_value_and_are_told_as_a_table():
    drawn = charts.bars([("08", 300), ("09", 600)], message="Answers per hour: 300, 600", head=("Hour", "Answers"))

    heights = [float(mark.attrs["height"]) for mark in drawn.marks if mark.tag == "rect"]
    assert heights[1] == pytest.approx(2 * heights[0], abs=0.2)
    assert list(drawn.rows) == [("08", "300"), ("09", "600")]


def test_a_name_for_several_bars_begins_with_its_own_and_not_in_the_scale():
    weeks = [(f"{day} Aug", 1.0) for day in range(13)]
    drawn = charts.bars(weeks, message="Earnings", head=("Week", "Amount"), small=True, every=4)
    names = [mark for mark in drawn.marks if mark.text.endswith("Aug")]

    assert [mark.text for mark in names] == ["0 Aug", "4 Aug", "8 Aug", "12 Aug"]
    assert all(mark.css == "" for mark in names)
    assert float(names[0].attrs["x"]) >= 40


@pytest.mark.parametrize(("high", "last"), [(1, 1), (7, 10), (781, 1000), (0.95, 1.0), (12400, 15000)])
def test_ticks_are_round_and_cover_the_data(high, last):
    steps = charts.ticks(high)

    assert steps[0] == 0 and steps[-1] >= high and steps[-1] == pytest.approx(last)


@pytest.mark.parametrize(("last", "under"), [(2.0, ["1", "2"]), (1.5, ["1", "1.1", "1.2", "1.3", "1.4", "1.5"])])
def test_whole_numbers_have_no_tenths_between_them(last, under):
    drawn = charts.lines(
        [charts.Series("right", [(1.0, 0.8), (last, 0.9)])], message="", x_axis="answers", head=("", "", "")
    )

    assert [mark.text for mark in drawn.marks if mark.css == "mid"] == under


def test_the_steps_of_a_heat_map_follow_the_share_of_the_row():
    drawn = charts.heat([[90, 10, 0], [0, 1, 999]], ["a", "b"], message="mix-ups")

    assert drawn.rows[0][1] == [(6, "90"), (2, "10"), (0, "")]
    assert drawn.rows[1][1] == [(0, ""), (0, "1"), (6, "999")]


def test_shares_of_a_bar_add_up_to_the_whole():
    placed = charts.shares(
        [charts.Part(1217, "f-ink", "settled"), charts.Part(6, "f-warn", ""), charts.Part(574, "f-grey", "")]
    )

    assert placed[0].x == 0
    assert placed[-1].x + placed[-1].width == pytest.approx(100, abs=0.02)


@pytest.mark.parametrize(
    "drawn",
    [
        charts.bars([], message="nothing yet", head=("Hour", "Answers")),
        charts.lines([charts.Series("a", [])], message="nothing yet", x_axis="x", head=("", "", "")),
        charts.reliability([], message="nothing yet"),
        charts.ledger_line([], (-2.9, 2.9), [], message="nothing yet"),
    ],
)
def test_a_chart_of_nothing_is_drawn_empty(drawn):
    html = Template("{% load touchstone %}{% chart drawn %}").render(Context({"drawn": drawn}))

    assert 'role="img"' in html and 'aria-label="nothing yet"' in html


def test_a_label_from_data_cannot_leave_the_chart():
    drawn = charts.bars([("<script>", 1)], message='"><script>', head=("<b>", "n"))

    html = Template("{% load touchstone %}{% chart drawn %}").render(Context({"drawn": drawn}))

    assert "<script>" not in html and "<b>" not in html


WORKERS_READ = [
    *(path for path in (ROOT / "core/static/touchstone").rglob("*") if path.suffix in {".css", ".js", ".svg"}),
    *(ROOT / "core/templates").glob("base*.html"),
    *(ROOT / "core/templates/parts").iterdir(),
    *(ROOT / "marketplace/templates/work").rglob("*.html"),
    *(ROOT / "payments/templates/earnings").iterdir(),
    *(ROOT / "quality/templates/quiz").iterdir(),
]


@pytest.mark.parametrize("path", sorted(WORKERS_READ), ids=lambda path: path.name)
def test_what_a_worker_loads_has_no_telling_word(path):
    found = TELLING.findall(path.read_text())

    assert not found


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("*/templates/**/*.html")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_template_breaks_the_content_policy(path):
    text = path.read_text()

    assert not re.search(r"\sstyle=|\son[a-z]+=\"|javascript:|<style", text), "inline styles and handlers are forbidden"
    assert not re.search(r"#[0-9a-fA-F]{6}\b", text), "colours live in the stylesheet"
    assert "|safe" not in text


def test_the_first_page_shows_what_the_estimator_finds_in_the_1979_table():
    """The figures of the home page are of a run, not of a hand: here is the run."""
    items, workers, labels = anaesthetists()
    fitted = DawidSkene().fit(items, workers, labels)
    shown = (ROOT / "core/templates/public/home.html").read_text()
    streaks = (ROOT / "core/templates/public/streaks.html").read_text()

    rows = re.findall(r'<tr><th scope="row">(\d+)</th>.*?lab">(\d)</td><td class="n">([\d.]+)', shown)
    assert [int(patient) for patient, _label, _sure in rows] == [2, 7, 35, 38]
    for patient, label, sure in rows:
        row = list(fitted.items_).index(int(patient))
        assert int(fitted.labels_[row]) == int(label)
        # What is all but certain is written as 99.9: nothing here is sure.
        assert min(round(float(fitted.confidence_[row]) * 100, 1), 99.9) == float(sure)
    right = [float(fitted.prior_ @ np.diag(one)) for one in fitted.confusions_]
    assert re.findall(r'class="end strong"[^>]*>(0\.\d\d)<', streaks) == [f"{one:.2f}" for one in right]
