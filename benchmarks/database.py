"""A migrated database of a benchmark's own, and Django on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]


@contextmanager
def own_database(folder: Path) -> Iterator[None]:
    """PostgreSQL on `folder`, with all migrations, for as long as the block runs."""
    os.environ |= {"DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "config.settings.dev"}
    import django

    from config import postgres

    with postgres.running(folder):
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity=0"], cwd=PROJECT, check=True)
        django.setup()
        yield
