"""What requesters do on pages: describe a project, hand in a table, watch, export; and their quiz."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json

import pytest
from django.core.cache import cache
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from core.audit import broken_links
from core.models import AuditEntry, Operation
from core.operations import take, work_on
from core.pages import undo_of
from lifecycle import export
from lifecycle.export import start_export
from lifecycle.operations import WORK, run_due_operations, run_to_end
from marketplace.models import Batch, HitData
from marketplace.services.posting import pause_batch, resume_batch
from quality import figures
from quality.models import QuizAttempt
from quality.services.quiz import quiz_items
from tests.look.conftest import answer, settle

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(client, make_requester):
    requester = make_requester()
    user = requester.memberships.get().user
    client.force_login(user)
    return user


def test_a_table_is_a_draft_with_a_price_and_then_published(client, owner, make_project):
    project = make_project(requester=owner.memberships.get().requester)
    file = SimpleUploadedFile("t.csv", b"text\nfirst\nsecond\n")

    url = client.post(reverse("studio_batch_new", args=[project.public_id]), {"name": "May", "file": file}).url
    run_due_operations(limit=3)
    page = client.get(url).content.decode()
    assert "2 items" in page and "Publish, put" in page
    client.post(url + "publish/")
    run_due_operations(limit=3)

    assert Batch.objects.get().state == "open"
    assert client.get(url + "now/", {"draft": "1"})["HX-Refresh"] == "true"


def test_what_has_not_changed_is_not_sent_again(client, market):
    client.force_login(market.owner)
    url = reverse("studio_batch_now", args=[market.batch.public_id])
    first = client.get(url)
    seen = first.context["seen"]

    assert client.get(url, {"seen": seen}).status_code == 204
    other = market.batch.participations.exclude(worker=market.worker).first().worker
    answer(other, market.batch, {"digit": "zero"})
    settle()
    cache.clear()
    assert client.get(url, {"seen": seen}).status_code == 200


@pytest.mark.parametrize(("act", "before", "after"), [("pause", "open", "paused"), ("resume", "paused", "open")])
def test_a_batch_is_paused_and_opened_by_a_button(act, before, after, client, market):
    Batch.objects.filter(pk=market.batch.pk).update(
        state=before, paused_because="requester" if before == "paused" else ""
    )
    client.force_login(market.owner)

    client.post(reverse("batch_act", args=[market.batch.public_id, act]))

    market.batch.refresh_from_db()
    assert market.batch.state == after


@pytest.mark.parametrize(("act", "back"), [("pause", "open"), ("resume", "paused")])
def test_the_message_of_a_pause_or_a_resume_undoes_it(act, back, client, market):
    if act == "resume":
        pause_batch(batch=market.batch)
    client.force_login(market.owner)

    page = client.post(reverse("batch_act", args=[market.batch.public_id, act]), follow=True)

    (undo,) = [undo_of(message) for message in page.context["messages"]]
    client.post(undo["href"], dict(undo["fields"]))
    market.batch.refresh_from_db()
    assert market.batch.state == back


def test_a_new_end_is_undone_unless_the_one_before_is_over(client, market):
    client.force_login(market.owner)
    url = reverse("batch_act", args=[market.batch.public_id, "extend"])
    for before, can_undo in ((None, True), ("2098-05-01T12:00:00Z", True), ("2001-01-01T00:00:00Z", False)):
        Batch.objects.filter(pk=market.batch.pk).update(expires_at=before)

        page = client.post(url, {"expires_at": "2099-01-01T00:00"}, follow=True)

        undo = undo_of([*page.context["messages"]][-1])
        assert bool(undo) == can_undo
        if undo:
            client.post(undo["href"], dict(undo["fields"]))
            (kept,) = Batch.objects.filter(pk=market.batch.pk).values_list("expires_at", flat=True)
            assert kept == (before and dt.datetime.fromisoformat(before))


def test_the_feed_tells_who_did_what_to_the_batch(client, market, make_user):
    client.force_login(market.owner)
    do = lambda act, **form: client.post(reverse("batch_act", args=[market.batch.public_id, act]), form)  # noqa: E731
    do("pause")
    do("resume")
    do("extend", expires_at="2099-01-01T00:00")
    do("more", answers="1")
    pause_batch(batch=market.batch, reason="staff", by=market.staff)
    resume_batch(batch=market.batch, by_staff=True, by=market.staff)
    pause_batch(batch=market.batch, reason="expired")
    do("close")

    said = [event.words for event in figures.feed_of(market.batch) if event.kind == "did"]

    who = market.owner.email
    assert said[:8] == [
        f"{who} closed it.",
        "Paused by the site.",
        "Staff opened it again.",
        "Staff paused it.",
        f"{who} asked for more answers.",
        f"{who} changed its end.",
        f"{who} opened it again.",
        f"{who} paused it.",
    ]
    assert AuditEntry.objects.get(act="batch.more").details == {"answers": 1, "hits": 8}
    assert not list(broken_links())


def test_an_act_in_the_wrong_state_says_so_and_changes_nothing(client, market):
    client.force_login(market.owner)

    page = client.post(reverse("batch_act", args=[market.batch.public_id, "resume"]), follow=True).content.decode()

    assert 'class="note bad"' in page
    market.batch.refresh_from_db()
    assert market.batch.state == "open"
    assert client.post(reverse("batch_act", args=[market.batch.public_id, "burn"])).status_code == 404


def test_the_live_page_does_not_ask_more_for_more_items(client, market, django_assert_max_num_queries):
    client.force_login(market.owner)

    with django_assert_max_num_queries(60):
        client.get(reverse("studio_batch", args=[market.batch.public_id]))


# --- export -----------------------------------------------------------------------------------------------------------


def table_of(operation: Operation) -> list[dict[str, str]]:
    with default_storage.open(operation.result["file"]) as file:
        return list(csv.DictReader(io.StringIO(file.read().decode())))


def test_an_export_has_the_requesters_columns_and_the_labels(market):
    HitData.objects.filter(batch=market.batch).update(external_id=None, data={"text": "=1+1", "note": "plain"})

    done = run_to_end(start_export(batch=market.batch))
    rows = table_of(done)

    assert len(rows) == market.batch.hits.count() == done.result["rows"]
    assert {row["data.text"] for row in rows} == {"'=1+1"}, "no cell may be a formula"
    assert {row["digit"] for row in rows if row["digit.state"] == "settled"} <= {"zero", "one"}
    assert done.result["snapshot"].startswith(str(market.batch.public_id)[:8])


def test_an_export_that_is_killed_goes_on_and_no_row_is_twice(market, monkeypatch):
    monkeypatch.setattr(export, "AT_ONCE", 3)
    operation = start_export(batch=market.batch)
    work_on(take(operation), WORK["export"], seconds=0)  # a turn of one part
    operation.refresh_from_db()
    assert operation.state == "waiting" or operation.cursor == {}

    done = run_to_end(operation)

    ids = [row["hit"] for row in table_of(done)]
    assert len(ids) == len(set(ids)) == market.batch.hits.count()
    assert not default_storage.listdir("exports/parts")[1], "the parts are gone"


def test_a_file_that_is_not_finished_is_not_there(client, market):
    client.force_login(market.owner)
    operation = start_export(batch=market.batch, format="jsonl")
    url = reverse("export_file", args=[operation.public_id])

    assert client.get(url).status_code == 404
    run_to_end(operation)
    response = client.get(url)

    assert "attachment" in response["Content-Disposition"]
    lines = [json.loads(line) for line in b"".join(response.streaming_content).splitlines()]
    assert len(lines) == market.batch.hits.count() and "labels" in lines[0]


def test_what_an_export_cannot_be_is_refused_by_name(client, market):
    client.force_login(market.owner)

    page = client.post(reverse("batch_export", args=[market.batch.public_id]), {"export": "labels.xls"}, follow=True)

    assert "Format: One of csv, jsonl" in page.content.decode()


# --- quiz -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("said", "state", "told"), [("zero", "passed", "Passed"), ("one", "failed", "are needed")])
def test_a_quiz_is_taken_on_its_page_and_says_how_it_went(said, state, told, client, market):
    client.force_login(market.worker.user)
    url = reverse("quiz", args=[market.quiz_batch.public_id])
    assert "2 questions like those of the work" in client.get(url).content.decode()
    client.post(url + "start/")
    attempt = QuizAttempt.objects.get()
    form = {f"{item.id}/q:digit": said for item in quiz_items(attempt)}

    partly = client.post(url + "answer/", dict([next(iter(form.items()))]))
    assert partly.status_code == 400 and QuizAttempt.objects.get().state == "open"
    page = client.post(url + "answer/", form, follow=True).content.decode()

    assert QuizAttempt.objects.get().state == state
    assert told in page


def test_the_quiz_of_work_without_one_is_not_there(client, market):
    client.force_login(market.worker.user)

    assert client.get(reverse("quiz", args=[market.batch.public_id])).status_code == 404
