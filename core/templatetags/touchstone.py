"""What templates write with: icons, money, percents, times, fields, charts and script tags that carry the nonce."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any

from django import template
from django.contrib.messages.storage.base import Message
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, RadioSelect
from django.templatetags.static import static
from django.urls import reverse
from django.utils import formats, timezone
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from core.charts import Chart, Heat, Part, number, shares
from core.numbers import MINUS, NARROW, symbol_first, written
from core.pages import undo_of
from core.viewer import DIRECTION_COOKIE

register = template.Library()

SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "CHF": "CHF\u202f", "XTS": "XTS\u202f"}


# --- pictures and scripts ---------------------------------------------------------------------------------------------


@cache
def _sprite() -> str:
    return static("touchstone/sprite.svg")


@register.simple_tag
def icon(name: str, css: str = "", label: str = "") -> SafeString:
    """An icon of the sprite. Without `label` it is decoration beside words."""
    kind = "logo" if name == "logo" else "i"
    classes = f"{kind} {css}".strip()
    if label:
        return format_html(
            '<svg class="{}" role="img" aria-label="{}"><use href="{}#i-{}"/></svg>', classes, label, _sprite(), name
        )
    return format_html('<svg class="{}" aria-hidden="true"><use href="{}#i-{}"/></svg>', classes, _sprite(), name)


@register.simple_tag(takes_context=True)
def script(context: template.Context, path: str, kind: str = "") -> SafeString:
    """A deferred script of ours; `kind="module"` for modules. Carries the nonce of the response, when it has one."""
    nonce = context.get("csp_nonce") or getattr(context.get("request"), "csp_nonce", "")
    how = format_html(' type="{}"', kind) if kind else SafeString(" defer")
    sealed = format_html(' nonce="{}"', nonce) if nonce else ""
    return format_html('<script src="{}"{}{}></script>', static(path), how, sealed)


@register.simple_tag
def module(path: str) -> SafeString:
    """Ask early for a module that another one imports, so that it need not be found there first."""
    return format_html('<link rel="modulepreload" href="{}">', static(path))


@register.simple_tag(takes_context=True)
def browser_key(context: template.Context) -> str:
    """Keeps what two people leave in one browser apart, such as answers not sent yet; says nothing about either."""
    user = getattr(context.get("request"), "user", None)
    public_id = getattr(user, "public_id", "")
    return hashlib.sha256(f"shelf:{public_id}".encode()).hexdigest()[:12] if public_id else ""


@register.simple_tag(takes_context=True)
def theme(context: template.Context) -> str:
    """` data-theme="dark"` where the reader chose a theme; the system decides else."""
    request = context.get("request")
    chosen = request.COOKIES.get("theme") if request else None
    return format_html(' data-theme="{}"', chosen) if chosen in {"light", "dark"} else ""


@register.simple_tag(takes_context=True)
def direction(context: template.Context, is_rtl: bool) -> str:
    """`rtl` where the language runs so, or where somebody turned the pages round to look at them."""
    request = context.get("request")
    return "rtl" if is_rtl or (request and request.COOKIES.get(DIRECTION_COOKIE) == "rtl") else "ltr"


@register.simple_tag
def sorted_messages(told: Iterable[Message]) -> dict[str, list[Any]]:
    """What stays above the page, and what passes by with a way back: `notes`, and `toasts` with their undo."""
    found: dict[str, list[Any]] = {"notes": [], "toasts": []}
    for message in told:
        undo = undo_of(message)
        if undo:
            found["toasts"].append((message, undo))
        else:
            found["notes"].append(message)
    return found


@register.simple_tag(takes_context=True)
def nav_link(context: template.Context, name: str, words: str, *also: str) -> SafeString:
    """A link of the main navigation, current on the view `name` and on the views `also`."""
    match = getattr(context.get("request"), "resolver_match", None)
    current = match is not None and match.view_name in {name, *also}
    return format_html(
        '<a href="{}"{}>{}</a>', reverse(name), SafeString(' aria-current="page"') if current else "", words
    )


@register.inclusion_tag("parts/bell.html", takes_context=True)
def bell(context: template.Context) -> dict[str, Any]:
    """The bell of the bar. One statement, only on pages that show it."""
    user = getattr(context.get("request"), "user", None)
    return {"user": user, "unread": user.unread_notices() if user and user.is_authenticated else 0}


# --- numbers ----------------------------------------------------------------------------------------------------------


@register.filter
def pairs(named: Mapping[str, Any] | None) -> list[tuple[str, Any]]:
    """Names and values. `named.items` in a template is the value of the name "items" where people chose the names."""
    return list((named or {}).items())


@register.filter
def money(micros: int | None, currency: str = "EUR") -> SafeString | str:
    """Whole micros as an amount: €1.23, with up to four decimals where a price has them."""
    if micros is None or micros == "":
        return ""
    return format_html('<span class="money">{}</span>', money_words(int(micros), currency))


@register.filter
def money_sum(micros: int | None, currency: str = "EUR") -> SafeString | str:
    """A sum, rounded to the cent: parts of a cent are in the statement, not in a headline."""
    if micros is None or micros == "":
        return ""
    return money((int(micros) + 5_000) // 10_000 * 10_000, currency)


@register.filter
def money_up(micros: int, currency: str = "EUR") -> str:
    """What something costs at most, to the cent and rounded up, in plain words."""
    return money_words(-(-int(micros) // 10_000) * 10_000, currency)


@register.filter
def money_signed(micros: int, currency: str = "EUR") -> SafeString:
    """An amount of a statement: what comes in has a plus and is green, what leaves has a true minus."""
    sign = "+" if micros > 0 else ""
    return format_html(
        '<span class="money{}">{}{}</span>', " in" if micros > 0 else "", sign, money_words(int(micros), currency)
    )


@register.filter
def money_plain(micros: int, currency: str = "EUR") -> str:
    """The same amount without markup, for attributes and titles."""
    return money_words(int(micros), currency)


def money_words(micros: int, currency: str = "EUR") -> str:
    """`€0.10`, `€1,234.50`, `€0.015`: cents, and two more decimals only where they are not zero."""
    amount = Decimal(abs(micros)) / 1_000_000
    fine = amount.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)
    whole = fine.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    figure = written(f"{whole:,.2f}" if whole == fine else f"{fine:,.4f}".rstrip("0"))
    sign, symbol = MINUS if micros < 0 else "", SYMBOLS.get(currency, f"{currency}{NARROW}")
    return f"{sign}{symbol}{figure}" if symbol_first() else f"{sign}{figure}{NARROW}{symbol.rstrip(NARROW)}"


#: The same for words that somebody else will read, in the language of that reader: notices.
money_for_reader = lazy(money_words, str)


@register.filter
def percent(share: float | None, digits: int = 1) -> str:
    """A share of one as percent with a narrow space and a true minus: 0.958 is 95.8 %."""
    if share is None or share == "":
        return ""
    # Rounded before it is written: what comes to nothing has no minus.
    figure = f"{round(float(share) * 100, digits) + 0.0:.{digits}f}".replace("-", MINUS)
    return f"{written(figure)}{NARROW}%"


@register.filter
def confidence(share: float, digits: int = 1) -> str:
    """How sure a label is. Cut off, never rounded up: nothing here is 100 % sure."""
    shift = 10 ** (digits + 2)
    return percent(min(math.floor(float(share) * shift + 1e-9), shift - 1) / shift, digits)


@register.simple_tag
def interval(low: float, high: float, digits: int = 1) -> str:
    """93.6 % to 97.3 %."""
    return _("%(low)s to %(high)s") % {"low": percent(low, digits), "high": percent(high, digits)}


@register.filter
def coefficient(value: float | None, digits: int = 2) -> str:
    """An agreement or a correlation, with a true minus: -0.22 is −0.22."""
    return "" if value is None else written(f"{round(value, digits) + 0.0:.{digits}f}".replace("-", MINUS))


@register.filter
def count(value: float | None) -> str:
    """12,400, with a true minus."""
    return "" if value is None or value == "" else number(float(value))


# --- times ------------------------------------------------------------------------------------------------------------


@register.filter
def moment(at: datetime | None) -> SafeString | str:
    """`21 Nov, 14:31` in the viewer's zone, the year only where it is another one; how long ago as its title."""
    if not at:
        return ""
    local = timezone.localtime(at)
    return _time(at, _exact(local, local.year != timezone.localtime().year), f"{_relative(at)}, {local:%Z}")


