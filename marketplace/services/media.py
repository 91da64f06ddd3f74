"""Pictures, sounds and films: in our own storage before anybody is shown them, under names that tell nothing.

A row may name media by its address on the web, which the sweep fetches, or by `/media/...` of what was uploaded. A HIT
whose media is not there yet is written as parked, with a `MediaWait` for each missing one, and opens by itself when the
last has come. Where fetching failed for good the HIT stays parked, `media_problems` says why, and the requester fetches
again, uploads the file instead, or cancels the HIT.
"""

from __future__ import annotations

import hashlib
import io
import secrets
import subprocess
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import defusedxml.ElementTree
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.db.models import F, QuerySet
from PIL import Image

from core import clock
from core.errors import Invalid
from core.outbound import NotSent, send
from core.states import move
from marketplace.models import Batch, Hit, Media, MediaWait, Requester
from marketplace.services.design import MEDIA_PREFIX
from marketplace.templating import Stored

MOST_ATTEMPTS = 4
LEASE = timedelta(minutes=2)
FETCH_SECONDS = 30.0
AT_ONCE = 8

REENCODE = Path(__file__).with_name("reencode.py")


class Unusable(ValueError):
    """The content is none of the kinds we show; the sentence says why."""


# --- what a file is ---------------------------------------------------------------------------------------------------

PICTURES = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WEBP"}
ENDINGS = {
    "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp", "image/svg+xml": "svg",
    "audio/mpeg": "mp3", "audio/wav": "wav", "audio/ogg": "ogg", "audio/flac": "flac", "audio/mp4": "m4a",
    "video/mp4": "mp4", "video/webm": "webm",
}  # fmt: skip


def sniff(content: bytes) -> str | None:
    """The type of a file by its first bytes, whatever its name or sender says."""
    head = content[:16]
    starts = {
        b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png", b"GIF87a": "image/gif",
        b"GIF89a": "image/gif", b"ID3": "audio/mpeg", b"OggS": "audio/ogg", b"fLaC": "audio/flac",
        b"\x1aE\xdf\xa3": "video/webm",
    }  # fmt: skip
    for start, kind in starts.items():
        if head.startswith(start):
            return kind
    if head.startswith(b"RIFF"):
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return "audio/mp4" if head[8:12] in (b"M4A ", b"M4B ") else "video/mp4"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:  # a frame of MPEG layer 3
        return "audio/mpeg"
    if b"<svg" in content[:4096].lower():
        return "image/svg+xml"
    return None


def cleaned(content: bytes) -> tuple[str, bytes]:
    """(type, content as we keep it). Raises `Unusable`."""
    kind = sniff(content)
    if kind is None:
        raise Unusable("It is no picture, sound or film that browsers show.")
    if kind in PICTURES:
        return kind, reencoded(content, PICTURES[kind])
    if kind == "image/svg+xml":
        try:
            root = defusedxml.ElementTree.fromstring(content)
        except Exception:
            raise Unusable("It is no SVG that can be read, or it holds entities.") from None
        if not root.tag.endswith("svg"):
            raise Unusable("It is no SVG.")
    return kind, content


def reencoded(content: bytes, format: str) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603  our own program, without a shell
            [sys.executable, "-I", str(REENCODE), format], input=content, capture_output=True, timeout=60, check=False
        )
    except subprocess.TimeoutExpired:
        raise Unusable("It takes too long to read.") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unusable(said[-1][:200] if said and done.returncode == 1 else "It needs too much time or memory to read.")
    return done.stdout


# --- coming in --------------------------------------------------------------------------------------------------------


def upload_media(*, requester: Requester, content: bytes, replaces: Media | None = None) -> Media:
    """Keep a file that a requester sends, once; `replaces` is what could not be fetched.

    Raises
    ------
    Invalid
    IllegalMove
        When what it replaces is there already.
    """
    if len(content) > settings.MEDIA_LARGEST:
        raise Invalid(errors={"file": f"At most {settings.MEDIA_LARGEST >> 20} MB."})
    try:
        kind, kept = cleaned(content)
    except Unusable as wrong:
        raise Invalid("The file cannot be used.", errors={"file": str(wrong)}) from None
    digest = hashlib.sha256(kept).hexdigest()
    if replaces is None:
        same = Media.objects.filter(requester=requester, source_url="", sha256=digest, state=Media.State.READY).first()
        if same is not None:
            return same
    media = replaces or Media.objects.create(requester=requester)
    if media.state == Media.State.FAILED:
        move(media, Media.State.WAITING)
    return keep(media, kind, kept)


def keep(media: Media, kind: str, content: bytes) -> Media:
    """The content is there: store it, and open what waited for it."""
    media.file.save(f"{secrets.token_hex(16)}.{ENDINGS[kind]}", ContentFile(content), save=False)
    digest = hashlib.sha256(content).hexdigest()
    width, height = size_of(kind, content)
    about = {"content_type": kind, "size": len(content), "sha256": digest, "width": width, "height": height}
    move(media, Media.State.READY, file=media.file.name, error="", **about)
    open_waiting()
    return media


def size_of(kind: str, content: bytes) -> tuple[int, int] | tuple[None, None]:
    """Width and height of a cleaned picture in points. Reads its head and no more."""
    if kind not in PICTURES:
        return None, None
    with Image.open(io.BytesIO(content), formats=[PICTURES[kind]]) as picture:
        return picture.size


@dataclass(frozen=True)
class Asked:
    """The media of some rows: which rows lack some, and what they lack."""

    missing_in_row: list[bool]
    missing: list[list[int]]

    def make_wait(self, hits: Mapping[int, int]) -> None:
        """Note what the HITs of the rows (index -> HIT) wait for."""
        MediaWait.objects.bulk_create(
            [MediaWait(hit_id=hit, media_id=one) for index, hit in hits.items() for one in self.missing[index]],
            batch_size=2000,
        )


