"""Due rows apart from each other: what breaks on one of them does not keep the rest waiting."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from django.db import InterfaceError, OperationalError

log = logging.getLogger(__name__)

Item = TypeVar("Item")


def apart(act: Callable[[Item], int], items: Iterable[Item], *, what: str) -> tuple[int, int]:
    """Do `act` for each of `items`; the sum of what it returned, and how many items broke it.

    A broken one is logged, and looked at again with the next turn. A database that is away or busy ends the turn.
    """
    done = failed = 0
    for item in items:
        try:
            done += act(item)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            failed += 1
            log.exception("%s broke on %s; the others go on", what, item)
    return done, failed
