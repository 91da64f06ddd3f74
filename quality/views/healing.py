"""What changed about a batch's labels when answers lost their weight, and asking again."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from core import money
from core.errors import DomainError, Invalid
from core.pages import tell
from lifecycle.heal import MORE, ask_again, disputed_hits, offer_of, send_to_experts, words_of
from marketplace.models import HitData, Membership, Requester
from marketplace.selectors import batches_of, design_of
from marketplace.views.design import qualifications_for
from marketplace.views.requester import for_requesters
from quality.models import Belief, HealedLabel, Healing
from quality.services.healing import healings_of
from quality.showing import words_of as label_words
from quality.views.batches import batch_of, inside

PAGE, MOST_SHOWN = 10, 12


@require_safe
@for_requesters
def studio_changes(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """Every correction: labels that it changed, what was asked again for how much, what is below its target since."""
    batch = batch_of(request, batch_id)
    page = Paginator(healings_of(batch.pk).order_by("-pk"), PAGE).get_page(request.GET.get("page"))
    healings = list(page.object_list)
    schema = design_of(batch).schema
    labels = _labels(healings)
    names = dict(
        HitData.objects.filter(hit__in=[one.hit_id for rows in labels.values() for one in rows]).values_list(
            "hit_id", "public_id"
        )
    )
    now = _beliefs([one for rows in labels.values() for one in rows])
    table = [
        {
            "healing": healing,
            "words": words_of(healing),
            "offer": offer_of(healing),
            "labels": [
                {
                    "item": names[one.hit_id],
                    "before": label_words(schema[one.question], one.label, one.value) if one.question in schema else "",
                    "now": _now(schema, now.get((one.hit_id, one.question, one.part))),
                    "was": one,
                    "is": now.get((one.hit_id, one.question, one.part)),
                }
                for one in labels.get(healing.pk, [])
            ],
        }
        for healing in healings
    ]
    context: dict[str, Any] = {"page": page, "table": table, "title": _("Changes"), "each": MORE}
    if batch.published_at:
        disputed = len(disputed_hits(batch))
        context |= {
            "disputed": disputed,
            "qualifications": qualifications_for(batch.project.requester) if disputed else [],
            "reward": money.format_amount(batch.reward),
        }
    return render(request, "batch/changes.html", inside(request, batch, "studio_changes") | context)


def _labels(healings: list[Healing]) -> dict[int, list[HealedLabel]]:
    """The first of each that changed."""
    found: dict[int, list[HealedLabel]] = {}
    for healing in healings:
        rows = healing.labels.filter(is_changed=True).order_by("pk")
        found[healing.pk] = list(rows[:MOST_SHOWN])
    return found


def _beliefs(labels: list[HealedLabel]) -> dict[tuple[int, str, str], Belief]:
    rows = Belief.objects.filter(hit__in=[one.hit_id for one in labels])
    return {(row.hit_id, row.question, row.part): row for row in rows}


def _now(schema: Any, belief: Belief | None) -> str:
    if belief is None or belief.question not in schema:
        return ""
    return label_words(schema[belief.question], belief.label, belief.value)


@require_POST
@for_requesters
def changes_experts(request: HttpRequest, requester: Requester, batch_id: uuid.UUID) -> HttpResponse:
    """What stayed disputed goes to holders of a qualification, for the pay that is given here."""
    batch = batch_of(request, batch_id, Membership.Role.MANAGER)
    offered = {str(one.public_id): one for one in qualifications_for(batch.project.requester)}
    chosen = offered.get(request.POST.get("qualification", ""))
    written = request.POST.get("reward", "").strip().replace(",", ".")
    try:
        if chosen is None:
            raise Invalid(errors={"qualification": _("Choose who the experts are.")})
        reward = money.parse(written, field="reward") if written else None
        asks = send_to_experts(batch=batch, qualification=chosen, reward=reward, by=request.user)
    except DomainError as refusal:
        tell(request, refusal)
        return redirect("studio_changes", batch.public_id)
    many = asks.hits.count()
    messages.success(request, ngettext("%d item goes to experts.", "%d items go to experts.", many) % many)
    return redirect("studio_batch", asks.public_id)


@require_POST
@for_requesters
def changes_ask(request: HttpRequest, requester: Requester, healing_id: uuid.UUID) -> HttpResponse:
    """One click: what is below its target since is asked again, in this batch or, once it is closed, in another."""
    mine = Healing.objects.filter(batch__in=batches_of(request.user, Membership.Role.MANAGER))
    healing = get_object_or_404(mine.select_related("batch"), public_id=healing_id)
    try:
        asks = ask_again(healing=healing, by=request.user)
    except DomainError as refusal:
        tell(request, refusal)
        return redirect("studio_changes", healing.batch.public_id)
    many = asks.hits.count() if asks.pk != healing.batch_id else 0
    words = (
        ngettext("%d item is asked again in this batch.", "%d items are asked again in this batch.", many) % many
        if many
        else _("They are asked again.")
    )
    messages.success(request, words)
    return redirect("studio_batch", asks.public_id)
