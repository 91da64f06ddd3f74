"""Review, audit and certificate as people meet them: each act by its form, what is hidden, and how much is asked."""

import orjson
import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from core.models import Operation
from core.operations import take, work_on
from lifecycle.operations import WORK
from lifecycle.refit import refit_project
from marketplace.models import Assignment, GuidelineNote, Hit, Message
from marketplace.services.judging import purse_of
from payments.models import Transfer
from payments.services.escrow import put_aside
from quality.models import AggregationRun, Belief, Certificate, GoldQuestion, Overruling, Sample
from quality.services.certificates import issue_certificate
from quality.services.sampling import answer_item, draw_sample
from quality.services.verifying import verify

pytestmark = pytest.mark.django_db


@pytest.fixture
def done(finished, client):
    found = finished(items=24)
    client.force_login(found.owner)
    return found


def review(done, **query):
    return reverse("studio_review", args=[done.batch.public_id], query=query)


def of_item(belief, **more):
    about = {"item": belief.hit.data_row.public_id, "question": "digit", "part": ""}
    return about | more


def first_disputed(done):
    return Belief.objects.filter(hit__batch=done.batch, state="disputed").order_by("confidence", "pk").first()


def test_the_most_disputed_comes_first(client, done):
    page = client.get(review(done))

    queue = page.context["queue"]
    assert [row["belief"].confidence for row in queue] == sorted(row["belief"].confidence for row in queue)
    assert page.context["belief"].pk == first_disputed(done).pk == queue[0]["belief"].pk


@pytest.mark.parametrize("order", ["unsure", "oldest", "waiting", "drawn", "nonsense"])
def test_every_order_has_its_page(order, client, done):
    assert client.get(review(done, order=order)).status_code == 200


def test_the_page_asks_the_same_few_queries_for_any_queue(client, done, django_assert_num_queries):
    client.get(review(done))

    with django_assert_num_queries(21):
        client.get(review(done))


def test_a_decision_goes_on_to_the_next_and_can_be_undone(client, done):
    belief = first_disputed(done)
    there = review(done, order="unsure")
    url = reverse("review_decide", args=[done.batch.public_id])

    response = client.post(url, of_item(belief, **{"q:digit": "one", "next": there, "reason": "It is."}))

    assert response.url == there
    row = Overruling.objects.get()
    assert (row.label, row.reason, row.chosen, row.inclusion) == (1, "It is.", "disputed", 1.0)
    page = client.get(there)
    assert page.context["toast"]["what"] == f"overruling:{row.public_id}"
    client.post(reverse("review_undo", args=[done.batch.public_id]), {"what": f"overruling:{row.public_id}"})
    belief.refresh_from_db()
    assert belief.state == "disputed" and Overruling.objects.count() == 2


def test_no_form_leads_to_another_site(client, done):
    url = reverse("review_decide", args=[done.batch.public_id])
    for elsewhere in ("https://evil.example/", "//evil.example", "/studio/batches/other/"):
        response = client.post(url, of_item(first_disputed(done), **{"q:digit": "one", "next": elsewhere}))

        assert response.url == review(done)


@pytest.mark.parametrize(("act", "left"), [("approve", "approved"), ("reject", "rejected"), ("redo", "revising")])
def test_one_answer_is_decided_after_a_moment(act, left, client, done):
    row = Assignment.objects.filter(batch=done.batch).first()
    Assignment.objects.filter(pk=row.pk).update(state="submitted", decided_at=None)
    Hit.objects.filter(pk=row.hit_id).update(funded=1)
    put_aside(purse=purse_of(done.batch), amount=done.batch.price, key="for one")
    client.post(
        reverse("review_answer", args=[done.batch.public_id]),
        {"act": act, "on": row.public_id, "reason": "Because.", "back": review(done)},
    )
    operation = Operation.objects.get(kind="decide")
    assert client.get(review(done)).context["toast"]["what"] == f"operation:{operation.public_id}"

    work_on(take(operation), WORK["decide"])

    row.refresh_from_db()
    assert row.state == left


def test_a_decision_that_waits_is_taken_back(client, done):
    row = Assignment.objects.filter(batch=done.batch).first()
    client.post(
        reverse("review_answer", args=[done.batch.public_id]),
        {"act": "disregard", "on": row.public_id, "reason": "Guessed."},
    )
    operation = Operation.objects.get(kind="decide")

    client.post(reverse("review_undo", args=[done.batch.public_id]), {"what": f"operation:{operation.public_id}"})
    work_on(take(operation), WORK["decide"])

    row.refresh_from_db()
    operation.refresh_from_db()
    assert row.counts and operation.state == "cancelled"


def test_a_bonus_is_paid_once_for_each_form(client, done):
    row = Assignment.objects.filter(batch=done.batch).first()
    sent = {"act": "bonus", "on": row.public_id, "reason": "Careful.", "amount": "0.50", "key": "one form"}
    for _ in range(2):
        client.post(reverse("review_answer", args=[done.batch.public_id]), sent)

    assert Transfer.objects.filter(kind="bonus").count() == 1


