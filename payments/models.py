"""The ledger: accounts, transfers and their entries in whole micros; money coming in and going out.

outside -> requester:available -> batch:escrow -> worker:payable + platform:fees -> outside.
"""

from __future__ import annotations

import uuid

import pgtrigger
from django.conf import settings
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

BALANCED = """
    IF (SELECT sum(amount) FROM payments_entry WHERE transfer_id = NEW.transfer_id) <> 0
       OR (SELECT count(*) FROM payments_entry WHERE transfer_id = NEW.transfer_id) < 2
       OR (SELECT count(DISTINCT a.currency) FROM payments_entry e JOIN payments_account a ON a.id = e.account_id
            WHERE e.transfer_id = NEW.transfer_id) <> 1 THEN
        RAISE EXCEPTION 'transfer % does not balance', NEW.transfer_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
"""


class Account(models.Model):
    """Where money is. One row for each kind, owner and currency."""

    class Kind(models.TextChoices):
        AVAILABLE = "requester:available", _("requester, available")
        ESCROW = "batch:escrow", _("batch, put aside")
        REPAIR = "batch:repair", _("batch, repair reserve")
        PAYABLE = "worker:payable", _("worker, payable")
        FEES = "platform:fees", _("platform fees")
        GOODWILL = "platform:goodwill", _("platform goodwill")
        CLEARING = "payout:clearing", _("payouts under way")
        OUTSIDE = "outside", _("the outside world")

    #: Kinds with one hot row for everybody: summed from their entries, so that no approval waits for another.
    SUMMED = (Kind.FEES, Kind.OUTSIDE)

    kind = models.CharField(max_length=24, choices=Kind.choices)
    owner_id = models.BigIntegerField(
        default=0, help_text="Requester, batch or worker; 0 for the platform and outside."
    )
    currency = models.CharField(max_length=3)
    balance = models.BigIntegerField(default=0, help_text="Micros. Stays 0 for kinds that are summed.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "owner_id", "currency"], name="account_once"),
            models.CheckConstraint(condition=Q(balance__gte=0), name="account_never_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}:{self.owner_id}" if self.owner_id else self.kind


class Transfer(models.Model):
    """One movement of money, once for each key. Put right by a second transfer, never changed."""

    public_id = models.UUIDField(
        default=uuid.uuid4, unique=True, editable=False, db_default=models.Func(function="gen_random_uuid")
    )
    key = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=24)
    memo = models.CharField(max_length=200, blank=True, db_default="")
    reverses = models.ForeignKey("self", null=True, blank=True, on_delete=models.PROTECT, related_name="reversals")
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())

    class Meta:
        # As good as free to keep, and enough to find a day: rows are written in the order of time.
        indexes = [BrinIndex(fields=["created_at"], autosummarize=True, name="transfer_by_time")]
        triggers = [pgtrigger.Protect(name="transfer_append_only", operation=pgtrigger.Update | pgtrigger.Delete)]

    def __str__(self) -> str:
        return self.key


class Entry(models.Model):
    """One account's part in a transfer: positive gains, negative gives."""

    transfer = models.ForeignKey(Transfer, on_delete=models.PROTECT, related_name="entries")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="entries", db_index=False)
    amount = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "entries"
        indexes = [models.Index(fields=["account", "id"], name="entry_by_account")]
        constraints = [models.CheckConstraint(condition=~Q(amount=0), name="entry_moves_something")]
        triggers = [
            pgtrigger.Protect(name="entry_append_only", operation=pgtrigger.Update | pgtrigger.Delete),
            pgtrigger.Trigger(
                name="transfer_balances",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                func=BALANCED,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.amount} to {self.account_id}"


class Deposit(models.Model):
    """Money a requester brings. The `manual` provider is staff reading a bank statement."""

    class State(models.TextChoices):
        REQUESTED = "requested", _("requested")
        CONFIRMED = "confirmed", _("confirmed")
        REFUSED = "refused", _("refused")

    MOVES = {State.REQUESTED: {State.CONFIRMED, State.REFUSED}}

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    requester = models.ForeignKey("marketplace.Requester", on_delete=models.PROTECT, related_name="deposits")
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    provider = models.CharField(max_length=20, default="manual")
    reference = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.REQUESTED)
    created_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: Who looked first at a large sum, which two people have to look at.
    seen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="deposit_positive")]

    def __str__(self) -> str:
        return f"deposit {self.public_id}"


class Payout(models.Model):
    """Money on its way from a worker's payable balance to their bank."""

    class State(models.TextChoices):
        REQUESTED = "requested", _("requested")
        SENDING = "sending", _("sending")
        PAID = "paid", _("paid")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled by the worker")

    MOVES = {
        State.REQUESTED: {State.SENDING, State.CANCELLED},
        State.SENDING: {State.PAID, State.FAILED},
        State.FAILED: {State.REQUESTED},
    }

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    worker = models.ForeignKey("workers_app.Worker", on_delete=models.PROTECT, related_name="payouts")
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    provider = models.CharField(max_length=20, default="manual")
    reference = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.REQUESTED)
    attempt = models.PositiveSmallIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    hold_until = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    paid_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    #: Who looked first at a large sum, which two people have to look at.
    seen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(amount__gt=0) & Q(amount=F("amount") / 10_000 * 10_000), name="payout_in_whole_cents"
            )
        ]

    def __str__(self) -> str:
        return f"payout {self.public_id}"
