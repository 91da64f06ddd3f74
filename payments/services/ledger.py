"""The one function through which money moves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from django.conf import settings
from django.db import IntegrityError, connection, transaction

from core.errors import InsufficientFunds
from payments.models import Account, Transfer


@dataclass(frozen=True)
class Movement:
    """A transfer to be: `amounts` maps accounts to what they gain (or, negative, give), in micros; it sums to zero."""

    key: str
    kind: str
    amounts: Mapping[Account, int] = field(hash=False)
    memo: str = ""
    reverses: int | None = None


# One statement for many transfers: a key that exists already brings no entries, so retrying moves nothing twice.
# Accounts were locked in id order before, so two posters cannot wait for each other.
POST = """
WITH ins AS (
    INSERT INTO payments_transfer (key, kind, memo, reverses_id)
    SELECT * FROM unnest(%(keys)s::text[], %(kinds)s::text[], %(memos)s::text[], %(reverses)s::bigint[])
    ON CONFLICT (key) DO NOTHING RETURNING id, key
), leg AS (
    SELECT ins.id AS transfer_id, l.account_id, l.amount
    FROM unnest(%(leg_keys)s::text[], %(accounts)s::bigint[], %(amounts)s::bigint[]) AS l(key, account_id, amount)
    JOIN ins USING (key)
), entries AS (
    INSERT INTO payments_entry (transfer_id, account_id, amount) SELECT * FROM leg
), moved AS (
    UPDATE payments_account a SET balance = a.balance + s.amount
    FROM (SELECT account_id, sum(amount)::bigint AS amount FROM leg GROUP BY account_id) s
    WHERE a.id = s.account_id AND a.kind <> ALL (%(summed)s)
)
SELECT key FROM ins
"""


def post_transfers(movements: Iterable[Movement]) -> set[str]:
    """Write the transfers and their entries, once for each key; return the keys that were new.

    Raises
    ------
    InsufficientFunds
        When an account would fall below zero. Nothing was written.
    ValueError
        When a movement does not sum to zero: a mistake of ours.
    """
    drafts = [m for m in movements if any(m.amounts.values())]
    if not drafts:
        return set()
    if len({draft.key for draft in drafts}) < len(drafts):
        raise ValueError("Two of these transfers have the same key.")
    for draft in drafts:
        if sum(draft.amounts.values()):
            raise ValueError(f"Transfer {draft.key} does not balance.")
    legs = [(d.key, account.pk, amount) for d in drafts for account, amount in d.amounts.items() if amount]
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            lock_accounts({account for d in drafts for account in d.amounts})
            cursor.execute(
                POST,
                {
                    "keys": [d.key for d in drafts],
                    "kinds": [d.kind for d in drafts],
                    "memos": [d.memo for d in drafts],
                    "reverses": [d.reverses for d in drafts],
                    "leg_keys": [leg[0] for leg in legs],
                    "accounts": [leg[1] for leg in legs],
                    "amounts": [leg[2] for leg in legs],
                    "summed": [str(kind) for kind in Account.SUMMED],
                },
            )
            return {key for (key,) in cursor.fetchall()}
    except IntegrityError as error:
        if "account_never_negative" in str(error):
            raise InsufficientFunds from None
        raise


def lock_accounts(accounts: Collection[Account]) -> None:
    """Lock the accounts in the order of their ids, as every poster does.

    A transaction that posts more than once locks all that it may touch before its first post: each post locks its own
    accounts in order, but the second one's may have smaller ids than those held since the first.
    """
    ids = sorted(account.pk for account in accounts if account.kind not in Account.SUMMED)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM payments_account WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE", [ids])


def post_transfer(*, key: str, kind: str, amounts: Mapping[Account, int], memo: str = "") -> Transfer:
    """Write one transfer and its entries, once for each `key`.

    Posting a key again returns the first transfer, so retry freely. Raises as `post_transfers` does.
    """
    post_transfers([Movement(key=key, kind=kind, amounts=amounts, memo=memo)])
    return Transfer.objects.get(key=key)


def reverse_transfer(*, transfer: Transfer, memo: str) -> Transfer:
    """Put a mistake right by its opposite; the first transfer stays."""
    key = f"reverse:{transfer.pk}"
    amounts = {entry.account: -entry.amount for entry in transfer.entries.select_related("account")}
    post_transfers([Movement(key=key, kind="reversal", amounts=amounts, memo=memo, reverses=transfer.pk)])
    return Transfer.objects.get(key=key)


def account(kind: str, owner_id: int = 0, currency: str | None = None) -> Account:
    """The account, opened when first asked for."""
    found, _ = Account.objects.get_or_create(
        kind=kind, owner_id=owner_id, currency=currency or settings.LEDGER_CURRENCY
    )
    return found
