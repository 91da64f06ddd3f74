"""How machines are asked over the network: the protocol of Label Studio's ML backends, and a plain one of our own.

Plain: `POST URL` with `{"questions": [...], "items": [{"id", "data"}]}`, answered by `{"model_version": "...",
"predictions": [{"id", "answers": {question: value}, "confidence": 0.9}]}`; the certainty may be one a question.
Label Studio: `POST URL/predict` with `tasks` and a `label_config` made of the questions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import quoteattr

import orjson
from django.utils.translation import gettext as _

from core.errors import DomainError
from core.outbound import NotSent, send
from marketplace.schema import CANT_TELL, Question, Schema
from quality.models import Machine

#: Less than the lease of an operation.
SECONDS = 20.0
LARGEST = 8 * 1024 * 1024
#: Items in one request.
AT_ONCE = 50
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg")


class MachineSilent(DomainError):
    """It did not answer, or nothing that can be read; the sentence says what."""

    code = "machine_silent"
    message = "The machine did not answer."


@dataclass(frozen=True)
class Reply:
    """What a machine said: its version, and by item the answers and how sure it is."""

    version: str = ""
    answers: dict[str, tuple[dict[str, Any], Any]] = field(default_factory=dict)


def ask_machine(*, machine: Machine, schema: Schema, items: Mapping[str, Mapping[str, Any]]) -> Reply:
    """Predictions for items, given as id -> data.

    Raises
    ------
    MachineSilent
    """
    if machine.source == Machine.Source.LABEL_STUDIO:
        return _label_studio(machine, schema, items)
    return _plain(machine, schema, items)


def _plain(machine: Machine, schema: Schema, items: Mapping[str, Mapping[str, Any]]) -> Reply:
    asked = {
        "questions": [_told(question) for question in schema],
        "items": [{"id": name, "data": data} for name, data in items.items()],
    }
    said = _post(machine, machine.url, asked)
    rows = said.get("predictions")
    if not isinstance(rows, list):
        raise MachineSilent(_("Its reply has no list `predictions`."))
    answers = {}
    for row in rows:
        if not isinstance(row, dict) or not isinstance(row.get("answers"), dict):
            raise MachineSilent(_("Each of its predictions needs an `id` and an object `answers`."))
        if str(row.get("id")) in items:
            answers[str(row["id"])] = (row["answers"], row.get("confidence"))
    return Reply(str(said.get("model_version") or ""), answers)


def _told(question: Question) -> dict[str, Any]:
    told = {"name": question.name, "kind": question.kind, "title": question.title, "labels": list(question.labels)}
    return {name: value for name, value in told.items() if value}


# --- Label Studio -----------------------------------------------------------------------------------------------------


def _label_studio(machine: Machine, schema: Schema, items: Mapping[str, Mapping[str, Any]]) -> Reply:
    names = list(items)
    asked = {
        "tasks": [{"id": place, "data": dict(items[name])} for place, name in enumerate(names)],
        "project": str(machine.public_id),
        "label_config": label_config(schema, items[names[0]] if names else {}),
        "params": {"login": None, "password": None, "context": None},
    }
    said = _post(machine, f"{machine.url.rstrip('/')}/predict", asked)
    rows = said.get("results")
    if not isinstance(rows, list) or len(rows) != len(names):
        raise MachineSilent(_("Its reply needs a list `results` with one entry for each task."))
    answers: dict[str, tuple[dict[str, Any], Any]] = {}
    version = str(said.get("model_version") or "")
    for name, row in zip(names, rows, strict=True):
        if isinstance(row, list):  # some backends give a list of candidates, the best first
            row = row[0] if row else {}
        if not isinstance(row, dict):
            raise MachineSilent(_("An entry of `results` is no object."))
        version = version or str(row.get("model_version") or "")
        given, score = read_regions(schema, row.get("result") or []), row.get("score")
        if given:
            answers[name] = (given, _share(score))
    return Reply(version, answers)


def _share(score: Any) -> float | None:
    is_share = isinstance(score, int | float) and not isinstance(score, bool) and 0 <= score <= 1
    return float(score) if is_share else None


def label_config(schema: Schema, data: Mapping[str, Any]) -> str:
    """The questions in Label Studio's language, about the columns of the data."""
    shown = [_object(name, value) for name, value in data.items()]
    about = next(iter(data), "item")
    return f"<View>{''.join(shown)}{''.join(_control(question, about) for question in schema)}</View>"


def _object(name: str, value: Any) -> str:
    tag = "Image" if isinstance(value, str) and value.lower().split("?")[0].endswith(PICTURES) else "Text"
    return f"<{tag} name={quoteattr(name)} value={quoteattr('$' + name)}/>"


def _control(question: Question, about: str) -> str:
    names = f"name={quoteattr(question.name)} toName={quoteattr(about)}"
    if question.kind == "number":
        return f"<Number {names}/>"
    if question.kind == "text":
        return f"<TextArea {names}/>"
    if question.kind == "pairwise":
        return f"<Pairwise {names}/>"
    labels = question.labels or question.classes
    choices = "".join(
        f"<Choice value={quoteattr(label)}/>" for label in [*labels, *([CANT_TELL] if question.na else [])]
    )
    choice = "multiple" if question.kind == "multilabel" else "single"
    return f'<Choices {names} choice="{choice}">{choices}</Choices>'


def read_regions(schema: Schema, regions: Sequence[Any]) -> dict[str, Any]:
    """Answers in the regions of one result, by question; what is about none of ours is passed over."""
    answers: dict[str, Any] = {}
    for region in regions:
        if not isinstance(region, dict) or not isinstance(region.get("value"), dict):
            continue
        name, value = region.get("from_name"), region["value"]
        if not isinstance(name, str) or name not in schema:
            continue
        question = schema[name]
        choices = value.get("choices")
        if isinstance(choices, list) and choices:
            answers[name] = choices if question.kind == "multilabel" else choices[0]
        elif "number" in value:
            answers[name] = value["number"]
        elif "selected" in value:
            answers[name] = value["selected"]
        elif value.get("text"):
            answers[name] = value["text"][0] if isinstance(value["text"], list) else value["text"]
        elif isinstance(value.get("rating"), int) and 0 < value["rating"] <= len(question.labels):
            answers[name] = question.labels[value["rating"] - 1]
    return answers


# --- the wire ---------------------------------------------------------------------------------------------------------


def _post(machine: Machine, url: str, body: Mapping[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if machine.token:
        headers["Authorization"] = f"Bearer {machine.token}"
    try:
        with send("POST", url, body=orjson.dumps(body), headers=headers, seconds=SECONDS, largest=LARGEST) as response:
            raw = b"".join(response.pieces())
            status = response.status
    except (NotSent, TimeoutError) as refusal:
        raise MachineSilent(str(refusal) or MachineSilent.message) from None
    if status != 200:
        raise MachineSilent(_("It answered with status %(status)s.") % {"status": status})
    try:
        said = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise MachineSilent(_("Its reply is no JSON.")) from None
    if not isinstance(said, dict):
        raise MachineSilent(_("Its reply is no JSON object."))
    return said
