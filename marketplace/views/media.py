"""Serving media from our storage: the random address is the right to see it."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from django.http import FileResponse, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from marketplace.models import Media

RANGE = re.compile(r"bytes=(\d+)-(\d*)")


@require_safe
def show_media(request: HttpRequest, public_id: UUID) -> Any:
    """The file, or the part of it that a player asks for."""
    media = get_object_or_404(Media, public_id=public_id, state=Media.State.READY)
    wanted = RANGE.fullmatch(request.headers.get("Range", ""))
    first = int(wanted[1]) if wanted else 0
    last = min(int(wanted[2]), media.size - 1) if wanted and wanted[2] else media.size - 1
    if wanted and (first > last or first >= media.size):
        response: Any = HttpResponse(status=416, headers={"Content-Range": f"bytes */{media.size}"})
        return guarded(response, media)
    file = media.file.open("rb")
    if wanted:
        file.seek(first)
        response = HttpResponse(file.read(last - first + 1), status=206, content_type=media.content_type)
        response["Content-Range"] = f"bytes {first}-{last}/{media.size}"
        file.close()
    else:
        response = FileResponse(file, content_type=media.content_type)
        response["Content-Length"] = media.size
    return guarded(response, media)


def guarded(response: Any, media: Media) -> Any:
    """Whatever it is, it is no page of ours: no sniffing, no script, an SVG only as a file or inside an image."""
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    response["Cache-Control"] = "private, max-age=86400, immutable"
    response["Accept-Ranges"] = "bytes"
    response["Content-Disposition"] = "attachment" if media.content_type == "image/svg+xml" else "inline"
    return response
