"""A batch's money: put aside at publish, paid with each approval, given back when no place needs it any more.

Price = reward + fee, fixed when the batch is published. Each HIT knows its funded places, so that at every commit
escrow = price x funded places. Whoever changes a HIT's funded places calls one of these in the same transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from payments.models import Account
from payments.services.ledger import Movement, account, lock_accounts, post_transfers


@dataclass(frozen=True)
class Purse:
    """The accounts of one batch."""

    batch_id: int
    requester_id: int
    currency: str
    #: In budget mode what one HIT saves is kept for the others, until the batch closes.
    keeps_savings: bool = False

    @property
    def escrow(self) -> Account:
        return account(Account.Kind.ESCROW, self.batch_id, self.currency)

    @property
    def repair(self) -> Account:
        return account(Account.Kind.REPAIR, self.batch_id, self.currency)

    @property
    def available(self) -> Account:
        return account(Account.Kind.AVAILABLE, self.requester_id, self.currency)


@dataclass(frozen=True)
class Reward:
    """What one approved assignment brings its worker, and the platform."""

    assignment_id: int
    worker_id: int
    reward: int
    fee: int


def put_aside(*, purse: Purse, amount: int, key: str, repair: int = 0) -> bool:
    """Take `amount` (and `repair` for the repair reserve) from what is available; False when `key` did so before.

    Raises `InsufficientFunds`.
    """
    amounts = {purse.available: -(amount + repair), purse.escrow: amount, purse.repair: repair}
    return bool(post_transfers([Movement(key=key, kind="escrow", amounts=amounts)]))


def lock_purses(purses: Iterable[Purse]) -> None:
    """For a transaction that posts more than once: lock all accounts of these purses before the first post."""
    lock_accounts({account for purse in purses for account in (purse.available, purse.escrow, purse.repair)})


def give_back(*, amounts: Sequence[tuple[Purse, str, int]], kind: str = "release") -> None:
    """Return money that no place needs: purse, key and micros."""
    post_transfers(
        Movement(
            key=key,
            kind=kind,
            amounts={purse.escrow: -amount, purse.repair if purse.keeps_savings else purse.available: amount},
        )
        for purse, key, amount in amounts
    )


def use_repair(*, purse: Purse, price: int, keys: Sequence[str]) -> int:
    """Move `price` of the repair reserve to escrow for each of `keys`, an answer that is asked again; the first ones as
    far as the reserve goes. Returns how many. The purse is locked by the caller."""
    repair, escrow = purse.repair, purse.escrow
    many = min(len(keys), repair.balance // price)
    amounts = {repair: -price, escrow: price}
    post_transfers([Movement(key=key, kind="repair", amounts=amounts) for key in keys[:many]])
    return many


def end_repair(*, purse: Purse) -> None:
    """At close the unused reserve goes back."""
    lock_purses([purse])  # its balance is read under the lock: a digest may be using it
    repair = purse.repair
    amounts = {repair: -repair.balance, purse.available: repair.balance}
    post_transfers([Movement(key=f"repair-end:{purse.batch_id}", kind="release", amounts=amounts)])


def pay_rewards(*, purse: Purse, rewards: Sequence[Reward]) -> set[str]:
    """Escrow -> workers and fees: one transfer each, keyed `reward:<assignment>`; returns the keys that were new."""
    escrow = purse.escrow
    fees = account(Account.Kind.FEES, 0, purse.currency)
    payable = worker_accounts([r.worker_id for r in rewards], purse.currency)
    return post_transfers(
        Movement(
            key=f"reward:{r.assignment_id}",
            kind="reward",
            amounts={escrow: -(r.reward + r.fee), payable[r.worker_id]: r.reward, fees: r.fee},
        )
        for r in rewards
    )


def pay_from_available(*, purse: Purse, reward: Reward, key: str, kind: str, memo: str = "") -> None:
    """Bonus, or an approval after close: straight from what the requester has available. Raises `InsufficientFunds`."""
    amounts = {
        purse.available: -(reward.reward + reward.fee),
        account(Account.Kind.PAYABLE, reward.worker_id, purse.currency): reward.reward,
        account(Account.Kind.FEES, 0, purse.currency): reward.fee,
    }
    post_transfers([Movement(key=key, kind=kind, amounts=amounts, memo=memo)])


def worker_accounts(worker_ids: Collection[int], currency: str) -> dict[int, Account]:
    """Payable accounts by worker, opened where missing."""
    wanted = sorted(set(worker_ids))
    Account.objects.bulk_create(
        [Account(kind=Account.Kind.PAYABLE, owner_id=w, currency=currency) for w in wanted], ignore_conflicts=True
    )
    found = Account.objects.filter(kind=Account.Kind.PAYABLE, owner_id__in=wanted, currency=currency)
    return {a.owner_id: a for a in found}
