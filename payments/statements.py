"""Lines of an account as people read them: runs of equal payments of one day and batch are one line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Sum
from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy

from core import money
from core.api.tables import Number, csv_response
from payments.models import Entry
from payments.selectors import statement

#: Entries read for one page of a statement; as lines they are fewer.
PAGE = 400

KINDS = {
    "reward": gettext_lazy("Pay"),
    "bonus": gettext_lazy("Bonus"),
    "compensation": gettext_lazy("Compensation"),
    "payout": gettext_lazy("Payout"),
    "deposit": gettext_lazy("Deposit"),
    "escrow": gettext_lazy("Put aside"),
    "repair": gettext_lazy("Repair reserve"),
    "release": gettext_lazy("Returned"),
    "reversal": gettext_lazy("Set right"),
}

#: What a transfer was about, by its key: a subject that groups (a batch's id), and words.
Subject = tuple[object, str]


@dataclass(frozen=True)
class Line:
    """One line of a statement: `amount` and `balance` after it in micros, `count` entries of the same sort."""

    at: dt.datetime
    kind: str
    what: str
    count: int
    amount: int
    balance: int
    reference: str

    @property
    def kind_words(self) -> str:
        return str(KINDS.get(self.kind, self.kind.capitalize()))


@dataclass(frozen=True)
class Page:
    lines: list[Line]
    older: int | None
    carried: int


def page_of(
    kind: str,
    owner_id: int,
    currency: str,
    name: Callable[[Sequence[Entry]], Mapping[int, Subject]],
    before: int | None = None,
) -> Page:
    """Lines of one account before entry `before`, newest first. `name` says what the entries' transfers were for."""
    every = statement(kind, owner_id, currency)
    entries = list((every.filter(pk__lt=before) if before else every)[: PAGE + 1])
    older = entries[PAGE - 1].pk if len(entries) > PAGE else None
    entries = entries[:PAGE]
    if not entries:
        return Page([], None, 0)
    balance = every.filter(pk__lte=entries[0].pk).aggregate(total=Sum("amount"))["total"] or 0
    lines = list(_grouped(entries, name(entries), balance))
    return Page(lines, older, balance - sum(entry.amount for entry in entries))


def _grouped(entries: Iterable[Entry], subjects: Mapping[int, Subject], balance: int) -> Iterator[Line]:
    run: list[Entry] = []
    run_key: object = None
    for entry in entries:
        subject, _words = subjects.get(entry.pk, (entry.pk, ""))
        key = (entry.transfer.kind, subject, timezone.localdate(entry.transfer.created_at), entry.amount > 0)
        if run and key != run_key:
            yield _line(run, subjects, balance)
            balance -= sum(one.amount for one in run)
            run = []
        run.append(entry)
        run_key = key
    if run:
        yield _line(run, subjects, balance)


def _line(run: list[Entry], subjects: Mapping[int, Subject], balance: int) -> Line:
    newest = run[0]
    words = subjects.get(newest.pk, (None, ""))[1] or newest.transfer.memo
    return Line(
        at=newest.transfer.created_at,
        kind=newest.transfer.kind,
        what=words,
        count=len(run),
        amount=sum(entry.amount for entry in run),
        balance=balance,
        reference=str(newest.transfer.public_id)[:8].upper(),
    )


def as_csv(kind: str, owner_id: int, currency: str) -> StreamingHttpResponse:
    """Every entry of one account as a file, oldest first: date, kind, transfer, amount, balance."""
    header = ["time", "kind", "transfer", "note", "amount", "balance", "currency"]
    return csv_response(_entries(kind, owner_id, currency), header=header, name="statement.csv")


def _entries(kind: str, owner_id: int, currency: str) -> Iterator[list[object]]:
    balance = 0
    for entry in statement(kind, owner_id, currency).order_by("pk").iterator(chunk_size=2000):
        balance += entry.amount
        transfer = entry.transfer
        amounts = [Number(money.format_amount(entry.amount)), Number(money.format_amount(balance))]
        yield [transfer.created_at.isoformat(), transfer.kind, transfer.public_id, transfer.memo, *amounts, currency]
