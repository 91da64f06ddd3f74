"""How often one token may call: a bucket for each scope, that refills steadily. Kept in the process: the limit is a
protection, not a contract, and with n web processes up to n times as much gets through."""

from __future__ import annotations

import time
from threading import Lock

from django.conf import settings
from rest_framework.exceptions import Throttled

MOST_BUCKETS = 20_000

_buckets: dict[tuple[str, int], tuple[float, float]] = {}
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
    now, per_second = time.monotonic(), rate / 60
    with _lock:
        if len(_buckets) > MOST_BUCKETS:
            _buckets.clear()
        level, at = _buckets.get((scope, principal), (float(rate), now))
        level = min(float(rate), level + (now - at) * per_second)
        _buckets[scope, principal] = (level - 1 if level >= 1 else level, now)
    if level < 1:
        raise Throttled(wait=(1 - level) / per_second + 1)
