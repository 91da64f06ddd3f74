"""`manage.py serve` as real processes. One data folder for all: the market in it survives everything done here."""

import os
import pty
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest

from config import postgres

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.quiet]


def clean_environment() -> dict[str, str]:
    """Ours, without what makes this a test."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("DATABASE", "DJANGO", "PYTEST"))}


class Site:
    """A supervisor, the lines it printed so far, and its process tree."""

    def __init__(self, data_dir: Path, port: int, **env: str):
        self.url = f"http://127.0.0.1:{port}"
        self.lines: list[str] = []
        self._new: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", str(port), "--no-demo"],
            cwd=ROOT,
            env=clean_environment() | {"DATA_DIR": str(data_dir)} | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self._new.put(line.rstrip())
        self._new.put(None)

    def wait_for(self, part: str, seconds: float = 120) -> str:
        """The next line with `part` in it."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._new.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            assert line is not None, f"no line with {part!r} among:\n" + "\n".join(self.lines)
            self.lines.append(line)
            if part in line:
                return line

    def tree(self) -> dict[int, str]:
        """Every process below the supervisor, and itself: pid and command line."""
        rows = [
            line.split(None, 2)
            for line in subprocess.check_output(["ps", "-wweo", "pid=,ppid=,args="], text=True).splitlines()
        ]
        found, grew = {self.process.pid: "serve"}, True
        while grew:
            more = {int(pid): args for pid, parent, args in rows if int(parent) in found and int(pid) not in found}
            grew = bool(more)
            found |= more
        return found

    def child(self, part: str) -> int:
        """The pid of the supervisor's own child whose command line has `part` in it; 0 when there is none."""
        rows = subprocess.check_output(["ps", "-wweo", "pid=,ppid=,args="], text=True).splitlines()
        return next((int(r.split()[0]) for r in rows if int(r.split()[1]) == self.process.pid and part in r), 0)


def parents() -> dict[int, int]:
    rows = subprocess.check_output(["ps", "-eo", "pid=,ppid="], text=True).splitlines()
    return {int(pid): int(parent) for pid, parent in (row.split() for row in rows)}


def wait_until(look, seconds: float):
    """What `look` returns, once that is something."""
    deadline = time.monotonic() + seconds
    while not (found := look()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found
    return found


def left_of(tree: dict[int, str]) -> dict[int, str]:
    rows = [
        line.split(None, 1) for line in subprocess.check_output(["ps", "-wweo", "pid=,stat="], text=True).splitlines()
    ]
    alive = {int(pid) for pid, state in rows if not state.startswith("Z")}
    return {pid: args for pid, args in tree.items() if pid in alive}


def none_left(tree: dict[int, str], seconds: float) -> bool:
    return wait_until(lambda: not left_of(tree), seconds)


def serves(url: str) -> bool:
    try:
        return urllib.request.urlopen(f"{url}/health/ready", timeout=20).status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def data_dir():
    path = Path("/tmp") / f"ts-serve-{os.getpid()}"
    yield path
    postgres.Cluster.at(path).forget()
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def start(data_dir, port):
    started: list[Site] = []

    def start_site(**env: str) -> Site:
        started.append(Site(data_dir, port, **env))
        return started[-1]

    yield start_site
    for site in started:
        tree = site.tree()
        site.process.terminate()
        try:
            site.process.wait(30)
        finally:
            for pid in left_of(tree):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_it_with_exit_code_0(start, signum):
    site = start()
    assert site.wait_for("Ready:") == f"Ready: {site.url}"
    tree = site.tree()
    assert {"postgres", "config.web", "celery"} <= {
        word for args in tree.values() for word in ("postgres", "config.web", "celery") if word in args
    }

    site.process.send_signal(signum)

    assert site.process.wait(30) == 0
    assert left_of(tree) == {}


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux ends children with their parent")
def test_kill_9_leaves_nothing_running_and_the_next_start_recovers(start):
    site = start()
    site.wait_for("Ready:")
    tree = site.tree()
    assert len(tree) > 5

    site.process.kill()

    assert none_left(tree, 60), left_of(tree)
    again = start()
    again.wait_for("Ready:")
    assert serves(again.url)


WORKER = "celery -A config --quiet worker"


def test_what_is_killed_comes_back(start):
    site = start()
    site.wait_for("Ready:")

    for part in ("config.web", WORKER, "postgres -D"):
        before = site.child(part)
        os.kill(before, signal.SIGKILL)
        site.wait_for("starting it again")
        assert wait_until(lambda part=part: site.child(part), 60) != before
        assert wait_until(lambda: serves(site.url), 60)

    # A pool process that is killed takes the lock of the pool with it: the worker has to go, too.
    worker = site.child(WORKER)
    for each in wait_until(lambda: [pid for pid, parent in parents().items() if parent == worker], 60):
        os.kill(each, signal.SIGKILL)
    site.wait_for("worker ended with signal SIGKILL")
    assert wait_until(lambda: site.child(WORKER), 60) != worker


def test_a_worker_that_takes_no_tasks_is_started_again(start):
    site = start(WORKER_SILENT_SECONDS="15")
    site.wait_for("Ready:")
    worker = wait_until(lambda: site.child(WORKER), 60)

    os.kill(worker, signal.SIGSTOP)

    site.wait_for("The worker took no task for 15 s", 120)
    site.wait_for("worker ended with signal SIGKILL")


def test_a_second_site_is_refused_and_says_what_to_do(start, data_dir, port):
    first = start()
    first.wait_for("Ready:")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]

    on_its_port, on_its_data = Site(data_dir, port), Site(data_dir, free)

    on_its_port.wait_for(
        f"Port {port} is taken by another program. Stop that one, or choose another port: PORT={port + 1}"
    )
    on_its_data.wait_for(f"already runs from {data_dir}: {first.url} (process {first.process.pid})")
    assert (on_its_port.process.wait(30), on_its_data.process.wait(30)) == (1, 1)
    assert serves(first.url)


def test_ctrl_c_in_a_terminal_ends_make_run_with_exit_code_0(data_dir, port):
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        env = clean_environment() | {"DATA_DIR": str(data_dir), "PORT": str(port), "DEMO": "0"}
        os.execvpe("make", ["make", "run"], env)
    seen = b""
    while b"Ready:" not in seen:
        seen += os.read(terminal, 4096)

    os.write(terminal, b"\x03")

    try:
        while more := os.read(terminal, 4096):
            seen += more
    except OSError:  # how a terminal says that all who had it are gone
        pass
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, seen.decode()
    assert b"Stopping" in seen
    assert b"Interrupt" not in seen
