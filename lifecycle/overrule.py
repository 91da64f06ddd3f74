"""A person decides a label in the machine's place, or gives it back. Each act is a row of its own, and on record.

What a person decided asks for no more answers: the HIT ends, and what its places had put aside goes back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from django.db import transaction
from django.utils import timezone

from core import audit
from core.errors import Conflict, Invalid
from lifecycle.digest import digest_hits, lock_hits
from marketplace.models import Batch, Hit
from marketplace.schema import CANT_TELL, NA, Judged, Question
from marketplace.schema.kinds import Refused
from marketplace.selectors import design_of
from quality.models import Belief, Overruling
from quality.selectors import how_chosen
from quality.services import judgments
from quality.services.certificates import doubt


@transaction.atomic
def overrule(*, hit: Hit, question: str, answer: Any, by: Any, part: str = "", reason: str = "") -> list[Overruling]:
    """Put `answer` in the place of the machine's label; of a multilabel question, in that of each of its labels.

    Raises
    ------
    Invalid
        A question, part or answer that is not there.
    Conflict
        `key_known`: its label is that of a known answer; change the key instead.
    """
    batch = Batch.objects.select_related("project").get(pk=hit.batch_id)
    asked, decided = _read(batch, question, part, answer)
    if hasattr(hit, "gold") and hit.gold.pool == "test" and hit.gold.state != "suspended":
        raise Conflict("This item has a known answer. Correct that instead.", code="key_known")
    [locked] = lock_hits([hit.pk])
    judgments.share_log(batch.project_id)
    beliefs = {row.part: row for row in Belief.objects.filter(hit=locked, question=question)}
    rows = []
    for judged in decided:
        belief = beliefs.get(judged.part) or Belief(hit=locked, question=question, part=judged.part)
        rows.append(_put(belief, judged, asked, answer, by, reason))
    _follow(batch, locked)
    said = answer if len(decided) == 1 else {judged.part: judged.label for judged in decided}
    audit.record(
        act="label.overrule", subject=f"hit:{hit.pk}", actor=by, reason=reason, question=question, part=part, label=said
    )
    return rows


@transaction.atomic
def give_back(*, hit: Hit, question: str, by: Any, part: str | None = None) -> list[Overruling]:
    """What the machine says holds again.

    Raises
    ------
    Conflict
        `not_overruled`
    """
    batch = Batch.objects.select_related("project").get(pk=hit.batch_id)
    [locked] = lock_hits([hit.pk])
    judgments.share_log(batch.project_id)
    held = Belief.objects.filter(hit=locked, question=question, state=Belief.State.OVERRULED).order_by("part")
    rows = [_lift(belief, by) for belief in (held if part is None else held.filter(part=part))]
    if not rows:
        raise Conflict("No person decided this label.", code="not_overruled")
    _follow(batch, locked)
    audit.record(act="label.give_back", subject=f"hit:{hit.pk}", actor=by, question=question, part=part)
    return rows


def _read(batch: Batch, name: str, part: str, answer: Any) -> tuple[Question, list[Judged]]:
    schema = design_of(batch).schema
    if name not in schema:
        raise Invalid(errors={"question": f"One of: {', '.join(question.name for question in schema)}."})
    question = schema[name]
    if (question.for_ == "item") == bool(part):
        told = "This question is about the whole item." if part else f"Say which {question.for_}."
        raise Invalid(errors={"part": told})
    try:
        value = question.read(dict(NA) if answer == CANT_TELL and question.na else answer)
    except Refused as refused:
        raise Invalid(errors={"answer": str(refused)}) from refused
    return question, question.judgments({part: value} if part else value)


def _put(belief: Belief, judged: Judged, question: Question, answer: Any, by: Any, reason: str) -> Overruling:
    chosen, inclusion = how_chosen(belief)
    before = {
        "label": belief.label,
        "value": belief.value,
        "confidence": belief.confidence,
        "state": belief.state,
        "run": belief.run_id,
    }
    value = None
    if judged.label is None:
        value = judged.number if question.kind == "number" else answer
    belief.label, belief.value, belief.state = judged.label, value, Belief.State.OVERRULED
    belief.overruled_by, belief.settled_at, belief.updated_at = by.pk, timezone.now(), timezone.now()
    if belief.pk is None:
        belief.save(force_insert=True)
    else:
        belief.save(update_fields=["label", "value", "state", "overruled_by", "settled_at", "updated_at"])
    return Overruling.objects.create(
        hit_id=belief.hit_id,
        question=belief.question,
        part=belief.part,
        label=judged.label,
        value=value,
        before=before,
        reason=reason.strip()[:1000],
        by=by.pk,
        chosen=chosen,
        inclusion=inclusion,
    )


def _lift(belief: Belief, by: Any) -> Overruling:
    """The label of the posterior, which went on being learned; of kinds without classes, what stood there before."""
    own = Overruling.objects.filter(hit=belief.hit_id, question=belief.question, part=belief.part).order_by("-pk")
    before: dict[str, Any] = {"label": None, "value": None, "confidence": 0.0, "state": "collecting", "run": None}
    for one in own:  # back to the first of those that followed one another
        if one.is_lifted:
            break
        before = one.before
    said = {"label": belief.label, "value": belief.value, "confidence": belief.confidence, "state": belief.state}
    belief.label = int(np.argmax(belief.posterior)) if belief.posterior else before["label"]
    belief.value = before["value"]
    if not belief.posterior and before["run"] != belief.run_id:
        belief.run = None  # fitted anew meanwhile: the next digest or fit says it again
    belief.state, belief.overruled_by, belief.updated_at = before["state"], None, timezone.now()
    belief.save(update_fields=["label", "value", "run", "state", "overruled_by", "updated_at"])
    return Overruling.objects.create(
        hit_id=belief.hit_id,
        question=belief.question,
        part=belief.part,
        label=belief.label,
        value=belief.value,
        before=said,
        is_lifted=True,
        by=by.pk,
    )


def _follow(batch: Batch, hit: Hit) -> None:
    """The HIT ends, or asks again; certificates are looked at."""
    if hit.state == Hit.State.OPEN or batch.state != Batch.State.CLOSED:
        digest_hits(project_id=batch.project_id, hit_ids=[hit.pk])
    doubt(batch_ids=[batch.pk])
