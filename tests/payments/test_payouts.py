"""Money in and out: each step once, and the amounts where they belong in every state."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.errors import Conflict, IllegalMove, InsufficientFunds, Invalid
from core.models import AuditEntry
from payments.models import Account, Deposit, Payout
from payments.selectors import balance
from payments.services.deposits import confirm_deposit, refuse_deposit, request_deposit
from payments.services.ledger import account, post_transfer
from payments.services.payouts import (
    cancel_payout,
    fail_payout,
    request_payout,
    retry_payout,
    send_payout,
    settle_payout,
)

pytestmark = pytest.mark.django_db
EUR = 1_000_000


@pytest.fixture
def worker(make_worker):
    """A worker with 10.00 payable."""
    found = make_worker()
    amounts = {account(Account.Kind.OUTSIDE): -10 * EUR, account(Account.Kind.PAYABLE, found.pk): 10 * EUR}
    post_transfer(key="earned", kind="test", amounts=amounts)
    return found


def where(worker):
    """Payable, under way, and gone since."""
    return balance("worker:payable", worker.pk), balance("payout:clearing"), balance("outside") + 10 * EUR


def test_a_payout_on_its_way_to_the_bank(worker):
    payout = request_payout(worker=worker, amount=4 * EUR)
    assert where(worker) == (6 * EUR, 4 * EUR, 0)

    send_payout(payout=payout)
    assert where(worker) == (6 * EUR, 4 * EUR, 0)

    settle_payout(payout=payout, reference="bank 17")
    assert where(worker) == (6 * EUR, 0, 4 * EUR)
    assert Payout.objects.get().state == "paid"


def test_a_payout_that_comes_back_can_be_sent_again(worker):
    payout = send_payout(payout=request_payout(worker=worker, amount=4 * EUR))

    fail_payout(payout=payout, reason="No such account.")
    assert where(worker) == (10 * EUR, 0, 0)

    settle_payout(payout=send_payout(payout=retry_payout(payout=payout)))
    assert where(worker) == (6 * EUR, 0, 4 * EUR)


def test_a_payout_that_nobody_has_sent_can_be_taken_back_and_then_nobody_sends_it(worker):
    payout = request_payout(worker=worker, amount=4 * EUR)

    cancel_payout(payout=payout)

    assert where(worker) == (10 * EUR, 0, 0)
    for act in (cancel_payout, send_payout, retry_payout):
        with pytest.raises(IllegalMove):
            act(payout=Payout.objects.get())
    assert where(worker) == (10 * EUR, 0, 0)


def test_a_payout_that_was_sent_is_not_taken_back(worker):
    payout = send_payout(payout=request_payout(worker=worker, amount=4 * EUR))

    with pytest.raises(IllegalMove):
        cancel_payout(payout=payout)

    assert where(worker) == (6 * EUR, 4 * EUR, 0)


def test_an_old_row_in_hand_neither_sends_money_twice_nor_keeps_it(worker):
    """The attempt is read from the database: its number is in the key of the transfer."""
    payout = send_payout(payout=request_payout(worker=worker, amount=4 * EUR))
    fail_payout(payout=payout, reason="No such account.")
    old = Payout.objects.get()
    send_payout(payout=retry_payout(payout=Payout.objects.get()))
    fail_payout(payout=Payout.objects.defer("attempt").get(), reason="Again.")
    assert where(worker) == (10 * EUR, 0, 0)

    assert retry_payout(payout=old).attempt == 3
    assert where(worker) == (6 * EUR, 4 * EUR, 0)

    old.attempt = 1
    fail_payout(payout=send_payout(payout=old), reason="And again.")
    assert where(worker) == (10 * EUR, 0, 0)


@pytest.mark.parametrize("amount", [0, -EUR, 1, 5_000, 15_000, EUR - 10_000])
def test_an_amount_that_is_no_payout(worker, amount):
    with pytest.raises(Invalid) as refusal:
        request_payout(worker=worker, amount=amount)

    assert list(refusal.value.errors) == ["amount"]
    assert where(worker) == (10 * EUR, 0, 0)
    assert not Payout.objects.exists()


def test_more_than_is_payable(worker):
    with pytest.raises(InsufficientFunds):
        request_payout(worker=worker, amount=11 * EUR)

    assert not Payout.objects.exists()


def test_a_payout_on_hold_is_not_sent(worker, settings):
    settings.PAYOUT_HOLD_DAYS = 3
    payout = request_payout(worker=worker, amount=4 * EUR)

    with pytest.raises(Conflict) as refusal:
        send_payout(payout=payout)
    assert refusal.value.code == "payout_held"

    Payout.objects.update(hold_until=timezone.now() - timedelta(seconds=1))
    assert send_payout(payout=Payout.objects.get()).state == "sending"


def test_a_payout_fails_with_a_reason(worker):
    payout = send_payout(payout=request_payout(worker=worker, amount=4 * EUR))

    with pytest.raises(Invalid):
        fail_payout(payout=payout, reason=" ")

    assert Payout.objects.get().state == "sending"


def test_a_deposit_is_available_once_staff_saw_it(make_requester, make_user):
    requester, staff = make_requester(deposit="0"), make_user(is_staff=True)
    deposit = request_deposit(requester=requester, amount=5 * EUR, reference="bank 12")
    assert balance(Account.Kind.AVAILABLE, requester.pk) == 0

    confirm_deposit(deposit=deposit, by=staff)

    assert balance(Account.Kind.AVAILABLE, requester.pk) == 5 * EUR
    assert AuditEntry.objects.get(act="deposit.confirm").actor == staff
    with pytest.raises(IllegalMove):
        confirm_deposit(deposit=Deposit.objects.get(), by=staff)
    with pytest.raises(IllegalMove):
        refuse_deposit(deposit=Deposit.objects.get(), by=staff, reason="Not seen.")
    assert balance(Account.Kind.AVAILABLE, requester.pk) == 5 * EUR


def test_a_refused_deposit_brings_nothing(make_requester, make_user):
    requester, staff = make_requester(deposit="0"), make_user(is_staff=True)
    deposit = request_deposit(requester=requester, amount=5 * EUR)

    with pytest.raises(Invalid):
        refuse_deposit(deposit=deposit, by=staff, reason="")
    refuse_deposit(deposit=deposit, by=staff, reason="Never arrived.")

    assert balance(Account.Kind.AVAILABLE, requester.pk) == 0
    with pytest.raises(Invalid):
        request_deposit(requester=requester, amount=0)
