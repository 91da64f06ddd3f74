"""A person lets a worker's answers in a project count for no label, or count again. Their pay is not touched.

It is an operation: each label that leaned on the answers is computed again, and its HIT asks once more where that
leaves it unsure. Places that are still held are waited for, so that nothing slips past the decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import CharField, Exists, OuterRef, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core import audit, clock
from core.errors import Conflict, Invalid
from core.models import AuditEntry, Operation
from core.operations import Turn, start_operation
from lifecycle.digest import digest_hits, lock_hits
from marketplace.models import Answer, Assignment, Project
from quality.models import WorkerReliability
from quality.services import judgments
from quality.services.healing import note_before
from users.services.notices import notify
from workers_app.models import Worker

KIND = "weigh"
GROUP = 20
#: How long until it looks again whether places that were held have been answered.
WAIT = timedelta(seconds=30)


@transaction.atomic
def weigh_worker(*, project: Project, worker: Worker, counts: bool, by: Any, reason: str) -> Operation:
    """Start to take the weight from all that `worker` said in `project`, or (`counts`) to give it back.

    What a requester disregarded or rejected one by one stays as it is.

    Raises
    ------
    Invalid
        Without a reason of at most 300 characters: the worker reads it.
    Conflict
        It is so already, or is being done.
    """
    reason = reason.strip()
    if not 0 < len(reason) <= 300:
        raise Invalid(errors={"reason": "Say why, in at most 300 characters: the worker reads it."})
    rows = WorkerReliability.objects.select_for_update(no_key=True).filter(project=project, worker=worker)
    known = list(rows.order_by("pk"))
    if not known:
        raise Conflict("This worker has no answers here yet. Nothing was changed.", code="no_answers")
    if all((row.ignored_at is None) == counts for row in known):
        words = "count already" if counts else "count for nothing already"
        raise Conflict(f"The answers of this worker {words}. Nothing was changed.", code="unchanged")
    subject = f"worker:{worker.pk}:project:{project.pk}"
    # One that only waits for held places is overtaken by the opposite decision.
    waiting = Operation.objects.filter(kind=KIND, subject=subject, state=Operation.State.WAITING)
    waiting.update(state=Operation.State.CANCELLED, finished_at=clock.now())
    operation = start_operation(
        kind=KIND,
        subject=subject,
        arguments={"worker": worker.pk, "project": project.pk, "counts": counts},
    )
    rows.update(ignored_at=None if counts else clock.now())
    title = _("Your answers count again: {project}") if counts else _("Your answers are not used: {project}")
    body = format_lazy("{reason} {pay}", reason=reason, pay=_("What you earned stays yours."))
    notify(
        user=worker.user,
        kind="access.weight",
        title=format_lazy(title, project=project.name),
        body=body,
        url=reverse("find_work"),
    )
    act = "worker.count" if counts else "worker.ignore"
    audit.record(act=act, subject=f"worker:{worker.pk}", actor=by, reason=reason, project=project.pk)
    return operation


def weigh(turn: Turn) -> None:
    """A part of the work: a group of HITs, each with all its answers of this worker."""
    said = turn.operation.arguments
    project_id, worker_id = said["project"], said["worker"]
    answered = _answered(project_id, worker_id, counts=said["counts"])
    rows = list(answered.order_by("pk")[:GROUP])
    if not rows:
        if said["counts"] or not _is_at_work(project_id, worker_id):
            turn.finish()
        else:
            turn.save(cursor={"is_weighed": True}, due_at=clock.now() + WAIT)
            turn.ends_at = 0.0
        return
    with transaction.atomic():
        _weigh(turn.operation, project_id, rows, counts=said["counts"])
        turn.save(done=turn.operation.done + len(rows))


def _weigh(work: Operation, project_id: int, rows: Sequence[Assignment], *, counts: bool) -> None:
    hits = lock_hits([row.hit_id for row in rows])
    note_before(work=work, hits=hits, worker=rows[0].worker_id, counts=counts)
    ids = [row.pk for row in rows]
    Assignment.objects.filter(pk__in=ids).update(counts=counts)
    judgments.share_log(project_id)
    if counts:  # the digest reads them anew
        newest = Answer.objects.filter(assignment_id__in=ids).order_by("assignment_id", "-version")
        Answer.objects.filter(pk__in=newest.distinct("assignment_id").values("pk")).update(digested_at=None)
    else:
        judgments.withdraw(rows)
    digest_hits(project_id=project_id, hit_ids=[hit.pk for hit in hits])


def _answered(project_id: int, worker_id: int, *, counts: bool) -> QuerySet[Assignment]:
    """Answers whose weight is still the other one. What was decided about one answer alone is left out."""
    states = [Assignment.State.SUBMITTED, Assignment.State.REVISING, Assignment.State.APPROVED]
    rows = Assignment.objects.filter(
        worker_id=worker_id, batch__project_id=project_id, state__in=states, counts=not counts
    )
    if not counts:
        return rows
    subject = Concat(Value("assignment:"), Cast(OuterRef("pk"), CharField()))
    return rows.exclude(Exists(AuditEntry.objects.filter(subject=subject, act="assignment.disregard")))


def _is_at_work(project_id: int, worker_id: int) -> bool:
    held = Assignment.objects.filter(
        worker_id=worker_id, batch__project_id=project_id, state=Assignment.State.ACCEPTED, deadline__gt=clock.now()
    )
    return held.exists()