@register.filter
def clock(at: datetime | None) -> SafeString | str:
    """`14:31`, of a day that the context tells; the whole of it as its title."""
    if not at:
        return ""
    local = timezone.localtime(at)
    return _time(at, f"{local:%H:%M}", f"{_exact(local, True)} {local:%Z}")


@register.filter
def ago(at: datetime | None) -> SafeString | str:
    """`4 min ago`, `in 2 days`; the moment itself, with its zone, as its title."""
    if not at:
        return ""
    local = timezone.localtime(at)
    return _time(at, _relative(at), f"{_exact(local, True)} {local:%Z}")


def _time(at: datetime, words: str, title: str) -> SafeString:
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(timespec="seconds"), title, words)


def _exact(local: datetime, with_year: bool) -> str:
    if with_year:
        return formats.date_format(local, pgettext("a date and time, as Django's date filter writes it", "j M Y, H:i"))
    return formats.date_format(local, pgettext("the same without the year", "j M, H:i"))


def _relative(at: datetime) -> str:
    away = (timezone.now() - at).total_seconds()
    if abs(away) < 45:
        return _("just now") if away >= 0 else _("in a moment")
    return (_("%s ago") if away >= 0 else _("in %s")) % duration(abs(away))


@register.filter
def duration(length: timedelta | float | None) -> str:
    """`22 s`, `4 min`, `2 h 20 min`, `3 days`: two units at most, the second only under a day."""
    if length is None or length == "":
        return ""
    seconds = int(round(length.total_seconds() if isinstance(length, timedelta) else float(length)))
    if seconds < 120:
        return _("%d s") % seconds
    minutes, hours, days = round(seconds / 60), seconds // 3600, seconds / 86400
    if minutes < 120:
        return _("%d min") % minutes
    if hours < 48:
        rest = round(seconds % 3600 / 60)
        return (
            _("%(h)d h %(m)d min") % {"h": hours, "m": rest}
            if rest and hours < 24
            else _("%d h") % round(seconds / 3600)
        )
    return ngettext("%d day", "%d days", round(days)) % round(days)


