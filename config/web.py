"""The web server: granian, which replaces a worker process that dies, however often that happens.

python -m config.web HOST PORT PROCESSES

The site is loaded once, before the workers are forked from this process: one that replaces a dead worker answers at
once instead of seconds later, and they share the memory of what was loaded.
"""

import gc
import resource
import sys
from collections import defaultdict, deque
from collections.abc import Callable
from importlib import import_module
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from config.processes import die_with_my_parent

#: So many deaths of one worker in a row within granian's 5.5 s, and nothing works here: leave it to the supervisor.
MOST_DEATHS = 25
#: Connections that a worker keeps open, idle ones among them. One more would wait for another to be closed: granian's
#: own figure, backlog / workers, let a newcomer wait until somebody's browser had been idle for 30 s.
CONNECTIONS = 4096
#: Files that a worker opens beside its connections: the database, uploads on their way, the library's own.
OTHER_FILES = 256


class Respawns(dict[int, float]):
    """When each worker was replaced. Granian gives up, and takes the whole site down for seconds, if one dies again
    within 5.5 s of that; here it is told of the replacement before the last `MOST_DEATHS`."""

    def __init__(self) -> None:
        self.moments: dict[int, deque[float]] = defaultdict(lambda: deque(maxlen=MOST_DEATHS))

    def __setitem__(self, worker: int, moment: float) -> None:
        self.moments[worker].append(moment)

    def get(self, worker: int, default: float = 0) -> float:  # type: ignore[override]
        moments = self.moments[worker]
        return moments[0] if len(moments) == MOST_DEATHS else default

    def clear(self) -> None:
        """Granian forgets between two deaths; the moments are what tells a loop from bad luck."""


def load() -> Callable[..., Any]:
    """The site with its URLs. Opens no connection: those may not be shared between processes."""
    from config.wsgi import application

    import_module("config.urls")
    return application


def load_in_worker() -> Callable[..., Any]:
    die_with_my_parent()
    return load()  # there already where processes are forked; else (macOS) loaded now


def room_for_connections() -> int:
    """Connections that a worker may keep: each takes a file descriptor, of which this process takes what it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + OTHER_FILES
    held = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (held, most))
    return max(held - OTHER_FILES, held // 2)


def main(host: str, port: str, processes: str) -> None:
    load()
    gc.freeze()  # a collection would write to, and so copy, what the workers share
    server = Granian(
        "config.wsgi:application",
        address=host,
        port=int(port),
        interface=Interfaces.WSGI,
        workers=int(processes),
        blocking_threads=2,  # while one waits for its commit, the other works; each keeps its connection
        backlog=1024,
        backpressure=room_for_connections(),
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        respawn_interval=0.2,
    )
    server.respawned_wrks = Respawns()
    server.serve(target_loader=load_in_worker, wrap_loader=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
