"""The pictures in docs/pictures: the main pages on the demonstration. `make pictures` takes them; nothing else does.

A picture that no page renews, and one that the documentation shows and that is not there, fails: so both stay true.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.urls import reverse
from PIL import Image

from lifecycle import demo
from lifecycle.refit import refit_project
from marketplace.models import Batch
from quality.models import Belief
from tests.look.lived import live_a_day, run_clock
from users.models import User
from workers_app.models import Worker

FOLDER = settings.BASE_DIR / "docs" / "pictures"
DESK, PHONE = ("", 1440, 900), ("-phone", 390, 844)
#: Answers of the crowd before the picture of a batch that is under way.
HALF_WAY = 520


@dataclass(frozen=True)
class Seen:
    """What the pages are about."""

    batch: Batch
    day: Any = None  # a `Day`, once it is over


@dataclass(frozen=True)
class Picture:
    """Whose page it is, the name of its URL, where it is in the demonstration, and how wide it is taken."""

    whose: str
    view: str
    where: Callable[[Seen], dict[str, Any]] = lambda _seen: {}
    sizes: tuple[tuple[str, int, int], ...] = (DESK,)


def of_batch(seen: Seen) -> dict[str, Any]:
    return {"batch_id": seen.batch.public_id}


def of_doubtful(seen: Seen) -> dict[str, Any]:
    belief = Belief.objects.filter(hit__batch=seen.batch, hit__lane=0).order_by("confidence")[0]
    return {"item_id": belief.hit.data_row.public_id}


def of_copycat(seen: Seen) -> dict[str, Any]:
    return {"worker_id": Worker.objects.get(user__email="colluder-1@simulated.invalid").public_id}


#: While the crowd is at work, and after the day.
UNDER_WAY = {"batch": Picture("requester", "studio_batch", of_batch)}
AFTER = {
    "home": Picture("", "home"),
    "find-work": Picture("worker", "find_work", sizes=(DESK, PHONE)),
    "work": Picture("worker", "work_page", lambda s: {"assignment_id": s.day.held.public_id}, (DESK, PHONE)),
    "earnings": Picture("worker", "earnings"),
    "new-project": Picture("requester", "studio_project_new"),
    "question": Picture("requester", "studio_project_edit", lambda s: {"project_id": s.batch.project.public_id}),
    "review": Picture("requester", "studio_review", of_batch),
    "results": Picture("requester", "studio_results", of_batch),
    "item": Picture("requester", "studio_item", of_doubtful),
    "certificate": Picture("", "public_certificate", lambda s: {"certificate_id": s.day.certificate.public_id}),
    "staff": Picture("admin", "staff_home"),
    "worker-audit": Picture("admin", "staff_worker", of_copycat),
    "ledger": Picture("admin", "staff_transfers"),
    "styleguide": Picture("admin", "styleguide"),
}
asked_for = pytest.mark.skipif(not os.environ.get("PICTURES"), reason="only `make pictures` takes them")


def test_every_picture_in_the_folder_is_taken_from_a_page():
    """Of those that are there none is an orphan that nothing renews."""
    known = {f"{name}{end}.png" for name, one in {**UNDER_WAY, **AFTER}.items() for end, _w, _h in one.sizes}

    assert {path.name for path in FOLDER.glob("*.png")} <= known


def test_every_picture_that_the_documentation_shows_is_there():
    texts = [settings.BASE_DIR / "README.md", *settings.BASE_DIR.glob("docs/**/*.md")]
    shown = [path.parent / name for path in texts for name in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", path.read_text())]

    assert shown
    assert [path for path in shown if not path.exists()] == []


@asked_for
@pytest.mark.browser
@pytest.mark.timeout(3600)
@pytest.mark.django_db(transaction=True)
def test_the_pictures_are_taken(page, live_server, signed_in):
    batch = demo.prepare()
    crowd = demo.Crowd(batch)
    for answer in range(HALF_WAY):
        crowd.answer_one()
        if answer % 20 == 0:
            run_clock()
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    take(page, live_server, signed_in, UNDER_WAY, Seen(batch))

    while crowd.work(pace=0, patience=1):
        run_clock()
        crowd.present = list(demo.CROWD)
    run_clock()
    refit_project(project=batch.project)
    take(page, live_server, signed_in, AFTER, Seen(batch, live_a_day(batch)))


def take(page, live_server, signed_in, pictures: dict[str, Picture], seen: Seen) -> None:
    for name, one in pictures.items():
        cache.clear()  # figures as they are now
        signed_in(User.objects.get(email=demo.ACCOUNTS[one.whose][0]) if one.whose else None)
        url = live_server.url + reverse(one.view, kwargs=one.where(seen))
        for end, width, height in one.sizes:
            page.set_viewport_size({"width": width, "height": height})
            response = page.goto(url)
            assert response.status == 200, url
            page.wait_for_load_state("networkidle")
            keep(page.screenshot(), FOLDER / f"{name}{end}.png")


def keep(shot: bytes, path: Path) -> None:
    """In 128 colours: a quarter of the bytes, and no difference that one sees."""
    path.parent.mkdir(parents=True, exist_ok=True)
    small = Image.open(io.BytesIO(shot)).convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(path, "PNG", optimize=True)
