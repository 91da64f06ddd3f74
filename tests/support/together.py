"""Many calls at the same moment, each on a database connection of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from typing import Any

from django.db import OperationalError, connection

Call = Callable[[], Any]


def run_together(*calls: Call, connections: int | None = None) -> list[Any]:
    """Start all calls at once on `connections` threads; what each returned or raised, in order."""
    threads = min(connections or len(calls), len(calls))
    start = threading.Barrier(threads)
    causes: list[Exception] = []

    def outcome(call: Call) -> Any:
        try:
            return call()
        except Exception as error:
            return error

    def work(mine: list[Call]) -> list[Any]:
        try:
            _connect()
            start.wait(180)
            return [outcome(call) for call in mine]
        except Exception as error:
            start.abort()  # the others would wait for one that never comes
            causes.append(error)
            raise RuntimeError(f"Not all {threads} could begin: {causes[0]!r}") from causes[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        shares = list(pool.map(work, [list(calls[i::threads]) for i in range(threads)]))
    return [shares[i % threads][i // threads] for i in range(len(calls))]


def _connect() -> None:
    """The server may still be ending the connections of the test before: two crowds at once are too many for it."""
    until = time.monotonic() + 60
    while True:
        try:
            return connection.ensure_connection()
        except OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def slowly(function: Callable[..., Any], seconds: float = 0.1) -> Callable[..., Any]:
    """`function`, with the race window behind it held open. Take the lock out and see the test fail."""

    @wraps(function)
    def slow(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        time.sleep(seconds)
        return result

    return slow
