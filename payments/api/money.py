"""Deposits, payouts, earnings and statements."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db.models import QuerySet, Sum
from rest_framework import serializers
from rest_framework.request import Request

from core import money
from core.api.endpoint import Endpoint, act
from core.api.fields import Amount, AmountIn, CentsIn, Empty, Input
from core.api.tables import Number, csv_response
from core.preferences import preference
from lifecycle import pay_out
from marketplace.api.finding import as_role, one, requester_for, worker_of
from marketplace.models import Assignment, Batch
from marketplace.selectors import requesters_of
from payments.models import Account, Deposit, Entry, Payout
from payments.selectors import Line, balance, lines, statement, sums_by_kind
from payments.services.deposits import refuse_deposit, request_deposit
from payments.services.goodwill import fill_goodwill
from payments.services.looks import confirm_seen

CSV_CHUNK = 1000


class ReasonIn(Input):
    reason = serializers.CharField(max_length=300)


# --- deposits ---------------------------------------------------------------------------------------------------------


class DepositOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    organisation = serializers.UUIDField(source="requester.public_id")
    amount = Amount()
    currency = serializers.CharField()
    provider = serializers.CharField()
    reference = serializers.CharField()
    state = serializers.CharField()
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)


class DepositIn(Input):
    amount = AmountIn(help_text="Above 0.")
    reference = serializers.CharField(
        required=False, allow_blank=True, max_length=120, default="", help_text="By which staff find the transfer."
    )


class Deposits(Endpoint):
    @act("read", "money", gives=DepositOut, paged=True, tag="money")
    def get(self, request: Request, organisation_id: uuid.UUID) -> QuerySet[Deposit]:
        """Money that was announced, and what became of it."""
        return requester_for(request, organisation_id).deposits.select_related("requester")

    @act("money", takes=DepositIn, gives=DepositOut, status=201, keyed=True, tag="money")
    def post(self, request: Request, organisation_id: uuid.UUID, data: dict[str, Any]) -> Deposit:
        """Announce a bank transfer (managers). It can be spent once staff have seen the money."""
        return request_deposit(requester=requester_for(request, organisation_id, "manager"), **data)


class DepositOne(Endpoint):
    @act("read", "money", gives=DepositOut, tag="money")
    def get(self, request: Request, deposit_id: uuid.UUID) -> Deposit:
        """One deposit."""
        return as_role(_deposits, request.user, "viewer", public_id=deposit_id)


class DepositQuery(Input):
    state = serializers.ChoiceField(required=False, choices=Deposit.State.values)


class AllDeposits(Endpoint):
    @act("admin", query=DepositQuery, gives=DepositOut, paged=True, tag="staff")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[Deposit]:
        """Deposits of everybody, for staff."""
        rows = Deposit.objects.select_related("requester")
        return rows.filter(state=query["state"]) if "state" in query else rows


class DepositConfirm(Endpoint):
    @act("admin", takes=Empty, gives=DepositOut, keyed=True, tag="staff")
    def post(self, request: Request, deposit_id: uuid.UUID, data: dict[str, Any]) -> Deposit:
        """The money has arrived: it becomes available. A large sum stays `requested` until a second person confirms."""
        return confirm_seen(deposit=one(Deposit.objects.all(), public_id=deposit_id), by=request.user)


class DepositRefuse(Endpoint):
    @act("admin", takes=ReasonIn, gives=DepositOut, keyed=True, tag="staff")
    def post(self, request: Request, deposit_id: uuid.UUID, data: dict[str, Any]) -> Deposit:
        """It did not come."""
        return refuse_deposit(deposit=one(Deposit.objects.all(), public_id=deposit_id), by=request.user, **data)


def _deposits(user: Any, role: str) -> QuerySet[Deposit]:
    return Deposit.objects.filter(requester__in=requesters_of(user, role)).select_related("requester")


# --- payouts ----------------------------------------------------------------------------------------------------------


class PayoutOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    amount = Amount()
    currency = serializers.CharField()
    provider = serializers.CharField()
    reference = serializers.CharField()
    state = serializers.CharField()
    reason = serializers.CharField()
    created_at = serializers.DateTimeField()
    hold_until = serializers.DateTimeField(allow_null=True)
    sent_at = serializers.DateTimeField(allow_null=True)
    paid_at = serializers.DateTimeField(allow_null=True)


class StaffPayoutOut(PayoutOut):
    worker = serializers.UUIDField(source="worker.public_id")


class PayoutIn(Input):
    amount = CentsIn(help_text="Whole cents, at least the smallest payout.")


class PaidIn(Input):
    reference = serializers.CharField(required=False, allow_blank=True, max_length=120, default="")


class PayoutQuery(Input):
    state = serializers.ChoiceField(required=False, choices=Payout.State.values)


class MyPayouts(Endpoint):
    @act("work", "money", gives=PayoutOut, paged=True, tag="earnings")
    def get(self, request: Request) -> QuerySet[Payout]:
        """Your payouts."""
        return worker_of(request).payouts.all()

    @act("money", takes=PayoutIn, gives=PayoutOut, status=201, keyed=True, refuses=[402], tag="earnings")
    def post(self, request: Request, data: dict[str, Any]) -> Payout:
        """Ask to be paid out what you earned, or part of it."""
        return pay_out.request(worker=worker_of(request), **data)


class MyPayout(Endpoint):
    @act("work", "money", gives=PayoutOut, tag="earnings")
    def get(self, request: Request, payout_id: uuid.UUID) -> Payout:
        """One payout."""
        return one(worker_of(request).payouts.all(), public_id=payout_id)


class MyPayoutRetry(Endpoint):
    @act("money", takes=Empty, gives=PayoutOut, keyed=True, refuses=[402], tag="earnings")
    def post(self, request: Request, payout_id: uuid.UUID, data: dict[str, Any]) -> Payout:
        """Ask again for one that failed."""
        return pay_out.request_again(payout=one(worker_of(request).payouts.all(), public_id=payout_id))


class MyPayoutCancel(Endpoint):
    @act("money", takes=Empty, gives=PayoutOut, keyed=True, tag="earnings")
    def post(self, request: Request, payout_id: uuid.UUID, data: dict[str, Any]) -> Payout:
        """Take back one that nobody has sent yet."""
        return pay_out.cancel(payout=one(worker_of(request).payouts.all(), public_id=payout_id))


class AllPayouts(Endpoint):
    @act("admin", query=PayoutQuery, gives=StaffPayoutOut, paged=True, tag="staff")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[Payout]:
        """Payouts of everybody, for staff."""
        rows = Payout.objects.select_related("worker")
        return rows.filter(state=query["state"]) if "state" in query else rows


class PayoutSend(Endpoint):
    @act("admin", takes=Empty, gives=StaffPayoutOut, keyed=True, tag="staff")
    def post(self, request: Request, payout_id: uuid.UUID, data: dict[str, Any]) -> Payout:
        """You are making the bank transfer now. A large sum stays `requested` until a second person sends it."""
        return pay_out.send(payout=_any_payout(payout_id), by=request.user)


class PayoutPaid(Endpoint):
    @act("admin", takes=PaidIn, gives=StaffPayoutOut, keyed=True, tag="staff")
    def post(self, request: Request, payout_id: uuid.UUID, data: dict[str, Any]) -> Payout:
        """The money has arrived."""
        return pay_out.settle(payout=_any_payout(payout_id), by=request.user, **data)


class PayoutFailed(Endpoint):
    @act("admin", takes=ReasonIn, gives=StaffPayoutOut, keyed=True, tag="staff")
    def post(self, request: Request, payout_id: uuid.UUID, data: dict[str, Any]) -> Payout:
        """It came back: the money is the worker's again, and they read why."""
        return pay_out.fail(payout=_any_payout(payout_id), by=request.user, **data)


