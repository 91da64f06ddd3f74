"""What stands beside a task: the instructions, examples and counter-examples, and what changed since a worker's last
time. The same for every HIT of a batch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from difflib import SequenceMatcher
from typing import Any

from django.utils.safestring import SafeString

from marketplace.models import Batch, GuidelineNote, Participation
from marketplace.selectors import Design, design_of
from marketplace.templating import render_markdown
from workers_app.models import Worker

#: Markdown that means something only together with its neighbours is compared as one piece.
BLOCK = re.compile(r"(?:^\|.*\n?)+|^.*\S.*$", re.MULTILINE)


MOST_NOTES = 10


@dataclass(frozen=True)
class Example:
    shows: SafeString
    is_good: bool
    why: str


@dataclass(frozen=True)
class Piece:
    """A part of the instructions that is new, or is gone."""

    html: SafeString
    is_new: bool


@dataclass(frozen=True)
class Changes:
    """What is different from the instructions that a worker worked by last."""

    since: datetime | None
    pieces: tuple[Piece, ...]
    is_read: bool


@dataclass(frozen=True)
class Guide:
    instructions: SafeString | str
    examples: tuple[Example, ...]
    counter_examples: tuple[Example, ...]
    changes: Changes | None
    notes: tuple[GuidelineNote, ...]


def guide_of(batch: Batch, worker: Worker) -> Guide:
    notes = tuple(batch.guideline_notes.order_by("-pk")[:MOST_NOTES])
    return replace(guide_to(design_of(batch)), changes=changes_for(worker, batch), notes=notes)


def guide_to(design: Design) -> Guide:
    """What the design itself says, to anybody."""
    examples = [Example(render_markdown(one["shows"]), one["is_good"], one.get("why", "")) for one in design.examples]
    return Guide(
        render_markdown(design.instructions) if design.instructions.strip() else "",
        tuple(one for one in examples if one.is_good),
        tuple(one for one in examples if not one.is_good),
        None,
        (),
    )


def changes_for(worker: Worker, batch: Batch) -> Changes | None:
    """None where the worker is new to the project, or worked by these very instructions before."""
    now = design_of(batch)
    if now.instruction_version < 2:
        return None
    own = Participation.objects.filter(worker=worker, batch__project=batch.project_id)
    worked = {p.batch_id: p for p in own.select_related("batch").order_by("pk") if p.taken_in_all or p.batch == batch}
    read = max((p.instruction_version_seen for p in worked.values()), default=0)
    earlier = [design_of(p.batch) for p in worked.values() if p.batch_id != batch.pk]
    earlier = [design for design in earlier if design.instruction_version < now.instruction_version]
    if not earlier:
        return None
    before = max(earlier, key=lambda design: design.instruction_version)
    pieces = tuple(compared(text_of(before), text_of(now)))
    return Changes(batch.published_at, pieces, read >= now.instruction_version) if pieces else None


def text_of(design: Design) -> str:
    """Instructions and examples as one Markdown text, so that they are compared together."""
    shown = [f"{'✓' if one['is_good'] else '✗'} {one['shows']} {one.get('why', '')}" for one in design.examples]
    return "\n\n".join([design.instructions, *shown])


def compared(before: str, now: str) -> Iterator[Piece]:
    """What is gone and what is new, in reading order."""
    old, new = BLOCK.findall(before), BLOCK.findall(now)
    for what, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if what in ("delete", "replace"):
            yield Piece(render_markdown("\n".join(old[i:j])), is_new=False)
        if what in ("insert", "replace"):
            yield Piece(render_markdown("\n".join(new[k:m])), is_new=True)


def mark_read(*, worker: Worker, batch: Batch) -> Any:
    """The worker has read what changed: it is folded away from now on."""
    version = design_of(batch).instruction_version
    return Participation.objects.filter(worker=worker, batch=batch).update(instruction_version_seen=version)
