"""Money that people confirm, and where each cent can be followed to."""

from __future__ import annotations

import csv
import io

import pytest
from django.conf import settings
from django.urls import reverse

from core.models import AuditEntry
from lifecycle.decide import approve
from marketplace.models import Assignment
from payments.models import Account, Transfer
from payments.selectors import balance
from payments.services.deposits import request_deposit
from payments.services.goodwill import fill_goodwill
from payments.services.ledger import account, post_transfer
from payments.services.looks import confirm_seen
from staff.causes import causes
from staff.filters import transfers_asked

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(make_user):
    return make_user(is_staff=True, is_superuser=True)


def test_a_large_sum_takes_two_people(make_requester, make_user, staff):
    requester = make_requester(deposit="0")
    deposit = request_deposit(requester=requester, amount=settings.LARGE_SUM)

    for _press in range(2):  # the same person twice is one look
        assert confirm_seen(deposit=deposit, by=staff).state == "requested"
    assert balance(Account.Kind.AVAILABLE, requester.pk) == 0
    assert AuditEntry.objects.filter(act="deposit.look").count() == 1

    assert confirm_seen(deposit=deposit, by=make_user(is_staff=True)).state == "confirmed"
    assert balance(Account.Kind.AVAILABLE, requester.pk) == settings.LARGE_SUM


def test_a_deposit_that_is_confirmed_twice_moves_money_once(client, make_requester, staff):
    requester = make_requester(deposit="0")
    deposit = request_deposit(requester=requester, amount=5_000_000)
    client.force_login(staff)
    url = reverse("staff_deposit_decide", args=[deposit.public_id])

    client.post(url, {"decision": "confirm"})
    again = client.post(url, {"decision": "confirm"}, follow=True).content.decode()

    assert "note bad" in again
    assert balance(Account.Kind.AVAILABLE, requester.pk) == 5_000_000
    assert Transfer.objects.filter(key=f"deposit:{deposit.pk}").count() == 1


def test_goodwill_is_filled_once_for_each_form(client, staff):
    fees, outside = account(Account.Kind.FEES), account(Account.Kind.OUTSIDE)
    post_transfer(key="fees", kind="fee", amounts={fees: 9_000_000, outside: -9_000_000})
    client.force_login(staff)
    form = {"amount": "2,50", "key": "a" * 32}

    for _press in range(2):
        client.post(reverse("staff_goodwill_fill"), form)

    assert balance(Account.Kind.GOODWILL) == 2_500_000
    assert AuditEntry.objects.filter(act="goodwill.fill").count() == 1
    fill_goodwill(amount=1_000_000, by=staff, key="b")
    assert balance(Account.Kind.GOODWILL) == 3_500_000


def test_each_cent_leads_to_its_cause(client, crowd):
    answer = Assignment.objects.filter(worker=crowd.worker, state="submitted").first()
    approve(assignment=answer)
    paid = Transfer.objects.get(key=f"reward:{answer.pk}")

    assert causes([paid])[paid.pk].url == reverse("staff_answer", args=[answer.public_id])
    client.force_login(crowd.staff)
    page = client.get(reverse("staff_answer", args=[answer.public_id])).content.decode()
    assert "€0.10" in page and str(paid.public_id) in page


def test_transfers_are_narrowed_and_nonsense_is_said(client, crowd):
    approve(assignment=Assignment.objects.filter(worker=crowd.worker, state="submitted").first())
    mine = {"worker": str(crowd.worker.public_id)}

    assert [one.kind for one in transfers_asked(mine).rows] == ["reward"]
    assert {one.kind for one in transfers_asked({"batch": str(crowd.batch.public_id)}).rows} == {"reward", "escrow"}
    assert not transfers_asked(mine | {"until": "2001-01-01"}).rows.exists()
    assert set(transfers_asked({"since": "soon", "batch": "x", "kind": "gift"}).refusals) == {"since", "batch", "kind"}

    client.force_login(crowd.staff)
    told = client.get(reverse("staff_transfers_csv"), mine)
    rows = list(csv.DictReader(io.StringIO(b"".join(told.streaming_content).decode())))
    assert sorted(row["amount"] for row in rows) == ["-0.11", "0.01", "0.10"]
    assert "Write a day" in client.get(reverse("staff_transfers"), {"since": "soon"}).content.decode()


def test_the_ledger_asks_as_much_for_many_as_for_few(client, crowd, django_assert_num_queries):
    client.force_login(crowd.staff)
    for answer in Assignment.objects.filter(worker=crowd.worker, state="submitted")[:3]:
        approve(assignment=answer)
    with django_assert_num_queries(11):
        client.get(reverse("staff_transfers"))
    for answer in Assignment.objects.filter(state="submitted")[:20]:
        approve(assignment=answer)

    with django_assert_num_queries(11):
        client.get(reverse("staff_transfers"))