def _any_payout(payout_id: uuid.UUID) -> Payout:
    return one(Payout.objects.select_related("worker"), public_id=payout_id)


class GoodwillIn(Input):
    amount = AmountIn(help_text="Of the fees the platform earned.")


class GoodwillOut(serializers.Serializer):
    currency = serializers.CharField()
    goodwill = Amount()
    fees = Amount()


class Goodwill(Endpoint):
    @act("admin", gives=GoodwillOut, tag="staff")
    def get(self, request: Request) -> dict[str, Any]:
        """What the platform has for answers that came too late, and what it earned in fees."""
        return _goodwill()

    @act("admin", takes=GoodwillIn, gives=GoodwillOut, keyed=True, refuses=[402], tag="staff")
    def post(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        """Move fees into the goodwill account."""
        fill_goodwill(amount=data["amount"], by=request.user, key=uuid.uuid4().hex)
        return _goodwill()


def _goodwill() -> dict[str, Any]:
    return {
        "currency": settings.LEDGER_CURRENCY,
        "goodwill": balance(Account.Kind.GOODWILL),
        "fees": balance(Account.Kind.FEES),
    }


# --- earnings ---------------------------------------------------------------------------------------------------------


class EarningsOut(serializers.Serializer):
    currency = serializers.CharField()
    payable = Amount(help_text="Can be paid out.")
    waiting = Amount(help_text="Of answers that nobody has decided on yet.")
    rewards = Amount()
    bonuses = Amount()
    compensations = Amount()
    paid_out = Amount(help_text="Paid, or on its way.")
    smallest_payout = Amount()


class MyEarnings(Endpoint):
    @act("work", "money", gives=EarningsOut, tag="earnings")
    def get(self, request: Request) -> dict[str, Any]:
        """What you earned, what waits for a decision, what you can be paid."""
        worker = worker_of(request)
        sums = sums_by_kind(Account.Kind.PAYABLE, worker.pk)
        undecided = Assignment.objects.filter(worker=worker, state__in=["submitted", "revising"])
        return {
            "currency": settings.LEDGER_CURRENCY,
            "payable": balance(Account.Kind.PAYABLE, worker.pk),
            "waiting": undecided.aggregate(total=Sum("reward"))["total"] or 0,
            "rewards": sums.get("reward", 0),
            "bonuses": sums.get("bonus", 0),
            "compensations": sums.get("compensation", 0),
            "paid_out": -sums.get("payout", 0),
            "smallest_payout": preference("PAYOUT_MINIMUM"),
        }


# --- statements -------------------------------------------------------------------------------------------------------


class LineOut(serializers.Serializer):
    id = serializers.UUIDField()
    at = serializers.DateTimeField()
    kind = serializers.CharField()
    amount = Amount()
    memo = serializers.CharField()
    about = serializers.CharField(help_text="The batch, or for workers the work, that it belongs to.")


class StatementQuery(Input):
    since = serializers.DateField(required=False)
    until = serializers.DateField(required=False, help_text="The last day.")


def _shaped(request: Request, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    found = lines(entries)
    names = _names(found, request.path)
    return [{**vars(line), "about": names.get(line.batch_id, "")} for line in found]


class Statement(Endpoint):
    @act("read", "money", query=StatementQuery, gives=LineOut, paged=True, shape=_shaped, tag="money")
    def get(self, request: Request, organisation_id: uuid.UUID, query: dict[str, Any]) -> QuerySet[Entry]:
        """What came to the available balance and what left it."""
        requester = requester_for(request, organisation_id)
        return _between(statement(Account.Kind.AVAILABLE, requester.pk, requester.currency), query)


class StatementCsv(Endpoint):
    @act("read", "money", query=StatementQuery, content="text/csv", tag="money")
    def get(self, request: Request, organisation_id: uuid.UUID, query: dict[str, Any]) -> Any:
        """The statement as a table."""
        requester = requester_for(request, organisation_id)
        rows = _between(statement(Account.Kind.AVAILABLE, requester.pk, requester.currency), query)
        return _as_csv(rows, requester.currency, request.path)


class MyStatement(Endpoint):
    @act("work", "money", query=StatementQuery, gives=LineOut, paged=True, shape=_shaped, tag="earnings")
    def get(self, request: Request, query: dict[str, Any]) -> QuerySet[Entry]:
        """What you earned and what was paid out, line by line."""
        return _between(statement(Account.Kind.PAYABLE, worker_of(request).pk), query)


class MyStatementCsv(Endpoint):
    @act("work", "money", query=StatementQuery, content="text/csv", tag="earnings")
    def get(self, request: Request, query: dict[str, Any]) -> Any:
        """Your statement as a table."""
        rows = _between(statement(Account.Kind.PAYABLE, worker_of(request).pk), query)
        return _as_csv(rows, settings.LEDGER_CURRENCY, request.path)


def _between(rows: QuerySet[Entry], query: dict[str, Any]) -> QuerySet[Entry]:
    if since := query.get("since"):
        rows = rows.filter(transfer__created_at__date__gte=since)
    if until := query.get("until"):
        rows = rows.filter(transfer__created_at__date__lte=until)
    return rows


def _as_csv(rows: QuerySet[Entry], currency: str, path: str) -> Any:
    header = ["at", "kind", "amount", "currency", "about", "memo", "id"]
    return csv_response(_csv_rows(rows, currency, path), header=header, name="statement.csv")


def _csv_rows(rows: QuerySet[Entry], currency: str, path: str) -> Iterator[list[Any]]:
    """Page by page, so that neither memory nor a long read grows with the statement."""
    last: int | None = None
    while True:
        chunk = list((rows if last is None else rows.filter(pk__lt=last)).order_by("-pk")[:CSV_CHUNK])
        if not chunk:
            return
        found = lines(chunk)
        names = _names(found, path)
        for line in found:
            amount = Number(money.format_amount(line.amount))
            about = names.get(line.batch_id, "")
            yield [line.at.isoformat(timespec="seconds"), line.kind, amount, currency, about, line.memo, line.id]
        last = chunk[-1].pk


def _names(found: Iterable[Line], path: str) -> dict[int | None, str]:
    """Names of batches; workers know the project's, not the requester's name for one upload."""
    column = "project__name" if "/my/" in path else "name"
    ids = {line.batch_id for line in found if line.batch_id is not None}
    return dict(Batch.objects.filter(pk__in=ids).values_list("pk", column))
