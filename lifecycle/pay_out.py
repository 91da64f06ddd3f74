"""Money on its way to a worker's bank, and who hears of it."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from lifecycle.events import payout_changed
from payments.models import Payout
from payments.services import looks, payouts
from workers_app.models import Worker


@transaction.atomic
def request(*, worker: Worker, amount: int) -> Payout:
    """Raises `Invalid`, `InsufficientFunds`."""
    return _told(payouts.request_payout(worker=worker, amount=amount))


@transaction.atomic
def send(*, payout: Payout, by: Any) -> Payout:
    """A large sum stays requested after the first look. Raises `Conflict` while it is held, and `IllegalMove`."""
    if not looks.look_first(row=payout, by=by):
        return payout
    return _told(payouts.send_payout(payout=payout, by=by))


@transaction.atomic
def settle(*, payout: Payout, by: Any, reference: str = "") -> Payout:
    return _told(payouts.settle_payout(payout=payout, by=by, reference=reference))


@transaction.atomic
def fail(*, payout: Payout, by: Any, reason: str) -> Payout:
    return _told(payouts.fail_payout(payout=payout, by=by, reason=reason))


@transaction.atomic
def request_again(*, payout: Payout) -> Payout:
    return _told(payouts.retry_payout(payout=payout))


@transaction.atomic
def cancel(*, payout: Payout) -> Payout:
    """Raises `IllegalMove` once it was sent."""
    return _told(payouts.cancel_payout(payout=payout))


def _told(payout: Payout) -> Payout:
    payout_changed(payout)
    return payout
