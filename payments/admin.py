"""Money for staff: deposits to confirm, payouts to send, the ledger to read."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from core.staff import LookOnly, act, amount_column, reason_of
from lifecycle import pay_out
from payments.models import Account, Deposit, Entry, Payout, Transfer
from payments.services.deposits import refuse_deposit
from payments.services.looks import SecondLook, confirm_seen


@admin.register(Deposit)
class DepositAdmin(LookOnly):
    list_display = ("created_at", "requester", "amount_shown", "state", "reference", "decided_by", "reason")
    list_filter = ("state",)
    list_select_related = ("requester", "decided_by")
    search_fields = ("reference", "requester__name")
    ordering = ("-pk",)
    actions = ("confirm", "refuse")
    amount_shown = amount_column()

    @admin.action(description=_("Confirm: the money is on the account"))
    def confirm(self, request: HttpRequest, rows: QuerySet[Deposit]) -> None:
        def do(row: Deposit) -> Any:
            if confirm_seen(deposit=row, by=request.user).state == Deposit.State.REQUESTED:
                raise SecondLook

        act(request, rows, do, one=_("%d deposit confirmed."), many=_("%d deposits confirmed."))

    @admin.action(description=_("Refuse, with a reason"))
    def refuse(self, request: HttpRequest, rows: QuerySet[Deposit]) -> None:
        def do(row: Deposit) -> Any:
            return refuse_deposit(deposit=row, by=request.user, reason=reason_of(request))

        act(request, rows, do, one=_("%d deposit refused."), many=_("%d deposits refused."))


@admin.register(Payout)
class PayoutAdmin(LookOnly):
    list_display = ("created_at", "worker", "amount_shown", "state", "hold_until", "sent_at", "paid_at", "reason")
    list_filter = ("state",)
    list_select_related = ("worker",)
    ordering = ("-pk",)
    actions = ("send", "settle", "fail")
    amount_shown = amount_column()

    @admin.action(description=_("Send: the transfer is being made"))
    def send(self, request: HttpRequest, rows: QuerySet[Payout]) -> None:
        def do(row: Payout) -> Any:
            if pay_out.send(payout=row, by=request.user).state == Payout.State.REQUESTED:
                raise SecondLook

        act(request, rows, do, one=_("%d payout is being sent."), many=_("%d payouts are being sent."))

    @admin.action(description=_("Paid: the money has arrived (reason: its reference)"))
    def settle(self, request: HttpRequest, rows: QuerySet[Payout]) -> None:
        def do(row: Payout) -> Any:
            return pay_out.settle(payout=row, by=request.user, reference=reason_of(request))

        act(request, rows, do, one=_("%d payout is paid."), many=_("%d payouts are paid."))

    @admin.action(description=_("Came back, with a reason"))
    def fail(self, request: HttpRequest, rows: QuerySet[Payout]) -> None:
        def do(row: Payout) -> Any:
            return pay_out.fail(payout=row, by=request.user, reason=reason_of(request))

        act(request, rows, do, one=_("%d payout came back."), many=_("%d payouts came back."))


@admin.register(Account)
class AccountAdmin(LookOnly):
    list_display = ("kind", "owner_id", "currency", "balance_shown")
    list_filter = ("kind", "currency")
    search_fields = ("=owner_id",)
    balance_shown = amount_column("balance")


class EntryInline(admin.TabularInline):
    model = Entry
    extra = 0
    can_delete = False
    fields = ("account", "amount")
    readonly_fields = fields


@admin.register(Transfer)
class TransferAdmin(LookOnly):
    list_display = ("created_at", "kind", "key", "memo", "reverses")
    list_filter = ("kind",)
    search_fields = ("=key",)
    ordering = ("-pk",)
    inlines = (EntryInline,)
