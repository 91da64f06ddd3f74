"""How often one token may call: a bucket for each scope, that refills steadily and is one for all processes.

A process takes drops from it in lots and spends them by itself, so that most calls ask the database nothing. With n
processes up to n lots more than the rate get through, once.
"""

from __future__ import annotations

from threading import Lock

from django.conf import settings
from django.db import connection
from rest_framework.exceptions import Throttled

#: A lot is what may be called in a second, where the limit is for a minute.
LOTS = 60
MOST_HELD = 20_000

# The level is what was there at `at`; what has dripped in since is counted when somebody asks.
TAKE = """
INSERT INTO core_bucket AS b (scope, principal, level, taken, at)
VALUES (%(scope)s, %(principal)s, %(rate)s - %(lot)s, %(lot)s, clock_timestamp())
ON CONFLICT (scope, principal) DO UPDATE SET (level, taken, at) = (
    SELECT there - least(%(lot)s, floor(there)), least(%(lot)s, floor(there)), clock_timestamp()
    FROM (SELECT least(%(rate)s, b.level + %(rate)s / 60.0 * extract(epoch FROM clock_timestamp() - b.at)) AS there) t)
RETURNING taken, level
"""

_held: dict[tuple[str, int], int] = {}
_lock = Lock()


def throttle(scope: str, principal: int) -> None:
    """Take one drop of `principal`'s bucket; `settings.API_RATES` maps a scope to calls a minute.

    Raises
    ------
    Throttled
        With the seconds to wait.
    """
    rate = settings.API_RATES.get(scope)
    if rate is None:
        return
    key = (scope, principal)
    with _lock:
        drops = _held.get(key, 0)
        if drops:
            _held[key] = drops - 1
            return
    taken, level = _take(key, rate, max(1, rate // LOTS))
    if not taken:
        raise Throttled(wait=(1 - level) * 60 / rate + 1)
    with _lock:
        if len(_held) > MOST_HELD:
            _held.clear()
        _held[key] = _held.get(key, 0) + taken - 1


def _take(key: tuple[str, int], rate: int, lot: int) -> tuple[int, float]:
    """Drops that this process may spend now, and what is left for all."""
    with connection.cursor() as cursor:
        cursor.execute(TAKE, {"scope": key[0], "principal": key[1], "rate": rate, "lot": lot})
        taken, level = cursor.fetchone()
    return int(taken), float(level)


def forget_held() -> None:
    """What this process holds, as when it starts anew."""
    with _lock:
        _held.clear()
