"""Media: fetched ahead of being offered, made harmless, served under random names."""

import io
import struct
import threading
import uuid
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.files import File
from PIL import Image

from core.errors import Conflict, Invalid
from lifecycle.accept import accept
from lifecycle.operations import run_to_end
from lifecycle.publish import publish_batch
from marketplace.errors import NoWork
from marketplace.models import Hit, Media, MediaWait
from marketplace.services.media import (
    cleaned,
    fetch_again,
    fetch_due_media,
    media_problems,
    sniff,
    stored_media,
    upload_media,
)
from marketplace.services.posting import attach_upload, create_batch, release_parked

pytestmark = pytest.mark.django_db


def picture(format="PNG", size=(4, 3), **options):
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, format, **options)
    return out.getvalue()


class Host(BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        self.send_response(200 if content else self.server.otherwise)
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, *args):
        pass


@pytest.fixture
def host(settings, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    server.files, server.asked, server.otherwise = {}, [], 404
    server.url = f"http://127.0.0.1:{server.server_port}"
    settings.OUTBOUND_ALLOWED = [f"127.0.0.1:{server.server_port}"]
    settings.MEDIA_ROOT = tmp_path
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def publish(host, make_project):
    def run(*addresses, project=None):
        project = project or make_project(template="{{image photo}}", rules={"mode": "fixed", "answers": 1})
        text = "photo\n" + "".join(f"{address}\n" for address in addresses)
        batch = create_batch(project=project)
        attach_upload(batch=batch, file=File(io.BytesIO(text.encode()), name="x"), name="rows.csv")
        operation = run_to_end(publish_batch(batch=batch))
        assert operation.state == "done", operation.error
        batch.refresh_from_db()
        return batch

    return run


def states(batch):
    return list(Hit.objects.filter(batch=batch).order_by("pk").values_list("state", flat=True))


def test_a_hit_is_offered_once_its_picture_is_here(publish, host, make_worker, client):
    host.files["/a.png"] = picture()
    batch = publish(f"{host.url}/a.png", f"{host.url}/a.png", f"{host.url}/gone.png")
    assert states(batch) == [Hit.State.PARKED] * 3
    with pytest.raises(NoWork):
        accept(worker=make_worker(), batch=batch)
    assert host.asked == []

    fetch_due_media()

    assert sorted(host.asked) == ["/a.png", "/gone.png"]
    assert states(batch) == [Hit.State.OPEN, Hit.State.OPEN, Hit.State.PARKED]
    (wait,) = media_problems(batch)
    assert wait.media.error == "The host answered 404."
    place = accept(worker=make_worker(), batch=batch)
    photo = stored_media(requester_id=batch.project.requester_id, values=place.data.values())[place.data["photo"]]
    address = photo.address
    shown = client.get(address)
    assert shown.status_code == 200
    assert Image.open(io.BytesIO(b"".join(shown.streaming_content))).size == (4, 3) == (photo.width, photo.height)
    assert host.url not in address


def test_failed_media_can_be_fetched_again_or_replaced(publish, host):
    batch = publish(f"{host.url}/1.png", f"{host.url}/2.png")
    fetch_due_media()
    assert states(batch) == [Hit.State.PARKED] * 2
    first, second = Media.objects.order_by("source_url")
    with pytest.raises(Conflict):
        release_parked(hit=Hit.objects.first())

    host.files["/1.png"] = picture()
    fetch_again(media=first)
    fetch_due_media()
    assert states(batch) == [Hit.State.OPEN, Hit.State.PARKED]

    upload_media(requester=batch.project.requester, content=picture(), replaces=second)
    assert states(batch) == [Hit.State.OPEN] * 2
    assert not MediaWait.objects.exists()


def test_a_hit_with_two_pictures_waits_for_both(publish, host, make_project):
    host.files["/1.png"] = picture()
    project = make_project(template="{{image photo}} {{image b}}")
    batch = create_batch(project=project)
    rows = f"photo,b\n{host.url}/1.png,{host.url}/2.png\n"
    attach_upload(batch=batch, file=File(io.BytesIO(rows.encode()), name="x"), name="rows.csv")
    run_to_end(publish_batch(batch=batch))

    host.otherwise = 503
    fetch_due_media()
    assert states(batch) == [Hit.State.PARKED]
    late = Media.objects.get(source_url__endswith="2.png")
    assert (late.state, late.error, late.attempts) == ("waiting", "The host answered 503.", 1)

    host.files["/2.png"] = picture("JPEG")
    Media.objects.update(due_at="2000-01-01T00:00Z")
    fetch_due_media()
    assert states(batch) == [Hit.State.OPEN]


def test_a_host_that_is_down_is_asked_four_times(publish, host):
    host.otherwise = 500
    batch = publish(f"{host.url}/1.png")

    for _ in range(6):
        Media.objects.update(due_at="2000-01-01T00:00Z")
        fetch_due_media()

    assert len(host.asked) == 4
    assert Media.objects.get().state == "failed"
    assert states(batch) == [Hit.State.PARKED]


def test_media_that_are_here_are_not_fetched_again(publish, host, make_project):
    host.files["/a.png"] = picture()
    first = publish(f"{host.url}/a.png")
    fetch_due_media()

    second = publish(f"{host.url}/a.png", project=first.project)

    assert states(second) == [Hit.State.OPEN]
    assert host.asked == ["/a.png"]


def test_uploaded_media_are_named_by_their_address(publish, host, make_project, make_requester):
    project = make_project(template="{{image photo}}")
    mine = upload_media(requester=project.requester, content=picture())
    others = upload_media(requester=make_requester(), content=picture())

    assert states(publish(f"/media/{mine.public_id}", project=project)) == [Hit.State.OPEN]
    batch = create_batch(project=project)
    text = f'photo\n/media/{others.public_id}\n/media/nothing\n""\nhttp://elsewhere.example/x.png\n'
    attach_upload(batch=batch, file=File(io.BytesIO(text.encode()), name="x"), name="rows.csv")
    errors = run_to_end(publish_batch(batch=batch)).result["errors"]
    assert [(error["line"], error["message"].split(".")[0]) for error in errors] == [
        (2, "You have no uploaded media with this address"),
        (3, "No address of uploaded media"),
        (4, "Is empty"),
        (5, "Only https addresses on the usual port are called"),
    ]


def test_a_picture_keeps_its_pixels_and_nothing_else():
    exif = Image.Exif()
    exif[0x0112] = 6  # stands on its side
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 0.0)}  # where it was taken
    kind, content = cleaned(picture("JPEG", exif=exif, comment=b"secret place"))

    clean = Image.open(io.BytesIO(content))
    assert (kind, clean.format, clean.size) == ("image/jpeg", "JPEG", (3, 4))
    assert not clean.getexif()
    assert b"secret place" not in content


