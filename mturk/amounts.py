"""Amounts as the API writes them."""

from __future__ import annotations

from decimal import Decimal

from core import money

MICROS_PER_CENT = 10_000


def dollars(micros: int) -> str:
    """Two decimals, rounded down: nobody can spend half a cent.

    >>> dollars(1_999_999), dollars(0)
    ('1.99', '0.00')
    """
    cents = micros // MICROS_PER_CENT
    return f"{cents // 100}.{cents % 100:02d}"


def micros(amount: str) -> int:
    """What the service model lets through as an amount.

    >>> micros("5."), micros("0.05")
    (5000000, 50000)
    """
    return int(Decimal(amount) * money.MICROS)
