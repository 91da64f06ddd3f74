"""Paying workers who opened an item and could not be paid for an answer: it was broken, unclear, withdrawn."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Sequence

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_POST, require_safe

from core import money
from core.errors import DomainError, Invalid
from core.keyset import page
from core.pages import tell
from lifecycle.compensate import MOST_AT_ONCE, Line, compensate
from marketplace.models import Assignment, Batch, Membership, Requester
from marketplace.views.requester import for_requesters
from payments.models import Transfer
from quality.views.batches import batch_of, inside
from workers_app.services.pseudonyms import pseudonyms

PAGE = 50
COLUMNS = ("assignment", "amount", "reason")
LARGEST = 1024 * 1024
#: Why a worker gave an item back, as its requester reads it.
WHY = {
    "unclear": gettext_lazy("unclear"),
    "too_long": gettext_lazy("too long"),
    "broken": gettext_lazy("broken"),
    "underpaid": gettext_lazy("underpaid"),
    "distressing": gettext_lazy("distressing"),
    "personal": gettext_lazy("shows personal data"),
    "other": gettext_lazy("another reason"),
}


@require_safe
@for_requesters
def studio_compensate(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """What workers gave back, newest first, to pay some of it; or a table of anybody's."""
    batch = batch_of(request, batch_id, Membership.Role.MANAGER)
    given_back = Assignment.objects.filter(batch=batch, opened_at__isnull=False).exclude(return_reason="")
    listed = page(given_back.select_related("hit__data_row"), ["-pk"], request.GET.get("after", ""), PAGE)
    keys = [f"compensation:{row.pk}" for row in listed.rows]
    paid = set(Transfer.objects.filter(key__in=keys).values_list("key", flat=True))
    codes = pseudonyms(batch.project.pseudonym_scope, [row.worker_id for row in listed.rows])
    context = {
        "page": listed,
        "rows": [
            {
                "row": row,
                "code": codes[row.worker_id],
                "why": WHY.get(row.return_reason, row.return_reason),
                "is_paid": f"compensation:{row.pk}" in paid,
            }
            for row in listed.rows
        ],
        "amount": money.format_amount(batch.reward),
        "columns": ",".join(COLUMNS),
        "most": MOST_AT_ONCE,
    }
    return render(request, "batch/compensate.html", inside(request, batch, "studio_workers") | context)


@require_POST
@for_requesters
def compensate_pay(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """Pay what is ticked, or each line of a table: all or none, each once."""
    batch = batch_of(request, batch_id, Membership.Role.MANAGER)
    file = request.FILES.get("file")
    try:
        if file is not None:
            asked, name = _table(file.read(LARGEST + 1)), _("Row %d")
        else:
            common = (request.POST.get("amount", ""), request.POST.get("reason", ""))
            asked, name = [(one, *common) for one in request.POST.getlist("assignment")], _("Line %d")
        paid = compensate(batch=batch, lines=_lines(batch, asked, name), by=request.user)
    except DomainError as refusal:
        tell(request, _in_words(refusal, 2 if file is not None else 1))
    else:
        said = ngettext("%d worker is paid, and reads why.", "%d workers are paid, and read why.", len(paid))
        messages.success(request, said % len(paid))
    return redirect("studio_compensate", batch_id)


def _table(content: bytes) -> list[tuple[str, str, str]]:
    if len(content) > LARGEST:
        raise Invalid(errors={"file": _("At most 1 MB.")})
    try:
        reader = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
        rows = [tuple((row.get(column) or "").strip() for column in COLUMNS) for row in reader]
    except (UnicodeDecodeError, csv.Error):
        raise Invalid(errors={"file": _("A CSV table in UTF-8.")}) from None
    if missing := set(COLUMNS) - set(reader.fieldnames or ()):
        words = _("It has no column %s.") % ", ".join(sorted(missing))
        raise Invalid(errors={"file": words})
    return rows  # type: ignore[return-value]


def _lines(batch: Batch, asked: Sequence[tuple[str, str, str]], name: str) -> list[Line]:
    if not 0 < len(asked) <= MOST_AT_ONCE:
        raise Invalid(errors={"lines": _("Choose 1 to %d.") % MOST_AT_ONCE})
    ids = [_id(one) for one, _amount, _reason in asked]
    found = {row.public_id: row for row in batch.assignments.filter(public_id__in=[one for one in ids if one])}
    lines: list[Line] = []
    errors: dict[str, str] = {}
    for number, (one_id, (_one, amount, reason)) in enumerate(zip(ids, asked, strict=True)):
        row = found.get(one_id) if one_id else None
        if row is None:
            errors[f"lines[{number}].assignment"] = _("There is no such assignment in this batch.")
            continue
        try:
            lines.append(Line(row, money.parse(amount.replace(",", ".")), reason))
        except DomainError:
            errors[f"lines[{number}].amount"] = _("An amount such as 0.10.")
    if errors:
        raise Invalid(_("Some lines cannot be paid. Nothing was paid."), errors=errors)
    return lines


def _id(written: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(written)
    except ValueError:
        return None


def _in_words(refusal: DomainError, first: int) -> DomainError:
    """Lines by the number that their reader sees: of a table, its rows, the head being the first."""

    def words(name: str) -> str:
        found = re.fullmatch(r"lines\[(\d+)\]\.(\w+)", name)
        return _("row %d") % (int(found[1]) + first) + f", {found[2]}" if found else name

    refusal.errors = {words(name): sentence for name, sentence in list(refusal.errors.items())[:20]}
    return refusal
