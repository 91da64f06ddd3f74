"""The work page in a hard life: undo, two tabs, a closed lid, a lost connection, a deadline that passes."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from lifecycle.accept import accept
from lifecycle.digest import digest_due
from lifecycle.expire import expire_due
from lifecycle.invariants import check_invariants
from marketplace.models import Answer, Assignment, Draft, GuidelineNote, Participation
from marketplace.services.media import upload_media
from quality.models import Flag
from tests.look.conftest import at_rest, moves_on
from tests.marketplace.test_media import picture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
NOTE = [{"name": "note", "kind": "text"}]
HOLDS_A_MOMENT = 15_000


def answers():
    rows = Answer.objects.order_by("assignment__submitted_at", "assignment_id", "version")
    return list(rows.values_list("version", "data__answers"))


def end_of_time(batch, **which):
    """The deadlines of these places are over, and the clock has looked."""
    Assignment.objects.filter(batch=batch, state="accepted", **which).update(
        deadline=timezone.now() - timedelta(seconds=1)
    )
    expire_due()


def comes_back(page):
    """As when a lid opens or a window comes to the front again."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


# --- undo -------------------------------------------------------------------------------------------------------------


def test_undo_gives_time_to_change_and_what_is_not_changed_stands(work, at_work):
    batch, worker = work(hits=3, undo_seconds=8)
    page = at_work(batch, worker)
    first = page.url

    page.keyboard.press("1")
    moves_on(page, lambda: page.keyboard.press("Enter"))
    assert page.locator("[data-saved-line]").inner_text().startswith("Last answer saved: zero")
    with page.expect_response("**/undo/"):
        page.keyboard.press("z")
    page.wait_for_url(first)
    answer = Answer.objects.get()
    assert answer.final_at - answer.received_at == timedelta(seconds=60), "a minute from the first version on"
    assert page.get_by_text("Change your answer.").is_visible()
    page.keyboard.press("2")
    moves_on(page, lambda: page.keyboard.press("Enter"))
    assert answers() == [(1, {"digit": "zero"}), (2, {"digit": "one"})]

    with page.expect_response("**/undo/"):
        page.keyboard.press("z")
    page.reload()  # in the middle of the change
    assert page.locator(".stage input:checked").get_attribute("value") == "one"
    page.evaluate("document.querySelector('.stage').until = 0")
    page.get_by_text("The answer that you gave stands.").wait_for()
    Answer.objects.update(final_at=timezone.now())
    digest_due()
    assert Answer.objects.count() == 2 and Answer.objects.filter(digested_at=None).count() == 0


def test_an_answer_that_has_not_left_is_taken_back_without_a_trace(work, at_work, context):
    batch, worker = work(hits=2, undo_seconds=8)
    page = at_work(batch, worker)

    context.set_offline(True)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.get_by_text("No connection.").first.wait_for()
    page.keyboard.press("z")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    context.set_offline(False)
    page.get_by_text("Connected again.").wait_for(timeout=HOLDS_A_MOMENT)
    at_rest(page)

    assert answers() == [(1, {"digit": "one"})]


# --- tabs, lids, connections, deadlines -------------------------------------------------------------------------------


def test_two_tabs_do_not_fight(work, at_work, context, complaints):
    batch, worker = work(NOTE, hits=6)
    page = at_work(batch, worker)
    other = context.new_page()
    other.goto(page.url)
    at_rest(other)

    page.bring_to_front()
    page.keyboard.type("From the first tab")
    other.wait_for_function("() => document.querySelector('textarea').value === 'From the first tab'")
    moves_on(page, lambda: page.keyboard.press("Control+Enter"))
    other.get_by_text("You finished that one in another window. This is the next.").wait_for()
    at_rest(other)
    assert other.url != page.url
    other.bring_to_front()
    other.locator("textarea[name='q:note']").fill("From the second")
    moves_on(other, lambda: other.keyboard.press("Control+Enter"))

    assert answers() == [(1, {"note": "From the first tab"}), (1, {"note": "From the second"})]
    assert not complaints


def test_a_lid_is_closed_in_the_middle_of_an_answer(work, at_work, browser, context, live_server):
    batch, worker = work(NOTE, hits=2)
    page = at_work(batch, worker)

    with page.expect_response("**/draft/"):
        page.keyboard.type("Half a sentence")
    address = page.url
    page.reload()
    assert page.locator("textarea[name='q:note']").input_value() == "Half a sentence"
    at_rest(page)
    assert Assignment.objects.filter(is_ahead=True).count() == 1, "loading again takes no second place ahead"
    page.close()
    elsewhere = browser.new_context(storage_state={"cookies": context.cookies()})
    page = elsewhere.new_page()
    page.goto(live_server.url + reverse("find_work"))
    page.locator("main").get_by_text("Go on").click()
    page.wait_for_url(address)

    assert page.locator("textarea[name='q:note']").input_value() == "Half a sentence"
    elsewhere.close()


