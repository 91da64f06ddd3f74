"""Children that do not outlive their parent, even when that is killed with -9."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(signum: int) -> Callable[[], None]:
    """What a child runs before exec, so that the kernel sends it `signum` when this process goes (Linux only)."""
    parent = os.getpid()

    def arrange() -> None:
        if sys.platform == "linux":
            _libc.prctl(1, signum)  # PR_SET_PDEATHSIG: cleared by setuid, so it comes after the ids were dropped
            if os.getppid() != parent:
                os._exit(1)

    return arrange


def die_with_my_parent(signum: int = signal.SIGTERM) -> None:
    """The same for this process, where somebody else forked it: pool processes of Celery, workers of the web server."""
    if sys.platform == "linux" and os.environ.get("TOUCHSTONE_SUPERVISED"):
        _libc.prctl(1, signum)
