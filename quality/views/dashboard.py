"""Every batch of one's organisations: search, filter, order; how far each is, and what waits for a person."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core.filters import remembers
from marketplace.models import Batch, Hit, Requester
from marketplace.selectors import LONG_COLUMNS, batches_of
from marketplace.views.requester import for_requesters
from quality.dashboard import summaries_of
from quality.models import Belief

PAGE = 25
ORDERS = {
    "": ("-pk",),  # newest first: in the order in which they were made, by an index that is there
    "name": ("name", "pk"),
    "published": ("-published_at", "-pk"),
    "ends": ("expires_at", "-pk"),
}
RUNNING = (Batch.State.OPEN, Batch.State.PAUSED)


@require_safe
@remembers("state", "order")
@for_requesters
def studio_batches(request: HttpRequest, requester: Requester) -> HttpResponse:
    state, order = request.GET.get("state", ""), request.GET.get("order", "")
    words = request.GET.get("q", "").strip()[:80]
    rows = batches_of(request.user).filter(project__trial_of=None)
    if state in Batch.State.values:
        rows = rows.filter(state=state)
    elif state == "needs":
        rows = waiting_for_people(rows)
    if words:
        rows = rows.filter(Q(name__icontains=words) | Q(project__name__icontains=words))
    rows = rows.order_by(*ORDERS.get(order, ORDERS[""])).defer(*LONG_COLUMNS)
    page = Paginator(rows, PAGE).get_page(request.GET.get("page"))
    batches = list(page.object_list)
    summaries = summaries_of(batches)
    kept = {name: value for name, value in (("q", words), ("state", state), ("order", order)) if value}
    context: dict[str, Any] = {
        "page": page,
        "rows": [(batch, summaries[batch.pk]) for batch in batches],
        "requester": requester,
        "state": state,
        "order": order,
        "words": words,
        "is_filtered": bool(kept),
        "query": f"{urlencode(kept)}&" if kept else "",
    }
    return render(request, "batch/list.html", context)


def waiting_for_people(rows: QuerySet[Batch]) -> QuerySet[Batch]:
    """Batches with something that nobody but their requester decides: disputed or set aside items, a pause, a draft."""
    parked = Hit.objects.filter(batch=OuterRef("pk"), state=Hit.State.PARKED)
    disputed = Belief.objects.filter(hit__batch=OuterRef("pk"), state=Belief.State.DISPUTED, hit__lane=0)
    return rows.filter(
        Q(state=Batch.State.DRAFT)
        | Q(state=Batch.State.PAUSED)
        | Q(state=Batch.State.OPEN) & (Exists(parked) | Exists(disputed))
    )
