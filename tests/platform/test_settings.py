import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import ERROR
from django.db import OperationalError, connection
from django.http import HttpResponse
from django.test import RequestFactory, override_settings

from core import checks
from core.logs import JsonFormatter
from core.metrics import may_see
from core.security import SecurityHeadersMiddleware, csp_override

ROOT = Path(__file__).resolve().parents[2]


def test_check_deploy_is_clean_with_production_settings():
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO", "DATA"))}
    env |= {
        "DJANGO_SETTINGS_MODULE": "config.settings.prod",
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "ALLOWED_HOSTS": "market.example.org",
        "SITE_URL": "https://market.example.org",
        "DATABASE_URL": "postgresql://touchstone_app@db.example.org/touchstone",
        "OWNER_DATABASE_URL": "postgresql://touchstone_owner@db.example.org/touchstone",
    }
    command = [sys.executable, "-W", "error::UserWarning", "manage.py", "check", "--deploy", "--fail-level", "WARNING"]

    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "no issues (0 silenced)" in done.stdout


def test_production_settings_name_what_is_missing():
    env = {name: value for name, value in os.environ.items() if name not in ("SECRET_KEY", "DATABASE_URL")}
    env |= {"DJANGO_SETTINGS_MODULE": "config.settings.prod", "DATABASE_URL": "postgresql://a@b/c"}

    done = subprocess.run([sys.executable, "manage.py", "check"], cwd=ROOT, env=env, capture_output=True, text=True)

    assert done.returncode != 0
    assert "SECRET_KEY" in done.stderr


def respond(view):
    return SecurityHeadersMiddleware(view)(RequestFactory().get("/"))


def test_the_nonce_of_a_page_is_in_its_policy_and_new_each_time():
    def page(request):
        return HttpResponse(str(request.csp_nonce))

    first, second = respond(page), respond(page)

    for response in (first, second):
        nonce = response.content.decode()
        assert len(nonce) >= 16
        assert f"script-src 'self' 'nonce-{nonce}'" in response["Content-Security-Policy"]
    assert first.content != second.content


def test_a_page_without_nonce_allows_no_inline_code_and_no_other_host():
    policy = respond(lambda request: HttpResponse())["Content-Security-Policy"]

    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "nonce" not in policy
    assert not re.search(r"https?:|\*", policy)
    assert "frame-ancestors 'none'; base-uri 'none'; object-src 'none'" in policy


def test_a_view_may_have_a_policy_of_its_own_or_none():
    view = csp_override({"default-src": ["'none'"], "sandbox": []})(lambda request: HttpResponse())

    assert respond(view)["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert "Content-Security-Policy" not in respond(csp_override(None)(lambda request: HttpResponse()))


@pytest.mark.django_db
def test_health_says_ready_and_live(client):
    assert client.get("/health/live").json() == {"alive": True}
    assert client.get("/health/ready").json() == {"ready": True, "problems": []}


@pytest.mark.django_db
@pytest.mark.logs_errors
def test_health_is_not_ready_while_acknowledged_work_could_be_lost(client):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
    response = client.get("/health/ready")

    assert response.status_code == 503
    assert response.json()["problems"] == ["synchronous_commit is off: acknowledged work could be lost."]


@pytest.mark.django_db
def test_the_site_does_not_start_on_a_database_that_forgets():
    assert checks.durability(["default"]) == []

    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL synchronous_commit = off")
    (found,) = checks.durability(["default"])

    assert (found.id, found.level) == ("core.E001", ERROR)


def test_one_role_for_everything_is_a_warning_before_a_deployment():
    with override_settings(DATABASE_URL="postgresql://a@b/c", OWNER_DATABASE_URL="postgresql://a@b/c"):
        assert [found.id for found in checks.two_roles()] == ["core.W001"]
    with override_settings(DATABASE_URL="postgresql://app@b/c", OWNER_DATABASE_URL="postgresql://owner@b/c"):
        assert checks.two_roles() == []


@pytest.mark.django_db
def test_metrics_are_for_this_machine_staff_and_a_token(client, django_user_model):
    local = client.get("/metrics")
    assert local.status_code == 200
    assert b"touchstone_outbox_due 0.0" in local.content
    assert b"touchstone_request_seconds" in local.content

    assert client.get("/metrics", REMOTE_ADDR="203.0.113.5").status_code == 404
    assert client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.5"}).status_code == 404
    with override_settings(METRICS_TOKEN="let-me-see"):
        far = {"REMOTE_ADDR": "203.0.113.5"}
        assert client.get("/metrics", headers={"Authorization": "Bearer let-me-see"}, **far).status_code == 200
        assert client.get("/metrics", headers={"Authorization": "Bearer guess"}, **far).status_code == 404

    request = RequestFactory().get("/metrics", REMOTE_ADDR="203.0.113.5")
    request.user = django_user_model(is_staff=True)
    assert may_see(request)


def test_a_log_line_is_one_json_object():
    record = logging.LogRecord("quality", logging.WARNING, __file__, 1, "two\nlines %s", ("ü",), None)
    record.batch = 12

    line = JsonFormatter().format(record)

    assert "\n" not in line
    assert json.loads(line) | {"at": ""} == {
        "at": "", "level": "WARNING", "logger": "quality", "message": "two\nlines ü", "batch": "12",
        "process": record.process,
    }  # fmt: skip


@pytest.mark.django_db
def test_a_celery_message_reaches_its_queue_as_the_application_role():
    """In the role that runs the site: it may not make tables, so the queues have to be there."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL ROLE touchstone_app")
        cursor.execute("SELECT pgmq.send('celery', '{}'::jsonb)")
        cursor.execute("SELECT msg_id FROM pgmq.read('celery', 30, 1)")
        (message,) = cursor.fetchone()
        cursor.execute("SELECT pgmq.delete('celery', %s::bigint)", [message])
        assert cursor.fetchone() == (True,)


@pytest.mark.logs_errors
@pytest.mark.parametrize(
    ("error", "status", "code"),
    [(OperationalError("the disk is full"), 503, "unavailable"), (ValueError("ours"), 500, "server_error")],
)
def test_a_database_out_of_reach_is_a_503_that_says_when_to_try_again(client, monkeypatch, error, status, code):
    def fail(*args):
        raise error

    monkeypatch.setattr("core.health.unmet", fail)
    client.raise_request_exception = False

    response = client.get("/health/ready")
    page = client.get("/health/ready", headers={"Accept": "text/html"})

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert ("Retry-After" in response) == (status == 503)
    assert page.status_code == status
    assert "<h1>" in page.content.decode()
