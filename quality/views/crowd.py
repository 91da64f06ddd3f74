"""The workers of a batch, by the names under which its requester knows them."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Avg, Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from marketplace.figures import to_cent
from marketplace.models import Assignment, Participation, Requester
from marketplace.views.requester import for_requesters
from quality.models import WorkerReliability
from quality.selectors import Accuracy, worker_accuracy
from quality.views.batches import batch_context, batch_of
from workers_app.services.pseudonyms import pseudonyms

PAGE = 40
ORDERS = {"": ("-taken_in_all", "pk"), "new": ("-pk",), "paused": ("-barred", "-taken_in_all", "pk")}
GIVEN = (Assignment.State.SUBMITTED, Assignment.State.REVISING, Assignment.State.APPROVED, Assignment.State.REJECTED)


@require_safe
@for_requesters
def studio_workers(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """How many answers each gave, how well by known answers, how fast, and what they earn an hour."""
    batch = batch_of(request, batch_id)
    order = request.GET.get("order", "")
    rows = Participation.objects.filter(batch=batch, taken_in_all__gt=0).order_by(*ORDERS.get(order, ORDERS[""]))
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    people = list(page.object_list)
    ids = [one.worker_id for one in people]
    codes = pseudonyms(batch.project.pseudonym_scope, ids)
    given = {
        row["worker_id"]: row
        for row in Assignment.objects.filter(batch=batch, worker_id__in=ids, state__in=GIVEN)
        .values("worker_id")
        .annotate(
            given=Count("pk"),
            seconds=Avg("active_seconds"),
            rejected=Count("pk", filter=Q(state=Assignment.State.REJECTED)),
        )
    }
    known: dict[int, Accuracy] = {}
    for found in worker_accuracy(batch.project, ids):  # the weakest first, which stays
        known.setdefault(found.worker_id, found)
    states: dict[int, str] = {}
    signs: dict[int, list[dict[str, Any]]] = {}
    for row in WorkerReliability.objects.filter(project=batch.project, worker_id__in=ids, part="").order_by("question"):
        states[row.worker_id] = row.state
        if row.signs.get("signs"):
            signs.setdefault(row.worker_id, []).append({"question": row.question, "cluster": row.cluster, **row.signs})
    table = []
    for one in people:
        did: Any = given.get(one.worker_id, {})
        seconds = did.get("seconds")
        table.append(
            {
                "code": codes[one.worker_id],
                "participation": one,
                "answers": did.get("given", 0),
                "rejected": did.get("rejected", 0),
                "seconds": seconds,
                "hourly": to_cent(batch.reward * 3600 / seconds) if seconds and batch.reward else None,
                "known": known.get(one.worker_id),
                "state": states.get(one.worker_id, ""),
                "signs": signs.get(one.worker_id, []),
            }
        )
    context: dict[str, Any] = {
        "page": page,
        "table": table,
        "order": order,
        "query": f"order={order}&" if order else "",
        "title": _("Workers"),
    }
    return render(request, "batch/workers.html", batch_context(request, batch, "studio_workers") | context)
