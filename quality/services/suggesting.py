"""What a share of workers is shown of a machine's word before they answer, and what they do with it.

Of the answers of these workers one in ten is given without the suggestion and one in twenty with another label on
purpose, so that it shows who looks and who only nods. What an item is has no part in any of this: neither the draw nor
what is shown looks at it, and a machine is shown only where it speaks of every item of a batch.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext as _

from core.freshness import fresh
from marketplace.models import Answer, Batch
from marketplace.schema import Question, Schema
from marketplace.selectors import design_of
from quality.models import Belief, Judgment, MachineUse, MachineVersion, Suggestion
from quality.services.beliefs import CLASSED
from quality.services.machine_words import current_versions, newest_words
from quality.services.machines import answer_of, unspoken

#: Shares of the answers of workers who see suggestions.
BLIND, ALTERED = 0.10, 0.05
#: What is taken for the share of wrong suggestions that pass, before many were tried: one in four, from four tries.
FIRST_PASSED, FIRST_TRIED = 1, 4
#: Newest answers that a report looks at.
MOST_LOOKED_AT = 5_000

_chance = random.SystemRandom()


def shows_to(batch_id: int, worker_id: int) -> MachineUse | None:
    """What the batch shows to this worker; the same one always, or never, sees suggestions in a batch."""
    use = fresh(
        f"machine-use:{batch_id}",
        lambda: MachineUse.objects.filter(batch_id=batch_id, show_share__gt=0).select_related("batch").first(),
    )
    if use is None or zlib.crc32(f"{use.batch_id}:{worker_id}".encode()) / 2**32 >= use.show_share:
        return None
    return use


def draw_suggestion(*, assignment_id: int, hit_id: int, worker_id: int, batch: Batch) -> Suggestion | None:
    """Decide once what a worker is shown on a place that they have just taken; asked again, the same."""
    use = shows_to(batch.pk, worker_id)
    version = _version(use) if use is not None else None
    if version is None:
        return None
    schema = design_of(batch).schema
    said = answer_of(schema, newest_words([version.pk], [hit_id]))
    shown = {name: value for name, value in said.items() if _can_be_shown(schema[name], value)}
    if not shown:
        return None
    at = _chance.random()
    arm = (
        Suggestion.Arm.BLIND if at < BLIND else Suggestion.Arm.ALTERED if at < BLIND + ALTERED else Suggestion.Arm.SHOWN
    )
    if arm == Suggestion.Arm.ALTERED:
        shown = {name: other_than(schema[name], value) for name, value in shown.items()}
    row = {"batch": batch, "version": version, "arm": arm, "shown": shown}
    return Suggestion.objects.get_or_create(assignment_id=assignment_id, defaults=row)[0]


def _version(use: MachineUse) -> MachineVersion | None:
    versions = current_versions(use.batch.project_id)
    return versions.filter(machine=use.machine_id).first()


def _can_be_shown(question: Question, value: Any) -> bool:
    return question.kind in CLASSED and len(question.labels or question.classes) > 1 and not isinstance(value, dict)


def other_than(question: Question, value: Any) -> Any:
    """Another answer than this, drawn evenly: one label of several the other way, or another label."""
    if question.kind == "multilabel":
        flipped = _chance.choice(question.labels)
        return [label for label in question.labels if (label in value) != (label == flipped)]
    others = [label for label in question.classes[: len(question.classes) - question.na] if label != value]
    return _chance.choice(others)


def shown_on(assignment_id: int) -> dict[str, Any]:
    """What the worker of a place is to see: question -> value; nothing for most."""
    row = Suggestion.objects.filter(pk=assignment_id).exclude(arm=Suggestion.Arm.BLIND).first()
    return row.shown if row is not None else {}


# --- what answers that follow a suggestion are worth ------------------------------------------------------------------


def discount(rows: Sequence[Judgment], schemas: Mapping[int, Schema]) -> Sequence[Judgment]:
    """An answer that repeats what was shown weighs as much as it is likely to have been looked at: one less the share
    of wrong suggestions that pass. One that contradicts it weighs in full."""
    if not rows:
        return rows
    ids = {row.assignment_id for row in rows}
    seen = {
        one.pk: one
        for one in Suggestion.objects.filter(pk__in=ids).exclude(arm=Suggestion.Arm.BLIND).select_related("batch")
    }
    for row in rows:
        found = seen.get(row.assignment_id)
        if found is None or row.question not in found.shown:
            continue
        judged = schemas[row.batch_id][row.question].judgments(found.shown[row.question])
        if any(one.part == row.part and one.label == row.label for one in judged):
            row.weight *= 1 - passing(found.batch)
    return rows


def passing(batch: Batch) -> float:
    """The share of wrong suggestions that pass in a batch, as it was some seconds ago."""
    return fresh(f"passed:{batch.pk}", lambda: use_of_words(batch).rate, least=30)


@dataclass(frozen=True)
class Followed:
    """What workers do with suggestions: so many of each kind were answered, and so many answers said the same.

    `tried` and `passed`: suggestions that were changed on purpose and are wrong by the label as it is now, and those
    of them that were handed in as they stood.
    """

    shown: int = 0
    same_as_shown: int = 0
    blind: int = 0
    same_as_blind: int = 0
    tried: int = 0
    passed: int = 0

    @property
    def rate(self) -> float:
        """Share of wrong suggestions that pass, held near one in four while few were tried."""
        return (self.passed + FIRST_PASSED) / (self.tried + FIRST_TRIED)

    @property
    def trust(self) -> float:
        """What an answer that repeats a suggestion weighs."""
        return 1 - self.rate


def use_of_words(batch: Batch) -> Followed:
    """What became of the suggestions of a batch, from the newest answers."""
    design = design_of(batch)
    said = Answer.objects.filter(assignment=OuterRef("assignment_id")).order_by("-version").values("data")[:1]
    rows = list(
        Suggestion.objects.filter(batch=batch, assignment__submitted_at__isnull=False)
        .annotate(said=Subquery(said))
        .order_by("-pk")
        .values_list("arm", "shown", "said", "assignment__hit_id")[:MOST_LOOKED_AT]
    )
    labels = {
        (hit_id, name): label
        for hit_id, name, label in Belief.objects.filter(hit__in={row[3] for row in rows}, part="")
        .exclude(label=None)
        .values_list("hit_id", "question", "label")
    }
    count = dict.fromkeys(("shown", "same_as_shown", "blind", "same_as_blind", "tried", "passed"), 0)
    for arm, shown, data, hit_id in rows:
        answers = (data or {}).get("answers", {})
        for name, value in shown.items():
            if name not in answers or name not in design.schema:
                continue
            same = answers[name] == value
            if arm == Suggestion.Arm.SHOWN:
                count["shown"] += 1
                count["same_as_shown"] += same
            elif arm == Suggestion.Arm.BLIND:
                count["blind"] += 1
                count["same_as_blind"] += same
            elif _is_wrong(design.schema[name], value, labels.get((hit_id, name))):
                count["tried"] += 1
                count["passed"] += same
    return Followed(**count)


def _is_wrong(question: Question, value: Any, label: int | None) -> bool:
    if question.kind == "multilabel":
        return True  # one of its labels was turned over
    return label is not None and question.index.get(value) != label


# --- where it may be shown --------------------------------------------------------------------------------------------


def hide_where_unspoken() -> int:
    """Stop showing where items came that the machine has not spoken of. A clock's step."""
    hidden = 0
    uses = MachineUse.objects.filter(show_share__gt=0, batch__state__in=["open", "paused"])
    for use in uses.select_related("batch__project", "machine"):
        if not (left := unspoken(use.batch, use.machine)):
            continue
        why = _("Suggestions are not shown any more: it has not spoken of %(n)s items.") % {"n": left}
        hidden += MachineUse.objects.filter(pk=use.pk).update(show_share=0, stopped_because=why)
    return hidden
