"""What each transfer was for, and where that can be seen: its key names its cause."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from core.models import Operation
from marketplace.models import Appeal, Assignment, Batch, Hit, Requester
from payments.models import Account, Deposit, Payout, Transfer
from users.models import User
from workers_app.models import Worker


@dataclass(frozen=True)
class Cause:
    words: str
    url: str = ""


#: First part of a key -> what the number after it counts.
OF_ASSIGNMENTS = {"reward", "bonus", "compensation"}
OF_HITS = {"release", "ask", "row"}
OF_BATCHES = {"publish", "more", "close", "repair", "repair-end"}


def causes(transfers: Iterable[Transfer]) -> dict[int, Cause]:
    """By transfer; one query for each sort of cause."""
    numbers: dict[str, dict[int, list[int]]] = {}
    found: dict[int, Cause] = {}
    for transfer in transfers:
        head, _colon, rest = transfer.key.partition(":")
        number = rest.partition(":")[0]
        if number.isdigit():
            numbers.setdefault(_sort(head), {}).setdefault(int(number), []).append(transfer.pk)
        found[transfer.pk] = Cause(transfer.memo or transfer.key)
    for sort, by_number in numbers.items():
        for cause_of, cause in _look_up(sort, list(by_number)).items():
            found |= dict.fromkeys(by_number[cause_of], cause)
    return found


def _sort(head: str) -> str:
    for name, heads in (("assignment", OF_ASSIGNMENTS), ("hit", OF_HITS), ("batch", OF_BATCHES)):
        if head in heads:
            return name
    return {"late": "late", "add": "operation", "reverse": "transfer"}.get(head, head)


def _look_up(sort: str, ids: list[int]) -> dict[int, Cause]:
    rows: Any
    if sort in ("assignment", "late"):
        # A late compensation is keyed by its worker where it is one a day.
        rows = Assignment.objects.filter(pk__in=ids).values_list("pk", "public_id")
        if sort == "late":
            workers = Worker.objects.filter(pk__in=ids).values_list("pk", "public_id")
            return {pk: Cause(_("Late answer of %s") % short(name), _worker(name)) for pk, name in workers}
        return {pk: Cause(_("Answer %s") % short(name), reverse("staff_answer", args=[name])) for pk, name in rows}
    if sort == "hit":
        rows = Hit.objects.filter(pk__in=ids).values_list("pk", "batch__name", "batch__public_id")
        return {pk: Cause(_("An item of %s") % name, _batch(public_id)) for pk, name, public_id in rows}
    if sort == "batch":
        rows = Batch.objects.filter(pk__in=ids).values_list("pk", "name", "public_id")
        return {pk: Cause(name, _batch(public_id)) for pk, name, public_id in rows}
    if sort == "operation":
        by_batch = {}
        for pk, subject in Operation.objects.filter(pk__in=ids).values_list("pk", "subject"):
            head, _colon, number = subject.partition(":")
            if head == "batch" and number.isdigit():
                by_batch[pk] = int(number)
        batches = _look_up("batch", list(by_batch.values()))
        return {pk: batches[batch] for pk, batch in by_batch.items() if batch in batches}
    if sort == "deposit":
        rows = Deposit.objects.filter(pk__in=ids).values_list("pk", "requester__name", "state")
        url = reverse("staff_deposits")
        return {pk: Cause(_("Deposit of %s") % name, f"{url}?show={state}") for pk, name, state in rows}
    if sort == "payout":
        rows = Payout.objects.filter(pk__in=ids).values_list("pk", "worker__public_id", "state")
        url = reverse("staff_payouts")
        return {pk: Cause(_("Payout of %s") % short(name), f"{url}?show={state}") for pk, name, state in rows}
    if sort == "transfer":
        rows = Transfer.objects.filter(pk__in=ids).values_list("pk", "public_id")
        words = _("Sets right %s")
        return {pk: Cause(words % short(name), reverse("staff_transfer", args=[name])) for pk, name in rows}
    return {}


def short(public_id: object) -> str:
    return str(public_id)[:8].upper()


def _worker(public_id: object) -> str:
    return reverse("staff_worker", args=[public_id])


def _batch(public_id: object) -> str:
    return f"{reverse('staff_transfers')}?batch={public_id}"


# --- whose an account is ----------------------------------------------------------------------------------------------


def owners(accounts: Sequence[Account]) -> dict[int, Cause]:
    """Whose each account is, by account: one query for each sort of owner."""
    found = {one.pk: Cause(str(one.get_kind_display())) for one in accounts}
    for kinds, words in (
        ({Account.Kind.AVAILABLE}, "requester"),
        ({Account.Kind.ESCROW, Account.Kind.REPAIR}, "batch"),
        ({Account.Kind.PAYABLE}, "worker"),
    ):
        theirs = [one for one in accounts if one.kind in kinds]
        named = _names(words, {one.owner_id for one in theirs}) if theirs else {}
        found |= {one.pk: named[one.owner_id] for one in theirs if one.owner_id in named}
    return found


def _names(sort: str, ids: set[int]) -> dict[int, Cause]:
    rows: Any
    if sort == "requester":
        rows = Requester.objects.filter(pk__in=ids).values_list("pk", "name", "public_id")
        return {pk: Cause(name, reverse("staff_organisation", args=[public])) for pk, name, public in rows}
    if sort == "batch":
        rows = Batch.objects.filter(pk__in=ids).values_list("pk", "name", "public_id")
        return {pk: Cause(name, _batch(public)) for pk, name, public in rows}
    workers = Worker.objects.filter(pk__in=ids).values_list("pk", "public_id")
    return {pk: Cause(short(public), _worker(public)) for pk, public in workers}


# --- what a row of the log is about -----------------------------------------------------------------------------------


def subject_links(subjects: Iterable[str]) -> dict[str, Cause]:
    """`worker:12` and its like -> words and the page of it; one query for each sort."""
    numbers: dict[str, dict[int, str]] = {}
    for subject in set(subjects):
        head, _colon, rest = subject.partition(":")
        number = rest.partition(":")[0]
        if number.isdigit():
            numbers.setdefault(head, {})[int(number)] = subject
    found: dict[str, Cause] = {}
    for head, by_number in numbers.items():
        if head in PAGES:
            model, view = PAGES[head]
            rows = model._default_manager.filter(pk__in=by_number).values_list("pk", "public_id")
            for pk, name in rows:
                words = _(WORDS[head]) % short(name)
                found[by_number[pk]] = Cause(words, reverse(view, args=[name]))
    return found


PAGES = {
    "worker": (Worker, "staff_worker"),
    "assignment": (Assignment, "staff_answer"),
    "appeal": (Appeal, "staff_appeal"),
    "user": (User, "staff_person"),
    "requester": (Requester, "staff_organisation"),
}
WORDS = {
    "worker": gettext_noop("Worker %s"),
    "assignment": gettext_noop("Answer %s"),
    "appeal": gettext_noop("Appeal %s"),
    "user": gettext_noop("Person %s"),
    "requester": gettext_noop("Organisation %s"),
}
