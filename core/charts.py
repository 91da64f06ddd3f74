"""Charts drawn on the server: geometry in, marks out.

A chart is a list of marks in the units of its `viewBox`, a message that says what it shows, and the table behind it.
One template (`parts/chart.html`) draws every kind; colour comes from classes, so charts follow the theme and need no
script.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from django.utils.translation import gettext as _

from core.numbers import MINUS, NARROW, written


@dataclass(frozen=True)
class Mark:
    """One SVG element: its tag, its class and the attributes of its shape (already written as strings)."""

    tag: str
    css: str
    attrs: dict[str, str]
    text: str = ""


@dataclass(frozen=True)
class Key:
    """One entry of a legend: `shape` is `line`, `box`, `dot` or `cross`."""

    shape: str
    css: str
    text: str


@dataclass(frozen=True)
class Chart:
    """A drawn chart. `head` and `rows` are the same figures as words, for those who do not see it."""

    width: int
    height: int
    message: str
    marks: list[Mark]
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    keys: Sequence[Key] = ()
    size: str = ""


@dataclass(frozen=True)
class Heat:
    """A heat map: rows of cells, each a step 0 to 6 and the figure printed in it; `ends` is a last column of words."""

    message: str
    columns: Sequence[str]
    rows: list[tuple[str, list[tuple[int, str]], str]]
    corner: str = ""
    end_head: str = ""
    caption: str = ""


@dataclass
class _Frame:
    """The plotting area: turns values into coordinates and collects marks."""

    low: float
    high: float
    first: float
    last: float
    left: float = 40
    right: float = 420
    top: float = 12
    bottom: float = 156
    marks: list[Mark] = field(default_factory=list)

    def x(self, value: float) -> float:
        return self.left + (value - self.first) / ((self.last - self.first) or 1) * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.bottom - (value - self.low) / ((self.high - self.low) or 1) * (self.bottom - self.top)

    def path(self, css: str, points: Iterable[tuple[float, float]]) -> None:
        drawn = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        if drawn:
            self.marks.append(Mark("path", css, {"d": f"M{drawn}"}))

    def rect(self, css: str, x: float, y: float, width: float, height: float) -> None:
        shape = {"x": f"{x:.1f}", "y": f"{y:.1f}", "width": f"{max(width, 0):.1f}", "height": f"{max(height, 0):.1f}"}
        self.marks.append(Mark("rect", css, shape))

    def dot(self, css: str, x: float, y: float, radius: float) -> None:
        self.marks.append(Mark("circle", css, {"cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": f"{radius:.1f}"}))

    def text(self, css: str, x: float, y: float, words: str) -> None:
        self.marks.append(Mark("text", css, {"x": f"{x:.1f}", "y": f"{y:.1f}"}, words))

    def text_beside(self, css: str, x: float, y: float, words: str, away: float) -> None:
        """Words on the side of a point where there is more room."""
        is_late = x > (self.left + self.right) / 2
        self.text(f"{css} end".strip() if is_late else css, x + (-away if is_late else away), y, words)

    def grid(self, ticks: Sequence[float], written: Sequence[str]) -> None:
        drawn = "".join(f"M{self.left:.0f} {self.y(tick):.1f}H{self.right:.0f}" for tick in ticks)
        self.marks.append(Mark("path", "grid", {"d": drawn}))
        for tick, words in zip(ticks, written, strict=True):
            self.text("end", self.left - 6, self.y(tick) + 3.5, words)

    def floor(self) -> None:
        self.marks.append(Mark("path", "axis", {"d": f"M{self.left:.0f} {self.bottom:.0f}H{self.right:.0f}"}))


def ticks(high: float, about: int = 3, low: float = 0.0) -> list[float]:
    """Round steps from `low` up to at least `high`: 1, 2 or 5 times a power of ten apart."""
    span = max(high - low, 1e-9)
    power = 10.0 ** math.floor(math.log10(span / about))
    step = next(power * factor for factor in (1, 2, 5, 10) if span / (power * factor) <= about)
    count = math.ceil(span / step - 1e-9)
    return [low + step * index for index in range(count + 1)]


def number(value: float) -> str:
    """12,400; 0.25; with a true minus."""
    whole = abs(value - round(value)) < 1e-9
    return (MINUS if value < 0 else "") + written(f"{abs(value):,.0f}" if whole else f"{abs(value):,.2f}".rstrip("0"))


def bars(
    values: Sequence[tuple[str, float]],
    *,
    message: str,
    head: tuple[str, str],
    axis: str = "",
    open_last: bool = False,
    written: Sequence[str] | None = None,
    unit: str = "",
    small: bool = False,
    wide: bool = False,
    every: int = 1,
) -> Chart:
    """Bars over named steps. `open_last` draws the last one as still growing; `written` are the figures as words.

    `small` is for a side column, `wide` for most of a page.
    """
    values = list(values)
    words = list(written) if written else [number(value) for _label, value in values]
    steps = ticks(max([value for _label, value in values] + [1.0]))
    right, bottom = (306, 118) if small else (860, 130) if wide else (420, 156)
    frame = _Frame(0, steps[-1], 0, max(len(values), 1), left=40, right=right, bottom=bottom)
    frame.grid(steps, [f"{unit}{number(step)}" for step in steps])
    room = (frame.right - frame.left) / max(len(values), 1)
    width = min(room * 0.72, 34)
    top = max((value for _label, value in values), default=0)
    for index, (label, value) in enumerate(values):
        middle = frame.left + room * (index + 0.5)
        growing = open_last and index == len(values) - 1
        y = frame.y(value)
        frame.rect("f-ink-soft" if growing else "f-ink", middle - width / 2, y, width, frame.bottom - y)
        if value and (len(values) <= 9 or value == top):
            frame.text("mid strong", middle, y - 4, words[index])
        if index % every == 0:
            # A name for several bars begins with its own: in their middle, the first would run into the scale.
            css, at = ("mid", middle) if every == 1 else ("", middle - width / 2)
            frame.text(css, at, frame.bottom + 14, label)
    frame.floor()
    if axis:
        frame.text("end", frame.right, frame.bottom + 32, axis)
    height = int(frame.bottom + (34 if axis else 22))
    rows = [(label, figure) for (label, _value), figure in zip(values, words, strict=True)]
    return Chart(int(frame.right) + 10, height, message, frame.marks, head, rows, size="lg" if wide else "")


@dataclass(frozen=True)
class Series:
    """One line: its points, its class (`""`, `b`, `acc`) and the words at its end."""

    name: str
    points: Sequence[tuple[float, float]]
    css: str = ""


def lines(
    series: Sequence[Series],
    *,
    message: str,
    x_axis: str,
    head: Sequence[str],
    low: float | None = None,
    high: float | None = None,
    percent: bool = False,
    target: tuple[float, str] | None = None,
    now: tuple[float, float, float, float, str] | None = None,
    dots: Sequence[tuple[float, float, str]] = (),
    bands: Sequence[Sequence[tuple[float, float, float]]] = (),
) -> Chart:
    """Lines over a number. `target` is a dashed level with words; `now` a measured point `(x, y, low, high, words)`.

    `dots` are single points with words, nothing measured; `bands` are areas of `(x, low, high)`.
    """
    every = [point for one in series for point in one.points] + ([(now[0], now[1])] if now else [])
    every += [(x, y) for x, y, _words in dots]
    every += [(x, edge) for band in bands for x, *edges in band for edge in edges]
    xs = [x for x, _y in every] or [0.0, 1.0]
    ys = [y for _x, y in every] + ([target[0]] if target else []) + ([now[2], now[3]] if now else []) or [0.0, 1.0]
    floor = low if low is not None else min(ys)
    steps = ticks(high if high is not None else max(ys), about=4, low=floor)
    frame = _Frame(floor, steps[-1], min(xs), max(xs))
    frame.grid(steps, [f"{step * 100:.0f}{NARROW}%" if percent else number(step) for step in steps])
    if target:
        frame.path("ln dash thin acc", [(frame.left, frame.y(target[0])), (frame.right, frame.y(target[0]))])
        frame.text("", frame.left + 3, frame.y(target[0]) - 5, target[1])
    for band in bands:
        edge = [(x, high) for x, _low, high in band] + [(x, low) for x, low, _high in reversed(band)]
        frame.path("f-band", [(frame.x(x), frame.y(y)) for x, y in edge])
    for one in series:
        frame.path(f"ln {one.css}".strip(), [(frame.x(x), frame.y(y)) for x, y in one.points])
    for x, y, words in dots:
        frame.dot("f-ink", frame.x(x), frame.y(y), 4.5)
        frame.text_beside("strong", frame.x(x), frame.y(y) + 14, words, 8)
    if now:
        x, y, bottom, top, words = now
        frame.path("ln acc", [(frame.x(x), frame.y(bottom)), (frame.x(x), frame.y(top))])
        frame.dot("f-acc", frame.x(x), frame.y(y), 4.5)
        frame.text_beside("strong", frame.x(x), frame.y(y) - 9, words, 8)
    frame.floor()
    are_whole = all(float(x).is_integer() for x in xs)  # there is no such thing as 1.2 answers
    for step in ticks(max(xs), about=6, low=min(xs)):
        if step <= max(xs) + 1e-9 and (not are_whole or abs(step - round(step)) < 1e-9):
            frame.text("mid", frame.x(step), frame.bottom + 14, number(step))
    frame.text("end", frame.right, frame.bottom + 32, x_axis)
    keys = [Key("line", f"ln {one.css}".strip(), one.name) for one in series] if len(series) > 1 else []
    rows = [[one.name, number(x), f"{y:.3f}"] for one in series for x, y in one.points]
    rows += [[words, number(x), f"{y:.3f}"] for x, y, words in dots]
    return Chart(430, 190, message, frame.marks, head, rows, keys)


@dataclass(frozen=True)
class Group:
    """Items of about the same stated confidence: how often they proved right (with interval), and how many they are."""

    stated: float
    seen: float
    low: float
    high: float
    count: int


def reliability(groups: Sequence[Group], *, message: str) -> Chart:
    """Stated confidence against the share that proved right. On the diagonal, the confidence is worth what it says."""
    floor = math.floor(min([group.low for group in groups] + [group.stated for group in groups] + [0.9]) * 10) / 10
    frame = _Frame(floor, 1.0, floor, 1.0, left=34, right=296, top=10, bottom=214)
    steps = [floor + index * 0.1 for index in range(round((1 - floor) * 10) + 1)]
    frame.grid(steps, [f"{step * 100:.0f}" for step in steps])
    frame.path("ln b thin dash", [(frame.left, frame.bottom), (frame.right, frame.top)])
    most = max((group.count for group in groups), default=1)
    for group in groups:
        x = frame.x(group.stated)
        frame.path("ln acc thin", [(x, frame.y(group.low)), (x, frame.y(group.high))])
        frame.dot("f-acc", x, frame.y(group.seen), 2.5 + 3.5 * math.sqrt(group.count / most))
    frame.floor()
    for step in steps:
        frame.text("mid", frame.x(step), frame.bottom + 14, f"{step * 100:.0f}")
    frame.text("end", frame.right, frame.bottom + 32, _("stated confidence, %"))
    head = (_("Stated"), _("Proved right"), _("Interval"), _("Items"))
    rows = [
        (
            f"{g.stated * 100:.1f}{NARROW}%",
            f"{g.seen * 100:.1f}{NARROW}%",
            f"{g.low * 100:.1f} to {g.high * 100:.1f}{NARROW}%",
            number(g.count),
        )
        for g in groups
    ]
    return Chart(310, 250, message, frame.marks, head, rows, size="sm")


def histogram(
    counts: Sequence[float], edges: Sequence[float], *, message: str, axis: str, seen: tuple[float, str] | None = None
) -> Chart:
    """How often each range of a number occurs; `seen` marks one value with words."""
    last = max(edges[-1], seen[0] if seen else edges[-1])
    frame = _Frame(0, max([*counts, 1]), edges[0], last, left=10, right=420, top=30, bottom=140)
    for count, start, end in zip(counts, edges[:-1], edges[1:], strict=True):
        left, right = frame.x(start), frame.x(end)
        frame.rect("f-grey", left + 1, frame.y(count), right - left - 2, frame.bottom - frame.y(count))
    if seen:
        x = frame.x(seen[0])
        frame.path("ln warn", [(x, frame.bottom), (x, frame.top)])
        frame.text("strong end" if x > 215 else "strong", x + (4 if x > 215 else -4), frame.top - 8, seen[1])
    frame.floor()
    for step in ticks(last, about=6, low=edges[0]):
        if step <= last + 1e-9:
            frame.text("mid", frame.x(step), frame.bottom + 14, number(step))
    frame.text("end", frame.right, frame.bottom + 32, axis)
    rows = [(f"{number(a)} to {number(b)}", number(n)) for n, a, b in zip(counts, edges[:-1], edges[1:], strict=True)]
    return Chart(430, 176, message, frame.marks, (axis, _("Count")), rows)


def heat(
    counts: Sequence[Sequence[float]],
    labels: Sequence[str],
    *,
    message: str,
    ends: Sequence[str] = (),
    end_head: str = "",
    corner: str = "",
    caption: str = "",
) -> Heat:
    """A heat map of `counts` (rows x columns). The step is the share of its row; the figure itself is printed."""
    rows = []
    for index, row in enumerate(counts):
        total = sum(row)
        cells = [(_step(value / total if total else 0.0), number(value) if value else "") for value in row]
        rows.append((labels[index], cells, ends[index] if ends else ""))
    return Heat(message, labels, rows, corner, end_head, caption)


def _step(share: float) -> int:
    return sum(share > bound for bound in (0.005, 0.04, 0.12, 0.3, 0.6, 0.85))


def ledger_line(values: Sequence[float], bounds: tuple[float, float], passed: Sequence[bool], *, message: str) -> Chart:
    """A sequential sum between two bounds, a step for each checked answer; `bounds` are (not good enough, trusted)."""
    below, above = bounds
    low, high = min([below * 1.3, *values]), max([above * 1.3, *values])
    frame = _Frame(low, high, 0, max(len(values), 1), left=30, right=430, top=10, bottom=178)
    frame.marks.append(
        Mark(
            "rect",
            "f-good",
            {"fill-opacity": ".13", "x": "30", "y": "10", "width": "400", "height": f"{frame.y(above) - 10:.1f}"},
        )
    )
    frame.marks.append(
        Mark(
            "rect",
            "f-bad",
            {
                "fill-opacity": ".13",
                "x": "30",
                "y": f"{frame.y(below):.1f}",
                "width": "400",
                "height": f"{178 - frame.y(below):.1f}",
            },
        )
    )
    frame.grid([below, 0, above], [f"{MINUS}{abs(below):.1f}", "0", f"{above:.1f}"])
    frame.path("ln", [(frame.x(0), frame.y(0))] + [(frame.x(i + 1), frame.y(v)) for i, v in enumerate(values)])
    for index, (value, good) in enumerate(zip(values, passed, strict=True)):
        x, y = frame.x(index + 1), frame.y(value)
        if good:
            frame.dot("f-acc", x, y, 3)
        else:
            frame.marks.append(Mark("path", "ln warn", {"d": f"M{x - 3.5:.1f} {y - 3.5:.1f}l7 7m0-7l-7 7"}))
    frame.text("strong", 35, 21.2, _("trusted"))
    frame.text("strong", 35, 174.9, _("not good enough"))
    frame.floor()
    for step in ticks(max(len(values), 1), about=8):
        if step <= len(values) and step == int(step):
            frame.text("mid", frame.x(step), 192, number(step))
    frame.text("end", 430, 208, _("known answers met, in order"))
    rows = [
        (number(i + 1), _("right") if good else _("wrong"), f"{value:+.2f}")
        for i, (value, good) in enumerate(zip(values, passed, strict=True))
    ]
    keys = [Key("dot", "f-acc", _("right")), Key("cross", "ln warn", _("wrong"))]
    return Chart(440, 210, message, frame.marks, (_("Known answer"), _("Outcome"), _("Sum")), rows, keys)


def watch_line(values: Sequence[float], alarm: float, *, message: str) -> Chart:
    """A cumulative sum that is 0 while all is well, and the level at which it raises an alarm."""
    frame = _Frame(0, max([alarm * 1.3, *values]), 0, max(len(values), 1), left=30, right=430, top=12, bottom=88)
    frame.grid([0, alarm], ["0", number(alarm)])
    frame.path("ln dash thin warn", [(frame.left, frame.y(alarm)), (frame.right, frame.y(alarm))])
    frame.path("ln", [(frame.x(0), frame.y(0))] + [(frame.x(i + 1), frame.y(v)) for i, v in enumerate(values)])
    frame.text("strong", 35, frame.y(alarm) - 5, _("alarm above %s") % number(alarm))
    frame.floor()
    for step in ticks(max(len(values), 1), about=8):
        if step <= len(values) and step == int(step):
            frame.text("mid", frame.x(step), 102, number(step))
    rows = [(number(index + 1), f"{value:.2f}") for index, value in enumerate(values)]
    return Chart(440, 120, message, frame.marks, (_("Known answer"), _("Sum")), rows)


def ego(middle: str, others: Sequence[tuple[str, float, str]], *, message: str, head: tuple[str, str]) -> Chart:
    """One node and those around it: name, strength from 0 to 1 (the thickness of the line), and the line's class."""
    frame = _Frame(0, 1, 0, 1, left=10, right=430, top=10, bottom=230)
    x0, y0, wide, high = 220.0, 120.0, 140.0, 88.0
    for index, (name, strength, css) in enumerate(others):
        angle = 2 * math.pi * index / max(len(others), 1) - math.pi / 2
        x, y = x0 + wide * math.cos(angle), y0 + high * math.sin(angle)
        thick = {"d": f"M{x0:.1f} {y0:.1f}L{x:.1f} {y:.1f}", "stroke-width": f"{1 + 5 * strength:.1f}"}
        frame.marks.append(Mark("path", f"edge {css}".strip(), thick))
        frame.dot("f-warn" if css == "warn" else "f-grey", x, y, 5)
        side = "end" if math.cos(angle) < -0.2 else "mid" if abs(math.cos(angle)) <= 0.2 else ""
        shift = {"end": -9, "mid": 0, "": 9}[side]
        lift = (-10 if math.sin(angle) < 0 else 18) if side == "mid" else 4
        frame.text(side, x + shift, y + lift, name)
    frame.dot("f-ink", x0, y0, 8)
    frame.text("mid strong", x0, y0 + 24, middle)
    rows = [(name, f"{strength * 100:.0f}{NARROW}%") for name, strength, _css in others]
    return Chart(440, 240, message, frame.marks, head, rows)


