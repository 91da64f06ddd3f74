"""Media and the file of rows over HTTP."""

import io
import uuid

import pytest
from PIL import Image

from marketplace.models import Hit, Media, MediaWait
from tests.api.test_taking import problem

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_media(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def owner(make_requester):
    return make_requester().memberships.get().user


@pytest.fixture
def requester(owner):
    return owner.requesters.get()


@pytest.fixture
def client(api, owner):
    return api(owner, "read", "write")


@pytest.fixture
def stranger(api, make_requester):
    return api(make_requester().memberships.get().user, "read", "write")


def picture():
    out = io.BytesIO()
    Image.new("RGB", (4, 3), "red").save(out, "PNG")
    return out.getvalue()


def put(client, path, content, kind="image/png"):
    return client.put(path, content, content_type=kind)


def test_a_picture_is_uploaded_once_and_shown(client, requester):
    path = f"organisations/{requester.public_id}/media"

    first, again = (put(client, path, picture()).json() for _ in range(2))

    media = Media.objects.get()
    assert first == again
    assert first == {
        "id": str(media.public_id),
        "state": "ready",
        "address": f"/media/{media.public_id}",
        "source_url": "",
        "content_type": "image/png",
        "size": media.size,
        "error": "",
    }
    assert client.get(f"media/{media.public_id}").json() == first


def test_what_is_no_media_is_refused(client, requester, settings):
    path = f"organisations/{requester.public_id}/media"
    problem(put(client, path, b"hello"), 400, "invalid")
    problem(put(client, path, b"{}", "application/json"), 415, "unsupported_media_type")
    settings.MEDIA_LARGEST = 10
    assert "At most" in problem(put(client, path, picture()), 400, "invalid")["errors"]["file"]
    assert not Media.objects.exists()


@pytest.fixture
def failed(requester, make_project, make_batch):
    make_batch(project=make_project(requester=requester))
    media = Media.objects.create(requester=requester, source_url="https://x.example/a.png", state="failed", error="404")
    Hit.objects.update(state=Hit.State.PARKED)
    MediaWait.objects.create(hit=Hit.objects.get(), media=media)
    return media


def test_failed_media_are_listed_and_mended(client, failed):
    hit = Hit.objects.select_related("data_row", "batch").get()

    (shown,) = client.get(f"batches/{hit.batch.public_id}/media").json()["items"]
    assert (shown["hit"], shown["media"]["error"]) == (str(hit.data_row.public_id), "404")

    assert put(client, f"media/{failed.public_id}", picture()).json()["state"] == "ready"
    hit.refresh_from_db()
    assert hit.state == Hit.State.OPEN
    problem(put(client, f"media/{failed.public_id}", picture()), 409, "illegal_move")


def test_failed_media_are_fetched_again(client, failed):
    assert client.post(f"media/{failed.public_id}/fetch").json()["state"] == "waiting"
    problem(client.post(f"media/{failed.public_id}/fetch"), 409, "illegal_move")


def test_the_file_of_rows_names_each_hit(client, failed):
    batch = Hit.objects.get().batch
    data = Hit.objects.get().data_row
    type(data).objects.update(row_number=1, external_id="=1+1")

    response = client.get(f"batches/{batch.public_id}/rows.csv")

    assert b"".join(response.streaming_content).decode().splitlines() == [
        '"row","external_id","hit","state"',
        f'"1","\'=1+1","{data.public_id}","parked"',
    ]


def test_strangers_find_nothing(stranger, requester, failed):
    batch = Hit.objects.get().batch
    for response in (
        put(stranger, f"organisations/{requester.public_id}/media", picture()),
        put(stranger, f"media/{failed.public_id}", picture()),
        stranger.get(f"media/{failed.public_id}"),
        stranger.get(f"media/{uuid.uuid4()}"),
        stranger.post(f"media/{failed.public_id}/fetch"),
        stranger.get(f"batches/{batch.public_id}/media"),
        stranger.get(f"batches/{batch.public_id}/rows.csv"),
    ):
        problem(response, 404, "not_found")
    failed.refresh_from_db()
    assert failed.state == "failed"
