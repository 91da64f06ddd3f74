"""Settings that staff may change while the site runs. Whoever needs one asks here, and nowhere else.

What the environment says stands until staff say otherwise; what they say is stored, with who, when and why in the log.
A process looks again every few seconds, so a change reaches all of them without a message.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from core import audit, clock
from core.errors import Conflict, Invalid
from core.models import Preference

CACHE_KEY = "preferences"


@dataclass(frozen=True)
class Kind:
    """One setting: what it means, and how its value is read (from a form or from JSON). `read` raises ValueError."""

    words: str | Promise
    meaning: str | Promise
    read: Callable[[Any], Any]
    remedy: str | Promise
    choices: tuple[str, ...] = ()


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        number = int(str(value).strip())
        if not low <= number <= high:
            raise ValueError
        return number

    return read


def _amount(value: Any) -> str:
    amount = Decimal(str(value).strip().replace(",", "."))
    if not amount.is_finite() or not 0 <= amount <= 1000 or amount != round(amount, 2):
        raise ValueError
    return f"{amount:.2f}"


def _one_of(*choices: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            raise ValueError
        return str(value)

    return read


SIGNUPS = ("open", "invitation", "approval")
CHANGEABLE: dict[str, Kind] = {
    "FEE_BASIS_POINTS": Kind(
        _("Platform fee"),
        _("Hundredths of a percent of each reward and bonus. Published batches keep the fee they were published with."),
        _whole(0, 5000),
        _("A whole number from 0 to 5000; 1000 is 10 %."),
    ),
    "HOURLY_FLOOR": Kind(
        _("Hourly floor"),
        _("Smallest hourly pay a public batch may be published with, by the requester's own estimate."),
        _amount,
        _("An amount from 0 to 1000 with at most 2 decimals, such as 8.00."),
    ),
    "SIGNUP": Kind(
        _("Who may sign up"),
        _("open: everybody. invitation: with a code. approval: everybody, and staff let them in."),
        _one_of(*SIGNUPS),
        _("open, invitation or approval."),
        SIGNUPS,
    ),
    "PAYOUT_MINIMUM": Kind(
        _("Smallest payout"),
        _("In micros: 1000000 is one unit of the currency. Whoever has less waits until it has come together."),
        _whole(10_000, 1_000_000_000),
        _("A whole number from 10000 (one cent) to 1000000000; 1000000 is one unit."),
    ),
    "GOODWILL_PER_DAY": Kind(
        _("Late answers compensated a day"),
        _("How many late answers of one worker a day the goodwill account pays by itself. 0: staff decide each."),
        _whole(0, 1),
        _("0 or 1."),
        ("0", "1"),
    ),
}


def preference(name: str) -> Any:
    """The value in force: what staff set, else what the environment says (in the type of the setting)."""
    stored = _stored().get(name)
    standing = getattr(settings, name)
    if stored is None:
        return standing
    return Decimal(stored) if isinstance(standing, Decimal) else stored


def _stored() -> dict[str, Any]:
    found = cache.get(CACHE_KEY)
    if found is None:
        found = dict(Preference.objects.values_list("name", "value")) if settings.PREFERENCES_SECONDS else {}
        cache.set(CACHE_KEY, found, settings.PREFERENCES_SECONDS or None)
    return found


def source_of(name: str) -> str:
    """`staff`, `environment` or `default`."""
    if name in _stored():
        return "staff"
    return "environment" if settings.ENV.str(name, "") else "default"


@transaction.atomic
def change_preference(*, name: str, value: Any, by: Any, reason: str) -> Any:
    """Store a value; None goes back to what the environment says. Returns the value in force.

    Raises
    ------
    Invalid
        An unknown name, a value that does not fit, or no reason.
    Conflict
        It is so already.
    """
    kind = CHANGEABLE.get(name)
    if kind is None:
        raise Invalid(errors={"name": f"One of {', '.join(CHANGEABLE)}."})
    reason = reason.strip()
    if not 0 < len(reason) <= 300:
        raise Invalid(errors={"reason": "Say why, in at most 300 characters."})
    before = Preference.objects.select_for_update().filter(name=name).first()
    old = preference(name) if before is None else before.value
    if value is None:
        if before is None:
            raise Conflict("Nothing was set here. Nothing was changed.", code="unchanged")
        before.delete()
    else:
        try:
            value = kind.read(value)
        except (ValueError, TypeError, InvalidOperation):
            raise Invalid(errors={name: str(kind.remedy)}) from None
        if before is not None and before.value == value:
            raise Conflict("It is so already. Nothing was changed.", code="unchanged")
        Preference.objects.update_or_create(
            name=name, defaults={"value": value, "changed_at": clock.now(), "changed_by": by}
        )
    audit.record(act="setting.change", subject=f"setting:{name}", actor=by, reason=reason, before=str(old), after=value)
    stored = dict(Preference.objects.values_list("name", "value"))
    transaction.on_commit(lambda: cache.set(CACHE_KEY, stored, settings.PREFERENCES_SECONDS or None))
    return stored.get(name, getattr(settings, name))
