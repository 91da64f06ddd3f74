"""The two doors: who is led where, and how a newcomer becomes a worker or a requester."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from lifecycle.enrol import enrol
from marketplace.models import Membership, Requester
from users.models import User
from workers_app.models import Worker

PASSWORD = "a-long-pass-phrase-1"
pytestmark = pytest.mark.django_db


def sign_up(client, role, email="kim@example.org"):
    form = {"email": email, "password1": PASSWORD, "password2": PASSWORD, "role": role}
    return client.post(reverse("account_signup"), form)


def test_a_stranger_at_a_door_signs_up_and_the_form_knows_the_door(client):
    response = client.get("/enter/requester/", follow=True)

    assert response.redirect_chain == [("/accounts/signup/?role=requester", 302)]
    assert re.search(r'value="requester" required checked', response.content.decode())


@pytest.mark.parametrize(("role", "is_worker", "organisations"), [("worker", True, 0), ("requester", False, 1)])
def test_signing_up_makes_what_was_chosen(client, role, is_worker, organisations):
    response = sign_up(client, role)

    assert response.status_code == 302
    user = User.objects.get(email="kim@example.org")
    assert Worker.objects.filter(user=user).exists() == is_worker
    assert Membership.objects.filter(user=user, role="owner").count() == organisations


def test_a_sign_up_without_a_role_is_sent_back_with_a_reason(client):
    response = sign_up(client, "")

    assert response.status_code == 200
    assert not User.objects.exists()
    assert "This field is required" in response.content.decode()


def test_one_account_can_be_both_and_pressing_twice_makes_one(client):
    user = User.objects.create_user("kim@example.org", PASSWORD)
    client.force_login(user)

    assert "Start to post work" in client.get("/enter/requester/").content.decode()
    for _press in range(2):
        client.post("/start/requester/", {"name": "Northfield Archive"})
        client.post("/start/worker/")

    assert [r.name for r in Requester.objects.all()] == ["Northfield Archive"]
    assert Worker.objects.filter(user=user).count() == 1


def test_a_door_that_is_not_there_is_not_found(client):
    client.force_login(User.objects.create_user("kim@example.org", PASSWORD))

    assert client.get("/enter/staff/").status_code == 404
    assert client.post("/start/staff/").status_code == 404
    assert not Worker.objects.exists()


def test_signing_in_leads_to_ones_own_side(client):
    worker = User.objects.create_user("w@example.org", PASSWORD)
    enrol(user=worker, role="worker")
    staff = User.objects.create_user("s@example.org", PASSWORD, is_staff=True)

    client.force_login(worker)
    assert client.get("/enter/").url == reverse("find_work")
    client.force_login(staff)
    assert client.get("/enter/").url == reverse("admin:index")


@pytest.mark.parametrize("path", ["/", "/accounts/login/", "/enter/worker/"])
def test_every_response_carries_the_content_policy(client, path):
    response = client.get(path)

    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy


def test_each_script_of_a_page_of_ours_carries_its_nonce(client):
    response = client.get("/")
    nonce = re.search(r"'nonce-([^']+)'", response["Content-Security-Policy"]).group(1)

    scripts = re.findall(r"<script[^>]*>", response.content.decode())
    assert scripts and all(f'nonce="{nonce}"' in script for script in scripts)
    assert client.get("/")["Content-Security-Policy"] != response["Content-Security-Policy"]
