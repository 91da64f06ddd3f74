"""Templates of other people, found in the shared folder: each one renders, is filled by keyboard and handed in."""

from __future__ import annotations

import csv
import json
from xml.etree import ElementTree

import pytest

from mturk import answers
from mturk.layouts import fill, names_in
from tests.mturk.frames_site import TEMPLATES, html_question, opened, post
from tests.mturk.test_frames import PICTURE, keys

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.browser]

#: Values for the pages in Liquid, which come without data.
VALUES = {"taskObject": PICTURE.replace("&#39;", "'"), "surveyLink": "https://survey.example/1"}
NESTED = {"original": '{"language": "Dutch", "text": "Dag."}', "translation": '{"language": "English", "text": "Day."}'}


def pages():
    """(name, page filled with its first row of data)."""
    for path in sorted(TEMPLATES.glob("*.html")):
        source = path.read_text()
        table = path.with_suffix(".csv")
        row = next(csv.DictReader(table.open(newline=""))) if table.exists() else VALUES | NESTED
        yield path.stem, fill(source, {name: row[name] for name in names_in(source)})


def test_every_shared_template_is_filled_by_keyboard_and_its_answer_parses(page, frame_site, requester, make_worker):
    if not TEMPLATES.is_dir():
        pytest.skip("no shared folder with templates beside the project")
    worker, found = make_worker(), list(pages())
    assert len(found) >= 11
    for name, html in found:
        stage = opened(page, frame_site, worker, post(requester, html_question(html)))
        stage.frame.locator("[type=submit], crowd-button button").first.wait_for()
        said = filled(stage)
        assignment = stage.handed_in()

        stored = answers.entries_of(assignment.answers.get().data)
        ElementTree.fromstring(answers.xml_of(stored).encode())
        fields = dict(answers.fields_of(assignment.answers.get().data))
        if "taskAnswers" in fields:
            [fields] = json.loads(fields["taskAnswers"])
        assert fields, name
        for field, value in said.items():
            assert fields[field] == value, name
        assert stage.errors == [], name


def filled(stage):
    """By keys alone: text into every text field, a choice in every group, a move of every slider, something drawn."""
    frame, page, said = stage.frame, stage.page, {}
    for number, box in enumerate(frame.locator("input[type=text], textarea").all()):
        box.focus()
        page.keyboard.type(f"word {number}")
        name = box.get_attribute("name")
        if name:
            said[name] = f"word {number}"
    for box in frame.locator("crowd-input input").all():
        box.focus()
        keys(page, "Control+a")
        page.keyboard.type("123456")
        said = {name: value for name, value in said.items() if name}
    for slider in frame.locator("input[type=range]").all():
        slider.focus()
        keys(page, "ArrowRight", "ArrowRight")
    for choices in frame.locator("crowd-classifier, crowd-image-classifier").all():
        choices.locator("input[type=radio]").first.focus()
        keys(page, "Space")
    for board in frame.get_by_role("application").all():
        frame.locator("crowd-bounding-box").evaluate(
            "async (one) => { while (!one.begun) await new Promise((f) => setTimeout(f, 20)); }"
        )
        board.focus()
        keys(page, "2", "Space", "ArrowRight", "ArrowDown", "Space")
    frame.locator("[type=submit], crowd-button button").first.focus()
    keys(page, "Enter")
    return said
