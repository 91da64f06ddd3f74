"""Drills: the real stack, real kills. Short in `make test`; at full length with DRILLS=full (`make drills`)."""

import json
import os
import random
import shutil
import socket
import sys
from subprocess import run

import pytest

from tests.support.stack import ROOT, Stack

FULL = os.environ.get("DRILLS") == "full"


@pytest.fixture(scope="session")
def stack():
    """One stack for all drills: it has to live through them."""
    data_dir = ROOT / "var" / "drills"
    shutil.rmtree(data_dir, ignore_errors=True)
    found = Stack(data_dir, free_port(), DJANGO_SETTINGS_MODULE="tests.drills.settings")
    found.start()
    try:
        yield found
    except BaseException:
        print("\n".join(found.lines[-60:]))
        raise
    finally:
        code = found.stop()
        (ROOT / "var" / "drills.log").write_text("\n".join(found.lines))
        shutil.rmtree(data_dir, ignore_errors=True)
    assert code == 0


@pytest.fixture
def make_market(stack):
    def make(**sizes: int) -> dict:
        return inside(stack, "market", **sizes)

    return make


def inside(stack: Stack, command: str, **options: int) -> dict:
    """Run a command of tests.support.inside with the stack's settings."""
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    done = run(
        [sys.executable, "-m", "tests.support.inside", command, *words],
        cwd=ROOT, env=stack.env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def seed(request):
    """Printed, so that a failure can be lived through again: DRILL_SEED=..."""
    chosen = int(os.environ.get("DRILL_SEED") or random.randrange(10**6))
    print(f"\n{request.node.name}: DRILL_SEED={chosen}")
    return chosen


def free_port() -> int:
    if chosen := os.environ.get("DRILL_PORT"):
        return int(chosen)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
