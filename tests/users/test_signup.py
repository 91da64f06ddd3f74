"""Signing up on the site: open, by invitation, by approval."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.utils import timezone

from marketplace.models import Membership, Requester
from users.models import Invitation, User
from workers_app.models import Worker

PASSWORD = "a long enough word"


@pytest.fixture
def sign_up(client, db):
    def go(email="new@example.org", role="worker", **more):
        data = {"email": email, "password1": PASSWORD, "password2": PASSWORD, "role": role, **more}
        return client.post("/accounts/signup/", data)

    return go


@pytest.fixture
def confirm_and_sign_in(client):
    def go(email="new@example.org"):
        (path,) = re.findall(r"http://\S+?(/accounts/confirm-email/\S+)", mail.outbox[-1].body)
        client.post(path)
        client.logout()
        client.post("/accounts/login/", {"login": email, "password": PASSWORD})
        return "_auth_user_id" in client.session

    return go


def test_a_worker_signs_up_and_is_in_after_the_mail(sign_up, confirm_and_sign_in):
    assert sign_up(role="worker").status_code == 302

    assert Worker.objects.get().user.email == "new@example.org"
    assert confirm_and_sign_in()


def test_a_requester_gets_an_organisation(sign_up):
    sign_up(role="requester")

    assert Membership.objects.get().role == "owner"
    assert Requester.objects.get().name == "new"


def test_a_known_address_is_not_told(sign_up):
    sign_up()
    first = sign_up(email="other@example.org")

    again = sign_up()

    assert (again.status_code, again.url) == (first.status_code, first.url)
    assert User.objects.count() == 2


def test_without_an_invitation_the_door_is_closed(sign_up, settings):
    settings.SIGNUP = "invitation"

    assert sign_up().status_code == 200

    assert not User.objects.exists()


def test_an_invitation_opens_once_and_brings_a_role(sign_up, settings, make_requester):
    settings.SIGNUP = "invitation"
    requester = make_requester(deposit="0")
    code = Invitation.objects.create(role="requester", requester_id=requester.pk, member_role="reviewer").code

    sign_up(invitation=code)
    sign_up(email="second@example.org", invitation=code)

    member = User.objects.get(email="new@example.org")
    assert Membership.objects.get(user=member).role == "reviewer"
    assert not User.objects.filter(email="second@example.org").exists()


def test_a_sign_up_that_waits_for_staff_comes_in_once_they_approve(sign_up, settings, client):
    settings.SIGNUP = "approval"
    sign_up()

    refused = client.post("/accounts/login/", {"login": "new@example.org", "password": PASSWORD})

    assert refused.url == "/accounts/inactive/"
    assert "_auth_user_id" not in client.session
    assert not mail.outbox
    User.objects.update(approved_at=timezone.now())
    EmailAddress.objects.update(verified=True)
    client.post("/accounts/login/", {"login": "new@example.org", "password": PASSWORD})
    assert "_auth_user_id" in client.session
