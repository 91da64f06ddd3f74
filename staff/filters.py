"""What the address of a page asks of the ledger and of the log. Nonsense is said, not swallowed."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from core.errors import Invalid
from marketplace.models import Batch, Requester
from payments.models import Account, Transfer
from payments.selectors import transfers
from workers_app.models import Worker

#: Kinds of transfer, as they are posted.
KINDS = (
    *("deposit", "escrow", "reward", "bonus", "compensation", "release", "repair"),
    *("payout", "goodwill", "reversal"),
)


@dataclass
class Asked:
    """A filter of transfers as it was asked, and what it is about in words."""

    values: dict[str, str]
    rows: QuerySet[Transfer]
    account: Account | None = None
    about: str = ""
    refusals: dict[str, str] = field(default_factory=dict)

    @property
    def query(self) -> str:
        return urlencode({name: value for name, value in self.values.items() if value})


def transfers_asked(query: Mapping[str, str]) -> Asked:
    """Read `account, batch, worker, organisation, kind, since, until`; each narrows.

    `refusals` name what could not be read; then there are no rows.
    """
    names = ("account", "batch", "worker", "organisation", "kind", "since", "until", "key")
    asked = Asked({name: query.get(name, "").strip()[:80] for name in names}, Transfer.objects.none())
    value = asked.values
    since, until = _day(asked, "since"), _day(asked, "until")
    if value["kind"] and value["kind"] not in KINDS:
        asked.refusals["kind"] = _("One of %s.") % ", ".join(KINDS)
    accounts = None
    for name, model, kinds in (
        ("batch", Batch, [Account.Kind.ESCROW, Account.Kind.REPAIR]),
        ("worker", Worker, [Account.Kind.PAYABLE]),
        ("organisation", Requester, [Account.Kind.AVAILABLE]),
    ):
        if value[name]:
            owner = _owner(asked, name, model)
            if owner is not None:
                asked.about = getattr(owner, "name", "") or str(owner.public_id)[:8].upper()
                these = Account.objects.filter(kind__in=kinds, owner_id=owner.pk)
                accounts = these if accounts is None else accounts.filter(pk__in=these)
    if value["account"]:
        found = Account.objects.filter(pk=int(value["account"]) if value["account"].isdigit() else 0)
        asked.account = found.first()
        if asked.account is None:
            asked.refusals["account"] = _("There is no such account.")
        accounts = found if accounts is None else accounts.filter(pk__in=found)
    if not asked.refusals:
        asked.rows = transfers(accounts=accounts, kind=value["kind"], since=since, until=until)
        if value["key"]:
            asked.rows = asked.rows.filter(_by_name(value["key"]))
    return asked


def _by_name(words: str) -> Q:
    """A transfer's key, or the id that statements show."""
    named = Q(key=words)
    try:
        return named | Q(public_id=uuid.UUID(words))
    except ValueError:
        return named


def _day(asked: Asked, name: str) -> dt.date | None:
    if not asked.values[name]:
        return None
    try:
        return dt.date.fromisoformat(asked.values[name])
    except ValueError:
        asked.refusals[name] = _("Write a day such as 2026-11-21.")
        return None


def _owner(asked: Asked, name: str, model: type[Any]) -> Any:
    try:
        found = model.objects.filter(public_id=uuid.UUID(asked.values[name])).first()
    except ValueError:
        found = None
    if found is None:
        asked.refusals[name] = _("There is none with this id.")
    return found


def refuse(asked: Asked) -> None:
    """For programs. Raises `Invalid`."""
    if asked.refusals:
        raise Invalid(errors=asked.refusals)
