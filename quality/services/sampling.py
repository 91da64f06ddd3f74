"""Random samples of delivered labels: drawn with a recorded seed, answered by people who do not see the label.

An audit is uniform, so that its figures are those of the whole set. A review sample prefers doubtful labels and keeps
each one's probability; nothing is claimed from it without the inverse weights.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from core import audit
from core.errors import Conflict, Invalid
from marketplace.models import Batch, Hit
from marketplace.schema import CANT_TELL, NA, Question
from marketplace.schema.kinds import Refused
from marketplace.selectors import design_of
from quality.estimators.certificate import draw_uniform, draw_weighted
from quality.models import Sample, SampleItem
from quality.services.gold import grade_answer
from quality.services.scoring import plain, score

#: Fewer say next to nothing: with 20 and no error, the interval still reaches down to 83 %.
LEAST_AUDIT, MOST_AUDIT = 20, 5000
#: What a sure label weighs in a review sample, beside its doubt.
LEAST_DOUBT = 0.02

# Delivered labels: decided, of ordinary HITs, and not known before the draw. Ordered, so that a seed draws the same.
FRAME = """
SELECT b.hit_id, b.part, d.public_id::text, b.label, b.value::text, b.confidence, b.state, b.run_id
FROM marketplace_hit h
JOIN quality_belief b ON b.hit_id = h.id AND b.question = %(question)s
JOIN marketplace_hitdata d ON d.hit_id = h.id
WHERE h.batch_id = %(batch)s AND h.lane = 0 AND b.state IN ('settled', 'disputed', 'overruled')
  AND (b.label IS NOT NULL OR b.value IS NOT NULL)
  AND NOT EXISTS (SELECT FROM quality_goldquestion g WHERE g.hit_id = h.id AND g.pool = 'test'
                  AND NOT g.is_soft AND g.created_at <= %(at)s)
ORDER BY b.hit_id, b.part
"""


@dataclass(frozen=True)
class Delivered:
    """One delivered label; `name` is the item's public id."""

    hit: int
    part: str
    name: str
    label: int | None
    value: Any
    confidence: float
    is_overruled: bool
    run: int | None

    @property
    def key(self) -> tuple[int, str]:
        return self.hit, self.part


def frame_of(batch: Batch, question: str, at: Any) -> list[Delivered]:
    """The labels of a batch that could be drawn at a moment, as they are now."""
    with connection.cursor() as cursor:
        cursor.execute(FRAME, {"batch": batch.pk, "question": question, "at": at})
        return [
            Delivered(hit, part, name, label, orjson.loads(value or "null"), confidence, state == "overruled", run)
            for hit, part, name, label, value, confidence, state, run in cursor.fetchall()
        ]


def hash_of_frame(frame: Sequence[Delivered]) -> str:
    """Which labels there were, whatever they said."""
    found = hashlib.sha256()
    for row in frame:
        found.update(f"{row.name}\t{row.part}\n".encode())
    return found.hexdigest()


def question_to_sample(batch: Batch, name: str) -> Question:
    """The question of this name; without a name, the only one.

    Raises
    ------
    Invalid
    """
    schema = design_of(batch).schema
    if not name and len(schema) == 1:
        return next(iter(schema))
    if name not in schema:
        raise Invalid(errors={"question": f"One of: {', '.join(question.name for question in schema)}."})
    return schema[name]