@dataclass(frozen=True)
class Dot:
    """A point of a map: where, how large (0 to 1), its class (`f-ink`, `f-warn`, `f-bad`), and words or none."""

    x: float
    y: float
    size: float
    css: str
    words: str = ""


def scatter(
    dots: Sequence[Dot],
    marks: Sequence[tuple[float, float, str]],
    *,
    message: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    keys: Sequence[Key] = (),
) -> Chart:
    """Points on a plane whose axes have no unit; `marks` are crosses with words, to compare the points with."""
    xs = [dot.x for dot in dots] + [x for x, _y, _words in marks] or [0.0]
    ys = [dot.y for dot in dots] + [y for _x, y, _words in marks] or [0.0]
    frame = _Frame(min(ys), max(ys), min(xs), max(xs), left=30, right=400, top=22, bottom=250)
    for dot in sorted(dots, key=lambda one: -one.size):
        frame.dot(dot.css, frame.x(dot.x), frame.y(dot.y), 2.5 + 5 * math.sqrt(dot.size))
    for x, y, words in marks:
        left, top = frame.x(x), frame.y(y)
        frame.marks.append(Mark("path", "ln b", {"d": f"M{left - 4:.1f} {top:.1f}h8m-4 -4v8"}))
        frame.text_beside("", left, top - 5, words, 7)
    written: list[tuple[float, float]] = []
    for dot in dots:
        x, y = frame.x(dot.x), frame.y(dot.y)
        # Words over words are read by nobody: the first of a knot is named, the table names all.
        if not dot.words or any(abs(x - other_x) < 80 and abs(y - other_y) < 11 for other_x, other_y in written):
            continue
        written.append((x, y))
        frame.text_beside("strong", x, y + 3.5, dot.words, 5 + 5 * math.sqrt(dot.size))
    return Chart(430, 270, message, frame.marks, head, rows, keys)