def ask_for(*, requester: Requester, addresses: Sequence[Collection[str]]) -> Asked:
    """Have the media at these addresses (a collection for each row) fetched, each once a requester."""
    wanted = sorted(set().union(*addresses))
    if not wanted:
        return Asked([False] * len(addresses), [[]] * len(addresses))
    with connection.cursor() as cursor:
        Media.objects.bulk_create(
            [Media(requester=requester, source_url=address) for address in wanted],
            ignore_conflicts=True,
            batch_size=2000,
        )
        cursor.execute(
            "SELECT source_url, id FROM marketplace_media"
            " WHERE requester_id = %s AND source_url = ANY(%s) AND state <> 'ready'",
            [requester.pk, wanted],
        )
        missing = dict(cursor.fetchall())
    lacking = [sorted(missing[one] for one in row if one in missing) for row in addresses]
    return Asked([bool(row) for row in lacking], lacking)


def fetch_due_media(limit: int = 32) -> int:
    """Fetch what is waiting, some at a time. Called by the sweep's process for long work, never by a web thread."""
    opened = open_waiting()
    taken = take_due(limit)
    with ThreadPoolExecutor(AT_ONCE) as pool:  # the network only; the database is this thread's
        for media, got in zip(taken, pool.map(fetch, [media.source_url for media in taken]), strict=True):
            if isinstance(got, NotSent):
                put_off(media, str(got), is_final=got.is_final)
            else:
                keep(media, *got)
    return len(taken) + opened


def take_due(limit: int) -> list[Media]:
    """Lease media to fetch: they are due again if this process dies."""
    with transaction.atomic():
        now = clock.now()
        taken = list(
            Media.objects.select_for_update(skip_locked=True)
            .filter(state=Media.State.WAITING, due_at__lte=now)
            .exclude(source_url="")
            .order_by("due_at")[:limit]
        )
        Media.objects.filter(pk__in=[media.pk for media in taken]).update(
            due_at=now + LEASE, attempts=F("attempts") + 1
        )
    for media in taken:
        media.attempts += 1
    return taken


def fetch(url: str) -> tuple[str, bytes] | NotSent:
    """Type and cleaned content of what is at an address."""
    try:
        with send("GET", url, seconds=FETCH_SECONDS, largest=settings.MEDIA_LARGEST) as response:
            if response.status != 200:
                is_final = 300 <= response.status < 500 and response.status != 429
                return NotSent(f"The host answered {response.status}.", is_final=is_final)
            content = b"".join(response.pieces())
        return cleaned(content)
    except NotSent as error:
        return error
    except Unusable as wrong:
        return NotSent(str(wrong), is_final=True)


def put_off(media: Media, sentence: str, *, is_final: bool) -> None:
    if is_final or media.attempts >= MOST_ATTEMPTS:
        move(media, Media.State.FAILED, error=sentence[:300])
    else:
        later = clock.now() + timedelta(seconds=10 * 4**media.attempts)
        Media.objects.filter(pk=media.pk).update(error=sentence[:300], due_at=later)


def fetch_again(*, media: Media) -> Media:
    """Failed -> waiting: the requester has mended the address's host."""
    return move(media, Media.State.WAITING, attempts=0, due_at=clock.now(), error="")


# Looks at rows, not at what just happened: a HIT that was being written while its media came is found the next time.
OPEN_WAITING = """
WITH here AS (
    DELETE FROM marketplace_mediawait w USING marketplace_media m
    WHERE m.id = w.media_id AND m.state = 'ready' RETURNING w.hit_id, w.media_id
)
UPDATE marketplace_hit h SET state = %(open)s
FROM (SELECT DISTINCT hit_id FROM here) AS freed
WHERE h.id = freed.hit_id AND h.state = %(parked)s AND NOT EXISTS (
    SELECT 1 FROM marketplace_mediawait w WHERE w.hit_id = h.id
    AND (w.hit_id, w.media_id) NOT IN (SELECT hit_id, media_id FROM here)
)
"""


def open_waiting() -> int:
    """Open HITs whose last missing media has come; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(OPEN_WAITING, {"open": Hit.State.OPEN, "parked": Hit.State.PARKED})
        return cursor.rowcount


# --- going out --------------------------------------------------------------------------------------------------------


def media_problems(batch: Batch) -> QuerySet[MediaWait]:
    """Waits of the batch's HITs for media that could not be fetched, with the media and its error."""
    return MediaWait.objects.filter(hit__batch=batch, media__state=Media.State.FAILED).select_related(
        "media", "hit__data_row"
    )


def stored_media(*, requester_id: int, values: Iterable[Any]) -> dict[str, Stored]:
    """Value of a media column -> our own file of it; what is not there is left out. At most two queries."""
    texts = {value for value in values if isinstance(value, str) and value}
    own = {value for value in texts if value.startswith(MEDIA_PREFIX)}
    ready = Media.objects.filter(requester=requester_id, state=Media.State.READY)
    found: dict[str, Stored] = {}
    if elsewhere := texts - own:
        rows = ready.filter(source_url__in=elsewhere).values_list("source_url", "public_id", "width", "height")
        found = {url: Stored(f"{MEDIA_PREFIX}{public_id}", *shape) for url, public_id, *shape in rows}
    if own:
        asked = {value: UUID(value.removeprefix(MEDIA_PREFIX)) for value in own}
        known = {media.public_id: media for media in ready.filter(public_id__in=asked.values())}
        found |= {
            value: Stored(value, known[public_id].width, known[public_id].height)
            for value, public_id in asked.items()
            if public_id in known
        }
    return found
