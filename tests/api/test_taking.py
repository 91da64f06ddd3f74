"""Accept and submit over HTTP: few statements, and nothing for strangers."""

import json
import uuid

import pytest
from django.utils import timezone

from lifecycle.accept import accept
from marketplace.api import taking
from marketplace.models import Assignment, Participation
from tests.support.factories import body


def problem(response, status, code):
    assert (response.status_code, response["Content-Type"]) == (status, "application/problem+json")
    assert response.json()["code"] == code
    return response.json()


@pytest.fixture
def worker(make_worker):
    return make_worker()


@pytest.fixture
def client(api, worker):
    return api(worker.user, "work")


@pytest.mark.django_db
def test_a_worker_accepts_and_submits(client, make_batch, worker):
    batch = make_batch()

    place = client.post(f"batches/{batch.public_id}/accept")
    receipt = client.post(f"assignments/{place.json()['assignment']}/submit", body(digit="one"))

    assignment = Assignment.objects.get(worker=worker)
    assert place.status_code == 201
    assert place.json() == {
        "assignment": str(assignment.public_id),
        "batch": str(batch.public_id),
        "hit": str(assignment.hit.data_row.public_id),
        "state": "accepted",
        "reward": "0.10",
        "accepted_at": place.json()["accepted_at"],
        "deadline": place.json()["deadline"],
        "data": {"text": "item 0"},
    }
    assert receipt.status_code == 200
    assert assignment.state == "submitted"
    assert bytes(assignment.answers.get().raw) == body(digit="one")
    assert receipt.json()["final_at"] <= receipt.json()["received_at"]  # nothing to wait for


@pytest.mark.django_db
def test_the_critical_path_is_two_and_three_statements(client, make_batch, django_assert_num_queries):
    batch = make_batch(hits=4)
    first = client.post(f"batches/{batch.public_id}/accept").json()["assignment"]
    client.post(f"assignments/{first}/submit", body(digit="one"))

    with django_assert_num_queries(2):
        second = client.post(f"batches/{batch.public_id}/accept").json()["assignment"]
    with django_assert_num_queries(3):
        assert client.post(f"assignments/{second}/submit", body(digit="one")).status_code == 200


@pytest.mark.django_db
def test_the_same_key_gives_the_same_place(client, make_batch):
    batch = make_batch(hits=3)

    answers = [
        client.post(f"batches/{batch.public_id}/accept", Idempotency_Key="mine"),
        client.post(f"batches/{batch.public_id}/accept", {"accept_key": "mine"}),
        client.post(f"batches/{batch.public_id}/accept", {"accept_key": "other"}),
    ]

    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert answers[0].json() == answers[1].json() != answers[2].json()
    assert Assignment.objects.count() == 2


@pytest.mark.django_db
def test_a_submit_is_repeated_and_not_changed(client, make_batch):
    batch = make_batch()
    place = client.post(f"batches/{batch.public_id}/accept").json()["assignment"]
    first = client.post(f"assignments/{place}/submit", body(digit="one"))

    assert client.post(f"assignments/{place}/submit", body(digit="one")).content == first.content
    problem(client.post(f"assignments/{place}/submit", body(digit="zero")), 409, "already_final")
    assert Assignment.objects.get().answers.count() == 1


@pytest.mark.django_db
def test_a_stranger_finds_nothing_to_submit_to(client, api, make_batch, make_worker):
    batch = make_batch()
    place = client.post(f"batches/{batch.public_id}/accept").json()["assignment"]
    stranger = api(make_worker().user, "work")

    problem(stranger.post(f"assignments/{place}/submit", body(digit="one")), 404, "not_found")

    assert Assignment.objects.get().state == "accepted"


@pytest.mark.django_db
def test_what_is_not_published_or_private_is_not_there(client, make_batch, make_project):
    draft = make_batch()
    type(draft).objects.filter(pk=draft.pk).update(state="draft", published_at=None)
    private = make_batch(project=make_project(audience="team"))

    for unseen in (draft.public_id, private.public_id, uuid.uuid4()):
        problem(client.post(f"batches/{unseen}/accept"), 404, "not_found")

    assert not Assignment.objects.exists()


@pytest.mark.django_db
def test_refusals_say_why(client, api, worker, make_user, make_batch):
    batch = make_batch(hits=1)
    path = f"batches/{batch.public_id}/accept"

    assert problem(api().post(path), 401, "not_authenticated") and api().post(path)["WWW-Authenticate"]
    problem(api(worker.user, "read").post(path), 403, "scope_missing")
    problem(api(make_user(), "work").post(path), 403, "not_a_worker")
    assert client.get(path)["Allow"] == "POST"
    problem(client.get(path), 405, "method_not_allowed")
    problem(client.post(path, {"accept_key": ""}), 400, "invalid")
    problem(client.post(path, b"{"), 400, "malformed")
    worker.suspended_at = timezone.now()
    worker.save(update_fields=["suspended_at"])
    assert "suspended" in problem(client.post(path), 403, "not_eligible")["errors"]
    assert not Assignment.objects.exists()


@pytest.mark.django_db
def test_a_revoked_token_is_dead_at_once(client, worker, make_batch):
    batch = make_batch(hits=2)
    assert client.post(f"batches/{batch.public_id}/accept").status_code == 201

    worker.user.tokens.update(revoked_at=timezone.now())

    problem(client.post(f"batches/{batch.public_id}/accept"), 401, "not_authenticated")


@pytest.mark.django_db
def test_an_answer_that_does_not_fit_names_the_question(client, make_batch):
    batch = make_batch()
    place = client.post(f"batches/{batch.public_id}/accept").json()["assignment"]

    told = problem(client.post(f"assignments/{place}/submit", body(digit="seven")), 400, "answer_invalid")

    assert set(told["errors"]) == {"digit"}
    assert Assignment.objects.get().state == "accepted"


@pytest.mark.django_db
def test_naming_a_hit_needs_its_own_scope(client, api, worker, make_batch):
    batch = make_batch(hits=2)
    hit = batch.hits.order_by("pk").last()
    path = f"hits/{hit.data_row.public_id}/accept"
    Participation.objects.create(worker=worker, batch=batch)

    problem(client.post(path), 403, "scope_missing")
    place = api(worker.user, "work:any").post(path)

    assert place.json()["hit"] == str(hit.data_row.public_id)
    problem(api(worker.user, "work:any").post(path), 409, "already_had")


@pytest.mark.django_db
def test_an_unknown_address_is_a_problem_too(client):
    problem(client.get("nothing/here"), 404, "not_found")


@pytest.mark.django_db
def test_a_large_body_is_refused(client, make_batch):
    batch = make_batch()
    place = client.post(f"batches/{batch.public_id}/accept").json()["assignment"]

    large = json.dumps({"answers": {"digit": "x" * 3_000_000}}).encode()

    problem(client.post(f"assignments/{place}/submit", large), 413, "too_large")


@pytest.mark.django_db
def test_what_a_submit_reads_by_hand_is_what_the_row_says(worker, make_batch):
    """`from_db` takes values in the order of the columns: one out of place would pay a late answer nothing."""
    accept(worker=worker, batch=make_batch())
    assignment = Assignment.objects.select_related("batch").get()

    held = taking._held(worker.pk, assignment.public_id)

    for name in taking.OF_ASSIGNMENT:
        assert getattr(held, name) == getattr(assignment, name), name
    for name in taking.OF_BATCH:
        assert getattr(held.batch, name) == getattr(assignment.batch, name), name