def standing_alone(chart: Chart, stylesheet: str) -> str:
    """The chart as an SVG file of its own: colours of the light theme and rules are taken from our stylesheet.

    The legend is written below, and the message is its title.
    """
    light = dict(re.findall(r"--([a-z-]+): (?:light-dark\()?(#[0-9a-f]{3,8})", stylesheet))
    height = chart.height + 16 * len(chart.keys)
    marks = [_written(mark, light) for mark in chart.marks]
    for row, key in enumerate(chart.keys):
        y = chart.height + 16 * row + 8
        shape = {
            "line": Mark("path", key.css, {"d": f"M10 {y}H28"}),
            "dot": Mark("circle", key.css, {"cx": "19", "cy": str(y), "r": "4"}),
        }.get(key.shape, Mark("rect", key.css, {"x": "10", "y": str(y - 5), "width": "18", "height": "10"}))
        marks += [_written(shape, light), _written(Mark("text", "", {"x": "34", "y": str(y + 4)}, key.text), light)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {chart.width} {height}" width="{2 * chart.width}" '
        f'height="{2 * height}" font-family="system-ui, sans-serif" font-size="10">'
        f"<title>{escape(chart.message)}</title>"
        f'<rect width="{chart.width}" height="{height}" fill="{light["surface"]}"/>{"".join(marks)}</svg>\n'
    )


