"""Media by API: uploading what rows name, and mending what could not be fetched."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Empty
from core.api.tables import csv_response
from core.errors import Invalid
from marketplace.api.finding import as_role, batch_for, requester_for
from marketplace.api.posting import TableParser
from marketplace.models import Media, MediaWait
from marketplace.selectors import media_of, posted_rows
from marketplace.services import media
from marketplace.services.design import MEDIA_PREFIX

#: What a file may be called; what it is, its first bytes say.
MEDIA_TYPES = (*media.ENDINGS, "application/octet-stream")


class MediaOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    state = serializers.ChoiceField(choices=Media.State.values)
    address = serializers.SerializerMethodField(help_text="What a row may name; it is shown there.")
    source_url = serializers.CharField(help_text="Where it is fetched from; empty for an uploaded one.")
    content_type = serializers.CharField()
    size = serializers.IntegerField()
    error = serializers.CharField()

    def get_address(self, row: Media) -> str:
        return f"{MEDIA_PREFIX}{row.public_id}"


class MediaProblemOut(serializers.Serializer):
    hit = serializers.UUIDField(source="hit.data_row.public_id")
    row = serializers.IntegerField(source="hit.data_row.row_number", allow_null=True)
    media = MediaOut()


def media_for(request: Request, media_id: uuid.UUID, role: str) -> Media:
    return as_role(media_of, request.user, role, public_id=media_id)


def received(request: Request) -> bytes:
    """The body, which is one file, up to a byte more than the service takes."""
    kind = (request.content_type or "").partition(";")[0].strip().lower()
    if kind not in MEDIA_TYPES:
        raise UnsupportedMediaType(request.content_type or "")
    content = request._request.read(settings.MEDIA_LARGEST + 1)
    if not content:
        raise Invalid(errors={"body": "Send the file as the body of the request."})
    return content


class FileEndpoint(Endpoint):
    def get_parsers(self) -> list[Any]:
        return [TableParser(kind) for kind in MEDIA_TYPES]


class MediaUpload(FileEndpoint):
    @act("write", body=MEDIA_TYPES, gives=MediaOut, refuses=[413, 415], tag="media")
    def put(self, request: Request, organisation_id: uuid.UUID) -> Media:
        """Keep one picture, sound or film, cleaned of all but its content (managers). The same file is kept once."""
        requester = requester_for(request, organisation_id, "manager")
        return media.upload_media(requester=requester, content=received(request))


class MediaOne(FileEndpoint):
    @act("read", gives=MediaOut, tag="media")
    def get(self, request: Request, media_id: uuid.UUID) -> Media:
        """One picture, sound or film."""
        return media_for(request, media_id, "viewer")

    @act("write", body=MEDIA_TYPES, gives=MediaOut, refuses=[409, 413, 415], tag="media")
    def put(self, request: Request, media_id: uuid.UUID) -> Media:
        """The file itself, where it could not be fetched (managers). HITs that waited for it open."""
        found = media_for(request, media_id, "manager")
        return media.upload_media(requester=found.requester, content=received(request), replaces=found)


class MediaFetch(Endpoint):
    @act("write", takes=Empty, gives=MediaOut, keyed=True, tag="media")
    def post(self, request: Request, media_id: uuid.UUID, data: dict[str, Any]) -> Media:
        """Fetch it once more, where that failed for good (managers)."""
        return media.fetch_again(media=media_for(request, media_id, "manager"))


class BatchMedia(Endpoint):
    @act("read", gives=MediaProblemOut, paged=True, tag="media")
    def get(self, request: Request, batch_id: uuid.UUID) -> QuerySet[MediaWait]:
        """HITs that are parked because their media could not be fetched, and why."""
        return media.media_problems(batch_for(request, batch_id))


class BatchRowsCsv(Endpoint):
    @act("read", content="text/csv", tag="batches")
    def get(self, request: Request, batch_id: uuid.UUID) -> Any:
        """What became of each row: its number, your id of it, its HIT, and the HIT's state."""
        batch = batch_for(request, batch_id)
        header = ("row", "external_id", "hit", "state")
        return csv_response(posted_rows(batch), header=header, name=f"rows-{str(batch.public_id)[:8]}.csv")
