"""Refits of projects: when they are due, the child process that does one, and what its labels change in open batches.

A fit takes seconds to minutes of a processor, so no process that serves or keeps the clock does it: the sweep starts a
child for each due operation. The child renews its lease; one that died is started again from the cutoff and seed that
the operation recorded, and comes to the same result.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import OperationalError, close_old_connections, connection, transaction
from django.utils import timezone

from config.processes import die_with_parent
from core.errors import Conflict
from core.models import Operation
from core.operations import LeaseLost, Turn, Work, start_operation, take, work_on
from lifecycle.digest import GROUP, digest_hits
from marketplace.models import Project
from quality.models import AggregationRun
from quality.services.aggregation import Cutoff, FitFailed, cut_off, question_of, questions_of, refit
from quality.services.certificates import doubt

log = logging.getLogger(__name__)

#: A project is fitted again once its judgments have grown by this share, the first time at so many.
GROWTH, FIRST_AT = 0.25, 50
#: While answers come in, a fit waits this long after the last: growing fast, a young project would do nothing else.
APART = timedelta(minutes=1)
#: How long a refit that brought nothing is not tried again.
IN_VAIN = timedelta(hours=1)
#: Seconds between two renewals of a child's lease, a third of the lease.
RENEW_EVERY = 10
MOST_CHILDREN = 1
#: Operations that keep a processor, or a connection, busy for long.
CHILD_KINDS = ("refit", "invariants", "train")
#: Seconds a child may take before it lets go and is started again where it was.
LONGEST = 6 * 3600

# Enough judgments since the last run, and that not just now; any, once all batches are closed or a day is over; or a
# batch closed since. The innermost count reads at most as many rows as make the next refit due.
DUE = """
WITH last AS (
    SELECT DISTINCT ON (project_id, question) project_id, question, last_judgment, answers, created_at
    FROM quality_aggregationrun ORDER BY project_id, question, id DESC
), project AS (
    SELECT b.project_id, max(b.closed_at) AS closed_at, bool_and(b.state = 'closed') AS is_over
    FROM marketplace_batch b WHERE b.state IN ('open', 'paused', 'closed') GROUP BY b.project_id
), question AS (
    SELECT DISTINCT p.project_id, q ->> 'name' AS question, p.closed_at, p.is_over
    FROM project p JOIN marketplace_batch b ON b.project_id = p.project_id AND b.state IN ('open', 'paused', 'closed')
    CROSS JOIN LATERAL jsonb_array_elements(b.design -> 'questions') q
), asked AS (
    SELECT a.*, l.last_judgment, l.created_at, coalesce(ceil(%(growth)s * l.answers), %(first)s)::bigint AS enough
    FROM question a LEFT JOIN last l USING (project_id, question)
)
SELECT DISTINCT a.project_id FROM asked a,
LATERAL (SELECT count(*) AS n FROM (
    SELECT FROM quality_judgment j WHERE j.project_id = a.project_id AND j.question = a.question
      AND j.id > coalesce(a.last_judgment, 0) ORDER BY j.id LIMIT a.enough) j) new
WHERE (new.n >= a.enough AND coalesce(a.created_at, '-infinity') <= now() - make_interval(secs => %(apart)s))
   OR (new.n > 0 AND (a.is_over OR a.created_at::date < current_date))
   OR a.created_at < a.closed_at
