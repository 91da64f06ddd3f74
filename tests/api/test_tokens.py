"""Tokens of one's own."""

import pytest

from users.models import ApiToken


@pytest.mark.django_db
def test_a_token_makes_another_of_at_most_its_own_scopes(api, make_user):
    user = make_user()
    client = api(user, "read", "write")

    made = client.post("tokens", {"scopes": ["read"], "name": "for the script"})
    beyond = client.post("tokens", {"scopes": ["money"]})

    assert made.status_code == 201
    assert ApiToken.objects.get(public_id=made.json()["id"]).digest == ApiToken.digest_of(made.json()["token"])
    assert (beyond.status_code, beyond.json()["code"]) == (403, "scope_missing")
    assert "token" not in client.get("tokens").json()["items"][0]


@pytest.mark.django_db
def test_a_revoked_token_is_dead_and_the_one_in_use_stays(api, make_user):
    user = make_user()
    client = api(user, "read", "write")
    made = client.post("tokens", {"scopes": ["read"]}).json()
    own = next(t["id"] for t in client.get("tokens").json()["items"] if t["id"] != made["id"])

    assert client.call("DELETE", f"tokens/{made['id']}").status_code == 204
    refused = client.call("DELETE", f"tokens/{own}")

    assert (refused.status_code, refused.json()["code"]) == (409, "token_in_use")
    headers = {"Authorization": f"Bearer {made['token']}"}
    assert client.client.get("/api/v1/me", headers=headers).status_code == 401


@pytest.mark.django_db
def test_staff_no_more_means_admin_no_more(api, make_user):
    user = make_user(is_staff=True)
    client = api(user, "admin")
    assert client.get("admin/payouts").status_code == 200

    type(user).objects.update(is_staff=False)

    assert client.get("admin/payouts").status_code == 403
