"""Questions with classes, derived from what a HIT's page asks: so that known answers, beliefs and certificates work.

Selections of a QuestionForm, radio buttons, selects, checkboxes, sliders, and the crowd elements that choose. What a
page's script makes later is not seen, and an answer that does not fit is left out: the fields themselves are always
stored as they came.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from lxml import html

from mturk.answers import FIELDS
from mturk.form import Entry, Selection
from mturk.loose import loose
from mturk.questions import form_of, html_of

MOST = 100
LONGEST_LABEL = 80
CANT_TELL = "can't tell"


@dataclass(frozen=True)
class Derived:
    """A question of the market, and where its answer stands: a field, or a key of `taskAnswers`."""

    definition: tuple[tuple[str, Any], ...]
    field: str
    #: How the answer is read: "fields" (values of form fields), "label", "labels", "ticked" or "value" of taskAnswers.
    how: str

    @property
    def question(self) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, tuple) else value for key, value in self.definition}


def questions_from(question: str) -> list[dict[str, Any]]:
    """Definitions for `Schema.from_json`, none of them required."""
    return [derived.question for derived in derived_from(question)]


@lru_cache(maxsize=256)
def derived_from(question: str) -> tuple[Derived, ...]:
    if form := form_of(question):
        found = _of_form(form.questions)
    elif page := html_of(question):
        found = _of_html(page)
    else:
        return ()
    named: dict[str, Derived] = {}
    for derived in found:
        if derived is None or len(named) >= MOST:
            continue
        name = _name(derived.field, named)
        definition = {"name": name, **dict(derived.definition), "required": False}
        named[name] = Derived(tuple(definition.items()), derived.field, derived.how)
    return tuple(named.values())


def _name(field: str, taken: Mapping[str, Any]) -> str:
    """A name that the market's questions may have."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", field)[:50]
    if not name[:1].isalpha() or name == FIELDS:
        name = f"q_{name}"
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free


def _chosen(field: str, how: str, labels: Iterable[str], *, several: bool, title: str = "") -> Derived | None:
    """A question of one or several of these labels; None where they cannot be classes."""
    wanted = tuple(dict.fromkeys(labels))
    if len(wanted) < (1 if several else 2) or not field:
        return None
    if any(label != label.strip() or not 0 < len(label) <= LONGEST_LABEL or label == CANT_TELL for label in wanted):
        return None
    kind = "multilabel" if several else "categorical"
    words = (("title", " ".join(title.split())[:200]),) if title.strip() else ()
    return Derived((("kind", kind), ("labels", wanted), *words), field, how)


def _of_form(questions: Iterable[Any]) -> Iterable[Derived | None]:
    for question in questions:
        if isinstance(question.answer, Selection):
            labels = [choice.identifier for choice in question.answer.choices]
            title = " ".join(piece.text for piece in question.content if piece.kind in ("title", "text"))
            yield _chosen(
                question.identifier,
                "fields",
                labels,
                several=not question.answer.is_single,
                title=title or question.name,
            )


def _of_html(source: str) -> Iterable[Derived | None]:
    try:
        root = html.fromstring(source)
    except (ValueError, html.etree.ParserError):  # type: ignore[attr-defined]
        return
    groups: dict[tuple[str, str], list[str]] = {}
    for box in root.iter("input"):
        kind, name = (box.get("type") or "").lower(), box.get("name") or ""
        how = "ticked" if _in_crowd_form(box) else "fields"
        if kind in ("radio", "checkbox"):
            groups.setdefault((f"{kind}:{how}", name), []).append((box.get("value") or "on").strip())
        elif kind == "range":
            yield _number(name, "value" if how == "ticked" else "fields", box)
    for (kind, name), labels in groups.items():
        shape, _, how = kind.partition(":")
        yield _chosen(name, how, labels, several=shape == "checkbox")
    for select in root.iter("select"):
        labels = [one.get("value", str(one.xpath("string()"))) for one in select.iter("option")]
        how = "value" if _in_crowd_form(select) else "fields"
        wanted = [label.strip() for label in labels if label.strip()]
        yield _chosen(select.get("name") or "", how, wanted, several=select.get("multiple") is not None)
    yield from _of_crowd(root)


def _in_crowd_form(element: Any) -> bool:
    return next(element.iterancestors("crowd-form"), None) is not None