def test_a_message_reaches_the_worker(client, done):
    row = Assignment.objects.filter(batch=done.batch).first()

    client.post(
        reverse("review_answer", args=[done.batch.public_id]),
        {"act": "message", "on": row.public_id, "reason": "Was it smudged?"},
    )

    assert Message.objects.get().body == "Was it smudged?"


def test_a_note_and_a_known_answer(client, done):
    belief = first_disputed(done)
    client.post(reverse("review_clarify", args=[done.batch.public_id]), of_item(belief, body="A barred 7 is a 7."))
    client.post(reverse("review_gold", args=[done.batch.public_id]), of_item(belief, label="one"))

    assert GuidelineNote.objects.get().hit_id == belief.hit_id
    assert GoldQuestion.objects.get().keys == {"digit": {"accept": ["one"]}}


def test_many_are_previewed_and_decided(client, done):
    url = reverse("review_bulk", args=[done.batch.public_id], query={"act": "disregard", "which": "all"})
    seen = client.get(url).context["planned"]
    assert seen.count > 0 and not Operation.objects.filter(kind="decide").exists()

    sent = {"act": "disregard", "which": "all", "seal": seen.seal, "reason": "Other than the label."}
    client.post(reverse("review_bulk_do", args=[done.batch.public_id]), sent)

    assert Operation.objects.get(kind="decide").total == seen.count
    client.post(reverse("review_bulk_do", args=[done.batch.public_id]), sent | {"seal": ""})
    assert Operation.objects.filter(kind="decide").count() == 1


def test_viewers_read_and_decide_nothing(client, done, make_user):
    viewer = make_user()
    done.batch.project.requester.memberships.create(user=viewer, role="viewer")
    client.force_login(viewer)

    assert "Your decision" not in client.get(review(done)).content.decode()
    response = client.post(
        reverse("review_decide", args=[done.batch.public_id]), of_item(first_disputed(done), **{"q:digit": "one"})
    )
    assert response.status_code == 404 and not Overruling.objects.exists()


def test_an_item_tells_its_history(client, done):
    belief = first_disputed(done)
    client.post(reverse("review_decide", args=[done.batch.public_id]), of_item(belief, **{"q:digit": "one"}))

    page = client.get(reverse("studio_item", args=[belief.hit.data_row.public_id])).content.decode()

    assert page.count("answered <b>") == 5 and page.count("Belief: <b>") == 5 and "A person decided <b>one</b>" in page


# --- proof ------------------------------------------------------------------------------------------------------------


def test_from_the_draw_to_a_public_certificate(client, done, settings, tmp_path):
    settings.CERTIFICATE_KEYS = tmp_path / "keys"
    client.post(reverse("proof_draw", args=[done.batch.public_id]), {"size": "20", "question": "digit"})
    sample = Sample.objects.get()
    audit = reverse("studio_audit", args=[sample.public_id])
    while (item := client.get(audit).context["item"]) is not None:
        word = done.word(item.hit_id)
        client.post(reverse("audit_answer", args=[sample.public_id]), {"item": item.public_id, "q:digit": word})

    client.post(reverse("audit_certify", args=[sample.public_id]))
    certificate = Certificate.objects.get()
    public = reverse("public_certificate", args=[certificate.public_id])
    client.logout()
    assert client.get(public).status_code == 404
    client.force_login(done.owner)
    client.post(reverse("certificate_publish", args=[certificate.public_id]), {"public": "1", "shows": ["calibration"]})
    client.logout()

    page = client.get(public).content.decode()
    assert "Of 24 delivered labels" in page and "Does the confidence hold?" in page
    assert "Largest share of one worker" not in page  # kept back
    file = client.get(reverse("public_certificate_file", args=[certificate.public_id])).content
    assert set(orjson.loads(file)["sections"]) == {"calibration"}
    assert not [check for check in verify(file) if check.state == "BROKEN"]


def test_an_audit_page_says_nothing_of_label_and_answers(client, done):
    client.post(reverse("proof_draw", args=[done.batch.public_id]), {"size": "20", "question": "digit"})
    sample = Sample.objects.get()

    page = client.get(reverse("studio_audit", args=[sample.public_id]))

    content, item = page.content.decode(), page.context["item"]
    belief = Belief.objects.get(hit=item.hit_id)
    assert "checked" not in content and str(item.hit.data_row.public_id) not in content
    assert f"{belief.confidence * 100:.1f}" not in content and "×" not in content


def test_nothing_chosen_is_not_no_answer_fits(client, done):
    client.post(reverse("proof_draw", args=[done.batch.public_id]), {"size": "20", "question": "digit"})
    sample = Sample.objects.get()
    item = sample.items.order_by("place").first()

    client.post(reverse("audit_answer", args=[sample.public_id]), {"item": item.public_id})
    assert not sample.items.exclude(answered_at=None).exists()

    client.post(reverse("audit_answer", args=[sample.public_id]), {"item": item.public_id, "none": "1"})
    item.refresh_from_db()
    assert item.answered_at <= timezone.now() and item.answer is None


