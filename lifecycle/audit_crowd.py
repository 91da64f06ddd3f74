"""An audit that trusted workers answer: a paid batch of its own, for those who had no part in the labels.

They see the item and the question like any other work, and three answer each item. What most of them say is the
audit's answer; where they do not agree, the requester answers.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

from core import audit
from core.errors import Conflict
from lifecycle.publish import publish_batch
from marketplace.models import Batch, Hit, HitData, Participation
from marketplace.schema import Question
from marketplace.selectors import design_of
from marketplace.services.posting import attach_upload, create_batch
from marketplace.services.projects import create_project
from quality.models import Belief, Judgment, Sample, SampleItem, WorkerReliability
from quality.services.sampling import question_to_sample, word_of
from quality.services.scoring import is_scored
from workers_app.models import Qualification, Worker
from workers_app.services.granting import create_qualification, grant_qualification

#: Answers to each item; fewer workers than that cannot give them.
ANSWERS = 3


def trusted_outsiders(batch: Batch) -> list[Worker]:
    """Workers whom the project trusts, and none of whose answers is behind a label of this batch."""
    trusted = WorkerReliability.objects.filter(project=batch.project_id, state=WorkerReliability.State.TRUSTED)
    took_part = Participation.objects.filter(batch=batch, taken_in_all__gt=0).values("worker")
    left = Worker.objects.filter(pk__in=trusted.values("worker"), suspended_at=None).exclude(pk__in=took_part)
    return list(left.order_by("pk"))


@transaction.atomic
def send_to_workers(*, sample: Sample, by: Any) -> Batch:
    """Publish the items of a fresh audit for trusted workers, at the pay of the batch; the money is put aside.

    Raises
    ------
    Conflict
        `audit_begun`; `not_for_workers`: a question of parts; `nobody`: too few trusted workers had no part in it.
    InsufficientFunds
    """
    sample = Sample.objects.select_for_update(no_key=True, of=("self",)).select_related(
        "batch__project__requester"
    ).get(pk=sample.pk)  # fmt: skip
    batch, question = sample.batch, question_to_sample(sample.batch, sample.question)
    if sample.workers_batch_id or sample.items.exclude(answered_at=None).exists():
        raise Conflict("This audit has begun. Draw another one for workers.", code="audit_begun")
    if question.for_ != "item" or question.kind == "multilabel":
        raise Conflict("Questions about parts are audited by you.", code="not_for_workers")
    workers = trusted_outsiders(batch)
    if len(workers) < ANSWERS:
        raise Conflict(
            f"{ANSWERS} trusted workers without a part in these labels are needed; there are {len(workers)}."
            " Answer the audit yourself.",
            code="nobody",
        )
    short = str(sample.public_id)[:8].upper()
    circle = create_qualification(
        requester=batch.project.requester, name=f"Audit {short}", kind=Qualification.Kind.LIST
    )
    for worker in workers:
        grant_qualification(qualification=circle, worker=worker)
    own = create_batch(project=_project_for(batch, question, circle, short), name=f"Audit {short}")
    rows = [
        orjson.dumps({**item.hit.data_row.data, "external_id": str(item.public_id)})
        for item in sample.items.select_related("hit__data_row").order_by("place")
    ]
    own = attach_upload(batch=own, file=ContentFile(b"\n".join(rows) + b"\n"), name="audit.jsonl")
    publish_batch(batch=own, by=by)
    sample.workers_batch = own
    sample.save(update_fields=["workers_batch"])
    audit.record(
        act="sample.send", subject=f"batch:{batch.pk}", actor=by, sample=str(sample.public_id), to=len(workers)
    )
    return own


def _project_for(batch: Batch, question: Question, circle: Qualification, short: str) -> Any:
    design = design_of(batch)
    rules = design.rules.to_json() | {
        "mode": "fixed",
        "answers": ANSWERS,
        "budget": None,
        "gold_share": 0.0,
        "quiz_questions": 0,
        "max_share": None,
        "per_worker": None,
        "per_day": None,
        "requirements": [{"subject": str(circle.public_id), "compare": "exists", "name": circle.name}],
    }
    return create_project(
        requester=batch.project.requester,
        name=f"{batch.project.name[:140]} ({short})",
        summary=batch.project.summary,
        audience=batch.project.audience,
        questions=[{key: value for key, value in question.to_json().items() if key != "when"}],
        template=design.template,
        instructions=design.instructions,
        rules=rules,
    )


def take_in_audits() -> int:
    """What the workers of audits have agreed on becomes the audit's answer. A step of the clock."""
    under_way = Sample.objects.filter(workers_batch__isnull=False, items__answered_at=None).distinct()
    return sum(_take_in(sample) for sample in under_way.select_related("batch__project", "workers_batch"))


@transaction.atomic
def _take_in(sample: Sample) -> int:
    question = question_to_sample(sample.batch, sample.question)
    waiting = SampleItem.objects.select_for_update().filter(sample=sample, answered_at=None)
    items = {str(item.public_id): item for item in waiting}
    rows = HitData.objects.filter(
        batch=sample.workers_batch, external_id__in=list(items), hit__state=Hit.State.RETIRED
    ).values_list("hit_id", "external_id")
    done = 0
    for hit_id, name in rows:
        found, answer = _agreed(hit_id, question)
        if found:
            item = items[str(name)]
            item.answer, item.answered_at = answer, timezone.now()
            item.save(update_fields=["answer", "answered_at"])
            done += 1
    return done


def _agreed(hit_id: int, question: Question) -> tuple[bool, Any]:
    """Whether most said the same, and what; of kinds without classes, their consensus."""
    if is_scored(question):
        belief = Belief.objects.filter(hit=hit_id, question=question.name, part="").first()
        return belief is not None and belief.value is not None, belief.value if belief else None
    words = Judgment.objects.filter(hit=hit_id, question=question.name, part="").order_by("pk")
    newest = {row.worker_id: row for row in words}
    counts = Counter(row.label for row in newest.values() if row.weight > 0 and row.label is not None)
    if not counts:
        return False, None
    [(label, most), *others] = counts.most_common()
    is_clear = not others or others[0][1] < most
    return is_clear, word_of(question, label, None) if is_clear else None