def _of_crowd(root: Any) -> Iterable[Derived | None]:
    for tag in ("crowd-classifier", "crowd-image-classifier"):
        for one in root.iter(tag):
            yield _chosen(one.get("name") or "", "label", _listed(one), several=False, title=one.get("header") or "")
        for one in root.iter(f"{tag}-multi-select"):
            none = loose(one.get("exclusion-category") or "")
            extra = [str(none.get("value") or none.get("text"))] if isinstance(none, dict) and none else []
            yield _chosen(
                one.get("name") or "", "labels", [*_listed(one), *extra], several=True, title=one.get("header") or ""
            )
    ticked: dict[str, list[str]] = {}
    for tag in ("crowd-checkbox", "crowd-toggle-button"):
        for one in root.iter(tag):
            ticked.setdefault(one.get("name") or "", []).append((one.get("value") or "on").strip())
    for name, labels in ticked.items():
        yield _chosen(name, "ticked", labels, several=True)
    for one in root.iter("crowd-slider"):
        yield _number(one.get("name") or "", "value", one)
    for group in root.iter("crowd-radio-group"):
        buttons = list(group.iter("crowd-radio-button"))
        names = [button.get("name") or "" for button in buttons]
        yield _chosen("|".join(names), "picked", names, several=False)


def _listed(element: Any) -> list[str]:
    found = loose(element.get("categories") or "")
    return [str(one).strip() for one in found] if isinstance(found, list) else []


def _number(field: str, how: str, element: Any) -> Derived | None:
    limits = {}
    for key, default in (("min", "0"), ("max", "100"), ("step", "1")):
        try:
            limits[key] = float(element.get(key) or default)
        except ValueError:
            continue
    if not field or limits.get("step", 1) <= 0 or limits.get("min", 0) > limits.get("max", 0):
        return None
    return Derived((("kind", "number"), *limits.items()), field, how)


# --- answers ----------------------------------------------------------------------------------------------------------


def answers_from(question: str, entries: Iterable[Entry]) -> dict[str, Any]:
    """The derived answers in what was posted, by name of the question; what does not fit is left out."""
    fields: dict[str, list[str]] = {}
    for name, value, kind in entries:
        if kind not in ("none", "other"):  # a text beside the labels is none of them
            fields.setdefault(name, []).append(value)
    told = _task_answers(fields)
    found: dict[str, Any] = {}
    for derived in derived_from(question):
        definition = derived.question
        value = _read(derived, definition, fields, told)
        if value is not None:
            found[definition["name"]] = value
    return found


def _task_answers(fields: Mapping[str, list[str]]) -> dict[str, Any]:
    try:
        said = orjson.loads(fields["taskAnswers"][0])
    except (KeyError, IndexError, orjson.JSONDecodeError):
        return {}
    return said[0] if isinstance(said, list) and said and isinstance(said[0], dict) else {}


def _read(
    derived: Derived, definition: Mapping[str, Any], fields: Mapping[str, list[str]], told: Mapping[str, Any]
) -> Any:
    values = _values(derived, fields, told)
    if definition["kind"] == "number":
        return _fit_number(values, definition)
    labels = definition["labels"]
    if values is None or any(value not in labels for value in values):
        return None
    if definition["kind"] == "multilabel":
        return [label for label in labels if label in values]
    return values[0] if len(values) == 1 else None


def _values(derived: Derived, fields: Mapping[str, list[str]], told: Mapping[str, Any]) -> list[str] | None:
    if derived.how == "fields":
        # Boxes that nobody ticked are not posted at all; where anything was, none of them is an answer.
        return [value.strip() for value in fields.get(derived.field, [])] if fields else None
    if derived.how == "picked":
        return [name for name in derived.field.split("|") if any(_ticked(told.get(name)))]
    said = told.get(derived.field)
    if derived.how == "label":
        return [str(said["label"])] if isinstance(said, dict) and "label" in said else None
    if derived.how == "labels":
        return (
            [str(one) for one in said["labels"]]
            if isinstance(said, dict) and isinstance(said.get("labels"), list)
            else None
        )
    if derived.how == "ticked":
        return list(_ticked(said)) if isinstance(said, dict) else None
    if isinstance(said, list):
        return [str(one) for one in said]
    return None if said is None else [str(said)]


def _ticked(said: Any) -> list[str]:
    return [str(key) for key, on in said.items() if on is True] if isinstance(said, dict) else []


def _fit_number(values: list[str] | None, definition: Mapping[str, Any]) -> float | None:
    try:
        number = float((values or [""])[0])
    except ValueError:
        return None
    low, step = definition.get("min", 0), definition.get("step", 1)
    steps = (number - low) / step
    is_on_step = abs(steps - round(steps)) < 1e-6
    return number if is_on_step and low <= number <= definition.get("max", 100) else None
