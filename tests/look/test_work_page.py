"""The work page: keys for every kind, undo, a lost connection, and the same form without a script."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from lifecycle.accept import accept
from lifecycle.invariants import check_invariants
from lifecycle.submit import submit
from marketplace.errors import NoWork
from marketplace.models import Answer, Assignment, HitData, Participation
from marketplace.widgets import keys_for
from quality.services.gold import mark_as_gold
from tests.look.conftest import moves_on, settle
from tests.quality.test_secrecy import bare
from users.models import User
from workers_app.models import Worker

EVERY_KIND = [
    {"name": "topic", "kind": "categorical", "labels": ["Politics", "Sport", "Culture"]},
    {"name": "which", "kind": "multilabel", "labels": ["People", "Places"]},
    {"name": "tone", "kind": "ordinal", "labels": ["bad", "fair", "good"], "na": True},
    {
        "name": "people",
        "kind": "number",
        "min": 0,
        "max": 20,
        "when": {"question": "which", "op": "==", "value": "People"},
    },
    {"name": "better", "kind": "pairwise", "tie": True, "left": "a", "right": "b"},
    {"name": "heading", "kind": "text", "required": False},
]


def said(batch):
    """What was handed in, newest versions, in the order of handing in."""
    rows = Assignment.objects.filter(batch=batch, submitted_at__isnull=False).order_by("submitted_at")
    return [row.answers.order_by("-version").first().data for row in rows]


# --- in the browser ---------------------------------------------------------------------------------------------------

browser = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def submit_by_key(page):
    moves_on(page, lambda: page.keyboard.press("Enter"))


class TestInTheBrowser:
    pytestmark = browser

    def test_every_kind_is_answered_by_keys(self, work, at_work, complaints):
        batch, worker = work(EVERY_KIND, hits=2)
        page = at_work(batch, worker)
        people = page.locator("fieldset[data-q=people]")
        assert page.locator(".content").first.inner_text() == "The mayor <b>spoke</b>."
        assert people.is_hidden()

        page.keyboard.press("2")  # Sport; the keys go on to the next question
        page.keyboard.press("1")  # People, which brings the question of how many
        assert people.is_visible()
        page.locator("fieldset[data-q=tone] input").first.focus()
        page.keyboard.press("3")
        page.keyboard.type("4")  # the focus came to the number by itself
        page.locator("fieldset[data-q=better] input").first.focus()
        page.keyboard.press("2")
        page.keyboard.type("A short heading")
        moves_on(page, lambda: page.keyboard.press("Control+Enter"))

        assert said(batch)[0]["answers"] == {
            "topic": "Sport",
            "which": ["People"],
            "tone": "good",
            "people": 4,
            "better": "right",
            "heading": "A short heading",
        }
        assert not complaints

    def test_what_is_missing_is_said_at_its_question_and_nothing_is_sent(self, work, at_work):
        batch, worker = work(EVERY_KIND, hits=1)
        page = at_work(batch, worker)

        page.keyboard.press("1")
        page.keyboard.press("Control+Enter")

        assert page.locator("fieldset[data-q=which] [data-error]").inner_text() == "Answer this question."
        assert page.locator("fieldset[data-q=heading] [data-error]").is_hidden()
        assert not Answer.objects.exists()

    def test_an_answer_can_be_taken_back_while_it_is_not_final(self, work, at_work):
        batch, worker = work(undo_seconds=30)
        page = at_work(batch, worker)
        first = page.url

        page.keyboard.press("1")
        submit_by_key(page)
        page.keyboard.press("z")
        assert page.url == first and page.locator(".stage input:checked").get_attribute("value") == "zero"
        page.keyboard.press("2")
        submit_by_key(page)

        answers = list(Answer.objects.order_by("version").values_list("version", "data__answers__digit"))
        assert answers == [(1, "zero"), (2, "one")]
        assert page.locator("[data-count]").inner_text() == "1"

    def test_skip_report_and_cannot_be_answered(self, work, at_work):
        batch, worker = work(hits=4)
        page = at_work(batch, worker)

        moves_on(page, lambda: page.keyboard.press("s"))
        page.keyboard.press("r")
        page.get_by_label("Something is broken").check()
        page.get_by_label("In your words").fill("No picture.")
        moves_on(page, page.get_by_role("button", name="Report and skip").click)
        page.keyboard.press("c")
        page.get_by_label("Reason").last.fill("It is a blank page.")
        moves_on(page, page.get_by_role("button", name="Submit as not answerable").click)

        returned = Assignment.objects.filter(state="returned").order_by("pk")
        assert [(one.return_reason, one.return_note) for one in returned] == [("other", ""), ("broken", "No picture.")]
        assert said(batch)[0]["cannot_answer"] == "It is a blank page."

    def test_answers_survive_a_lost_connection(self, work, at_work, context):
        batch, worker = work(hits=3)
        page = at_work(batch, worker)

        context.set_offline(True)
        before = page.url
        page.keyboard.press("2")
        page.keyboard.press("Enter")
        page.wait_for_url(lambda url: url != before, timeout=10_000)  # the next one was at hand
        page.get_by_text("No connection. Your answers are kept here").wait_for()
        assert not Answer.objects.exists()
        context.set_offline(False)
        page.get_by_text("Connected again. Everything is sent.").wait_for(timeout=15_000)

        assert [one["answers"] for one in said(batch)] == [{"digit": "one"}]

    def test_what_is_typed_survives_a_closed_tab(self, work, at_work):
        batch, worker = work([{"name": "note", "kind": "text"}], hits=1)
        page = at_work(batch, worker)

        page.keyboard.type("Half a sentence")
        page.reload()

        assert page.locator("textarea[name='q:note']").input_value() == "Half a sentence"

    def test_a_worker_page_holds_no_telling_word_and_loads_no_other_host(self, work, at_work, page):
        heard = []
        page.on("request", lambda request: heard.append(request.url))
        batch, worker = work(hits=2)
        at_work(batch, worker)

        assert not re.search(r"gold|honeypot|\bcorrect", page.content(), re.IGNORECASE)
        hosts = {url.split("/")[2] for url in heard if url.startswith("http")}
        assert hosts == {page.url.split("/")[2]}


# --- without a script -------------------------------------------------------------------------------------------------


@pytest.mark.django_db
class TestWithoutAScript:
    def test_the_form_is_the_same_answer_and_leads_on(self, work, client):
        batch, worker = work(hits=2)
        client.force_login(worker.user)
        started = client.post(reverse("start_work", args=[batch.public_id]))

        response = client.post(started.url + "submit/", {"q:digit": "one"})

        assert said(batch) == [{"answers": {"digit": "one"}}]
        assert response.status_code == 302 and response.url.startswith("/work/") and response.url != started.url
        settle()
        assert client.post(response.url + "submit/", {"q:digit": "zero"}).url == reverse("find_work")

    def test_a_form_that_does_not_fit_stores_nothing_and_says_why(self, work, client):
        batch, worker = work()
        client.force_login(worker.user)
        place = accept(worker=worker, batch=batch)
        url = reverse("work_page", args=[place.public_id])

        page = client.post(url + "submit/", {"q:digit": "seven"}, follow=True).content.decode()

        assert "zero" in page and 'class="note bad"' in page
        assert not Answer.objects.exists()

    def test_starting_again_goes_on_where_one_stopped(self, work, client):
        batch, worker = work()
        client.force_login(worker.user)

        first = client.post(reverse("start_work", args=[batch.public_id])).url
        again = client.post(reverse("start_work", args=[batch.public_id])).url

        assert first == again
        assert Assignment.objects.count() == 1

    def test_a_page_that_is_only_looked_at_changes_nothing(self, work, client):
        batch, worker = work()
        client.force_login(worker.user)
        place = accept(worker=worker, batch=batch)
        before = Assignment.objects.values().get()

        client.get(reverse("work_page", args=[place.public_id]))
        client.get(reverse("find_work"))

        assert Assignment.objects.values().get() == before

    def test_what_is_handed_in_is_no_page_any_more(self, work, client):
        batch, worker = work()
        client.force_login(worker.user)
        url = client.post(reverse("start_work", args=[batch.public_id])).url
        client.post(url + "submit/", json.dumps({"answers": {"digit": "one"}}), content_type="application/json")

        assert client.get(url).url == reverse("find_work")
        wrong = client.post(
            url + "submit/", json.dumps({"answers": {"digit": "zero"}}), content_type="application/json"
        )
        assert wrong.status_code == 409 and wrong.json()["code"] == "already_final"

    @pytest.mark.parametrize(
        ("body", "code"), [(b"{", "answer_invalid"), (b'{"answers": {"digit": 3}}', "answer_invalid")]
    )
    def test_a_program_in_the_page_is_told_by_field(self, body, code, work, client):
        batch, worker = work()
        client.force_login(worker.user)
        url = client.post(reverse("start_work", args=[batch.public_id])).url

        response = client.post(url + "submit/", body, content_type="application/json")

        assert response.status_code == 400 and response.json()["code"] == code and response.json()["errors"]
        assert not Answer.objects.exists()

    def test_the_next_one_is_held_ahead_and_begins_when_it_is_opened(self, work, client):
        batch, worker = work(hits=2)
        client.force_login(worker.user)
        client.post(reverse("start_work", args=[batch.public_id]))

        found = client.post(reverse("work_next", args=[batch.public_id])).json()
        ahead = Assignment.objects.get(public_id=found["ids"][0])
        assert ahead.is_ahead and ahead.opened_at is None and "data-reward" in found["html"][0]
        assert client.post(reverse("work_renew", args=[ahead.public_id])).status_code == 204
        opened = client.post(reverse("work_open", args=[ahead.public_id]), "{}", content_type="application/json").json()

        ahead.refresh_from_db()
        assert not ahead.is_ahead and opened["deadline"] == int(ahead.deadline.timestamp())
        assert client.post(reverse("work_next", args=[batch.public_id])).json() == {
            "ids": [],
            "html": [],
            "code": "no_work",
            "detail": NoWork.message,
        }


@pytest.mark.django_db
def test_what_was_sent_back_has_the_time_until_it_is_decided(work, client):
    batch, worker = work(hits=1)
    client.force_login(worker.user)
    place = accept(worker=worker, batch=batch)
    assignment = Assignment.objects.get(pk=place.assignment_id)
    submit(assignment=assignment, raw=b'{"answers": {"digit": "one"}}')
    now = timezone.now()
    Assignment.objects.update(state="revising", deadline=now - timedelta(days=1), decide_at=now + timedelta(hours=48))
    url = reverse("work_page", args=[place.public_id])

    page = client.get(url).content.decode()
    opened = client.post(f"{url}open/", "{}", content_type="application/json").json()

    assert 172_700 < int(re.search(r'data-left="(\d+)"', page)[1]) <= 172_800
    assert 172_700 < opened["left"] <= 172_800


@pytest.mark.django_db
class TestAPreview:
    def test_the_claim_chooses_it_and_shows_it_again_until_it_is_taken(self, work, client):
        batch, worker = work(hits=3)
        client.force_login(worker.user)
        look = reverse("work_preview", args=[batch.public_id])

        first, again = client.post(look).url, client.post(look).url
        page = client.get(first).content.decode()

        assert first == again and Assignment.objects.count() == 1
        assert "Accept and start" in page and 'data-act="skip"' not in page
        place = Assignment.objects.get()
        assert place.is_ahead and place.opened_at, "seen, which counts as an opening; its time has not begun"
        assert client.post(f"{first}open/").url == first
        place.refresh_from_db()
        assert not place.is_ahead and "Accept and start" not in client.get(first).content.decode()
        assert [finding for finding in check_invariants() if finding.broken] == []

    def test_it_may_be_left(self, work, client):
        batch, worker = work(hits=3)
        client.force_login(worker.user)
        shown = client.post(reverse("work_preview", args=[batch.public_id])).url

        left = client.post(f"{shown}return/", {"then": "list"})

        assert left.url == reverse("find_work")
        assert Assignment.objects.get().state == "returned"
        assert client.post(reverse("work_preview", args=[batch.public_id])).url != shown
        assert [finding for finding in check_invariants() if finding.broken] == []


def test_keys_are_the_labels_themselves_where_they_can_be():
    assert keys_for(["7", "0", "3"]) == {"7": "7", "0": "0", "3": "3"}
    assert keys_for(["A", "B"]) == {"A": "a", "B": "b"}
    assert keys_for(["S", "M"]) == {"S": "1", "M": "2"}, "S skips"
    assert keys_for(["one", "two"]) == {"one": "1", "two": "2"}


def test_no_key_of_an_answer_acts_on_the_page():
    keys = keys_for([f"label {n}" for n in range(40)])

    assert len(set(keys.values())) == len(keys)
    assert not set(keys.values()) & set("srczxu?+-")


@pytest.mark.django_db
def test_no_byte_of_the_page_or_of_what_comes_next_tells_a_known_answer(work, client):
    batch, worker = work(hits=6)
    HitData.objects.filter(batch=batch).update(data={"text": "x" * 9})
    for hit in batch.hits.all()[:2]:
        mark_as_gold(hit=hit, keys={"digit": "one"})
    seen = {}
    for lane in (0, 1):  # each kind once as the page, and once as what comes next
        Participation.objects.filter(batch=batch).update(lane_share=lane)
        one = worker if not lane else Worker.objects.create(user=User.objects.create_user(f"w{lane}@example.org", "-"))
        Participation.objects.update_or_create(worker=one, batch=batch, defaults={"lane_share": lane})
        client.force_login(one.user)
        page = client.get(client.post(reverse("start_work", args=[batch.public_id])).url)
        taken = Assignment.objects.select_related("hit").get(worker=one)
        ahead = client.post(
            reverse("work_next", args=[batch.public_id]), b'{"keys": ["abcdefgh-0"]}', content_type="application/json"
        )
        found = ahead.json()
        assert len(found["ids"]) == 1
        seen[taken.hit.lane] = (bare(page.content.decode()), bare(found["html"][0]), list(found), list(page.headers))

    assert set(seen) == {0, 1} and seen[0] == seen[1]
