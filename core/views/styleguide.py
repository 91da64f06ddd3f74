"""Every part in every state, from the same templates as the pages. For staff, and for whoever works on the code."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.contrib.staticfiles import finders
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from core import charts

#: What each colour is for, and on which others it has to be read: words need a contrast of 4.5, edges and marks 3.
ROLES: list[tuple[str, Any, str, float]] = [
    ("canvas", _("page"), "", 0),
    ("surface", _("panels, fields"), "", 0),
    ("sunken", _("wells, hover, tracks"), "", 0),
    ("line", _("rules inside panels"), "", 0),
    ("edge", _("edges of controls"), "surface", 3),
    ("text", _("words"), "canvas", 4.5),
    ("muted", _("words of second rank"), "canvas", 4.5),
    ("ink", _("what can be done; main series"), "surface", 4.5),
    ("ink-soft", _("chosen"), "", 0),
    ("accent", _("marks: proved"), "surface", 3),
    ("accent-text", _("words: proved"), "accent-soft", 4.5),
    ("accent-soft", _("behind proved"), "", 0),
    ("good", _("settled, paid"), "good-soft", 4.5),
    ("warn", _("disputed, watched"), "warn-soft", 4.5),
    ("bad", _("refused, error"), "bad-soft", 4.5),
]
TONE = re.compile(r"--([a-z-]+): light-dark\((#[0-9a-f]{3,6}), (#[0-9a-f]{3,6})\)")


class Specimen(forms.Form):
    """One field of each sort. Bound to nothing, it has an error to show."""

    name = forms.CharField(label=_("Project name"), initial="Read handwritten digits")
    pay = forms.CharField(label=_("Pay for one answer"), initial="0.10", help_text=_("€16.36 an hour at 22 s."))
    most = forms.IntegerField(
        label=_("Answers at most"),
        min_value=2,
        error_messages={"min_value": _("At least 2, because one answer cannot be checked.")},
    )
    language = forms.ChoiceField(label=_("Language"), choices=[("", _("Any language"))], required=False)
    locked = forms.CharField(label=_("Locked"), initial=_("Frozen on publishing"), disabled=True)
    about = forms.CharField(label=_("Instructions"), widget=forms.Textarea, required=False)
    keep = forms.BooleanField(label=_("Keep 20 % for newcomers"), required=False, initial=True)
    when = forms.ChoiceField(
        label=_("Approve"),
        choices=[("now", _("At once")), ("later", _("After 3 days"))],
        widget=forms.RadioSelect,
        initial="now",
    )


@require_safe
def styleguide(request: HttpRequest) -> HttpResponse:
    if not settings.DEBUG:
        if not request.user.is_authenticated:
            return redirect_to_login(request.path)
        if not request.user.is_staff:
            raise Http404
    given = {name: field.initial for name, field in Specimen.base_fields.items() if field.initial is not None}
    now = timezone.now()
    here = request.path
    context = {
        "form": Specimen({**given, "most": "1"}),
        "colours": colours(),
        "icons": icons(),
        "line": _line(),
        "bars": charts.bars(
            [("0.5", 4), ("0.6", 9), ("0.7", 22), ("0.8", 41), ("0.9", 73)],
            message=str(_("Most labels are sure: 73 of 149 above 0.9")),
            head=(str(_("Confidence")), str(_("Labels"))),
        ),
        "heat": charts.heat(
            [[98, 1, 0], [4, 84, 9], [0, 9, 70]], ["0", "1", "2"], message=str(_("Truth against answer, in percent"))
        ),
        "parts": [charts.Part(68, "f-ink", str(_("settled"))), charts.Part(12, "f-warn", str(_("disputed")))],
        "page": Paginator(range(45), 6).page(2),
        "crumbs": [(_("Projects"), here), ("Read handwritten digits", here), ("Shelf 4", "")],
        "tabs": [("styleguide", _("Live"), here, 0), ("", _("Review"), here, 6), ("", _("Results"), here, 0)],
        "steps": [
            (_("Template"), here, "done"),
            (_("Data"), here, "done"),
            (_("Pay and quality"), "", "now"),
            (_("Publish"), "", ""),
        ],
        "menu": [(_("Labels, CSV"), here, _("One row an item"))],
        "events": [
            (now - timedelta(minutes=4), _("04BE9 settled as 3 after 3 answers."), ""),
            (now - timedelta(minutes=9), _("Pair rule: vote shared."), _("machine, can be undone")),
        ],
        "now": now,
        "earlier": now - timedelta(hours=26),
        "amounts": [100_000, 15_000, 1_234_500_000, -446_380_000],
        "choices": [("1", _("Fit"), "1"), ("2", _("Slightly ill"), "2"), ("3", _("Threat to life"), "3")],
        "undo": {"href": here, "fields": []},
    }
    return render(request, "styleguide.html", context)


def _line() -> charts.Chart:
    points = [(float(n), 1 - 0.6 * 0.7**n) for n in range(11)]
    return charts.lines(
        [charts.Series(str(_("estimate")), points)],
        message=str(_("An estimate that grows towards its target")),
        x_axis=str(_("answers, thousands")),
        head=[str(_("Answers")), str(_("Estimate"))],
        low=0,
        high=1,
        percent=True,
        target=(0.95, str(_("target"))),
        now=(10, 0.98, 0.95, 0.99, str(_("measured"))),
    )


@cache
def icons() -> list[str]:
    """The names of the sprite's symbols."""
    return [name for name in re.findall(r'id="i-([a-z-]+)"', _static("touchstone/sprite.svg")) if name != "logo"]


@cache
def colours() -> list[dict[str, Any]]:
    """Each role with its use and its contrast, computed from the stylesheet, in light and in dark."""
    tones = {name: (light, dark) for name, light, dark in TONE.findall(_static("touchstone/touchstone.css"))}
    return [
        {
            "name": name,
            "use": use,
            "on": on,
            "least": least,
            "contrast": [contrast(tones[name][side], tones[on][side]) for side in (0, 1)] if on else [],
        }
        for name, use, on, least in ROLES
    ]


def _static(path: str) -> str:
    return Path(str(finders.find(path))).read_text(encoding="utf-8")


def contrast(one: str, other: str) -> float:
    """WCAG 2: (lighter + 0.05) / (darker + 0.05) of the relative luminances of two colours such as #1d3b55."""
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    red, green, blue = (int(digits[start : start + 2], 16) / 255 for start in (0, 2, 4))
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
