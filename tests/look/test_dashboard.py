"""The dashboard over all batches, the workers of one, and the acts of its page."""

from __future__ import annotations

import numpy as np
import pytest
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from lifecycle.decide import decide_due
from lifecycle.operations import run_due_operations
from marketplace.models import Batch, Block, WebhookDelivery
from payments.models import Account
from payments.selectors import balance
from quality.curves import majority_by_answers
from quality.models import Belief, GoldQuestion

pytestmark = pytest.mark.django_db


def test_the_dashboard_says_how_far_each_is_and_what_it_cost(client, market):
    beliefs = Belief.objects.filter(hit__batch=market.batch, hit__lane=0)
    beliefs.update(state="disputed")
    disputed = beliefs.values("hit").distinct().count()
    client.force_login(market.owner)

    page = client.get(reverse("studio_batches"))

    rows = {batch.pk: summary for batch, summary in page.context["rows"]}
    summary = rows[market.batch.pk]
    assert summary.items == 8 and summary.disputed == disputed
    assert "disputed" in page.content.decode()
    assert summary.held == balance(Account.Kind.ESCROW, market.batch.pk, "EUR") > 0
    decide_now(market.batch)
    cache.clear()
    rows = {batch.pk: summary for batch, summary in client.get(reverse("studio_batches")).context["rows"]}
    paid = market.batch.assignments.filter(state="approved").count()
    assert rows[market.batch.pk].spent == paid * market.batch.price > 0


def decide_now(batch):
    batch.assignments.filter(state="submitted").update(decide_at="2001-01-01T00:00Z")
    decide_due()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"q": "A draft"}, ["A draft"]),
        ({"q": "behind a quiz"}, ["quiz"]),
        ({"state": "draft"}, ["A draft"]),
        ({"state": "needs"}, ["A draft"]),
        ({"state": "publishing"}, []),
        ({"q": "no such words"}, []),
    ],
)
def test_batches_are_searched_and_filtered(asked, found, client, market):
    Batch.objects.filter(pk=market.quiz_batch.pk).update(name="quiz")
    client.force_login(market.owner)

    page = client.get(reverse("studio_batches"), asked)

    assert [batch.name for batch, _summary in page.context["rows"]] == found


def test_the_dashboard_asks_the_same_queries_for_any_number_of_batches(
    client, market, make_batch, django_assert_num_queries
):
    client.force_login(market.owner)
    client.get(reverse("studio_batches"))
    for more in (0, 5):
        for _batch in range(more):
            make_batch(project=market.project)
        cache.clear()
        with django_assert_num_queries(DASHBOARD_QUERIES):
            client.get(reverse("studio_batches"))
    with django_assert_num_queries(DASHBOARD_QUERIES - 3):  # what is fresh is not counted again
        client.get(reverse("studio_batches"))


#: Session, user, organisation, count, page, three figures, notices.
DASHBOARD_QUERIES = 9


def test_the_workers_of_a_batch_stand_under_the_names_that_the_requester_knows(
    client, market, django_assert_max_num_queries
):
    client.force_login(market.owner)

    with django_assert_max_num_queries(40):
        page = client.get(reverse("studio_workers", args=[market.batch.public_id]))

    table = page.context["table"]
    assert sum(one["answers"] for one in table) == 12
    assert sum(one["rejected"] for one in table) == 1
    assert all(one["code"].startswith("W") for one in table)
    assert market.worker.user.email not in page.content.decode()


def test_more_answers_rows_an_end_and_a_copy_are_asked_for_on_the_page(client, market):
    client.force_login(market.owner)
    act = lambda name: reverse("batch_act", args=[market.batch.public_id, name])  # noqa: E731
    before = sum(market.batch.hits.values_list("max_assignments", flat=True))

    client.post(act("more"), {"answers": "1"})
    client.post(act("extend"), {"expires_at": "2099-05-01T12:00"})
    client.post(act("rows"), {"file": SimpleUploadedFile("more.csv", b"text\nnine\nten\n")})
    run_due_operations(limit=5)
    copied = client.post(reverse("batch_clone", args=[market.draft.public_id]))

    market.batch.refresh_from_db()
    assert sum(market.batch.hits.values_list("max_assignments", flat=True)) > before
    assert market.batch.expires_at.year == 2099
    assert market.batch.hits.count() == 10
    assert Batch.objects.order_by("-pk").first().name == "A draft (copy)" and copied.status_code == 302


