"""Lighthouse on the six main pages, with the demonstration behind them: performance, accessibility, best practices.

    make bench BENCH=benchmarks/lighthouse.py
    make bench BENCH=benchmarks/lighthouse.py ARGS="--site http://127.0.0.1:8000"    one that serves the demonstration

Limit: 95 of 100 in each category on each page; exit code 1 below it. Without `--site` it starts a site of its own.
Lighthouse comes from npm by `npx`, pinned here; without node or a Chromium the last line says that it did not run, and
nothing is claimed. Performance is the median of `--runs`, as Lighthouse itself asks for on a busy machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django
import httpx

VERSION = "12.8.2"
CATEGORIES = {"performance": "performance", "accessibility": "accessibility", "best-practices": "best practices"}
LEAST = 95
PORT = 8098
UUID = r"[0-9a-f]{8}-[0-9a-f-]{27}"


class Visitor:
    """Somebody signed in, as a browser would be."""

    def __init__(self, site: str, email: str, password: str) -> None:
        self.http = httpx.Client(base_url=site, follow_redirects=True, timeout=60)
        self.post("/accounts/login/", {"login": email, "password": password}, page="/accounts/login/")

    def post(self, path: str, data: dict[str, str], *, page: str) -> httpx.Response:
        text = self.http.get(page).text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', text)
        if token is None:
            raise RuntimeError(f"{page} has no form.")
        return self.http.post(path, data=data | {"csrfmiddlewaretoken": token[1]}, headers={"Referer": page})

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self.http.cookies.jar}

    def first(self, page: str, pattern: str) -> str:
        """The first address on a page that looks like this."""
        found = re.search(pattern, self.http.get(page).text)
        if found is None:
            raise RuntimeError(f"{page} leads nowhere like {pattern}.")
        return found[0]


def pages(site: str) -> list[tuple[str, str, dict[str, str]]]:
    """Name, address and cookies of each page."""
    from lifecycle.demo import ACCOUNTS, CROWD_BATCH

    worker, requester = Visitor(site, *ACCOUNTS["worker"]), Visitor(site, *ACCOUNTS["requester"])
    work = worker.first("/work/", rf"/work/(start/)?{UUID}/")  # begun by an earlier run, or to begin
    if "/start/" in work:
        work = worker.post(work, {}, page="/work/").url.path
    text = requester.http.get("/studio/batches/").text
    batch = re.findall(rf"/studio/batches/{UUID}/", text[: text.index(CROWD_BATCH) + 1])[-1]
    return [
        ("home", "/", {}),
        ("find work", "/work/", worker.cookies),
        ("work", work, worker.cookies),
        ("batch", batch, requester.cookies),
        ("results", f"{batch}results/", requester.cookies),
        ("review", f"{batch}review/", requester.cookies),
    ]


@contextmanager
def signed_in(url: str, cookies: dict[str, str], browser: str) -> Iterator[int]:
    """A browser that has the cookies, by the port on which it is driven. A header with them is not enough: what the
    scripts of a page send has to be signed in too."""
    from playwright.sync_api import sync_playwright

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--remote-debugging-port={port}"]
    with tempfile.TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=browser, headless=True, args=options, viewport=None
        )
        context.add_cookies([{"name": name, "value": value, "url": url} for name, value in cookies.items()])
        try:
            yield port
        finally:
            context.close()


def scores(url: str, cookies: dict[str, str], npx: str, browser: str) -> tuple[dict[str, float], list[str]]:
    """Of 100 in each category, and what cost points. Raises `RuntimeError` where Lighthouse has no result."""
    with tempfile.TemporaryDirectory() as folder, signed_in(url, cookies, browser) as port:
        report = Path(folder, "report.json")
        command = [npx, "--yes", f"lighthouse@{VERSION}", url, "--quiet", "--output=json", f"--output-path={report}"]
        command += [f"--only-categories={','.join(CATEGORIES)}", f"--port={port}", "--disable-storage-reset"]
        done = subprocess.run(  # noqa: S603  the command above
            command, capture_output=True, text=True, timeout=300, check=False
        )
        if not report.exists():
            raise RuntimeError((done.stderr or done.stdout).strip()[-400:])
        told = json.loads(report.read_text())
    if error := told.get("runtimeError", {}).get("message"):
        raise RuntimeError(error)
    found = {name: 100 * (told["categories"][name]["score"] or 0) for name in CATEGORIES}
    lost = [
        f"{audit['id']}: {audit.get('displayValue') or audit['title']}"
        for name in CATEGORIES
        for ref in told["categories"][name]["auditRefs"]
        if ref["weight"] and (audit := told["audits"][ref["id"]])["score"] not in (None, 1)
    ]
    return found, lost


def measure(site: str, runs: int, npx: str, browser: str) -> bool:
    """Print the table; whether every page keeps the limit."""
    print(f"{'page':10} {'performance':>12} {'accessibility':>14} {'best practices':>15}")
    is_good = True
    for name, path, cookies in pages(site):
        try:
            told = [scores(site + path, cookies, npx, browser) for _run in range(runs)]
        except RuntimeError as error:
            print(f"{name:10} no result: {error}")
            is_good = False
            continue
        medians = [statistics.median(found[category] for found, _lost in told) for category in CATEGORIES]
        print(f"{name:10} {medians[0]:12.0f} {medians[1]:14.0f} {medians[2]:15.0f}", flush=True)
        for lost in sorted({lost for _found, some in told for lost in some}):
            print(f"{'':10}   {lost}")
        is_good &= min(medians) >= LEAST
    return is_good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", help="a site that serves the demonstration; without it one is started")
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.dev")
    django.setup()
    from tests.support.browser import chromium
    from tests.support.stack import ROOT, Stack

    npx, browser = shutil.which("npx"), chromium()
    if npx is None or browser is None:
        print(f"Lighthouse: NOT RUN, there is no {'npx (node)' if npx is None else 'Chromium'} here.")
        return 0
    tried = subprocess.run(  # noqa: S603  npx and a pinned name
        [npx, "--yes", f"lighthouse@{VERSION}", "--version"], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        print(f"Lighthouse: NOT RUN, npx could not fetch version {VERSION}: {tried.stderr.strip()[-200:]}")
        return 0
    if chosen.site:
        return 0 if measure(chosen.site.rstrip("/"), chosen.runs, npx, browser) else 1
    stack = Stack(ROOT / "var" / "lighthouse", PORT, DEMO="1")
    stack.start(seconds=300)
    try:
        stack.manage("demo", "--pace", "0")
        return 0 if measure(f"http://127.0.0.1:{PORT}", chosen.runs, npx, browser) else 1
    finally:
        stack.stop()


if __name__ == "__main__":
    sys.exit(main())