#: What a class paints, by the roles of the stylesheet.
FILLS = {"f-ink": "ink", "f-acc": "accent", "f-grey": "edge", "f-soft": "sunken", "f-ink-soft": "ink-soft"}
FILLS |= {"f-warn": "warn", "f-good": "good", "f-bad": "bad", "f-band": "ink", "f-surface": "surface"}
STROKES = {"grid": "line", "axis": "edge", "b": "edge", "acc": "accent", "warn": "warn", "good": "good", "bad": "bad"}


def _written(mark: Mark, light: dict[str, str]) -> str:
    classes = mark.css.split()
    paint = dict(mark.attrs)
    if mark.tag == "text":
        paint["fill"] = light["text" if "strong" in classes else "muted"]
        paint |= {"font-weight": "600"} if "strong" in classes else {}
        paint["text-anchor"] = "end" if "end" in classes else "middle" if "mid" in classes else "start"
    elif fill := next((FILLS[one] for one in classes if one in FILLS), None):
        paint["fill"] = light[fill]
        paint |= {"opacity": ".13"} if "f-band" in classes else {}
    else:
        stroke = next((STROKES[one] for one in classes if one in STROKES), "ink")
        thin = {"grid", "axis", "thin"} & set(classes)
        paint |= {"fill": "none", "stroke": light[stroke], "stroke-width": "1" if thin else "2"}
        paint |= {"stroke-dasharray": "4 3"} if "dash" in classes else {}
    attrs = "".join(f" {name}={quoteattr(value)}" for name, value in paint.items())
    return f"<{mark.tag}{attrs}>{escape(mark.text)}</{mark.tag}>"


@dataclass(frozen=True)
class Part:
    """One share of a whole: its count, its class (`f-ink`, `f-warn`, `f-grey`, `f-surface`) and its words."""

    count: float
    css: str
    words: str
    x: float = 0.0
    width: float = 0.0


def shares(parts: Sequence[Part]) -> list[Part]:
    """The same parts with their place along a bar of 100 units."""
    total = sum(part.count for part in parts) or 1
    placed, x = [], 0.0
    for part in parts:
        width = 100 * part.count / total
        placed.append(Part(part.count, part.css, part.words, round(x, 2), round(width, 2)))
        x += width
    return placed
