"""What every endpoint does alike: refusals, pages, throttles, odd input."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from rest_framework.exceptions import Throttled

from core.api import pagination, throttling
from core.api.tables import Number, safe_cell
from core.errors import NotThere
from core.models import Bucket
from lifecycle.upkeep import forget_old_rows
from marketplace.models import Project


@pytest.fixture
def requester(make_requester):
    return make_requester(deposit="0")


@pytest.fixture
def client(api, requester):
    return api(requester.memberships.get().user, "read", "write", "money")


@pytest.mark.django_db
def test_pages_follow_each_other_without_gap_or_repeat(client, make_project, requester):
    names = [make_project(requester=requester, name=f"Project {n}").name for n in range(5)]

    seen, cursor = [], ""
    while cursor is not None:
        page = client.get(f"projects?limit=2&cursor={cursor}").json()
        seen += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]

    assert seen == names[::-1]


def test_a_cursor_hides_its_number_and_cannot_be_made_up():
    first, second = pagination.seal(5), pagination.seal(5)

    assert first != second
    assert pagination.unseal(first) == pagination.unseal(second) == 5
    for wrong in ("", "5", "x" * 32, first[:-2] + "AA", "Ä"):
        with pytest.raises(NotThere):
            pagination.unseal(wrong)


@pytest.mark.django_db
def test_a_list_costs_the_same_however_long_it_is(client, make_project, requester, django_assert_num_queries):
    for _ in range(3):
        make_project(requester=requester)
    client.get("me")  # notes the day's first use of the token
    with django_assert_num_queries(2):
        client.get("projects")
    for _ in range(5):
        make_project(requester=requester)
    with django_assert_num_queries(2):
        assert len(client.get("projects").json()["items"]) == 8


@pytest.mark.django_db
@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[]", b'"text"', b"null", b'{"name": "\\u0000"}', b'{"name": ' + b"[" * 30 + b"]" * 30 + b"}",
        b'{"name": 5, "x": 1e999}', b'{"name": "ok", "rules": {"reward": "1e3000000"}}', b"\xff",
        b'{"name": "ok", "x": 1e19}', b'{"name": "ok", "x": [-9223372036854775809]}',
        b'{"name": "ok", "rules": {"per_day": 100000000000000000000}}', b'{"name": "\\ud800"}',
        b'{"name": "ok", "public_id": "3f0f5c52-1c3b-4d5e-9b6a-1f2e3d4c5b6a"}',
    ],
)  # fmt: skip
def test_odd_input_is_a_400(client, body):
    response = client.post("projects", body)

    assert response.status_code == 400, response.content
    assert response["Content-Type"] == "application/problem+json"
    assert not Project.objects.exists()


@pytest.mark.django_db
@pytest.mark.logs_errors
def test_a_busy_database_is_a_503_that_says_when(client, monkeypatch):
    def busy(*_, **__):
        raise OperationalError("canceling statement due to lock timeout")

    monkeypatch.setattr("marketplace.api.posting.projects_of", busy)

    response = client.get("projects")

    assert (response.status_code, response.json()["code"]) == (503, "busy")
    assert int(response["Retry-After"]) > 0


@pytest.mark.django_db
@pytest.mark.logs_errors
def test_a_failure_of_ours_tells_nothing_but_a_number(client, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("secret detail")

    monkeypatch.setattr("marketplace.api.posting.projects_of", broken)

    response = client.get("projects")

    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert b"secret" not in response.content


@pytest.mark.django_db
def test_another_media_type_is_a_415(client):
    response = client.client.post("/api/v1/projects", {"name": "x"}, headers=client.headers)

    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.django_db
def test_a_session_opens_nothing(requester):
    from django.test import Client

    client = Client()
    client.force_login(requester.memberships.get().user)

    assert client.get("/api/v1/projects").status_code == 401


@pytest.mark.django_db
def test_who_calls_too_often_is_told_to_wait(client, settings):
    settings.API_RATES = {"read": 3}
    throttling.forget_held()

    codes = [client.get("me").status_code for _ in range(5)]
    refused = client.get("me")

    assert codes == [200, 200, 200, 429, 429]
    assert refused.json()["code"] == "throttled"
    assert int(refused["Retry-After"]) > 0
    assert client.call("PATCH", "me", {"name": "x"}).status_code == 200  # another scope, another bucket


@pytest.mark.django_db
def test_a_bucket_is_one_for_all_processes_and_fills_again(settings):
    settings.API_RATES = {"read": 120}  # lots of two

    def calls(processes):
        passed = 0
        try:
            while passed < 1000:
                throttling.throttle("read", 7)
                passed += 1
                if processes > 1:
                    throttling.forget_held()  # the next call comes to another process
        except Throttled:
            return passed
        return passed

    throttling.forget_held()
    assert 120 <= calls(1) <= 123  # some drip in meanwhile
    bucket = Bucket.objects.get()
    Bucket.objects.update(at=bucket.at - timedelta(seconds=10))
    assert 20 <= calls(1) <= 23
    Bucket.objects.update(at=bucket.at - timedelta(hours=1))
    assert 60 <= calls(2) <= 62, "a process that holds a lot keeps it from the others"
    assert forget_old_rows() == 0
    Bucket.objects.update(at=bucket.at - timedelta(hours=1))
    assert forget_old_rows() == 1 and not Bucket.objects.exists()


@pytest.mark.django_db
def test_a_viewer_may_look_and_no_more(api, requester, make_user, make_project):
    viewer = make_user()
    requester.memberships.create(user=viewer, role="viewer")
    project = make_project(requester=requester)
    client = api(viewer, "read", "write")

    refused = client.post(f"projects/{project.public_id}/batches", {})

    assert client.get(f"projects/{project.public_id}").status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (403, "role_missing")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "＝1", "  =1"])
def test_no_cell_is_a_formula(text):
    assert safe_cell(text) == f"'{text}"
    assert safe_cell(Number("-1.50")) == "-1.50"
    assert safe_cell("plain - text") == "plain - text"


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["nothing", "me%0Ayou", "batches/7", "batches/%00/accept", "%F0%9F%98%80", ""])
def test_every_other_address_is_a_problem_json_404(client, path):
    response = client.get(path)

    assert (response.status_code, response["Content-Type"]) == (404, "application/problem+json")