@pytest.mark.parametrize(
    ("act", "form", "told"),
    [
        ("more", {"answers": "0"}, "A whole number from 1"),
        ("extend", {"expires_at": "2001-01-01T00:00"}, "This time has passed"),
        ("extend", {"expires_at": "soon"}, "Write a day and a time"),
        ("rows", {}, "Choose a table"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(act, form, told, client, market):
    client.force_login(market.owner)
    before = Batch.objects.values().get(pk=market.batch.pk)

    page = client.post(reverse("batch_act", args=[market.batch.public_id, act]), form, follow=True).content.decode()

    assert told in page
    assert Batch.objects.values().get(pk=market.batch.pk) == before


def test_the_curve_rises_with_the_answers_of_a_crowd_that_is_mostly_right():
    rng = np.random.default_rng(1)
    truth = {hit: {int(rng.integers(3))} for hit in range(200)}
    said = {
        hit: [next(iter(right)) if rng.random() < 0.75 else int(rng.integers(3)) for _n in range(7)]
        for hit, right in truth.items()
    }

    points = majority_by_answers(said, truth, 3)

    assert [one.answers for one in points] == [1, 2, 3, 4, 5, 6, 7]
    assert points[0].share == pytest.approx(0.75 + 0.25 / 3, abs=0.05)
    assert points[6].share > points[2].share > points[0].share
    assert all(one.low < one.share < one.high and one.items == 200 for one in points)
    # Two answers are no better than one: a tie is a coin.
    assert points[1].share == pytest.approx(points[0].share, abs=0.02)


# --- pages of what only the API knew ----------------------------------------------------------------------------------


def test_a_project_is_copied_and_archived(client, market):
    client.force_login(market.owner)

    copied = client.post(reverse("project_act", args=[market.project.public_id, "clone"]))
    client.post(reverse("project_act", args=[market.project.public_id, "archive"]))

    market.project.refresh_from_db()
    assert market.project.archived_at is not None
    assert "Read digits (copy)" in client.get(copied.url).content.decode()
    names = [project.name for project in client.get(reverse("studio")).context["page"].object_list]
    assert "Read digits (copy)" in names and market.project.name not in names
    assert client.post(reverse("project_act", args=[market.project.public_id, "burn"])).status_code == 404


def test_a_key_is_corrected_and_released_on_its_page(client, market):
    client.force_login(market.owner)

    client.post(reverse("known_act", args=[market.known.public_id, "correct"]), {"k-digit": "one", "reason": "a slip"})
    market.known.refresh_from_db()
    assert market.known.keys == {"digit": {"accept": ["one"]}}
    page = client.post(
        reverse("known_act", args=[market.known.public_id, "correct"]), {"k-digit": "seven"}, follow=True
    )
    market.known.refresh_from_db()
    assert market.known.keys == {"digit": {"accept": ["one"]}} and "Choose" in page.content.decode()


def test_an_item_is_marked_by_its_name_and_a_wrong_name_is_told(client, market):
    client.force_login(market.owner)
    hit = market.batch.hits.order_by("pk").first()
    url = reverse("known_mark", args=[market.project.public_id])

    wrong = client.post(url, {"item": "nowhere", "k-digit": "zero"}, follow=True)
    client.post(url, {"item": str(hit.data_row.public_id), "k-digit": "zero"})

    assert "no item “nowhere”" in wrong.content.decode()
    assert GoldQuestion.objects.get(hit=hit).keys == {"digit": {"accept": ["zero"]}}


def test_a_quiz_question_is_added_and_taken_out(client, market):
    client.force_login(market.owner)
    url = reverse("quiz_add", args=[market.quiz_batch.project.public_id])

    refused = client.post(url, {"d-text": "kept", "k-digit": "seven"})
    client.post(url, {"d-text": "a new one", "k-digit": "one", "explanation": "it has one stroke"})

    assert refused.status_code == 400 and "kept</textarea>" in refused.content.decode()
    added = GoldQuestion.objects.get(data={"text": "a new one"})
    client.post(reverse("known_act", args=[added.public_id, "release"]))
    added.refresh_from_db()
    assert added.state == "retired"


def test_roles_are_changed_and_the_last_owner_stays(client, market, make_user):
    other = market.requester.memberships.create(user=make_user(), role="viewer")
    own = market.requester.memberships.get(user=market.owner)
    client.force_login(market.owner)

    client.post(reverse("studio_member", args=[other.pk]), {"role": "manager"})
    told = client.post(reverse("studio_member", args=[own.pk]), {"role": "viewer"}, follow=True).content.decode()
    client.force_login(other.user)
    refused = client.post(reverse("studio_member", args=[own.pk]), {"do": "remove"})

    other.refresh_from_db()
    own.refresh_from_db()
    assert (other.role, own.role) == ("manager", "owner")
    assert "needs an owner" in told and refused.status_code == 404


def test_a_webhook_is_made_changed_and_its_secret_shown_once(client, market):
    client.force_login(market.owner)
    made = client.post(reverse("webhook_new"), {"url": "https://example.org/a", "events": ["label.settled"]})
    assert "whsec_" in made.content.decode()
    assert "whsec_" not in client.get(reverse("studio_webhooks")).content.decode()

    refused = client.post(
        reverse("webhook_new"), {"url": "http://127.0.0.1/", "events": ["label.settled"]}, follow=True
    )
    client.post(
        reverse("webhook_act", args=[market.webhook.public_id, "change"]),
        {"url": "https://example.org/b", "events": ["label.settled"]},
    )
    market.webhook.refresh_from_db()

    assert "note bad" in refused.content.decode()
    assert (market.webhook.url, market.webhook.is_active) == ("https://example.org/b", False)
    again = {"delivery": WebhookDelivery.objects.get().pk}
    page = client.post(reverse("webhook_act", args=[market.webhook.public_id, "again"]), again, follow=True)
    assert "arrives by itself" in page.content.decode()  # nothing of it is left to send


def test_files_are_kept_and_those_that_cannot_be_are_told_by_name(client, market):
    client.force_login(market.owner)
    svg = SimpleUploadedFile("ok.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>')
    bad = SimpleUploadedFile("bad.exe", b"MZ nothing to see")

    page = client.post(reverse("media_upload"), {"files": [svg, bad]}, follow=True).content.decode()

    assert "1 file is here" in page and "bad.exe" in page
    assert "/media/" in client.get(reverse("studio_media"), {"csv": ""}).content.decode()


def test_somebody_is_worked_without_and_with_again(client, market):
    client.force_login(market.owner)
    code = client.get(reverse("studio_workers", args=[market.batch.public_id])).context["table"][0]["code"]

    client.post(reverse("block_act"), {"worker": code, "reason": "Two answers a minute."})
    assert Block.objects.get().reason == "Two answers a minute."
    told = client.post(reverse("block_act"), {"worker": "WNOBODY", "reason": "x"}, follow=True).content.decode()
    client.post(reverse("block_act"), {"worker": code, "do": "unblock"})

    assert "Nobody is known to you" in told and not Block.objects.exists()
