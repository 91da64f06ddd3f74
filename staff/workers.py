"""Lists of workers for staff: who needs a look, who does much, who does badly."""

from __future__ import annotations

import uuid
from typing import Any

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.audit import record
from core.errors import Invalid
from core.keyset import Page, page
from quality.models import Flag, WorkerReliability
from workers_app.models import Worker

SIZE = 30
SHOWS = {
    "look": _("Needs a look"),
    "flagged": _("Flagged"),
    "watched": _("Watched"),
    "paused": _("Paused"),
    "due": _("Look is due"),
    "ignored": _("Weight taken"),
    "held": _("On hold"),
    "all": _("All"),
}
SORTS = {"newest": _("Newest first"), "answers": _("Most answers"), "lowest": _("Lowest accuracy")}
State = WorkerReliability.State


def found_workers(*, show: str, words: str, project_id: int | None = None) -> QuerySet[Worker]:
    """Those that fit. `words`: a name that some requester knows, or (the beginning of) an id."""
    workers = Worker.objects.all()
    known = (
        WorkerReliability.objects.all() if project_id is None else WorkerReliability.objects.filter(project=project_id)
    )
    flags = Flag.objects.filter(state=Flag.State.OPEN, worker__isnull=False)
    if project_id is not None:
        flags = flags.filter(project=project_id)
    if show == "look":
        # As one list of ids: as two conditions with OR, every worker is asked about both.
        paused = known.filter(state__in=["paused", "watched"]).order_by()
        workers = workers.filter(pk__in=paused.values("worker_id").union(flags.order_by().values("worker_id")))
    elif show == "flagged":
        workers = workers.filter(pk__in=flags.values("worker_id"))
    elif show in (State.PAUSED, State.WATCHED):
        workers = workers.filter(pk__in=known.filter(state=show).values("worker_id"))
    elif show == "due":
        due = known.filter(state=State.PAUSED, look_again_at__lt=timezone.now())
        workers = workers.filter(pk__in=due.values("worker_id"))
    elif show == "ignored":
        workers = workers.filter(pk__in=known.filter(ignored_at__isnull=False).values("worker_id"))
    elif show == "held":
        workers = workers.filter(suspended_at__isnull=False)
    elif project_id is not None:
        workers = workers.filter(pk__in=known.values("worker_id"))
    if words:
        workers = workers.filter(_named(words))
    return workers


def _named(words: str) -> Q:
    found = Q(pk__in=Worker.objects.filter(pseudonyms__code__iexact=words).values("pk"))
    digits = words.replace("-", "").lower()
    if 4 <= len(digits) <= 32 and all(one in "0123456789abcdef" for one in digits):
        low, high = uuid.UUID(digits.ljust(32, "0")), uuid.UUID(digits.ljust(32, "f"))
        found |= Q(public_id__range=(low, high))
    return found


def page_of_workers(workers: QuerySet[Worker], *, sort: str, after: str, project_id: int | None = None) -> Page:
    """A page in the order asked for; each row with its flags, its worst state, its answers and its interval."""
    if sort == "newest":
        listed = page(workers, ["-pk"], after, SIZE)
        ids = [worker.pk for worker in listed.rows]
    else:
        known = WorkerReliability.objects.filter(part="")
        if workers.query.has_filters():  # else every row belongs to one of them: no join
            known = known.filter(worker__in=workers)
        if project_id is not None:
            known = known.filter(project=project_id)
        sums = known.order_by().values("worker_id")
        if sort == "answers":
            listed = page(sums.annotate(order=Sum("answered")), ["-order", "-worker_id"], after, SIZE)
        else:
            lowest = sums.filter(checked__gt=0).annotate(order=Min("lower"))
            listed = page(lowest, ["order", "worker_id"], after, SIZE)
        ids = [row["worker_id"] for row in listed.rows]
    return Page(_rows(ids, project_id), listed.onward, listed.is_first)


def _rows(ids: list[int], project_id: int | None) -> list[dict[str, Any]]:
    workers = Worker.objects.in_bulk(ids)
    known = WorkerReliability.objects.filter(worker__in=ids)
    flags = Flag.objects.filter(worker__in=ids, state=Flag.State.OPEN)
    if project_id is not None:
        known, flags = known.filter(project=project_id), flags.filter(project=project_id)
    whole = known.filter(part="").order_by().values("worker_id")
    sums = {
        row["worker_id"]: row
        for row in whole.annotate(
            answered=Sum("answered"),
            passed=Sum("right"),
            missed=Sum("wrong"),
            lower=Min("lower", filter=Q(checked__gt=0)),
            upper=Min("upper", filter=Q(checked__gt=0)),
        )
    }
    states: dict[int, set[str]] = {}
    for worker_id, state in known.filter(state__in=["paused", "watched", "trusted"]).values_list("worker_id", "state"):
        states.setdefault(worker_id, set()).add(state)
    flagged = dict(flags.order_by().values("worker_id").annotate(n=Count("pk")).values_list("worker_id", "n"))
    rank = ("paused", "watched", "trusted")
    nothing: dict[str, Any] = {"answered": 0, "passed": 0.0, "missed": 0.0, "lower": None, "upper": None}
    found = []
    for pk in ids:
        known_of = sums.get(pk, nothing)
        found.append(
            {
                "worker": workers[pk],
                "state": next((state for state in rank if state in states.get(pk, ())), ""),
                "flags": flagged.get(pk, 0),
                "answered": known_of["answered"],
                "right": known_of["passed"],
                "asked": known_of["passed"] + known_of["missed"],
                "lower": known_of["lower"],
                "upper": known_of["upper"],
            }
        )
    return found


# --- looking closer ---------------------------------------------------------------------------------------------------


def look_behind(*, worker: Worker, by: Any, reason: str) -> Worker:
    """Who the person behind a number is: staff say why they need to know, and that is written down.

    Raises
    ------
    Invalid
        Without a reason of at most 300 characters.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= 300:
        raise Invalid(errors={"reason": "Say why you need to know, in at most 300 characters. It is written down."})
    record(act="worker.account_shown", subject=f"worker:{worker.pk}", actor=by, reason=reason)
    return worker
