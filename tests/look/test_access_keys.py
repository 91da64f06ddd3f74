"""Access keys on their page: told once, replaced, ended; other people's are not there."""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from mturk.models import AccessKey
from mturk.services.keys import live_key, secret_of

pytestmark = pytest.mark.django_db


def test_a_key_is_made_and_its_secret_shown_once(client, market):
    client.force_login(market.owner)

    made = client.post(reverse("access_key_new"), {"name": "nightly", "world": "live"})
    later = client.get(reverse("access_keys"))

    key_id, secret = re.findall(r"AWS_(?:ACCESS_KEY_ID|SECRET_ACCESS_KEY)=(\S+)", made.content.decode())
    key = live_key(key_id)
    assert (key.requester, key.name, secret_of(key)) == (market.requester, "nightly", secret)
    assert made["Cache-Control"] == later["Cache-Control"] == "no-store"
    assert key_id in later.content.decode() and secret not in later.content.decode()


def test_a_key_of_the_sandbox_is_of_another_world(client, market):
    client.force_login(market.owner)

    client.post(reverse("access_key_new"), {"name": "trying out", "world": "sandbox"})

    key = AccessKey.objects.get(name="trying out")
    assert key.requester.world == "sandbox" and key.requester != market.requester
    assert "Sandbox" in client.get(reverse("access_keys")).content.decode()


def test_a_key_is_replaced_by_a_second_and_the_first_revoked(client, market):
    client.force_login(market.owner)
    AccessKey.objects.filter(pk=market.access_key.pk).update(last_used_at=timezone.now())
    client.post(reverse("access_key_new"), {"name": "the next", "world": "live"})

    page = client.post(reverse("access_key_end", args=[market.access_key.key_id]), follow=True).content.decode()

    assert live_key(market.access_key.key_id) is None
    assert live_key(AccessKey.objects.get(name="the next").key_id)
    assert "is dead" in page


def test_a_key_without_a_purpose_is_not_made(client, market):
    client.force_login(market.owner)

    page = client.post(reverse("access_key_new"), {"name": " ", "world": "live"}, follow=True).content.decode()

    assert "Say what the key is for" in page
    assert AccessKey.objects.get() == market.access_key


def test_reviewers_and_strangers_have_no_keys_here(client, market, make_user, make_requester):
    reviewer = make_user()
    market.requester.memberships.create(user=reviewer, role="reviewer")
    stranger = make_requester(deposit="0").memberships.get().user
    for user in (reviewer, stranger):
        client.force_login(user)
        assert market.access_key.key_id not in client.get(reverse("access_keys")).content.decode()
        assert client.post(reverse("access_key_end", args=[market.access_key.key_id])).status_code == 404
    client.force_login(reviewer)

    assert client.get(reverse("access_keys")).status_code == 404
    assert client.post(reverse("access_key_new"), {"name": "x"}).status_code == 404


def test_the_page_asks_as_often_for_many_keys_as_for_few(client, market, django_assert_max_num_queries):
    rows = [
        AccessKey(requester=market.requester, made_by=market.owner, key_id=f"AKIA{n:016}", sealed=b"")
        for n in range(60)
    ]
    AccessKey.objects.bulk_create(rows)
    client.force_login(market.owner)
    client.get(reverse("access_keys"))

    with django_assert_max_num_queries(10):
        page = client.get(reverse("access_keys"))

    assert page.content.decode().count("AKIA") >= 25
