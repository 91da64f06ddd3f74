"""Which Chromium the browser tests drive."""

import os
import shutil
from pathlib import Path

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
MAC = Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")


def chromium() -> str | None:
    """The path of an executable: CHROMIUM, else an installed one, else the one that playwright brought."""
    if chosen := os.environ.get("CHROMIUM"):
        return shutil.which(chosen)
    for name in NAMES:
        if found := shutil.which(name):
            return found
    if MAC.exists():
        return str(MAC)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        brought = playwright.chromium.executable_path
    return brought if Path(brought).exists() else None