"""


def subject_of(project: Project) -> str:
    return f"project:{project.pk}"


def start_refit(*, project: Project) -> Operation | None:
    """Ask for a refit; None while one is under way or waiting, which will see what is there when it starts."""
    try:
        return start_operation(kind="refit", subject=subject_of(project), requester_id=project.requester_id)
    except Conflict:
        return None


def refits_due(apart: timedelta = timedelta()) -> list[int]:
    """Projects to fit again: at close, nightly, and while answers come in."""
    with connection.cursor() as cursor:
        cursor.execute(DUE, {"first": FIRST_AT, "growth": GROWTH, "apart": apart.total_seconds()})
        return [project_id for (project_id,) in cursor.fetchall()]


def start_due_refits() -> int:
    """Start a refit wherever one is due."""
    projects = Project.objects.filter(pk__in=refits_due(APART)).order_by("pk")
    due = [project for project in projects if not _was_in_vain(project)]
    return sum(start_refit(project=project) is not None for project in due)


def _was_in_vain(project: Project) -> bool:
    """A refit that failed, or found nothing to fit, is not tried again at once."""
    lately = timezone.now() - IN_VAIN
    ended = Operation.objects.filter(kind="refit", subject=subject_of(project), finished_at__gt=lately)
    last = ended.order_by("-finished_at").first()
    return last is not None and not last.result.get("runs")


# --- the work ---------------------------------------------------------------------------------------------------------


def refit_project(*, project: Project) -> list[AggregationRun]:
    """Fit every question of a project here and now, and settle again what that changes."""
    runs = []
    for name in questions_of(project):
        run = refit(project=project, question=name, seed=seed_of(project, name))
        if run is not None:
            runs.append(run)
            settle_again(project, run.unsettled)  # type: ignore[attr-defined]
    return runs


def seed_of(project: Project, question: str) -> int:
    """Arbitrary, and the same for ever."""
    return zlib.crc32(f"{project.public_id}:{question}".encode())


def settle_again(project: Project, hit_ids: Sequence[int]) -> None:
    """Retire, reopen or ask, group by group under the locks of the HITs, where the label or its confidence moved."""
    doubt(batch_ids=list(project.batches.values_list("pk", flat=True)))
    for start in range(0, len(hit_ids), GROUP):
        digest_hits(project_id=project.pk, hit_ids=hit_ids[start : start + GROUP])


def work(turn: Turn) -> None:
    """One question of a refit; the operation ends with the last."""
    project = Project.objects.get(pk=int(turn.operation.subject.partition(":")[2]))
    if turn.cancel_is_asked():
        turn.finish(Operation.State.CANCELLED)
        return
    if "left" not in turn.cursor:
        names = questions_of(project)
        turn.save(cursor={"left": names, "runs": [], "failed": {}}, done=0, total=len(names))
        return
    if not turn.cursor["left"]:
        failed = turn.cursor["failed"]
        state = Operation.State.FAILED if failed else Operation.State.DONE
        turn.finish(state, error=" ".join(failed.values()), result={"runs": turn.cursor["runs"]})
        return
    _fit_one(turn, project, turn.cursor["left"][0])


def _fit_one(turn: Turn, project: Project, name: str) -> None:
    cutoff = _recorded_cutoff(turn, project, name)
    runs, failed = list(turn.cursor["runs"]), dict(turn.cursor["failed"])
    unsettled: Sequence[int] = ()
    if cutoff is not None:
        try:
            with transaction.atomic():
                run = refit(project=project, question=name, cutoff=cutoff, seed=seed_of(project, name))
        except FitFailed as refusal:
            failed[name] = refusal.message
        else:
            if run is not None:
                runs.append(str(run.public_id))
                unsettled = run.unsettled  # type: ignore[attr-defined]
    settle_again(project, unsettled)
    left = turn.cursor["left"][1:]
    turn.save(cursor={"left": left, "runs": runs, "failed": failed}, done=turn.operation.done + 1)


def _recorded_cutoff(turn: Turn, project: Project, name: str) -> Cutoff | None:
    """What this refit reads of the question, written down before it is read."""
    asked = question_of(project, name)
    if asked is None:
        return None
    kept = turn.cursor.get("cutoff")
    if kept is None:
        cutoff = cut_off(project=project, asked=asked)
        keys = {str(item): accepted for item, accepted in cutoff.keys.items()}
        kept = {"last": cutoff.last, "keys": keys, "key_version": cutoff.key_version}
        turn.save(cursor={**turn.cursor, "cutoff": kept})
    return Cutoff(kept["last"], {int(item): accepted for item, accepted in kept["keys"].items()}, kept["key_version"])


# --- the child process ------------------------------------------------------------------------------------------------

#: Children of this process, by operation.
CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


def start_children() -> int:
    """A child for each of `CHILD_KINDS` that is due and that nobody works on, up to `MOST_CHILDREN`. A clock's step."""
    for pk, child in list(CHILDREN.items()):
        if child.poll() is not None:
            if child.returncode:
                log.warning("The process of refit %s ended with %s; it is started again.", pk, child.returncode)
            del CHILDREN[pk]
    now, started = timezone.now(), 0
    free = Operation.objects.filter(kind__in=CHILD_KINDS, state__in=["waiting", "running"], due_at__lte=now)
    for operation in free.order_by("due_at")[: MOST_CHILDREN * 2]:
        is_taken = operation.lease_until is not None and operation.lease_until > now
        if is_taken or operation.pk in CHILDREN or len(CHILDREN) >= MOST_CHILDREN:
            continue
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "refit", "--operation", str(operation.pk)]
        if not CHILDREN:
            atexit.register(stop_children)
        CHILDREN[operation.pk] = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent(signal.SIGKILL)
        )
        started += 1
    return started


def wait_for_children() -> int:
    """Wait until the children have ended; how many there were."""
    for child in CHILDREN.values():
        child.wait()
    return len(CHILDREN)


def stop_children() -> None:
    """End the children with their parent; what they did not commit is done again."""
    atexit.unregister(stop_children)
    for child in CHILDREN.values():
        child.terminate()
    for child in CHILDREN.values():
        child.wait(10)
    CHILDREN.clear()


class LeaseKeeper:
    """Renews the lease of a turn from a thread of its own, while the fit keeps the main one busy."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self.is_over.wait(RENEW_EVERY):
            self._renew()
        connection.close()

    def _renew(self) -> None:
        try:
            if not self.turn.is_finished:
                self.turn.save()
        except LeaseLost:
            if not self.turn.is_finished:
                log.warning("Lost the lease of %s to another process.", self.turn.operation)
                os._exit(1)  # nothing of this process may be committed any more
        except OperationalError:
            close_old_connections()

    def __enter__(self) -> LeaseKeeper:
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.is_over.set()
        self.thread.join()


def run_child(operation: Operation, work: Work = work) -> Operation | None:
    """What the child process does: the whole operation, or nothing where another works on it."""
    leased = take(operation)
    if leased is None:
        return None

    def kept(turn: Turn) -> None:
        with LeaseKeeper(turn):
            work(turn)

    return work_on(leased, kept, seconds=LONGEST)
