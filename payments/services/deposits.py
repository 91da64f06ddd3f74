"""Money coming in. The `manual` provider: a requester announces it, staff see it on the bank statement and confirm."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import audit
from core.errors import Invalid
from core.states import move
from core.templatetags.touchstone import money_for_reader
from payments.models import Account, Deposit
from payments.services.ledger import account, post_transfer
from users.models import User
from users.services.notices import Words, notify_all


def request_deposit(*, requester: Any, amount: int, reference: str = "") -> Deposit:
    if amount <= 0:
        raise Invalid(errors={"amount": _("The amount must be above 0.")})
    return Deposit.objects.create(requester=requester, amount=amount, currency=requester.currency, reference=reference)


@transaction.atomic
def confirm_deposit(*, deposit: Deposit, by: Any) -> Deposit:
    """Staff saw the money: it becomes available. Of two confirmations one raises `IllegalMove`."""
    move(deposit, Deposit.State.CONFIRMED, decided_at=timezone.now(), decided_by=by)
    post_transfer(
        key=f"deposit:{deposit.pk}",
        kind="deposit",
        amounts={
            account(Account.Kind.OUTSIDE, currency=deposit.currency): -deposit.amount,
            account(Account.Kind.AVAILABLE, deposit.requester_id, deposit.currency): deposit.amount,
        },
    )
    now = gettext_lazy("The deposit is available: batches can be paid from it now.")
    _tell(deposit, gettext_lazy("{amount} arrived"), now)
    audit.record(act="deposit.confirm", subject=f"deposit:{deposit.pk}", actor=by, amount=deposit.amount)
    return deposit


@transaction.atomic
def refuse_deposit(*, deposit: Deposit, by: Any, reason: str) -> Deposit:
    if not reason.strip():
        raise Invalid(errors={"reason": _("Say why; the requester reads it.")})
    move(deposit, Deposit.State.REFUSED, decided_at=timezone.now(), decided_by=by, reason=reason)
    _tell(deposit, gettext_lazy("The deposit of {amount} did not arrive"), reason)
    audit.record(act="deposit.refuse", subject=f"deposit:{deposit.pk}", actor=by, reason=reason)
    return deposit


def _tell(deposit: Deposit, title: Words, body: Words) -> None:
    """Those who run the organisation hear of it."""
    runs = {"memberships__requester": deposit.requester_id, "memberships__role__in": ["owner", "manager"]}
    notify_all(
        User.objects.filter(is_active=True, **runs),
        kind=f"deposit.{deposit.state}",
        title=format_lazy(title, amount=money_for_reader(deposit.amount, deposit.currency)),
        body=body,
        url=reverse("studio_money"),
    )
