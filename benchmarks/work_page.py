"""The work page in a real Chromium: first paint, the next HIT on screen after a submit, and the size of its scripts.

    python benchmarks/work_page.py [--hits 60] [--port 8310] [--json]

Starts the whole site as `make run` does, on a durable database of its own under var/bench-page, with a plain
classification batch, and answers by key as a quick worker would. "On screen" is the frame after the one in which the
page holds the next HIT. Exits 1 when a limit is broken.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import sys
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DATA_DIR = ROOT / "var" / "bench-page"
LIMITS = {"first paint, ms": 1000.0, "next HIT, ms (median)": 100.0, "scripts, kB compressed": 60.0}

#: Presses the key of an answer and Enter; milliseconds until the frame that shows another HIT was painted.
SUBMIT = """
(key) => new Promise((done) => {
  const event = (name) => new KeyboardEvent("keydown", {key: name, bubbles: true, cancelable: true});
  const press = (name) => document.activeElement.dispatchEvent(event(name));
  const shown = () => document.querySelector(".stage")?.dataset.id;
  const before = shown();
  press(key);
  const begun = performance.now();
  press("Enter");
  const look = () => shown() && shown() !== before
    ? requestAnimationFrame(() => setTimeout(() => done(performance.now() - begun)))
    : requestAnimationFrame(look);
  look();
})
"""
AT_HAND = "() => Number(document.querySelector('#main').dataset.atHand) > 0"


def configure(port: int) -> None:
    os.environ["DATA_DIR"], os.environ["PORT"] = str(DATA_DIR), str(port)
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.dev"
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # playwright keeps an event loop in this thread
    import django

    django.setup()


def session_of(user: Any) -> str:
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session.session_key


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def compressed(urls: list[str]) -> float:
    """kB of these scripts as the server sends them to a browser that takes gzip."""
    total = 0
    for url in urls:
        request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})  # noqa: S310
        with urllib.request.urlopen(request) as response:  # noqa: S310
            body = response.read()
            total += len(body if response.headers.get("Content-Encoding") == "gzip" else gzip.compress(body))
    return total / 1000


def measure(port: int, hits: int) -> dict[str, Any]:
    import psycopg
    from django.conf import settings
    from django.urls import reverse
    from playwright.sync_api import sync_playwright

    from config import postgres
    from tests.support.browser import chromium
    from tests.support.market import analyse, make_batch, make_workers

    with psycopg.connect(postgres.Cluster.at(DATA_DIR).url(postgres.OWNER), autocommit=True) as owner:
        batch = make_batch(owner, hits=10_000, rules={"undo_seconds": 8, "gates": False})
        worker, _token = make_workers(1)[0]
        analyse(owner)
    site = f"http://127.0.0.1:{port}"
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=chromium(), args=sandbox)
        context = browser.new_context()
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session_of(worker.user), "url": site}])
        page = context.new_page()
        scripts: list[str] = []
        page.on("response", lambda r: scripts.append(r.url) if r.request.resource_type == "script" else None)
        page.goto(site + reverse("find_work"))
        scripts.clear()
        page.get_by_role("button", name=f"Start {batch.project.name}").click()
        page.wait_for_url("**/work/*-*/")
        page.wait_for_function(AT_HAND)
        loaded = list(dict.fromkeys(scripts))
        paints = []
        for _ in range(5):
            cold = browser.new_context(storage_state={"cookies": context.cookies()})
            fresh = cold.new_page()
            fresh.goto(page.url)
            paints.append(
                fresh.evaluate("() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 1e9")
            )
            cold.close()
        nexts = []
        for number in range(hits):
            page.wait_for_function(AT_HAND)
            nexts.append(page.evaluate(SUBMIT, "1234"[number % 4]))
        page.wait_for_function("() => !Object.keys(localStorage).some((key) => key.startsWith('send:'))")
        browser.close()
    from marketplace.models import Answer

    stored = Answer.objects.filter(assignment__batch=batch).count()
    assert stored == hits, f"{stored} answers of {hits} were stored"
    return {
        "first paint, ms": statistics.median(paints),
        "next HIT, ms (median)": statistics.median(nexts),
        "next HIT, ms (p95)": percentile(nexts, 0.95),
        "scripts, kB compressed": compressed(loaded),
        "scripts": [url.rsplit("/", 1)[-1] for url in loaded],
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks/work_page.py", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--hits", type=int, default=60)
    parser.add_argument("--port", type=int, default=int(os.environ.get("PORT") or 8310))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    from tests.support.stack import Stack

    shutil.rmtree(DATA_DIR, ignore_errors=True)
    stack = Stack(DATA_DIR, options.port, DJANGO_SETTINGS_MODULE="config.settings.dev")
    stack.start()
    try:
        configure(options.port)
        found = measure(options.port, options.hits)
    finally:
        stack.stop()
    broken = [name for name, limit in LIMITS.items() if not found[name] <= limit]
    if options.json:
        print(json.dumps({**found, "broken": broken}))
    else:
        print("| what | measured | limit | part of the limit |\n| --- | --- | --- | --- |")
        for name, limit in LIMITS.items():
            print(f"| {name} | {found[name]:.1f} | {limit:.0f} | {found[name] / limit:.2f} |")
        print(f"p95 of the next HIT: {found['next HIT, ms (p95)']:.1f} ms; scripts: {', '.join(found['scripts'])}")
        for name in broken:
            print(f"BROKEN {name}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