@transaction.atomic
def draw_sample(*, batch: Batch, question: str = "", size: int, by: Any, purpose: str = Sample.Purpose.AUDIT) -> Sample:
    """Draw `size` delivered labels of a batch whose work is done.

    Raises
    ------
    Invalid
        A question that is not there, or a size that is too small or too large.
    Conflict
        `not_finished`: answers are still coming in; `audit_under_way`: the audit before has unanswered items.
    """
    asked = question_to_sample(batch, question)
    if Hit.objects.filter(batch=batch, lane=0, state=Hit.State.OPEN).exists():
        raise Conflict("Answers are still coming in. Draw when every label is decided.", code="not_finished")
    Batch.objects.select_for_update(no_key=True).get(pk=batch.pk)
    earlier = Sample.objects.filter(batch=batch, question=asked.name, purpose=purpose)
    if purpose == Sample.Purpose.AUDIT and unanswered(earlier).exists():
        raise Conflict("An audit is under way: answer its items first.", code="audit_under_way")
    now = timezone.now()
    frame = frame_of(batch, asked.name, now)
    least = LEAST_AUDIT if purpose == Sample.Purpose.AUDIT else 1
    if not min(least, len(frame)) <= size <= min(MOST_AUDIT, len(frame)) or not frame:
        most = min(MOST_AUDIT, len(frame))
        raise Invalid(errors={"size": f"From {min(least, most)} to {most}: {len(frame)} labels are delivered."})
    seed = secrets.randbits(62)
    rng = np.random.default_rng(seed)
    if purpose == Sample.Purpose.AUDIT:
        rows, inclusion = draw_uniform(len(frame), size, rng), np.full(size, size / len(frame))
    else:
        rows, inclusion = draw_weighted(np.array([LEAST_DOUBT + 1 - row.confidence for row in frame]), size, rng)
    sample = Sample.objects.create(
        batch=batch,
        question=asked.name,
        purpose=purpose,
        seed=seed,
        population=len(frame),
        size=size,
        frame_hash=hash_of_frame(frame),
        drawn_by=by.pk,
        drawn_at=now,
    )
    SampleItem.objects.bulk_create(
        [
            SampleItem(
                sample=sample,
                place=place,
                hit_id=frame[row].hit,
                part=frame[row].part,
                inclusion=float(inclusion[place]),
                label=frame[row].label,
                value=frame[row].value,
                confidence=frame[row].confidence,
            )
            for place, row in enumerate(rows.tolist())
        ]
    )
    audit.record(
        act=f"sample.{purpose}", subject=f"batch:{batch.pk}", actor=by, question=asked.name, size=size, seed=seed,
        population=len(frame),
    )  # fmt: skip
    return sample


def unanswered(samples: QuerySet[Sample]) -> QuerySet[SampleItem]:
    """Items that wait for an answer, in the order of the draw."""
    waiting = SampleItem.objects.filter(sample__in=samples, answered_at=None)
    return waiting.select_related("hit__data_row", "sample").order_by("sample_id", "place")


def progress_of(sample: Sample) -> tuple[int, int]:
    """Items answered, and items in all."""
    return sample.items.exclude(answered_at=None).count(), sample.size


# --- answering --------------------------------------------------------------------------------------------------------


def read_answer(question: Question, raw: Any) -> Any:
    """One answer to one audited label in canonical form; None says that no answer fits.

    Raises
    ------
    Invalid
    """
    if raw is None:
        return None
    try:
        return question.read(dict(NA) if raw == CANT_TELL and question.na else raw)
    except Refused as refused:
        raise Invalid(errors={"answer": str(refused)}) from refused


@transaction.atomic
def answer_item(*, item: SampleItem, answer: Any, by: Any) -> SampleItem:
    """Say what is right for a drawn label, without having seen it; may be mended until a certificate stands on it.

    Raises
    ------
    Invalid
    Conflict
        `certified`: a certificate stands on this answer.
    """
    sample = Sample.objects.select_for_update(no_key=True, of=("self",)).select_related("batch").get(pk=item.sample_id)
    if sample.certificates.exists():
        raise Conflict("A certificate stands on this answer. Draw another audit.", code="certified")
    question = question_to_sample(sample.batch, sample.question)
    item.answer = read_answer(question, answer)
    item.answered_by, item.answered_at = by.pk if by else None, timezone.now()
    item.save(update_fields=["answer", "answered_by", "answered_at"])
    return item


def is_right(question: Question, label: int | None, value: Any, part: str, answer: Any) -> bool:
    """Whether a delivered label passes the grader of its kind, with the audit's answer as key."""
    if answer is None:
        return False
    if question.kind == "multilabel":
        head = part.partition("/")[0]
        said = question.judgments(answer if question.for_ == "item" else {head: answer})
        return any(one.part == part and one.label == label for one in said)
    delivered = word_of(question, label, value)
    return grade_answer(plain(question), delivered, {"accept": [answer]}).passed


def score_of(question: Question, value: Any, answer: Any) -> float:
    """How well a delivered value of a kind without classes fits what the audit found, from 0 to 1."""
    return 0.0 if answer is None else score(question, value, answer)


def word_of(question: Question, label: int | None, value: Any) -> Any:
    """A delivered label as an answer would say it."""
    if label is None or not question.classes:
        return value
    word = question.classes[label]
    return dict(NA) if question.na and word == CANT_TELL else word


def class_of(question: Question, part: str, answer: Any) -> int | None:
    """The class that an audit's answer names for one part; None where it names none."""
    if answer is None or not question.classes:
        return None
    given = {part.partition("/")[0] if question.kind == "multilabel" else part: answer}
    said = question.judgments(answer if question.for_ == "item" else given)
    return next((one.label for one in said if one.part == part), None)


def answers_of(sample: Sample) -> Mapping[tuple[int, str], SampleItem]:
    return {(item.hit_id, item.part): item for item in sample.items.order_by("place")}