def test_a_lost_connection_loses_no_answer(work, at_work, context):
    batch, worker = work(hits=4)
    page = at_work(batch, worker)

    context.set_offline(True)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.get_by_text("1 waiting.").wait_for()
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="No connection, and nothing more at hand.").wait_for()
    assert page.get_by_text("2 waiting.").is_visible()
    assert not Answer.objects.exists()
    end_of_time(batch, is_ahead=True)  # its lease ran out meanwhile: nobody told the server that it was opened
    context.set_offline(False)
    page.get_by_text("Connected again. Everything is sent.").wait_for(timeout=HOLDS_A_MOMENT)
    page.locator(".stage").wait_for()

    assert answers() == [(1, {"digit": "zero"}), (1, {"digit": "one"})]
    assert set(Assignment.objects.filter(submitted_at__isnull=False).values_list("state", flat=True)) == {"submitted"}
    assert [finding for finding in check_invariants() if finding.broken] == []


def test_answers_of_a_closed_tab_go_out_from_any_page_of_the_worker(work, at_work, context, live_server):
    batch, worker = work(hits=2)
    page = at_work(batch, worker)

    context.set_offline(True)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.get_by_text("1 waiting.").wait_for()
    page.close()
    context.set_offline(False)
    page = context.new_page()
    with page.expect_response("**/submit/"):
        page.goto(live_server.url + reverse("earnings"))

    assert answers() == [(1, {"digit": "zero"})]


def test_who_is_signed_out_keeps_what_they_answered(work, at_work, context, signed_in):
    batch, worker = work(hits=3)
    page = at_work(batch, worker)

    cookies = context.cookies()
    context.clear_cookies()
    refused = []
    page.on("response", lambda response: refused.append(response) if response.status == 403 else None)
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    page.get_by_text("You are signed out.").wait_for()
    while len(refused) < 3:  # the answer, the HIT that is shown and the next one: each refusal brings a cookie
        page.wait_for_timeout(20)
    assert page.get_by_role("link", name="Sign in").is_visible() and not Answer.objects.exists()
    context.add_cookies(cookies)
    page.get_by_role("button", name="Send now").click()
    page.get_by_text("Connected again.").wait_for(timeout=HOLDS_A_MOMENT)

    assert answers() == [(1, {"digit": "zero"})]


def test_the_page_does_not_say_that_it_is_back_before_it_is(work, at_work, context):
    batch, worker = work(NOTE, hits=3)
    page = at_work(batch, worker)
    toasts = page.get_by_text("Connected again.")

    cookies = context.cookies()
    context.clear_cookies()
    page.keyboard.type("Half of it")  # its draft is all that goes out
    page.get_by_text("You are signed out.").wait_for()
    with page.expect_response(lambda response: "/next/" in response.url or "/login/" in response.url):
        pass  # it has asked on its own whether it is back
    page.wait_for_timeout(300)
    assert page.get_by_text("You are signed out.").is_visible() and toasts.count() == 0
    context.add_cookies(cookies)
    toasts.wait_for(timeout=HOLDS_A_MOMENT)

    assert not page.get_by_text("You are signed out.").is_visible()


def test_the_deadline_passes_and_nothing_typed_is_lost(work, at_work):
    batch, worker = work(NOTE, hits=1, auto_approve_seconds=600)
    page = at_work(batch, worker)

    page.keyboard.type("Almost done")
    page.evaluate("document.querySelector('.stage').until = Date.now() + 30000")
    page.wait_for_function(
        "() => document.querySelector('[data-say]').textContent === 'One minute left for this answer.'"
    )
    end_of_time(batch)
    comes_back(page)
    over = page.locator("[data-over]")  # it is spoken, too
    over.get_by_text("The time for this answer is over. Nothing that you typed is lost.").wait_for()
    page.reload()
    assert page.locator("textarea[name='q:note']").input_value() == "Almost done"
    assert page.locator(".stage [data-over]").is_visible()
    with page.expect_response("**/submit/") as sent:
        page.keyboard.press("Control+Enter")

    assert sent.value.json()["is_late"] and sent.value.json()["has_place"]
    assert answers() == [(1, {"note": "Almost done"})]


# --- pages of several, reports, guide, picture, phone -----------------------------------------------------------------


def test_a_page_of_several_hits(work, at_work, complaints):
    batch, worker = work(hits=7, page_size=3)
    page = at_work(batch, worker)
    page.evaluate("window.sameWindow = true")
    assert page.locator(".stage").count() == 3

    page.keyboard.press("1")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    assert page.locator(".stage").nth(2).get_by_text("Answer this question.").is_visible()
    assert not Answer.objects.exists()
    page.keyboard.press("1")
    moves_on(page, lambda: page.keyboard.press("Enter"))
    assert [said["digit"] for _, said in answers()] == ["zero", "one", "zero"]
    assert page.locator(".stage").count() == 3
    page.keyboard.press("s")
    page.wait_for_function("() => document.querySelectorAll('.stage').length === 2")
    for key in "12":
        page.keyboard.press(key)
    moves_on(page, page.get_by_role("button", name="Submit all").click)

    assert Answer.objects.count() == 5 and Assignment.objects.filter(state="returned").count() == 1
    assert page.evaluate("window.sameWindow") is True, "the page was loaded again"
    assert page.locator(".stage").count() == 1
    assert not complaints


