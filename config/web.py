"""The web server: granian, which replaces a worker process that dies, however often that happens.

python -m config.web HOST PORT PROCESSES
"""

import sys
from collections import defaultdict, deque

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

#: So many deaths of one worker in a row within granian's 5.5 s, and nothing works here: leave it to the supervisor.
MOST_DEATHS = 25


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


def main(host: str, port: str, processes: str) -> None:
    server = Granian(
        "config.wsgi:application",
        address=host,
        port=int(port),
        interface=Interfaces.WSGI,
        workers=int(processes),
        blocking_threads=2,  # while one waits for its commit, the other works; each keeps its connection
        backlog=1024,
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        respawn_interval=0.2,
    )
    server.respawned_wrks = Respawns()
    server.serve()


if __name__ == "__main__":
    main(*sys.argv[1:])
