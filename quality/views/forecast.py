"""What a batch would be worth and cost, before it is paid for: sliders, and what simulated crowds make of them."""

from __future__ import annotations

import math
import uuid
from typing import Any

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers
from rest_framework.exceptions import Throttled

from core import money
from core.api.throttling import throttle
from core.errors import Invalid
from core.templatetags.touchstone import SYMBOLS
from marketplace.models import Project, Requester
from marketplace.selectors import projects_of
from marketplace.views.requester import for_requesters
from quality import plots
from quality.forecast import CROWDS, GRID, ITEMS, MOST_CLASSES, PERCENTS, Start, Wish, foretell, start_for

MOST_ROWS = 1_000_000


def _slider(name: str, label: Any, hint: Any) -> forms.IntegerField:
    low, high = PERCENTS[name]
    widget = forms.NumberInput(attrs={"type": "range", "min": low, "max": high, "step": 1})
    return forms.IntegerField(min_value=low, max_value=high, label=label, help_text=hint, widget=widget)


def _box(low: int, high: int, label: Any, hint: Any = "") -> forms.IntegerField:
    widget = forms.NumberInput(attrs={"class": "input", "inputmode": "numeric"})
    return forms.IntegerField(min_value=low, max_value=high, label=label, help_text=hint, widget=widget)


class WishForm(forms.Form):
    items = _box(1, MOST_ROWS, gettext_lazy("Rows"))
    reward = forms.CharField(
        max_length=12,
        label=gettext_lazy("Reward for an answer"),
        widget=forms.TextInput(attrs={"class": "input", "inputmode": "decimal"}),
    )
    classes = _box(2, MOST_CLASSES, gettext_lazy("Labels to choose from"))
    known = _box(0, ITEMS // 2, gettext_lazy("Known answers"), gettext_lazy("Below 20, confidence is a guess."))
    answers = forms.TypedChoiceField(
        coerce=int,
        choices=[(n, n) for n in GRID],
        label=gettext_lazy("Answers an item"),
        widget=forms.Select(attrs={"class": "input"}),
    )
    target = _slider("target", gettext_lazy("Or until a label is so sure"), "")
    skill = _slider("skill", gettext_lazy("An honest worker is right"), gettext_lazy("on items that do not mislead"))
    spam = _slider("spam", gettext_lazy("Workers who answer at random"), "")
    collusion = _slider("collusion", gettext_lazy("Workers who copy one another"), "")
    drift = _slider("drift", gettext_lazy("Guesses at the end"), gettext_lazy("of honest workers who tire"))
    difficulty = _slider("difficulty", gettext_lazy("Items that mislead"), gettext_lazy("to one wrong label"))

    CROWD = ("skill", "difficulty", "spam", "collusion", "drift")

    def clean_reward(self) -> int:
        try:
            amount = money.parse(self.cleaned_data["reward"].strip().replace(",", "."), field="reward")
        except Invalid as refusal:
            raise forms.ValidationError(" ".join(map(str, refusal.errors.values()))) from None
        if amount > 1000 * money.MICROS:
            raise forms.ValidationError(_("At most 1000."))
        return amount

    @property
    def wish(self) -> Wish:
        said = dict(self.cleaned_data)
        return Wish(**{name: value / 100 if name in PERCENTS else value for name, value in said.items()})

    @property
    def crowd(self) -> list[forms.BoundField]:
        return [self[name] for name in self.CROWD]


def written(wish: Wish) -> dict[str, Any]:
    """A wish as the form writes it."""
    found: dict[str, Any] = {name: round(getattr(wish, name) * 100) for name in PERCENTS}
    found |= {name: getattr(wish, name) for name in ("items", "classes", "known")}
    found["answers"] = next((n for n in GRID if n >= wish.answers), GRID[-1])
    return found | {"reward": money.format_amount(wish.reward)}


@require_safe
@for_requesters
@vary_on_headers("HX-Request")
def studio_forecast(request: HttpRequest, requester: Requester) -> HttpResponse:
    """Sliders for the crowd, and what it would give; the figures alone where a slider was moved."""
    project = _project(request)
    start = start_for(project) if project else Start(Wish())
    organisation = project.requester if project else requester
    asked = {**written(start.wish), **{name: request.GET[name] for name in WishForm.base_fields if name in request.GET}}
    form = WishForm(asked)
    is_part = request.headers.get("HX-Request") == "true"
    context: dict[str, Any] = {
        "form": form,
        "project": project,
        "requester": organisation,
        "currency": organisation.currency,
        "symbol": SYMBOLS.get(organisation.currency, organisation.currency).strip(),
        "checked": start.checked,
        "crowds": CROWDS,
        "items_simulated": ITEMS,
        "crumbs": _crumbs(project),
    }
    if form.is_valid():
        try:
            throttle("forecast", request.user.pk)  # type: ignore[arg-type]
        except Throttled as refusal:
            context["wait"] = math.ceil(refusal.wait or 1)
        else:
            found = foretell(form.wish)
            context |= {
                "found": found,
                "wish": found.wish,
                "chart": plots.by_answers(found.result, ("delivered", "majority")),
            }
    template = "forecast/now.html" if is_part else "forecast/page.html"
    # A part with errors is shown like any other: htmx shows nothing of a refusal.
    status = 429 if "wait" in context else 200 if form.is_valid() else 400
    return render(request, template, context, status=200 if is_part else status)


def _project(request: HttpRequest) -> Project | None:
    asked = request.GET.get("project", "")
    if not asked:
        return None
    try:
        number = uuid.UUID(asked)
    except ValueError:
        raise Http404 from None
    mine = projects_of(request.user).filter(trial_of=None).select_related("requester")
    return get_object_or_404(mine.distinct(), public_id=number)


def _crumbs(project: Project | None) -> list[tuple[str, str]]:
    crumbs = [(_("Projects"), reverse("studio"))]
    if project:
        crumbs.append((project.name, reverse("studio_project", args=[project.public_id])))
    return crumbs
