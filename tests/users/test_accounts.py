"""Accounts from the command line: ready to use at once."""

import json

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command

from marketplace.models import Membership
from payments.models import Account
from payments.selectors import balance
from users.models import ApiToken, User
from workers_app.models import Worker


def run(capsys, *argv):
    call_command(*argv)
    return capsys.readouterr().out


@pytest.mark.django_db
def test_a_requester_is_made_with_money(capsys):
    told = json.loads(run(capsys, "create_user", "Ann@Example.org", "--role", "requester", "--deposit", "100.00"))

    user = User.objects.get(email="ann@example.org")
    membership = Membership.objects.get(user=user)
    assert user.check_password(told["password"])
    assert EmailAddress.objects.get(user=user).verified
    assert (membership.role, str(membership.requester.public_id)) == ("owner", told["requester"])
    assert balance(Account.Kind.AVAILABLE, membership.requester_id) == 100_000_000
    assert told["available"] == "100.00"


@pytest.mark.django_db
def test_a_worker_and_an_admin_are_made(capsys):
    worker = json.loads(
        run(capsys, "create_user", "w@example.org", "--role", "worker", "--password", "a long password")
    )
    admin = json.loads(run(capsys, "create_user", "a@example.org", "--role", "admin"))

    assert worker["worker"] == str(Worker.objects.get(user__email="w@example.org").public_id)
    assert User.objects.get(email="w@example.org").check_password("a long password")
    assert User.objects.get(public_id=admin["user"]).is_superuser


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["ann@example.org", "--role", "worker"], "already"),
        (["nobody", "--role", "worker"], "e-mail"),
        (["new@example.org", "--role", "worker", "--deposit", "5"], "requesters"),
        (["new@example.org", "--role", "requester", "--deposit", "5,00"], "12.50"),
    ],
)
def test_a_wrong_account_is_refused_whole(argv, says):
    call_command("create_user", "ann@example.org", "--role", "worker")

    with pytest.raises(CommandError, match=says):
        call_command("create_user", *argv)

    assert User.objects.count() == 1


@pytest.mark.django_db
def test_a_token_is_printed_once_and_kept_as_a_hash(capsys):
    run(capsys, "create_user", "w@example.org", "--role", "worker")

    secret = run(capsys, "create_token", "w@example.org", "--scopes", "work, read").strip()

    token = ApiToken.objects.get()
    assert token.digest == ApiToken.digest_of(secret)
    assert token.scopes == ["read", "work"]


@pytest.mark.django_db
@pytest.mark.parametrize("scopes", ["admin", "everything", ","])
def test_a_token_with_a_wrong_scope_is_refused(scopes):
    call_command("create_user", "w@example.org", "--role", "worker")

    with pytest.raises(CommandError):
        call_command("create_token", "w@example.org", "--scopes", scopes)

    assert not ApiToken.objects.exists()
