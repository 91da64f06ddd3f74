"""Every URL works for whom it is for, is nothing to strangers, and refuses in the wrong state (RELIABILITY.md T3)."""

import json

import pytest
from django.urls import reverse

from tests.support.url_policy import OWN, World, call, methods_of, of, patterns
from tests.support.url_policy_api import API as MARKET_API
from tests.support.url_policy_staff import STAFF

API = [*MARKET_API, *STAFF]
IS_API = {name for name, _ in patterns() if name.startswith("api-")}
ENDPOINTS = {name: getattr(pattern.callback, "cls", None) for name, pattern in patterns()}
VIEWS = {name: pattern.callback for name, pattern in patterns()}
#: What a proxy's client gets of what is for machines beside us.
OPERATORS = {"health-live": ("/health/live", 200), "health-ready": ("/health/ready", 200), "metrics": ("/metrics", 404)}
#: Signed requests only: tests/mturk says what the unsigned get.
SIGNED = {"mturk", "mturk-api"}
GUARDED = [line for line in API if line.by != "anonymous"]


@pytest.fixture
def world(db, make_requester, make_project, make_batch, make_worker, make_user):
    return World(make_requester, make_project, make_batch, make_worker, make_user)


def test_every_endpoint_of_the_api_has_a_policy():
    written = {(line.name, line.method) for line in API}
    there = {(name, method) for name, pattern in patterns() if name in IS_API for method in methods_of(pattern)}

    assert there - written == set(), "Say in tests/support/url_policy_api.py what these do."
    assert written - there == set(), "These lines speak of URLs that are gone."


def test_every_url_is_of_the_api_or_a_page_or_of_a_package_we_know():
    """Pages are placed in tests/look/pages.py, by tests/look/test_policy.py."""
    left = [
        name
        for name, pattern in patterns()
        if name not in IS_API and not pattern.callback.__module__.startswith(("allauth.", "django.contrib."))
    ]
    homeless = [name for name in left if ".views." not in VIEWS[name].__module__ and name not in {*OPERATORS, *SIGNED}]

    assert homeless == []


@pytest.mark.parametrize(("url", "status"), sorted(OPERATORS.values()))
def test_operators_are_answered(url, status, client, db):
    assert client.get(url, headers={"X-Forwarded-For": "203.0.113.7"}).status_code == status


def test_the_admin_is_nothing_to_those_who_are_no_staff(client, world):
    urls = [reverse(name) for name, pattern in patterns() if name.startswith("admin:") and not takes(pattern)]
    assert len(urls) > 20
    for user in (None, world.owner, world.worker.user):
        client.logout()
        if user:
            client.force_login(user)
        answers = {url: client.get(url).status_code for url in urls if not url.endswith(("/login/", "/logout/"))}
        assert set(answers.values()) <= {302, 404}, answers
    client.force_login(world.staff_user)
    assert {client.get(reverse("admin:index")).status_code} == {200}


def takes(pattern):
    """Whether a URL has arguments."""
    return pattern.pattern.regex.groups or pattern.pattern.converters


def test_every_change_names_a_wrong_state():
    assert [str(line) for line in GUARDED if line.method != "GET" and line.wrong is None] == []


@pytest.mark.parametrize("line", [line for line in API if line.by == "anonymous"], ids=str)
def test_what_is_open_to_all_answers(line, client, db):
    url = "/api/v1/nothing" if line.name == "api-nothing-here" else line.url(None)

    assert client.get(url).status_code == line.status


@pytest.mark.parametrize("line", GUARDED, ids=str)
def test_it_works_for_whom_it_is_for_and_for_nobody_else(line, world, api):
    if line.before:
        line.before(world)
    url, body = line.url(world), of(line.body, world)

    # Without a token, and with one that has every scope but those of this act.
    refused = call(api(), line, url, body)
    assert (refused.status_code, refused.json()["code"]) == (401, "not_authenticated")
    refused = call(api(world.user_of(line.by), *other_scopes(line)), line, url, body)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    # A stranger with every scope, who is a requester or a worker too.
    learnt(line, call(world.stranger_to(line.by), line, url, body), world)

    response = call(getattr(world, line.by), line, url, body)
    assert response.status_code == line.status, told(response)


def learnt(line, response, world):
    body = told(response)
    if line.stranger == OWN:
        assert response.status_code < 300, body
    else:
        assert response.status_code == line.stranger, body
    if line.stranger in (OWN, 404, 403):
        assert not [secret for secret in world.secrets() if secret in body]


def other_scopes(line):
    view = ENDPOINTS[line.name]
    return [s for s in ("read", "work", "write", "money") if s not in getattr(view, line.method.lower()).scopes]


@pytest.mark.parametrize("line", [line for line in GUARDED if line.wrong], ids=str)
def test_in_the_wrong_state_it_refuses_and_says_why(line, world):
    if line.before and not line.wrong.before:
        line.before(world)
    url = line.url(world)
    if line.before and line.wrong.before:
        line.before(world)
    if line.wrong.before:
        line.wrong.before(world)
    body = line.wrong.body if line.wrong.body is not None else line.body
    if line.name == "api-member" and line.method == "DELETE":  # the only owner this time
        world.requester.memberships.exclude(user=world.owner).delete()

    response = call(getattr(world, line.by), line, url + line.wrong.query, of(body, world))

    assert response.status_code == line.wrong.status, told(response)
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == line.wrong.code


def told(response):
    content = b"".join(response.streaming_content) if response.streaming else response.content
    try:
        return json.dumps(json.loads(content))
    except ValueError:
        return content.decode(errors="replace")
