"""The ledger: what moves money, what refuses to, and what the database refuses by itself."""

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from config.postgres import APP
from core.errors import InsufficientFunds
from payments.models import Account, Entry, Transfer
from payments.selectors import balance, statement
from payments.services.ledger import Movement, account, post_transfer, post_transfers, reverse_transfer

pytestmark = pytest.mark.django_db
EUR = 1_000_000


@pytest.fixture
def outside():
    return account(Account.Kind.OUTSIDE)


@pytest.fixture
def wallet(outside):
    """A requester's account with 10.00."""
    found = account(Account.Kind.AVAILABLE, 1)
    post_transfer(key="deposit", kind="deposit", amounts={outside: -10 * EUR, found: 10 * EUR})
    return found


@pytest.fixture
def payable():
    return account(Account.Kind.PAYABLE, 1)


def totals():
    return Transfer.objects.count(), Entry.objects.count()


def test_a_transfer_moves_what_it_says(wallet, payable):
    transfer = post_transfer(key="pay", kind="reward", amounts={wallet: -3 * EUR, payable: 3 * EUR})

    assert {(e.account_id, e.amount) for e in transfer.entries.all()} == {(wallet.pk, -3 * EUR), (payable.pk, 3 * EUR)}
    assert balance(Account.Kind.AVAILABLE, 1) == 7 * EUR
    assert balance(Account.Kind.PAYABLE, 1) == 3 * EUR
    assert balance(Account.Kind.OUTSIDE) == -10 * EUR  # summed, not stored
    assert Account.objects.get(kind=Account.Kind.OUTSIDE).balance == 0


def test_the_same_key_again_moves_nothing(wallet, payable):
    first = post_transfer(key="pay", kind="reward", amounts={wallet: -EUR, payable: EUR})
    again = post_transfer(key="pay", kind="reward", amounts={wallet: -EUR, payable: EUR})

    assert again == first
    assert balance(Account.Kind.PAYABLE, 1) == EUR


def test_of_many_only_the_new_keys_are_posted(wallet, payable):
    post_transfer(key="pay:1", kind="reward", amounts={wallet: -EUR, payable: EUR})

    new = post_transfers(
        Movement(key=f"pay:{n}", kind="reward", amounts={wallet: -EUR, payable: EUR}) for n in range(1, 5)
    )

    assert new == {"pay:2", "pay:3", "pay:4"}
    assert balance(Account.Kind.PAYABLE, 1) == 4 * EUR


def test_an_overdraft_is_refused_and_writes_nothing(wallet, payable):
    before = totals()

    with pytest.raises(InsufficientFunds):
        post_transfers(
            [
                Movement(key="small", kind="reward", amounts={wallet: -EUR, payable: EUR}),
                Movement(key="large", kind="reward", amounts={wallet: -10 * EUR, payable: 10 * EUR}),
            ]
        )

    assert totals() == before
    assert balance(Account.Kind.AVAILABLE, 1) == 10 * EUR


def test_what_does_not_balance_is_a_mistake_of_ours(wallet, payable):
    before = totals()

    with pytest.raises(ValueError, match="balance"):
        post_transfer(key="pay", kind="reward", amounts={wallet: -EUR, payable: EUR - 1})

    assert totals() == before


def test_two_movements_of_one_key_in_a_call_are_a_mistake_of_ours(wallet, payable):
    movement = Movement(key="pay", kind="reward", amounts={wallet: -EUR, payable: EUR})

    with pytest.raises(ValueError, match="same key"):
        post_transfers([movement, movement])

    assert balance(Account.Kind.PAYABLE, 1) == 0


def test_nothing_to_move_writes_nothing(wallet, payable):
    before = totals()

    assert post_transfers([Movement(key="free", kind="reward", amounts={wallet: 0, payable: 0})]) == set()
    assert post_transfers([]) == set()
    assert totals() == before


def test_a_mistake_is_put_right_by_its_opposite(wallet, payable):
    wrong = post_transfer(key="pay", kind="reward", amounts={wallet: -EUR, payable: EUR})

    right = reverse_transfer(transfer=wrong, memo="Paid the wrong person.")

    assert reverse_transfer(transfer=wrong, memo="Again.") == right
    assert right.reverses == wrong
    assert balance(Account.Kind.PAYABLE, 1) == 0
    assert balance(Account.Kind.AVAILABLE, 1) == 10 * EUR
    assert [entry.amount for entry in statement(Account.Kind.PAYABLE, 1)] == [-EUR, EUR]


# --- what PostgreSQL itself refuses -----------------------------------------------------------------------------------


def refused(statement, *arguments, role=None):
    """Run it as a transaction of its own would end: deferred checks included."""
    with pytest.raises((DatabaseError, IntegrityError)) as refusal, transaction.atomic(), connection.cursor() as cursor:
        if role:
            cursor.execute(f"SET LOCAL ROLE {role}")
        cursor.execute(statement, arguments)
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    return str(refusal.value)


def test_a_transfer_that_does_not_balance(wallet):
    transfer = Transfer.objects.create(key="bare", kind="test")

    assert "does not balance" in refused(
        "INSERT INTO payments_entry (transfer_id, account_id, amount) VALUES (%s, %s, 5)", transfer.pk, wallet.pk
    )


def test_a_transfer_between_currencies(wallet):
    transfer, other = Transfer.objects.create(key="bare", kind="test"), account(Account.Kind.PAYABLE, 1, "XTS")

    assert "does not balance" in refused(
        "INSERT INTO payments_entry (transfer_id, account_id, amount) VALUES (%s, %s, -5), (%s, %s, 5)",
        transfer.pk,
        wallet.pk,
        transfer.pk,
        other.pk,
    )


def test_an_entry_of_nothing(wallet):
    transfer = Transfer.objects.create(key="bare", kind="test")

    assert "entry_moves_something" in refused(
        "INSERT INTO payments_entry (transfer_id, account_id, amount) VALUES (%s, %s, 0)", transfer.pk, wallet.pk
    )


def test_a_balance_below_zero(wallet):
    assert "account_never_negative" in refused("UPDATE payments_account SET balance = -1 WHERE id = %s", wallet.pk)


CHANGES = [
    "UPDATE payments_entry SET amount = amount * 2",
    "DELETE FROM payments_entry",
    "UPDATE payments_transfer SET key = key || 'x'",
    "DELETE FROM payments_transfer",
]


@pytest.mark.parametrize("statement", CHANGES)
def test_changing_or_deleting_even_by_the_owner_of_the_tables(statement, wallet):
    refused(statement)

    assert balance(Account.Kind.AVAILABLE, 1) == 10 * EUR


@pytest.mark.parametrize("statement", [*CHANGES, "TRUNCATE payments_entry"])
def test_changing_or_deleting_by_the_application_for_want_of_a_right(statement, wallet):
    assert "permission denied" in refused(statement, role=APP)


def test_the_same_key_twice(wallet):
    assert "payments_transfer_key" in refused(
        "INSERT INTO payments_transfer (key, kind) VALUES ('deposit', 'test')", role=APP
    )
