"""One field for whatever one has at hand: a name, an address, an id. Each finds only what they may see anyway."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from marketplace.models import Batch, HitData
from marketplace.selectors import batches_of, offered_to, projects_of
from users.models import User
from workers_app.models import Worker

#: Shown of each sort. Who sees so many writes more letters.
MOST = 12
SHORTEST = 2


@dataclass(frozen=True)
class Found:
    """One thing that was found: its words, where it is, and what it is."""

    words: str
    href: str
    small: str = ""


@require_safe
@login_required
def search(request: HttpRequest) -> HttpResponse:
    said = " ".join(request.GET.get("q", "").replace("\0", "").split())[:200]
    groups: list[tuple[str, list[Found]]] = []
    if len(said) >= SHORTEST:
        sorts: list[tuple[str, Callable[[Any, str], list[Found]]]] = [
            (_("Work"), _work),
            (_("Projects"), _projects),
            (_("Batches"), _batches),
            (_("HITs"), _hits),
        ]
        if request.user.is_staff:  # type: ignore[union-attr]
            sorts += [(_("People"), _people), (_("Everybody's batches"), _all_batches)]
        groups = [(words, found) for words, sort in sorts if (found := sort(request.user, said))]
    context = {"said": said, "groups": groups, "is_short": 0 < len(said) < SHORTEST}
    return render(request, "search.html", context)


def _named(said: str) -> Q:
    """By a part of the name, or by the id that addresses hold."""
    return Q(name__icontains=said) | _identified(said)


def _identified(said: str) -> Q:
    """By the id that addresses hold; nothing where it is none."""
    try:
        return Q(public_id=uuid.UUID(said))
    except ValueError:
        return Q(pk__in=[])


def _work(user: Any, said: str) -> list[Found]:
    worker = Worker.objects.filter(user=user).first()
    if worker is None:
        return []
    batches = offered_to(worker).filter(Q(project__name__icontains=said) | Q(project__summary__icontains=said))
    projects = {batch.project_id: batch.project for batch in batches.select_related("project")[: 4 * MOST]}
    way = reverse("find_work")
    return [
        Found(one.name, f"{way}?{urlencode({'q': one.name})}", one.summary) for one in list(projects.values())[:MOST]
    ]


def _projects(user: Any, said: str) -> list[Found]:
    rows = projects_of(user).filter(_named(said)).select_related("requester").order_by("-updated_at")[:MOST]
    return [Found(row.name, reverse("studio_project", args=[row.public_id]), row.requester.name) for row in rows]


def _batches(user: Any, said: str) -> list[Found]:
    return [_batch(row) for row in batches_of(user).filter(_named(said)).order_by("-created_at")[:MOST]]


def _batch(row: Batch) -> Found:
    return Found(
        row.name, reverse("studio_batch", args=[row.public_id]), f"{row.project.name}, {row.get_state_display()}"
    )


def _hits(user: Any, said: str) -> list[Found]:
    """By the id that their requester gave them, or by ours: both are looked up, never scanned for."""
    wanted = Q(external_id=said) | _identified(said)
    mine = list(batches_of(user).values_list("pk", flat=True))
    rows = HitData.objects.filter(wanted, batch__in=mine).select_related("batch__project").order_by("-hit_id")[:MOST]
    return [
        Found(
            row.external_id or str(row.public_id), reverse("studio_results", args=[row.batch.public_id]), row.batch.name
        )
        for row in rows
    ]


def _people(_staff: Any, said: str) -> list[Found]:
    rows = User.objects.filter(Q(email__icontains=said) | Q(name__icontains=said)).select_related("worker")
    return [_person(row) for row in rows.order_by("-pk")[:MOST]]


def _person(row: User) -> Found:
    worker = getattr(row, "worker", None)
    href = reverse("staff_worker", args=[worker.public_id]) if worker else reverse("staff_person", args=[row.public_id])
    return Found(row.email, href, row.name)


def _all_batches(_staff: Any, said: str) -> list[Found]:
    rows = Batch.objects.filter(_named(said)).select_related("project__requester").order_by("-pk")[:MOST]
    href = "admin:marketplace_batch_change"
    return [Found(row.name, reverse(href, args=[row.pk]), row.project.requester.name) for row in rows]