def test_the_map_of_keys_a_report_that_stays_and_what_distresses(work, at_work):
    batch, worker = work(hits=3)
    page = at_work(batch, worker)

    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="Keyboard map").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.get_by_label("It shows personal data").check()
    with page.expect_response("**/report/"):
        page.get_by_role("button", name="Report and answer it").click()
    assert Assignment.objects.filter(state="returned").count() == 0
    moves_on(page, lambda: page.keyboard.press("d"))

    assert list(Flag.objects.order_by("pk").values_list("kind", "message")) == [
        ("report", "A worker reports that it shows personal data."),
        ("distress", "A worker reports that it is distressing."),
    ]
    assert Assignment.objects.get(state="returned").return_reason == "distressing"


def test_instructions_with_examples_notes_and_what_changed_since(
    make_project, make_batch, make_worker, at_work, live_server
):
    project = make_project(instructions="- Judge the shape.\n- Ignore the size.", instruction_version=1)
    worker, before = make_worker(), make_batch(project=project)
    accept(worker=worker, batch=before)
    before.state = "closed"
    before.save(update_fields=["state"])
    project.instructions, project.instruction_version = "- Judge the shape.\n- A barred seven is a seven.", 2
    project.examples = [
        {"shows": "A **seven** with a bar", "is_good": True, "why": "It is a seven."},
        {"shows": "A one with a foot", "is_good": False, "why": "Not a seven."},
    ]
    project.save()
    batch = make_batch(project=project, hits=2)
    GuidelineNote.objects.create(batch=batch, body="A six may lean.", by=1)
    page = at_work(batch, worker)

    guide = page.get_by_role("complementary", name="Instructions")
    assert [figure.inner_text() for figure in guide.locator("figure").all()] == [
        "A seven with a bar\n\nIt is a seven.",
        "A one with a foot\n\nNot a seven.",
    ]
    assert "A six may lean." in guide.inner_text()
    page.get_by_text("The instructions changed since your last time.").click()
    changes = page.locator("[data-changes]")
    assert "Ignore the size." in changes.locator("del").inner_text()
    assert "A barred seven is a seven." in changes.locator("ins").first.inner_text()
    assert "Judge the shape." not in changes.inner_text()
    with page.expect_response("**/work/read/**"):
        page.get_by_role("button", name="I have read it").click()

    assert page.locator("[data-changes]").count() == 0
    assert Participation.objects.get(batch=batch).instruction_version_seen == 2
    page.reload()
    assert page.locator("[data-changes]").count() == 0
    assert guide.get_by_text("What changed on").is_visible()


def test_a_picture_is_zoomed_and_moved_while_keys_still_answer(make_project, make_batch, make_worker, at_work):
    project = make_project(template="{{image card | A card}}")
    media = upload_media(requester=project.requester, content=picture())
    batch = make_batch(project=project, hits=2)
    for hit in batch.hits.all():
        hit.data_row.data = {"card": f"/media/{media.public_id}"}
        hit.data_row.save(update_fields=["data"])
    page = at_work(batch, make_worker())
    shown = page.locator(".pane img")

    page.keyboard.press("+")
    page.keyboard.press("+")
    assert "scale(2.25)" in shown.evaluate("e => e.style.transform")
    before = shown.bounding_box()
    page.locator(".pane").focus()
    page.keyboard.press("ArrowRight")
    assert shown.bounding_box()["x"] < before["x"]
    page.keyboard.press("2")
    assert page.locator(".stage input:checked").get_attribute("value") == "one"
    page.keyboard.press("-")
    page.keyboard.press("-")
    assert shown.evaluate("e => e.style.transform") == ""


def test_on_a_phone_the_acts_are_in_reach_of_a_thumb(work, browser, context, live_server, signed_in):
    batch, worker = work(hits=2)
    signed_in(worker.user)
    phone = browser.new_context(
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        storage_state={"cookies": context.cookies()},
    )
    page = phone.new_page()
    page.goto(live_server.url + reverse("find_work"))
    page.get_by_role("button", name=f"Start {batch.project.name}").tap()
    page.wait_for_url("**/work/*-*/")
    at_rest(page)

    acts = page.locator(".stage .work-acts").bounding_box()
    assert round(acts["y"] + acts["height"]) == 844
    small = [
        (one.inner_text(), one.bounding_box())
        for one in page.locator(".stage .choice:visible, .stage .work-acts .btn:visible").all()
        if one.bounding_box()["height"] < 44
    ]
    assert small == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".choice").first.tap()
    moves_on(page, page.get_by_role("button", name="Submit").tap)
    assert page.evaluate("document.querySelector('[data-say]').textContent").startswith("Next:")
    assert re.search("Last answer saved", page.locator("[data-saved-line]").inner_text()) is None  # no time of undo
    phone.close()
    assert Draft.objects.count() <= 1
