"""Everything that `make run` runs, under one roof: started in order, restarted when it dies, ended together.

Nothing here knows what the product does. A child is a command line with a name; its lines come out with that name in
front. The site may be killed at any point, also by kill -9 of this process, and be started again: children go with
their parent (config.processes), and all state is in the database.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from config.processes import die_with_parent

STEADY_SECONDS = 60.0  # a child that ran this long starts again at once when it dies
PATIENCE = 12.0  # what children get to finish in, after SIGTERM
COLOURS = {"postgres": 34, "web": 32, "sweep": 36, "long": 34, "worker": 35, "beat": 33, "demo": 90, "touchstone": 1}

_printing = threading.Lock()


def say(name: str, line: str) -> None:
    """One line of `name` on standard output."""
    label = f"{name:>10} |"
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        label = f"\033[{COLOURS.get(name, 0)}m{label}\033[0m"
    with _printing, suppress(BrokenPipeError, ValueError):
        print(label, line, flush=True)


@dataclass
class Child:
    """One supervised process and what it forks."""

    name: str
    argv: list[str]
    env: dict[str, str] = field(default_factory=dict)
    once: bool = False  # not started again after a good end
    finished: Callable[[], None] = lambda: None  # called after a good end
    longest_pause: float = 5.0  # seconds before it is started again, however often it died
    broken_by: str = ""  # a line that says it runs on, but is of no more use
    process: subprocess.Popen | None = None
    failures: int = 0
    started_at: float = 0.0
    start_at: float = 0.0  # not before
    broken: bool = False

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self, cwd: Path) -> None:
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            self.argv,
            cwd=cwd,
            env=os.environ | self.env | {"TOUCHSTONE_SUPERVISED": "1", "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C in a terminal reaches us only: we end them in order
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
        threading.Thread(target=self._pump, args=[self.process.stdout], daemon=True).start()

    def _pump(self, stream) -> None:
        for line in stream:
            say(self.name, line.rstrip())
            self.broken = self.broken or bool(self.broken_by and self.broken_by in line)

    def send(self, signum: int) -> None:
        """Signal the process; SIGKILL goes to all that it forked, too."""
        if self.process is not None:
            with suppress(ProcessLookupError, PermissionError):
                (os.killpg if signum == signal.SIGKILL else os.kill)(self.process.pid, signum)

    def mind(self, cwd: Path) -> None:
        """Start it if it is due; note how it ended if it has."""
        now = time.monotonic()
        if self.process is None:
            if now >= self.start_at:
                self.start(cwd)
            return
        code = self.process.poll()
        if code is None:
            if self.broken:
                self.broken = False
                self.send(signal.SIGKILL)
            return
        self.send(signal.SIGKILL)  # what it left behind
        self.process = None
        if self.once and code == 0:
            self.start_at = float("inf")
            self.finished()
            return
        self.failures = 0 if now - self.started_at > STEADY_SECONDS else self.failures + 1
        pause = min(self.longest_pause, 2.0 ** (self.failures - 1)) if self.failures > 1 else 0.2
        self.start_at = now + pause
        say("touchstone", f"{self.name} ended with {_ending(code)}; starting it again in {pause:.1f} s")


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def end(children: list[Child]) -> None:
    """Ask all to finish, then insist. Afterwards none of them, and nothing they forked, is left."""
    for child in children:
        child.send(signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    # Celery finishes its task on SIGTERM and leaves it on SIGQUIT; acks are late, so it comes back.
    for share, signum in ((0.6, signal.SIGQUIT), (1.0, signal.SIGKILL)):
        until = deadline - PATIENCE * (1 - share)
        while any(child.runs for child in children) and time.monotonic() < until:
            time.sleep(0.05)
        for child in children:
            if child.runs:
                child.send(signum)
    for child in children:
        if child.process is not None:
            child.process.wait()
            child.send(signal.SIGKILL)


def port_taken(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def answers(url: str, host: str = "") -> bool:
    """Whether the site answers 200 there, asked by the name `host`. Proxies of the environment are not asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, headers={"Host": host} if host else {})  # noqa: S310
    with suppress(urllib.error.URLError, OSError):
        return opener.open(request, timeout=3).status == 200
    return False


@contextmanager
def terminal_to_ourselves() -> Iterator[None]:
    """In a terminal, Ctrl-C reaches this process alone while the block runs.

    make, which called us, would otherwise get it too and end with "Interrupt" and 130, whatever we return.
    """
    caller = os.getpgrp()
    if not sys.stdin.isatty() or os.tcgetpgrp(0) != caller or os.getpid() == os.getsid(0):
        yield
        return
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)  # nobody would notice that we sleep
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpgrp())
    try:
        yield
    finally:
        with suppress(OSError):
            os.tcsetpgrp(0, caller)


class Stop:
    """Set by SIGINT, SIGTERM, SIGHUP."""

    def __init__(self) -> None:
        self._event = threading.Event()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, lambda *_: self._event.set())

    def asked(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)