def png_bomb(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(b"\0" * 10_000_000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no picture, sound or film"),
        (b"<html><script>alert(1)</script>", "no picture, sound or film"),
        (b"MZ\x90\x00", "no picture, sound or film"),
        (b"\x89PNG\r\n\x1a\nbroken", "cannot be read as PNG"),
        (png_bomb(50_000, 50_000), "points"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><svg>&a;</svg>', "no SVG"),
        (b"<html><svg></svg></html>", "no SVG"),
    ],
)
def test_what_is_no_media_or_a_bomb_is_refused(make_requester, content, says):
    with pytest.raises(Invalid) as caught:
        upload_media(requester=make_requester(), content=content)
    assert says in caught.value.errors["file"]
    assert not Media.objects.exists()


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (picture("GIF"), "image/gif"), (picture("WEBP"), "image/webp"), (b"ID3\x04", "audio/mpeg"),
        (b"\xff\xfb\x90\x44", "audio/mpeg"), (b"RIFF\0\0\0\0WAVE", "audio/wav"), (b"OggS", "audio/ogg"),
        (b"fLaC", "audio/flac"), (b"\0\0\0\x20ftypM4A ", "audio/mp4"), (b"\0\0\0\x20ftypisom", "video/mp4"),
        (b"\x1aE\xdf\xa3", "video/webm"), (b"<?xml version='1.0'?><svg xmlns='x'/>", "image/svg+xml"),
        (b"%PDF-1.7", None),
    ],
)  # fmt: skip
def test_the_first_bytes_say_what_a_file_is(start, kind):
    assert sniff(start) == kind


@pytest.fixture
def sound(host, make_requester):
    return upload_media(requester=make_requester(), content=b"ID3\x04" + bytes(range(100)))


def test_media_are_served_so_that_they_can_do_no_harm(sound, client, make_requester):
    served = client.get(f"/media/{sound.public_id}")
    assert served["Content-Type"] == "audio/mpeg"
    assert served["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in served["Content-Security-Policy"]
    assert served["Content-Disposition"] == "inline"
    drawing = upload_media(requester=make_requester(), content=b"<svg xmlns='http://www.w3.org/2000/svg'/>")
    assert client.get(f"/media/{drawing.public_id}")["Content-Disposition"] == "attachment"


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [("bytes=0-3", 206, b"ID3\x04"), ("bytes=100-", 206, bytes([96, 97, 98, 99])), ("bytes=500-", 416, b""),
     ("bytes=3-1", 416, b""), ("bytes=102-999", 206, bytes([98, 99]))],
)  # fmt: skip
def test_a_player_may_ask_for_a_part(sound, client, wanted, status, part):
    served = client.get(f"/media/{sound.public_id}", headers={"Range": wanted})
    assert (served.status_code, served.content) == (status, part)


def test_nothing_is_served_that_is_not_there(client, host, make_requester):
    assert client.get(f"/media/{uuid.uuid4()}").status_code == 404
    waiting = Media.objects.create(requester=make_requester(), source_url=f"{host.url}/x")
    assert client.get(f"/media/{waiting.public_id}").status_code == 404
    assert client.post(f"/media/{waiting.public_id}").status_code == 405