def test_a_draw_too_small_is_refused_with_what_would_do(client, done):
    page = client.post(reverse("proof_draw", args=[done.batch.public_id]), {"size": "3"}, follow=True).content.decode()

    assert "From 20 to 24" in page and not Sample.objects.exists()


# --- results ----------------------------------------------------------------------------------------------------------


def results(client, done, **asked):
    page = client.get(reverse("studio_results", args=[done.batch.public_id], query=asked))
    return {row.belief.hit_id for row in page.context["rows"]}, page


@pytest.mark.parametrize(
    ("asked", "means"),
    [
        ({"state": "uncertain"}, lambda b: b.confidence < 0.95),
        ({"state": "settled"}, lambda b: b.state == "settled"),
        ({"label": "one"}, lambda b: b.label == 1),
        ({"label": "one", "state": "disputed"}, lambda b: b.label == 1 and b.state == "disputed"),
        ({"label": "seven"}, lambda b: False),
    ],
)
def test_labels_are_filtered_by_the_address(asked, means, client, done):
    shown, page = results(client, done, **asked)

    assert shown == {belief.hit_id for belief in Belief.objects.all() if means(belief)}
    assert page.context["page"].paginator.count == len(shown)


def test_labels_are_found_by_their_data_and_by_their_id(client, done):
    hit = done.hits[7]

    assert results(client, done, q="ITEM 7")[0] == {hit.pk}
    assert results(client, done, q=str(hit.data_row.public_id)[:8].upper())[0] == {hit.pk}
    assert results(client, done, q="100%_\\")[0] == set()


def test_a_filter_stays_from_page_to_page(client, done):
    _shown, page = results(client, done, q="item & co", label="one")

    assert page.context["query"] == "label=one&q=item+%26+co&"


def test_what_is_proved_stands_on_top_and_nothing_else_is_called_so(client, done, settings, tmp_path):
    settings.CERTIFICATE_KEYS = tmp_path / "keys"
    assert "random checks" not in results(client, done)[1].content.decode()
    sample = draw_sample(batch=done.batch, size=20, by=done.owner)
    for item in sample.items.all():
        answer_item(item=item, answer=done.word(item.hit_id), by=done.owner)

    issue_certificate(sample=sample, by=done.owner)

    page = results(client, done)[1].content.decode()
    assert "from 20 random checks" in page and "Share found right in the random audit" in page


def test_results_ask_the_same_few_queries_for_any_number(client, done, django_assert_max_num_queries):
    results(client, done)
    cache.clear()

    with django_assert_max_num_queries(32):
        results(client, done)


# --- what known answers prove -----------------------------------------------------------------------------------------


def results_of(client, done):
    cache.clear()
    return " ".join(client.get(reverse("studio_results", args=[done.batch.public_id])).content.decode().split())


def with_known(done, number):
    for hit in done.hits[:number]:
        GoldQuestion.objects.create(
            project=done.batch.project, hit=hit, keys={"digit": {"accept": [done.word(hit.pk)]}}, state="retired"
        )
    refit_project(project=done.batch.project)


def test_results_say_what_known_answers_prove_and_what_the_target_would_take(client, finished):
    done = finished(items=80, accuracy=0.97)
    client.force_login(done.owner)
    known = reverse("studio_known", args=[done.batch.project.public_id])

    page = results_of(client, done)
    assert "No answer is known here yet" in page and known in page
    assert "takes 89 more known answers that come out as sure" in page  # of the target of 95 %

    with_known(done, 7)
    assert "The newest fit knew 7 answers; from 20 on" in results_of(client, done)

    with_known(done, 0)
    GoldQuestion.objects.all().delete()
    with_known(done, 50)
    page = results_of(client, done)
    report = AggregationRun.objects.latest("pk").report["calibration"]
    assert report["proven"] == 0.9 and report["targets"] == [{"target": 0.95, "more": 39}]
    assert "prove labels this sure up to <b>90 %</b>" in page
    assert "takes 39 more known answers" in page
    live = client.get(reverse("studio_batch", args=[done.batch.public_id])).content.decode()
    assert "until 95\u202f% sure, known answers prove 90\u202f% so far" in live


def test_a_target_that_is_proven_says_so(client, finished):
    done = finished(items=80, accuracy=0.97, rules={"target": 0.8})
    client.force_login(done.owner)
    live = reverse("studio_batch", args=[done.batch.public_id])
    with_known(done, 50)

    assert "That covers your target of 80 %." in results_of(client, done)
    assert "known answers prove" not in client.get(live).content.decode()


def test_known_answers_that_contradict_prove_nothing(client, finished):
    done = finished(items=80, accuracy=0.97)
    client.force_login(done.owner)
    done.truth[:10] = 1 - done.truth[:10]

    with_known(done, 30)

    assert "do not prove yet that labels are right as often as they are sure" in results_of(client, done)
    assert "not proven by known answers yet" in client.get(
        reverse("studio_batch", args=[done.batch.public_id])
    ).content.decode()  # fmt: skip
