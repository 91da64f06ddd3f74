"""The way from an idea to a published batch: its steps, where a project stands on it, and what a worker would see."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.translation import gettext as _

from core.errors import DomainError
from marketplace.guide import guide_to
from marketplace.models import Batch, Project
from marketplace.rows import Reader, Row
from marketplace.selectors import Design
from marketplace.showing import show_item
from marketplace.starters import starter_of
from marketplace.templating import compile_template

SAMPLES = {"image": "touchstone/samples/picture.svg", "audio": "touchstone/samples/sound.wav", "video": ""}


@dataclass(frozen=True)
class Step:
    name: str
    words: str
    href: str
    is_done: bool
    is_here: bool


def draft_of(project: Project) -> Batch | None:
    """The newest draft of a project: what the steps are about."""
    return project.batches.filter(state=Batch.State.DRAFT).order_by("-pk").first()


def steps_of(project: Project | None, draft: Batch | None, here: str) -> list[Step]:
    """Template, data, question, trial, pay, publish; a step that cannot be gone to yet has no address."""
    own = [project.public_id] if project else []
    is_there = project is not None
    is_filled = draft is not None and bool(draft.upload)
    is_tried = project is not None and project.trials.filter(batches__participations__isnull=False).exists()
    rows = [
        ("template", _("Template"), "" if is_there else reverse("studio_project_new"), is_there),
        ("data", _("Data"), reverse("studio_data", args=own) if is_there else "", is_filled),
        ("question", _("Question"), reverse("studio_project_edit", args=own) if is_there else "", is_there),
        ("trial", _("Try it"), reverse("studio_trial", args=own) if is_there else "", is_tried),
        ("pay", _("Pay and quality"), reverse("studio_pay", args=own) if is_there else "", is_there),
        ("publish", _("Publish"), reverse("studio_batch", args=[draft.public_id]) if draft else "", False),
    ]
    return [Step(name, words, href, done, name == here) for name, words, href, done in rows]


# --- what a worker would see ------------------------------------------------------------------------------------------


def first_row(project: Project, draft: Batch | None) -> dict[str, Any] | None:
    """The first good row of the draft, under the names it has here."""
    if draft is None or not draft.upload:
        return None
    with draft.upload.open("rb") as file:
        rows = islice(Reader(file, draft.upload_format, names=draft.upload_columns), 20)
        return next((row.data for row in rows if isinstance(row, Row)), None)


def sample_row(template: str, questions: list[dict[str, Any]]) -> dict[str, Any]:
    """A row that stands in until there is one: the starter's, else the names of the columns."""
    starter = starter_of(template, questions)
    row: dict[str, Any] = dict(starter.rows[0]) if starter else {}
    row.pop("external_id", None)
    for question in questions:
        for side in ("left", "right"):
            if question.get("kind") == "pairwise":
                row.setdefault(question.get(side) or side, f"({side})")
    for one in compile_template(template).placeholders:
        row.setdefault(one.column, f"({one.column})")
    return row


def samples_for(template: str, data: Mapping[str, Any]) -> dict[str, str]:
    """Something to see where a row's media is not fetched yet: that happens when it is published."""
    samples = {str(data.get(one.column)): one.kind for one in compile_template(template).placeholders}
    found = {value: static(SAMPLES[kind]) for value, kind in samples.items() if SAMPLES.get(kind)}
    for value in data.values():  # the sides of a comparison
        if isinstance(value, str) and value.startswith(("http://", "https://")):
            kind = (mimetypes.guess_type(value)[0] or "").partition("/")[0]
            if SAMPLES.get(kind):
                found.setdefault(value, static(SAMPLES[kind]))
    return found


def preview_html(project: Project, design: Design, data: Mapping[str, Any], reward: int) -> str:
    """A whole page as a worker would meet it, to stand in a frame of its own width."""
    shown = show_item(design, data, project.requester_id, samples=samples_for(design.template, data))
    context = {
        "project": project,
        "content": shown.content,
        "widgets": shown.widgets,
        "guide": guide_to(design),
        "currency": project.requester.currency,
        "reward": reward,
        "minutes": design.rules.assignment_seconds // 60,
    }
    return render_to_string("studio/preview_page.html", context)


def previewed(project: Project, design: Design | None, draft: Batch | None, reward: int = 0) -> dict[str, Any]:
    """What `studio/preview.html` needs: the page, or why there is none yet."""
    if design is None:
        return {"page": "", "refusal": _("The preview comes back as soon as the marked fields are mended.")}
    data = first_row(project, draft)
    notes: list[str] = []
    if data is None:
        data = sample_row(design.template, list(design.questions))
        notes.append(_("With a sample row; yours comes with your table."))
    try:
        return {"page": preview_html(project, design, data, reward), "refusal": "", "notes": notes}
    except DomainError as refusal:
        return {"page": "", "refusal": " ".join([refusal.message, *refusal.errors.values()]), "notes": []}
