"""The real stack, as `make run` starts it, in a data folder of its own: for drills and benchmarks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from config import postgres

ROOT = Path(__file__).resolve().parents[2]


class Stack:
    """`manage.py serve` and everything under it."""

    def __init__(self, data_dir: Path, port: int, **env: str) -> None:
        self.data_dir, self.port = data_dir, port
        self.env = os.environ | {"DATA_DIR": str(data_dir), "DEMO": "0", "LOG_LEVEL": "WARNING"} | env
        self.env.pop("DATABASE_URL", None)
        self.lines: list[str] = []
        self.process: subprocess.Popen[str] | None = None

    @property
    def cluster(self) -> postgres.Cluster:
        return postgres.Cluster.at(self.data_dir)

    def start(self, seconds: float = 90) -> None:
        command = [sys.executable, "manage.py", "serve", "--no-demo", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        ready = threading.Event()
        threading.Thread(target=self._read, args=[self.process, ready], daemon=True).start()
        deadline = time.monotonic() + seconds
        while not ready.wait(0.1):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("The stack did not get ready:\n" + "\n".join(self.lines[-40:]))

    def _read(self, process: subprocess.Popen[str], ready: threading.Event) -> None:
        for line in process.stdout or ():
            self.lines.append(line.rstrip())
            if line.startswith("Ready: "):
                ready.set()

    def stop(self) -> int:
        """SIGTERM, as Ctrl-C does it; the exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.process = None

    def sql(self, statement: Any, *arguments: Any, role: str = postgres.OWNER) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.cluster.url(role), autocommit=True) as connection:
            cursor = connection.execute(statement, arguments or None)
            return cursor.fetchall() if cursor.description else []

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A manage.py command beside the running stack."""
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False)

    # --- its processes -----------------------------------------------------------------------------------------------

    def web_workers(self) -> list[int]:
        """The processes that answer requests: what granian forked, once they have their event loop."""
        running = [pid for pid in self._descendants() if self._is(pid, "config.web")]
        return [pid for pid in running if parent_of(pid) in running and has_event_loop(pid)]

    def celery_workers(self) -> list[int]:
        """The processes that run tasks: what Celery forked."""
        running = [pid for pid in self._descendants() if self._is(pid, "celery") and self._is(pid, "worker")]
        return [pid for pid in running if parent_of(pid) in running]

    def sweeps(self) -> list[int]:
        return [pid for pid in self._descendants() if self._is(pid, "sweep")]

    def postmaster(self) -> int | None:
        with suppress(FileNotFoundError, ValueError, IndexError):
            return int((self.cluster.data / "postmaster.pid").read_text().split()[0])
        return None

    def postgres_tree(self) -> list[int]:
        """The postmaster and its children."""
        postmaster = self.postmaster()
        return [] if postmaster is None else [postmaster, *children_of(postmaster)]

    def _descendants(self) -> Iterator[int]:
        assert self.process is not None
        waiting = children_of(self.process.pid)
        while waiting:
            pid = waiting.pop()
            yield pid
            waiting += children_of(pid)

    def _is(self, pid: int | None, word: str) -> bool:
        with suppress(OSError):
            return word.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        return False


def kill(pid: int) -> None:
    """kill -9 one process that a stack started."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def has_event_loop(pid: int) -> bool:
    with suppress(OSError):
        return any("eventfd" in str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir())
    return False


def sockets_of(pid: int) -> int:
    with suppress(OSError):
        return sum(str(path.readlink()).startswith("socket:") for path in Path(f"/proc/{pid}/fd").iterdir())
    return 0


def children_of(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


def parent_of(pid: int) -> int | None:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return None
