"""The pictures in docs/pictures: the main pages on the demonstration. `make pictures` takes them; nothing else does.

A page whose shot is not there yet, or not any more, fails: so the list and the documentation stay true.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.urls import reverse
from PIL import Image

from lifecycle import demo
from lifecycle.accept import accept
from lifecycle.clock import STEPS
from lifecycle.refit import refit_project
from marketplace.models import Assignment, Batch
from users.models import User
from workers_app.models import Worker

FOLDER = settings.BASE_DIR / "docs" / "pictures"
SIZES = {"": (1440, 900), "-phone": (390, 844)}
#: Name of the picture -> whose page it is, the name of its URL, and where in the demonstration.
PICTURES: dict[str, tuple[str, str, Callable[[Batch], dict[str, Any]]]] = {
    "home": ("", "home", lambda _b: {}),
    "find-work": ("worker", "find_work", lambda _b: {}),
    "work": ("worker", "work_page", lambda _b: {"assignment_id": _held().public_id}),
    "earnings": ("worker", "earnings", lambda _b: {}),
    "new-project": ("requester", "studio_project_new", lambda _b: {}),
    "batch": ("requester", "studio_batch", lambda batch: {"batch_id": batch.public_id}),
    "results": ("requester", "studio_results", lambda batch: {"batch_id": batch.public_id}),
    "worker-audit": ("admin", "staff_worker", lambda _b: {"worker_id": _audited().public_id}),
    "styleguide": ("admin", "styleguide", lambda _b: {}),
}
asked_for = pytest.mark.skipif(not os.environ.get("PICTURES"), reason="only `make pictures` takes them")


def _held() -> Assignment:
    """What the demo worker has on the table."""
    worker = Worker.objects.get(user__email=demo.ACCOUNTS["worker"][0])
    batch = Batch.objects.get(name=demo.VISITOR_BATCH)
    return Assignment.objects.get(pk=accept(worker=worker, batch=batch).assignment_id)


def _audited() -> Worker:
    return Worker.objects.filter(assignments__batch__name=demo.CROWD_BATCH).order_by("-pk")[0]


def test_every_picture_in_the_folder_is_taken_from_a_page():
    """Of those that are there none is an orphan that nothing renews."""
    known = {f"{name}{end}.png" for name in PICTURES for end in SIZES}

    assert {path.name for path in FOLDER.glob("*.png")} <= known


@asked_for
@pytest.mark.browser
@pytest.mark.timeout(1800)
@pytest.mark.django_db(transaction=True)
def test_the_pictures_are_taken(page, live_server, signed_in):
    batch = demo.prepare()
    crowd = demo.Crowd(batch)
    for _turn in range(40):
        _run_clock()
        if not crowd.work(pace=0, patience=1):
            break
    _run_clock()
    refit_project(project=batch.project)
    page.emulate_media(color_scheme="light", reduced_motion="reduce")

    for name, (whose, view, where) in PICTURES.items():
        cache.clear()  # figures as they are now
        signed_in(User.objects.get(email=demo.ACCOUNTS[whose][0]) if whose else None)
        url = live_server.url + reverse(view, kwargs=where(batch))
        for end, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            response = page.goto(url)
            assert response.status == 200, url
            page.wait_for_load_state("networkidle")
            keep(page.screenshot(), FOLDER / f"{name}{end}.png")


def _run_clock() -> None:
    while any(step() for _name, step, _seconds in STEPS):
        pass


def keep(shot: bytes, path: Path) -> None:
    """In 128 colours: a quarter of the bytes, and no difference that one sees."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = Image.open(io.BytesIO(shot)).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(path, "PNG", optimize=True)
