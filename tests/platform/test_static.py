"""The files that browsers get, as a site in production stores them."""

import json
import re

from django.core.management import call_command


def test_modules_find_their_hashed_neighbours(tmp_path, settings):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": "config.storage.StaticStorage"}}

    call_command("collectstatic", interactive=False, verbosity=0)

    hashed = json.loads((tmp_path / "staticfiles.json").read_text())["paths"]
    work = (tmp_path / hashed["touchstone/work.js"]).read_text()
    neighbours = re.findall(r'from "\./([\w.]+)"', work)
    assert len(neighbours) >= 3
    assert {f"touchstone/{name}" for name in neighbours} <= set(hashed.values())
