"""The sandbox: play money and Amazon's fees. And what holds for many calls: pages, tokens, throttling."""

from functools import partial

import pytest
from botocore.exceptions import ClientError
from django.core.management import call_command
from django.db import transaction
from django.test import override_settings

from marketplace.models import Hit, Requester
from mturk import endpoint, ids
from mturk.errors import RequestError
from mturk.models import AccessKey
from mturk.operations import BY_NAME
from mturk.services.hit_types import find_or_make_type
from mturk.services.hits import post_hit
from mturk.services.keys import create_access_key
from mturk.services.sandbox import sandbox_for
from tests.mturk.conftest import QUESTION, TYPE
from tests.mturk.test_hits import balance
from tests.support.together import run_together

pytestmark = pytest.mark.django_db(transaction=True)

WHOLE = TYPE | {"LifetimeInSeconds": 60, "Question": QUESTION}


@pytest.fixture
def sandbox(requester):
    return sandbox_for(user=requester.members.get())


def test_there_is_one_sandbox_of_play_money(requester, sandbox, client_of, capsys):
    call_command("create_access_key", requester.members.get().email, "--sandbox")

    assert sandbox_for(user=requester.members.get()) == sandbox
    assert AccessKey.objects.get(key_id=capsys.readouterr().out.split()[0]).requester == sandbox
    assert balance(client_of(sandbox)) == ("10000.00", "0.00")
    assert balance(client_of(requester)) == ("100.00", "0.00")
    assert Requester.objects.filter(world="sandbox").count() == 1


def test_its_fees_are_amazons_and_a_rejection_gives_the_money_back_at_once(sandbox, client_of, work_on):
    client = client_of(sandbox)
    hit = client.create_hit(**WHOLE, MaxAssignments=2)["HIT"]
    assert balance(client) == ("9999.76", "0.24")  # 20 %
    many = client.create_hit(**WHOLE, MaxAssignments=10)["HIT"]
    assert many["HITTypeId"] == hit["HITTypeId"]
    assert balance(client) == ("9998.36", "1.64")  # 40 % from ten on
    cheap = client.create_hit(**WHOLE | {"Reward": "0.01"})["HIT"]
    assert balance(client)[1] == "1.66"  # a cent at least
    client.update_expiration_for_hit(HITId=cheap["HITId"], ExpireAt=0)
    client.update_expiration_for_hit(HITId=many["HITId"], ExpireAt=0)
    assert balance(client) == ("9999.76", "0.24")

    names = [ids.written(work_on(hit, [("q", "a")]).public_id)]
    client.reject_assignment(AssignmentId=names[0], RequesterFeedback="No.")
    assert balance(client) == ("9999.88", "0.12")
    names.append(ids.written(work_on(hit, [("q", "a")]).public_id))
    client.approve_assignment(AssignmentId=names[1])
    assert balance(client) == ("9999.88", "0.00")
    client.approve_assignment(AssignmentId=names[0], OverrideRejection=True)
    assert balance(client) == ("9999.76", "0.00")
    call_command("invariants")


def test_two_hundred_and_fifty_hits_page_through_without_gap_or_repeat(requester, client):
    hit_type = find_or_make_type(requester=requester, members=WHOLE | {"Reward": "0.00"})
    with transaction.atomic():
        made = [ids.written(post_hit(hit_type=hit_type, question=QUESTION, lifetime=60).hit.data_row.public_id)
                for _ in range(250)]  # fmt: skip
    pages = client.get_paginator("list_hits").paginate(PaginationConfig={"PageSize": 17})

    assert [hit["HITId"] for page in pages for hit in page["HITs"]] == made[::-1]


def test_fifty_equal_tokens_at_once_make_one_hit(requester):
    key, _ = create_access_key(requester=requester, by=requester.members.get())

    def call():
        with transaction.atomic():
            return BY_NAME["CreateHIT"](key, WHOLE | {"UniqueRequestToken": "once"})["HIT"]["HITId"]

    made = run_together(*[partial(call)] * 50, connections=8)

    (only,) = [one for one in made if isinstance(one, str)]
    refused = [one for one in made if isinstance(one, RequestError)]
    assert len(refused) == 49 and all("HitAlreadyExists" in one.code and only in one.message for one in refused)
    assert Hit.objects.count() == 1


def test_who_calls_too_often_is_told_to_wait(client, monkeypatch):
    monkeypatch.setattr(endpoint, "COUNTED_OVER", 10_000_000)
    with override_settings(MTURK_RATE=0, MTURK_BURST=3):
        for _ in range(3):
            client.get_account_balance()
        with pytest.raises(ClientError) as refused:
            client.get_account_balance()

    assert refused.value.response["Error"]["Code"] == "ThrottlingException"
    assert refused.value.response["Error"]["Message"] == "Rate exceeded"


def test_bonuses_and_masters_cost_what_amazon_takes(sandbox, client_of, work_on):
    client = client_of(sandbox)
    masters = [{"QualificationTypeId": "2ARFPLSP75KLA8M8DH1HTEQVJT3SY6", "Comparator": "Exists"}]
    client.create_hit(**WHOLE | {"Reward": "1.00"}, QualificationRequirements=masters)
    assert balance(client)[1] == "1.25"  # 20 % and 5 %
    client.create_hit(**WHOLE | {"Reward": "1.00"}, QualificationRequirements=masters, MaxAssignments=10)
    assert balance(client)[1] == "15.75"

    name = ids.written(work_on(client.create_hit(**WHOLE)["HIT"], [("q", "a")]).public_id)
    worker = client.get_assignment(AssignmentId=name)["Assignment"]["WorkerId"]
    before = float(balance(client)[0])
    for amount, cost in (("1.00", 1.20), ("0.01", 0.02)):
        client.send_bonus(AssignmentId=name, WorkerId=worker, BonusAmount=amount, Reason="Thanks.")
        before -= cost
        assert balance(client)[0] == f"{before:.2f}"
