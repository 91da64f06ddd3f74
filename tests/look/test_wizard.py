"""The way of a requester from nothing to a published batch: starters, tables of other names, questions, trial, pay."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from lifecycle.accept import accept
from lifecycle.operations import run_due_operations
from lifecycle.submit import submit
from lifecycle.trial import start_trial
from marketplace.columns import slots_of
from marketplace.errors import NotEligible
from marketplace.models import Assignment, Batch, HitData, Project
from marketplace.schema import schema_of
from marketplace.services.costs import check_floor
from marketplace.services.posting import Sample
from marketplace.services.projects import create_project
from marketplace.starters import BLANK, STARTERS
from marketplace.templating import compile_template
from payments.models import Deposit, Entry
from payments.services.deposits import confirm_deposit
from quality.models import Judgment, WorkerReliability
from tests.look.conftest import settle

pytestmark = pytest.mark.django_db
FORM = {
    "name": "Old cards",
    "template": "{{text}}",
    "q-TOTAL_FORMS": "1",
    "q-INITIAL_FORMS": "0",
    "q-0-title": "Which digit is this?",
    "q-0-name": "digit",
    "q-0-kind": "categorical",
    "q-0-labels": "zero\none\n\n",
    "q-0-na": "on",
}
PAY = {
    "reward": "0.10",
    "estimated_seconds": "20",
    "mode": "target",
    "target": "95",
    "min_answers": "2",
    "max_answers": "7",
    "answers": "3",
    "approve": "259200",
    "audience": "public",
}


@pytest.fixture
def owner(client, make_requester):
    requester = make_requester()
    user = requester.memberships.get().user
    client.force_login(user)
    return user


@pytest.fixture
def project(owner, make_project):
    return make_project(requester=owner.memberships.get().requester)


# --- starters ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("starter", [*STARTERS, BLANK], ids=lambda one: one.key)
def test_a_starter_is_a_project_that_can_be_published_as_it_is(starter, make_requester):
    project = create_project(requester=make_requester(), **starter.fields())

    schema = schema_of(project.questions)
    compile_template(project.template).check(starter.columns)
    check_floor(rules=_rules(project), reward=_rules(project).reward_micros, audience="public")
    for row in starter.rows:
        schema.read_data(row)
        for question in schema:
            assert question.kind != "pairwise" or {question.left, question.right} <= set(row)
    # At least one question decides when to stop, where that is asked.
    assert not _rules(project).is_adaptive or any(question.stops for question in schema)
    assert starter is BLANK or any(one["is_good"] for one in project.examples)
    assert "###" not in project.instructions


def _rules(project):
    from marketplace.rules import Rules

    return Rules.from_json(project.rules, audience=project.audience)


def test_choosing_a_starter_makes_a_project_and_leads_to_its_table(client, owner):
    shelf = client.get(reverse("studio_project_new")).content.decode()
    response = client.post(reverse("studio_project_new"), {"starter": "sentiment"})

    project = Project.objects.get()
    assert all(f'value="{starter.key}"' in shelf for starter in STARTERS)
    assert response.url == reverse("studio_data", args=[project.public_id])
    assert project.questions[0]["name"] == "feeling"
    assert b"s-1" in client.get(reverse("studio_sample", args=[project.public_id])).content


# --- columns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "row", "found"),
    [
        (["text"], {"text": "a"}, {"text": "text", "gold": ""}),
        (["ID", "Message body", "label"], {"ID": "1", "Message body": "long words", "label": "x"},
         {"text": "Message body", "external_id": "ID", "gold": "label"}),
        (["sentence", "n"], {"sentence": "a long sentence", "n": "3"}, {"text": "sentence", "external_id": ""}),
    ],
)  # fmt: skip
def test_columns_are_guessed_from_names_and_first_rows(columns, row, found):
    questions = [{"name": "digit", "kind": "categorical", "labels": ["x", "y"]}]

    slots = {slot.name: slot.column for slot in slots_of("{{text}}", questions, Sample(columns, [row]))}

    assert {name: slots[name] for name in found} == found


def test_what_one_column_surely_is_another_does_not_take():
    row = {"nr": "1", "prompt": "Why?", "answer_1": "a very long answer", "answer_2": "short"}
    questions = [{"name": "better", "kind": "pairwise", "left": "answer_a", "right": "answer_b"}]

    slots = {slot.name: slot.column for slot in slots_of("{{question}}", questions, Sample(list(row), [row]))}

    assert (slots["answer_a"], slots["answer_b"], slots["question"]) == ("answer_1", "answer_2", "prompt")


def test_a_picture_is_the_column_that_holds_addresses_of_pictures():
    table = Sample(["a", "b"], [{"a": "https://x.org/", "b": "https://x.org/1.PNG?x"}])

    [slot, *_] = slots_of("{{image photo}}", [], table)

    assert (slot.name, slot.column, slot.is_needed) == ("photo", "b", True)


def test_a_table_with_other_names_is_mapped_checked_and_published_under_ours(client, owner, project):
    rows = b"nr,sentence,truth,secret\n7,first,zero,x\n8,second,,y\n"
    file = SimpleUploadedFile("t.csv", rows)

    url = client.post(reverse("studio_batch_new", args=[project.public_id]), {"name": "May", "file": file}).url
    page = client.get(url).content.decode()
    assert "Which column is which?" in page and "second" in page
    chosen = {"c-text": "sentence", "c-gold": "truth", "c-external_id": "nr"}
    client.post(url, chosen)
    run_due_operations(limit=3)
    batch = Batch.objects.get()
    assert (batch.upload_facts["rows"], batch.upload_facts["keyed"]) == (2, 1)
    client.post(reverse("batch_act", args=[batch.public_id, "publish"]))
    run_due_operations(limit=3)

    batch.refresh_from_db()
    assert batch.state == "open"
    assert list(HitData.objects.order_by("external_id").values_list("external_id", "data")) == [
        ("7", {"text": "first"}),
        ("8", {"text": "second"}),
    ]
    assert sorted(batch.hits.values_list("lane", flat=True)) == [0, 1]


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"c-text": "sentence", "c-external_id": "sentence"}, "chosen twice"),
        ({"c-text": "elsewhere"}, "no such column"),
    ],
)
def test_columns_that_do_not_fit_are_told_and_nothing_changes(chosen, told, client, owner, project):
    file = SimpleUploadedFile("t.csv", b"nr,sentence\n7,first\n")
    url = client.post(reverse("studio_batch_new", args=[project.public_id]), {"file": file}).url

    response = client.post(url, chosen)

    assert response.status_code == 400 and told in response.content.decode()
    assert Batch.objects.get().upload_columns == {}


def test_json_lines_are_mapped_too(client, owner, project):
    file = SimpleUploadedFile("t.jsonl", b'{"words": "first", "n": 1}\n{"words": "second", "n": 2}\n')
    url = client.post(reverse("studio_batch_new", args=[project.public_id]), {"file": file}).url

    client.post(url, {"c-text": "words", "rest": "1"})
    run_due_operations(limit=3)

    assert Batch.objects.get().upload_facts["columns"] == ["text", "n"]


# --- question ---------------------------------------------------------------------------------------------------------


def test_a_project_is_made_of_what_was_written(client, project):
    client.post(reverse("studio_project_edit", args=[project.public_id]), FORM)
    client.post(reverse("studio_pay", args=[project.public_id]), PAY | {"language": "de", "countries": "de, at"})

    project.refresh_from_db()
    assert project.rules["reward"] == "0.10" and project.rules["target"] == 0.95
    assert project.rules["requirements"] == [
        {"subject": "language", "compare": "==", "value": "de"},
        {"subject": "country", "compare": "in", "value": ["DE", "AT"]},
    ]
    [question] = project.questions
    assert (question["name"], question["kind"], question["labels"]) == ("digit", "categorical", ["zero", "one"])
    assert question["na"] is True and question["required"] is True
    shown = client.get(reverse("studio_pay", args=[project.public_id])).content.decode()
    assert 'value="DE, AT"' in shown


def test_a_condition_is_three_fields_and_other_conditions_stay_as_they_are(client, owner, make_project):
    kind = {"name": "kind", "kind": "categorical", "labels": ["a", "b"]}
    groups = {"any": [{"question": "kind", "op": "==", "value": "a"}, {"data": "text", "op": "==", "value": "x"}]}
    questions = [
        kind,
        {"name": "why", "kind": "text", "when": {"question": "kind", "op": "==", "value": "b"}},
        {"name": "more", "kind": "number", "step": 0.5, "when": groups},
    ]
    project = make_project(requester=owner.memberships.get().requester, questions=questions, rules={"gates": False})
    url = reverse("studio_project_edit", args=[project.public_id])
    form = filled(client.get(url).context)
    assert form["q-1-when_question"] == "kind" and "when" not in form.get("q-1-more", "")

    response = client.post(url, form | {"name": "Renamed", "q-1-when_value": "a"})
    assert response.status_code == 302, response.context["questions"].errors

    project.refresh_from_db()
    assert project.name == "Renamed" and project.rules["gates"] is False
    assert project.questions[1]["when"] == {"question": "kind", "op": "==", "value": "a"}
    assert project.questions[2]["when"] == groups and project.questions[2]["step"] == 0.5


def filled(context):
    """What a browser would send back of a shown page."""
    form = {"q-TOTAL_FORMS": len(context["questions"].forms), "q-INITIAL_FORMS": 0}
    fields = [*context["form"], *(field for one in context["questions"] for field in one)]
    for field in fields:
        value = field.value()
        if value not in (None, False, ""):
            form[field.html_name] = value
    return form


@pytest.mark.parametrize(
    ("url", "form", "told"),
    [
        ("studio_project_edit", FORM | {"q-0-labels": "only one"}, "q-0-labels"),
        ("studio_project_edit", FORM | {"name": ""}, "name"),
        ("studio_project_edit", FORM | {"q-0-more": '"no object"'}, "q-0-more"),
        ("studio_project_edit", FORM | {"q-0-when_question": "later", "q-0-when_op": "=="}, "q-0-when_question"),
        ("studio_project_edit", FORM | {"template": "{{ }}"}, "template"),
        ("studio_pay", PAY | {"reward": "-1"}, "reward"),
        ("studio_pay", PAY | {"min_answers": "9"}, "max_answers"),
        ("studio_pay", PAY | {"mode": "budget"}, "budget"),
        ("studio_pay", PAY | {"requirements": '{"no": "list"}'}, "requirements"),
    ],
)
def test_a_mistake_is_said_at_its_field_and_nothing_is_stored(url, form, told, client, project):
    before = Project.objects.values().get()

    response = client.post(reverse(url, args=[project.public_id]), form)

    assert response.status_code == 400
    assert "Nothing was saved yet" in response.content.decode()
    assert f'id="id_{told}_error"' in response.content.decode()
    assert Project.objects.values().get() == before


def test_questions_are_added_and_moved_and_keep_what_was_written(client, project):
    url = reverse("studio_project_edit", args=[project.public_id])
    second = {"q-TOTAL_FORMS": "2", "q-1-title": "And why?", "q-1-name": "why", "q-1-kind": "text"}

    added = client.post(url, FORM | {"do": "add"}).content.decode()
    moved = client.post(url, FORM | second | {"do": "up-1"}).content.decode()

    assert 'value="Which digit is this?"' in added and "Question 2" in added
    assert moved.index('value="And why?"') < moved.index('value="Which digit is this?"')
    project.refresh_from_db()
    assert project.name != "Old cards"


def test_examples_are_written_changed_and_emptied(client, project):
    url = reverse("studio_project_edit", args=[project.public_id])
    rows = {"e-TOTAL_FORMS": "3", "e-INITIAL_FORMS": "0", "e-0-shows": "a **7**", "e-0-is_good": "yes"}
    rows |= {"e-1-shows": "a 1", "e-1-is_good": "no", "e-1-why": "it has no bar", "e-2-is_good": "yes"}

    client.post(url, FORM | rows)
    shown = client.get(url).content.decode()
    client.post(url, FORM)  # a form without them keeps them
    project.refresh_from_db()
    assert project.examples == [
        {"shows": "a **7**", "is_good": True, "why": ""},
        {"shows": "a 1", "is_good": False, "why": "it has no bar"},
    ]
    assert "it has no bar" in shown
    client.post(url, FORM | rows | {"e-0-shows": ""})

    project.refresh_from_db()
    assert [one["shows"] for one in project.examples] == ["a 1"]


def test_the_preview_shows_what_is_written_before_it_is_saved(client, project):
    url = reverse("studio_preview", args=[project.public_id])

    page = client.post(url, FORM | {"instructions": "Look <b>twice</b>"}).content.decode()
    refused = client.post(url, FORM | {"q-0-labels": ""}).content.decode()

    assert "&lt;h1&gt;Which digit is this?" in page and "(text)" in page
    assert "Give 2 to 1000 labels" in refused and "iframe" not in refused


def test_the_price_follows_the_form_and_names_the_floor(client, project):
    url = reverse("studio_price", args=[project.public_id])

    fair, poor = (client.post(url, PAY | {"reward": reward}).content.decode() for reward in ("0.10", "0,01"))

    assert "€18.00 an hour" in fair and "below the floor" not in fair
    assert "€1.80 an hour" in poor and "below the floor of €8.00" in poor


# --- trial ------------------------------------------------------------------------------------------------------------


def test_a_trial_is_unpaid_hidden_and_teaches_nothing_about_the_real_one(client, owner, project, make_worker):
    file = SimpleUploadedFile("t.csv", b"text,gold\n" + b"".join(b"item %d,zero\n" % n for n in range(12)))
    client.post(reverse("studio_batch_new", args=[project.public_id]), {"file": file})

    response = client.post(reverse("studio_trial_start", args=[project.public_id]))
    assert response.url.startswith("/work/")
    trial = Batch.objects.get(project__trial_of=project)
    place = Assignment.objects.get(batch=trial)
    submit(assignment=place, raw=b'{"answers": {"digit": "one"}, "seconds": 7}', undo=0)
    settle()

    assert trial.hits.count() == 10 and set(trial.hits.values_list("lane", flat=True)) == {0}
    assert trial.reward == 0 and not Entry.objects.filter(transfer__key__contains=f":{trial.pk}").exists()
    with pytest.raises(NotEligible):
        accept(worker=make_worker(), batch=trial)
    assert not Judgment.objects.filter(hit__batch__project=project).exists()
    assert not WorkerReliability.objects.filter(project=project).exists()
    page = client.get(reverse("studio_trial", args=[project.public_id])).content.decode()
    assert "<b>one</b>" in page and owner.email in page
    assert trial.name not in client.get(reverse("studio_batches")).content.decode()
    assert client.get(reverse("studio_batch", args=[trial.public_id])).status_code == 302


def test_who_tried_their_own_work_is_still_led_to_the_studio(client, owner, project, make_batch):
    client.post(reverse("studio_trial_start", args=[project.public_id]))
    assert client.get(reverse("enter_any")).url == reverse("studio")

    accept(worker=owner.worker, batch=make_batch())

    assert client.get(reverse("enter_any")).url == reverse("find_work")


def test_the_time_of_a_trial_becomes_the_estimate(client, owner, project):
    client.post(reverse("studio_trial_start", args=[project.public_id]))
    place = Assignment.objects.get()
    submit(assignment=place, raw=b'{"answers": {"digit": "one"}, "seconds": 33}', undo=0)

    client.post(reverse("studio_trial_use", args=[project.public_id]))

    project.refresh_from_db()
    assert project.rules["estimated_seconds"] == 33


def test_a_new_trial_is_of_the_project_as_it_is_now_and_ends_the_one_before(owner, project):
    first = start_trial(project=project, user=owner, rows=[{"text": "a"}])
    project.questions = [{"name": "other", "kind": "text"}]
    project.save(update_fields=["questions"])

    second = start_trial(project=project, user=owner, rows=[{"text": "a"}])

    first.refresh_from_db()
    assert first.state == "closed" and second.state == "open"
    assert [one["name"] for one in second.design["questions"]] == ["other"]
    assert Project.objects.filter(trial_of=project).count() == 1


# --- from a stranger to a published batch -----------------------------------------------------------------------------

MOST_CLICKS = 12


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_first_time_requester_publishes_within_twelve_clicks(page, complaints, live_server, make_user):
    clicks = 0

    def click(target):
        nonlocal clicks
        clicks += 1
        target.click()

    page.goto(live_server.url)
    click(page.get_by_role("link", name="Start a project").first)
    page.get_by_label("Email").fill("ada@example.org")
    for box in page.locator("input[type=password]").all():
        box.fill("a-long-pass-phrase-1")
    click(page.get_by_role("button", name="Create the account"))
    page.get_by_role("heading", name="Open the link in your mail").wait_for()
    page.goto(re.search(r"https?://\S+/confirm-email/\S+", mail.outbox[-1].body).group())
    click(page.get_by_role("button", name="Yes, it is mine"))
    click(page.get_by_role("button", name=re.compile("Texts into classes")))
    rows = [f"m-{n},Where is parcel {n}?,{'delivery' if n < 3 else ''}" for n in range(9)]
    table = "\n".join(["id,message,label", *rows])
    clicks += 1  # the file chooser
    file = {"name": "messages.csv", "mimeType": "text/csv", "buffer": table.encode()}
    page.get_by_label("Table", exact=True).set_input_files(file)
    click(page.get_by_role("button", name="Upload and check"))
    assert page.get_by_label("Column for text").input_value() == "message"
    assert page.get_by_label("Column for gold").input_value() == "label"
    click(page.get_by_role("button", name="These are right, check every row"))
    page.wait_for_url("**/studio/batches/**")
    run_due_operations(limit=3)
    announce = page.get_by_role("button", name="Announce the deposit")
    announce.wait_for(timeout=10_000)
    click(announce)
    page.get_by_text("on its way").wait_for()
    confirm_deposit(deposit=Deposit.objects.get(), by=make_user(is_staff=True))
    publish = page.get_by_role("button", name="Publish, put")
    publish.wait_for(timeout=10_000)
    click(publish)
    run_due_operations(limit=3)
    page.get_by_role("heading", name="Workers", exact=True).wait_for(timeout=10_000)

    batch = Batch.objects.get()
    assert batch.state == "open" and batch.hits.count() == 9 and batch.hits.filter(lane=1).count() == 3
    assert clicks <= MOST_CLICKS, clicks
    assert not complaints
