"""A POST with a key has its effect once (RELIABILITY.md T8, T9)."""

import threading

import pytest
from django.db import connection
from django.test import Client

from core.api import idempotency
from core.models import IdempotencyKey
from payments.models import Deposit
from tests.support.api import ApiClient
from users.services import create_token

KEY = {"Idempotency_Key": "mine"}


@pytest.fixture
def requester(make_requester):
    return make_requester(deposit="0")


@pytest.fixture
def client(api, requester):
    return api(requester.memberships.get().user, "money", "write", "read")


@pytest.fixture
def path(requester):
    return f"organisations/{requester.public_id}/deposits"


@pytest.mark.django_db
def test_the_same_key_and_body_give_the_first_answer(client, path):
    first = client.post(path, {"amount": "5.00"}, **KEY)
    again = client.post(path, {"amount": "5.00"}, **KEY)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert (first.get("Idempotent-Replayed"), again["Idempotent-Replayed"]) == (None, "true")
    assert Deposit.objects.count() == 1


@pytest.mark.django_db
def test_the_same_key_for_something_else_is_refused(client, path):
    client.post(path, {"amount": "5.00"}, **KEY)

    other = client.post(path, {"amount": "6.00"}, **KEY)

    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert Deposit.objects.count() == 1


@pytest.mark.django_db
def test_keys_of_others_and_of_other_urls_are_other_keys(client, path, requester, make_user, api):
    client.post(path, {"amount": "5.00"}, **KEY)
    second = make_user()
    requester.memberships.create(user=second, role="manager")

    assert api(second, "money").post(path, {"amount": "5.00"}, **KEY).status_code == 201
    assert client.post("organisations", {"name": "Museum"}, **KEY).status_code == 201
    assert Deposit.objects.count() == 2


@pytest.mark.django_db
def test_a_refusal_is_not_kept(client, path):
    refused = client.post(path, {"amount": "0"}, **KEY)

    assert refused.status_code == 400
    assert not IdempotencyKey.objects.exists()
    assert client.post(path, {"amount": "5.00"}, **KEY).status_code == 201


@pytest.mark.django_db
@pytest.mark.logs_errors
def test_a_failure_undoes_its_effect_and_is_not_kept(client, path, monkeypatch):
    from payments.api import money

    real = money.request_deposit

    def break_after(**kwargs):
        real(**kwargs)
        raise RuntimeError("broken after the effect")

    monkeypatch.setattr(money, "request_deposit", break_after)
    broken = client.post(path, {"amount": "5.00"}, **KEY)
    assert (broken.status_code, broken.json()["code"]) == (500, "internal")
    assert not Deposit.objects.exists()
    monkeypatch.setattr(money, "request_deposit", real)

    assert client.post(path, {"amount": "5.00"}, **KEY).status_code == 201

    assert Deposit.objects.count() == 1


@pytest.mark.django_db
def test_after_a_crash_the_repeat_does_the_work(client, path, monkeypatch):
    """A process that dies leaves the row of its first transaction, unfinished and unlocked."""
    with monkeypatch.context() as crash:
        crash.setattr(idempotency, "_work_under_lock", lambda *_: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit):
            client.post(path, {"amount": "5.00"}, **KEY)
    assert IdempotencyKey.objects.get().response_code is None

    assert client.post(path, {"amount": "5.00"}, **KEY).status_code == 201
    assert Deposit.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "x" * 201, "ä\x07"])
def test_a_key_is_short_and_printable(client, path, key):
    refused = client.post(path, {"amount": "5.00"}, Idempotency_Key=key)

    assert refused.status_code == 400
    assert not Deposit.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_has_the_effect(requester, path):
    _, token = create_token(user=requester.memberships.get().user, scopes=["money"])
    answers, gate = [], threading.Barrier(8)

    def ask():
        client = ApiClient(token)
        client.client = Client()
        gate.wait()
        for _ in range(50):  # 409 while the first is under way: ask again
            response = client.post(path, {"amount": "5.00"}, **KEY)
            if response.status_code != 409:
                break
        answers.append((response.status_code, response.content))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    assert len(set(answers)) == 1
    assert answers[0][0] == 201
    assert Deposit.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_while_the_first_is_under_way_the_second_is_told_so(requester, path):
    user = requester.memberships.get().user
    _, token = create_token(user=user, scopes=["money"])
    ApiClient(token).post(path, {"amount": "5.00"}, **KEY)
    IdempotencyKey.objects.update(response_code=None)
    holding, release = threading.Event(), threading.Event()

    def hold():
        from django.db import transaction

        with transaction.atomic():
            IdempotencyKey.objects.select_for_update().get()
            holding.set()
            release.wait(10)
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    holding.wait(10)

    response = ApiClient(token).post(path, {"amount": "5.00"}, **KEY)

    release.set()
    thread.join()
    assert (response.status_code, response.json()["code"]) == (409, "in_flight")
    assert Deposit.objects.count() == 1
