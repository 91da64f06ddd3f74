"""A newcomer's first minutes: how many clicks from signing up to the first answer."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.urls import reverse

from marketplace.models import Answer
from users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_worker_is_at_the_first_submit_after_six_clicks(page, live_server, make_batch, make_project, complaints):
    make_batch(project=make_project(name="Read old cards"), hits=2)
    clicks = 0

    def click(thing):
        nonlocal clicks
        clicks += 1
        thing.click()

    page.goto(live_server.url + reverse("account_signup"))
    page.get_by_label("Email").fill("kim@example.org")
    for field in page.locator("input[type=password]").all():
        field.fill("a-long-pass-phrase-1")
    click(page.get_by_role("main").get_by_role("button").last)
    page.wait_for_url("**/confirm-email/")
    link = re.search(r"https?://\S+/confirm-email/\S+", mail.outbox[-1].body).group()
    clicks += 1  # the link in the mail
    page.goto(link)
    click(page.get_by_role("button", name="Yes, it is mine"))
    page.wait_for_url("**/work/")
    click(page.get_by_role("button", name="Start Read old cards"))
    page.wait_for_url("**/work/*-*/")
    click(page.locator(".choice").first)
    with page.expect_response("**/submit/") as sent:
        click(page.get_by_role("button", name="Submit"))

    assert sent.value.status == 200 and Answer.objects.count() == 1
    assert clicks <= 6
    assert not complaints


def test_the_link_of_the_mail_signs_nobody_in_elsewhere(client, db):
    """Whoever has the link and not the browser that signed up confirms the address and no more."""
    form = {"email": "new@example.org", "password1": "a long enough word", "password2": "a long enough word"}
    client.post(reverse("account_signup"), form | {"role": "worker"})
    (path,) = re.findall(r"http://\S+?(/accounts/confirm-email/\S+)", mail.outbox[-1].body)
    other = type(client)()

    other.post(path)

    assert "_auth_user_id" not in other.session
    assert User.objects.get().emailaddress_set.get().verified