# --- parts ------------------------------------------------------------------------------------------------------------


@register.inclusion_tag("parts/field.html")
def field(bound: BoundField, before: str = "", after: str = "", css: str = "", **attrs: Any) -> dict[str, Any]:
    """One field of a form: label above, hint below, an error in the place of the hint."""
    widget = bound.field.widget
    many = isinstance(widget, RadioSelect | CheckboxSelectMultiple)
    single = isinstance(widget, CheckboxInput) and not many
    note = f"{bound.auto_id}_error" if bound.errors else f"{bound.auto_id}_helptext" if bound.help_text else ""
    # The label above says it all: a placeholder that repeats it would only fade away.
    shape: dict[str, Any] = {"class": f"input {css}".strip(), "placeholder": False} if not (many or single) else {}
    shape.update({name.replace("_", "-"): value for name, value in attrs.items()})
    if note and not many:
        shape["aria-describedby"] = note
    if bound.errors and not many:
        shape["aria-invalid"] = "true"
    return {
        "bound": bound,
        "attrs": shape,
        "many": many,
        "single": single,
        "before": before,
        "after": after,
        "widget": bound.as_widget(attrs=shape),
    }


@register.inclusion_tag("parts/chart.html")
def chart(drawn: Chart, table: bool = True) -> dict[str, Any]:
    """Draw a chart of core.charts, with its table folded under it."""
    return {"chart": drawn, "table": table and bool(drawn.rows)}


@register.inclusion_tag("parts/heat.html")
def heat(drawn: Heat) -> dict[str, Any]:
    """Draw a heat map: a table whose cells carry their figure."""
    return {"heat": drawn}


@register.inclusion_tag("parts/progress.html")
def progress(parts: Sequence[Part], message: str) -> dict[str, Any]:
    """Shares of one whole along a bar, with their legend."""
    return {"parts": shares(parts), "message": message}


@register.inclusion_tag("parts/meter.html")
def meter(
    low: float,
    mid: float,
    high: float,
    end: float = 1.0,
    start: float = 0.0,
    line: float | None = None,
    proved: bool = False,
    label: str = "",
) -> dict[str, Any]:
    """An estimate with its interval: band, mark, and a `line` to compare with. Brass only if it is measured."""
    span = (end - start) or 1

    def at(value: float) -> float:
        return round(100 * min(max((value - start) / span, 0), 1), 2)

    return {
        "low": at(low),
        "width": round(at(high) - at(low), 2),
        "mid": at(mid) - 0.7,
        "line": None if line is None else at(line),
        "proved": proved,
        "label": label,
    }
