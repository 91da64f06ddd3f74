"""What simulated crowds came to, drawn: for the page, and as files of `manage.py simulate`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from django.contrib.staticfiles import finders
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from core import charts
from quality.simulation.experiment import Outcome, Result

#: A line for each method, told apart by more than colour: the delivered one is the strong one.
LOOKS = {"delivered": "", "hierarchical": "dash", "majority": "b", "dawid-skene": "b dash", "one-coin": "b thin"}
NAMES: dict[str, Promise] = {
    "majority": gettext_lazy("Majority vote"),
    "one-coin": gettext_lazy("One number a worker"),
    "dawid-skene": gettext_lazy("Dawid-Skene, 1979"),
    "hierarchical": gettext_lazy("Hierarchical Dawid-Skene"),
    "delivered": gettext_lazy("What we deliver"),
}
SLIDERS: dict[str, Promise] = {
    "spam": gettext_lazy("share of workers who answer at random"),
    "collusion": gettext_lazy("share of workers who copy one key"),
    "drift": gettext_lazy("share of guesses at the end"),
    "difficulty": gettext_lazy("share of items that mislead"),
    "skill": gettext_lazy("accuracy of an honest worker"),
}


def name_of(method: str) -> str:
    return str(NAMES.get(method, method))


def by_answers(result: Result, methods: tuple[str, ...] = ()) -> charts.Chart:
    """Share of right labels against answers an item; a dot where stopping by confidence came out."""
    chosen = methods or tuple(dict.fromkeys(one.method for one in result.outcomes))
    series = [_line(result.of(method), lambda one: one.answers, lambda one: one.accuracy) for method in chosen]
    best = result.of("delivered") if "delivered" in chosen else []
    bands = [[(one.answers, one.low, one.high) for one in best]] if len(best) > 1 and result.crowds > 1 else []
    dots = [(one.answers, one.accuracy, _("stops at %d %%") % round(one.target * 100)) for one in result.stopped]
    told = "; ".join(f"{one.name}: " + ", ".join(f"{x:g}: {y:.1%}" for x, y in one.points) for one in series)
    return charts.lines(
        series,
        message=_("Simulated share of right labels by answers an item. %s") % told,
        x_axis=_("answers an item"),
        head=(_("Method"), _("Answers"), _("Right")),
        percent=True,
        dots=dots,
        bands=bands,
    )


def calibration(result: Result) -> charts.Chart:
    """Mean stated confidence less the share that is right, against answers an item: above 0 is too sure."""
    chosen = [method for method in dict.fromkeys(one.method for one in result.outcomes) if method != "majority"]
    series = [
        _line(result.of(method), lambda one: one.answers, lambda one: one.confidence - one.accuracy)
        for method in chosen
    ]
    lowest = min((y for one in series for _x, y in one.points), default=0.0)
    return charts.lines(
        series,
        message=_("Stated confidence less share right, by answers an item; above 0 is too sure."),
        x_axis=_("answers an item"),
        head=(_("Method"), _("Answers"), _("Too sure by")),
        low=min(lowest, 0.0),
        percent=True,
    )


def swept(result: Result) -> charts.Chart:
    """Share of right labels as one slider moves."""
    methods = dict.fromkeys(one.method for at in result.swept for one in at.outcomes)
    series = [
        charts.Series(
            name_of(method),
            [(at.value, one.accuracy) for at in result.swept for one in at.outcomes if one.method == method],
            LOOKS.get(method, "warn"),
        )
        for method in methods
    ]
    axis = str(SLIDERS[result.slider])
    return charts.lines(
        series,
        message=_("Simulated share of right labels by %(slider)s, %(answers)d answers an item.")
        % {"slider": axis, "answers": result.recipe.answers},
        x_axis=axis,
        head=(_("Method"), axis, _("Right")),
        percent=True,
    )


def as_file(chart: charts.Chart) -> str:
    """An SVG file of its own, in the colours of the light theme."""
    stylesheet = Path(str(finders.find("touchstone/touchstone.css")))
    return charts.standing_alone(chart, stylesheet.read_text(encoding="utf-8"))


def _line(rows: list[Outcome], x: Callable[[Outcome], float], y: Callable[[Outcome], float]) -> charts.Series:
    method = rows[0].method if rows else ""
    return charts.Series(name_of(method), [(x(one), y(one)) for one in rows], LOOKS.get(method, "warn"))
