"""An organisation's pictures, sounds and films: handing them in, and what became of those we were to fetch."""

from __future__ import annotations

import csv
import uuid
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from core.errors import DomainError
from core.pages import tell
from marketplace.models import Media, Membership, Requester
from marketplace.selectors import media_of, requesters_of
from marketplace.services.media import fetch_again, upload_media
from marketplace.views.requester import for_requesters

PAGE = 50
#: Files in one request; more are a zip away, or an address each.
MOST_FILES = 200


@require_safe
@for_requesters
def studio_media(request: HttpRequest, requester: Requester) -> HttpResponse:
    """Newest first; `state` filters. `?csv` is a table with the address of each file, to paste into one's own."""
    rows = Media.objects.filter(requester=requester).order_by("-pk")
    if "csv" in request.GET:
        return _addresses(rows)
    state = request.GET.get("state", "")
    if state in Media.State.values:
        rows = rows.filter(state=state)
    counts = dict(Media.objects.filter(requester=requester).values_list("state").annotate(n=Count("pk")))
    context: dict[str, Any] = {
        "requester": requester,
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "state": state,
        "states": Media.State.choices,
        "counts": counts,
        "query": f"state={state}&" if state else "",
        "largest": settings.MEDIA_LARGEST >> 20,
        "may_write": requesters_of(request.user, Membership.Role.MANAGER).filter(pk=requester.pk).exists(),
    }
    return render(request, "studio/media.html", context)


def _addresses(rows: Any) -> HttpResponse:
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="media.csv"'
    writer = csv.writer(response)
    writer.writerow(["address", "type", "bytes", "source"])
    ready = rows.filter(state=Media.State.READY)[:10_000]
    writer.writerows((f"/media/{m.public_id}", m.content_type, m.size, m.source_url) for m in ready)
    return response


@require_POST
@for_requesters
def media_upload(request: HttpRequest, requester: Requester) -> HttpResponse:
    """Keep the files; those that cannot be used are told by name, and the others stay."""
    if not requesters_of(request.user, Membership.Role.MANAGER).filter(pk=requester.pk).exists():
        raise Http404
    kept = 0
    for file in request.FILES.getlist("files")[:MOST_FILES]:
        try:
            upload_media(requester=requester, content=file.read(settings.MEDIA_LARGEST + 1))
            kept += 1
        except DomainError as refusal:
            why = " ".join(refusal.errors.values()) or refusal.message
            messages.error(request, f"{file.name}: {why}")
    if kept:
        words = ngettext(
            "%d file is here. Its address stands below.", "%d files are here. Their addresses stand below.", kept
        )
        messages.success(request, words % kept)
    elif not request.FILES:
        messages.error(request, _("Choose at least one file. Nothing was kept."))
    return redirect("studio_media")


@require_POST
@for_requesters
def media_again(request: HttpRequest, requester: Requester, media_id: uuid.UUID) -> HttpResponse:
    """Fetch once more, or the file itself in its place."""
    media = get_object_or_404(media_of(request.user, Membership.Role.MANAGER).distinct(), public_id=media_id)
    try:
        if file := request.FILES.get("file"):
            content = file.read(settings.MEDIA_LARGEST + 1)
            upload_media(requester=media.requester, content=content, replaces=media)
            messages.success(request, _("It is here. What waited for it opens."))
        else:
            fetch_again(media=media)
            messages.success(request, _("It is fetched once more."))
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("studio_media")
