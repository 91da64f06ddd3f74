"""Money is a whole number of micros (millionths of the currency unit). Every rounding of the project is here.

A fee of 10 % on a reward of one cent is 1000 micros: exact. Prices have at most 4 decimals, payouts are whole cents.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from django.utils.translation import gettext as _

from core.errors import Invalid

MICROS = 1_000_000
CENT = MICROS // 100
#: No single amount may exceed this many units: far below what a bigint of micros can sum without overflow.
LARGEST = 1_000_000_000


def parse(text: str | Decimal | int, *, field: str = "amount", decimals: int = 4) -> int:
    """Micros of a decimal string such as "0.05".

    Raises
    ------
    Invalid
        When it is no plain decimal number, is negative, too large, or has more than `decimals` decimals.
    """
    if isinstance(text, float):
        raise TypeError("Money is never a float.")
    try:
        amount = Decimal(str(text).strip())
    except InvalidOperation:
        raise Invalid(errors={field: _("Write an amount such as 12.50, with a point and no separators.")}) from None
    if not amount.is_finite() or amount < 0 or amount > LARGEST:
        raise Invalid(errors={field: _("The amount must lie between 0 and %d.") % LARGEST})
    if amount != round(amount, decimals):
        raise Invalid(errors={field: _("At most %d decimals.") % decimals})
    return int(amount * MICROS)


def format_amount(micros: int, *, decimals: int = 2) -> str:
    """The exact decimal string, with at least `decimals` decimals: 1_234_500 -> "1.2345", 5_000_000 -> "5.00"."""
    sign = "-" if micros < 0 else ""
    units, rest = divmod(abs(micros), MICROS)
    fraction = f"{rest:06d}".rstrip("0").ljust(decimals, "0")
    return f"{sign}{units}.{fraction}" if fraction else f"{sign}{units}"


def fee_of(reward: int, basis_points: int) -> int:
    """The platform's fee on one assignment, rounded half up to a micro."""
    fee = (Decimal(reward) * basis_points / 10_000).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    return int(fee)


def whole_cents(micros: int) -> int:
    """The part of a balance that can be paid out: rounded down to a cent."""
    return micros - micros % CENT


def split(total: int, shares: int) -> list[int]:
    """`total` in `shares` parts that differ by at most one micro and sum to it exactly."""
    base, extra = divmod(total, shares)
    return [base + (index < extra) for index in range(shares)]
