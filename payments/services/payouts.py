"""Money going out: requested -> sending -> paid | failed; a failed one may be requested again, one that nobody has
sent yet may be cancelled.

On request the amount leaves `worker:payable` for `payout:clearing`, so it cannot be asked for twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import audit
from core.errors import Conflict, InsufficientFunds, Invalid
from core.preferences import preference
from core.states import move
from core.templatetags.touchstone import money_for_reader, money_words
from payments.models import Account, Payout
from payments.services.ledger import account, post_transfer
from users.services.notices import Words, notify


@transaction.atomic
def request_payout(*, worker: Any, amount: int, currency: str | None = None) -> Payout:
    """Ask for `amount` micros of what is payable.

    Raises
    ------
    Invalid
        When it is no whole number of cents, or below the smallest payout.
    InsufficientFunds
        When less is payable. Nothing was changed.
    """
    currency = currency or settings.LEDGER_CURRENCY
    if amount <= 0 or amount % 10_000:
        raise Invalid(errors={"amount": _("A payout is a whole number of cents above 0.")})
    if amount < preference("PAYOUT_MINIMUM"):
        least = money_words(preference("PAYOUT_MINIMUM"), currency)
        raise Invalid(errors={"amount": _("The smallest payout is %s.") % least})
    hold = timezone.now() + timedelta(days=settings.PAYOUT_HOLD_DAYS) if settings.PAYOUT_HOLD_DAYS else None
    payout = Payout.objects.create(worker=worker, amount=amount, currency=currency, hold_until=hold)
    try:
        _clear(payout, key=f"payout:{payout.pk}:1")
    except InsufficientFunds:
        raise InsufficientFunds(_("You have less than that to pay out. Nothing was changed.")) from None
    return payout


def _clear(payout: Payout, *, key: str) -> None:
    post_transfer(
        key=key,
        kind="payout",
        amounts={
            account(Account.Kind.PAYABLE, payout.worker_id, payout.currency): -payout.amount,
            account(Account.Kind.CLEARING, 0, payout.currency): payout.amount,
        },
    )


@transaction.atomic
def send_payout(*, payout: Payout, by: Any = None) -> Payout:
    """Hand it to the provider. With the `manual` provider a person now makes the bank transfer."""
    if payout.hold_until and payout.hold_until > timezone.now():
        until = f"{payout.hold_until:%Y-%m-%d %H:%M} UTC"
        raise Conflict(_("This payout is held until %s.") % until, code="payout_held")
    move(payout, Payout.State.SENDING, sent_at=timezone.now(), decided_by=by)
    audit.record(act="payout.send", subject=f"payout:{payout.pk}", actor=by, amount=payout.amount)
    return payout


@transaction.atomic
def settle_payout(*, payout: Payout, by: Any = None, reference: str = "") -> Payout:
    """The money has arrived."""
    move(payout, Payout.State.PAID, paid_at=timezone.now(), reference=reference, decided_by=by)
    post_transfer(
        key=f"payout:{payout.pk}:paid",
        kind="payout",
        amounts={
            account(Account.Kind.CLEARING, 0, payout.currency): -payout.amount,
            account(Account.Kind.OUTSIDE, 0, payout.currency): payout.amount,
        },
    )
    _tell(payout, gettext_lazy("{amount} were paid out"), reference)
    audit.record(act="payout.paid", subject=f"payout:{payout.pk}", actor=by, amount=payout.amount)
    return payout


@transaction.atomic
def fail_payout(*, payout: Payout, reason: str, by: Any = None) -> Payout:
    """It came back: the money is the worker's again."""
    if not reason.strip():
        raise Invalid(errors={"reason": _("Say why; the worker reads it.")})
    move(payout, Payout.State.FAILED, reason=reason, decided_by=by)
    _give_back(payout)
    why = format_lazy(gettext_lazy("{reason} The money is yours again."), reason=reason)
    _tell(payout, gettext_lazy("A payout of {amount} failed"), why)
    audit.record(act="payout.fail", subject=f"payout:{payout.pk}", actor=by, reason=reason)
    return payout


@transaction.atomic
def cancel_payout(*, payout: Payout) -> Payout:
    """The worker thought better of it before anybody sent it. Raises `IllegalMove` after that."""
    move(payout, Payout.State.CANCELLED)
    _give_back(payout)
    return payout


def _give_back(payout: Payout) -> None:
    payout.refresh_from_db(fields=["attempt"])  # the caller's row may be older than the last retry
    post_transfer(
        key=f"payout:{payout.pk}:{payout.attempt}:back",
        kind="payout",
        amounts={
            account(Account.Kind.CLEARING, 0, payout.currency): -payout.amount,
            account(Account.Kind.PAYABLE, payout.worker_id, payout.currency): payout.amount,
        },
    )


@transaction.atomic
def retry_payout(*, payout: Payout) -> Payout:
    move(payout, Payout.State.REQUESTED, attempt=F("attempt") + 1, reason="")
    _clear(payout, key=f"payout:{payout.pk}:{payout.attempt}")
    return payout


def _tell(payout: Payout, title: Words, body: Words) -> None:
    notify(
        user=payout.worker.user,
        kind=f"payout.{payout.state}",
        title=format_lazy(title, amount=money_for_reader(payout.amount, payout.currency)),
        body=body,
        url=reverse("earnings_payouts"),
    )
