"""Amounts as the API writes them."""

from __future__ import annotations

from decimal import Decimal

from core import money
from mturk.errors import RequestError

MICROS_PER_CENT = 10_000
MOST = 1_000_000


def dollars(micros: int) -> str:
    """Two decimals, rounded down: nobody can spend half a cent.

    >>> dollars(1_999_999), dollars(0)
    ('1.99', '0.00')
    """
    cents = micros // MICROS_PER_CENT
    return f"{cents // 100}.{cents % 100:02d}"


def micros(name: str, amount: str) -> int:
    """What the service model lets through as an amount; raises `RequestError` for more than anybody pays.

    >>> micros("Reward", "5."), micros("Reward", "0.05")
    (5000000, 50000)
    """
    if Decimal(amount) > MOST:
        raise RequestError("ParameterOutOfRange", f"{name} must be at most {MOST}.")
    return int(Decimal(amount) * money.MICROS)
