"""Machines in the path of a HIT: ask them, take in what they said, let them answer alone where checks allow it.

Predictions are rows, and rows are the queue: the sweep holds new ones against known answers, has the project fitted
again, and settles the items of batches that let a machine answer alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from core import audit
from core.errors import Conflict, Invalid
from core.models import Operation
from core.operations import Turn, start_operation
from lifecycle.digest import GROUP, digest_hits
from lifecycle.refit import start_refit
from marketplace.models import Batch, Hit, HitData
from marketplace.rows import Source
from marketplace.selectors import design_of
from quality.estimators.machine import LEAST_CHECKS, Trust, lower_bound
from quality.models import Belief, Judgment, Machine, MachineUse, MachineVersion, Prediction
from quality.services.healing import begin_for_machine
from quality.services.machine_wire import AT_ONCE, MachineSilent, ask_machine
from quality.services.machine_words import current_versions, is_asked_anyhow
from quality.services.machines import REMOTE, check_version, record_predictions, version_of, words_in
from quality.services.prediction_table import read_predictions
from quality.services.suggesting import hide_where_unspoken

KIND = "predict"
#: Items taken on at once by those who answer alone.
MOST_ACCEPTED = 2_000
MOST_WRONG = 5


def upload_predictions(*, machine: Machine, batch: Batch, file: Source, name: str, version: str = "", by: Any) -> int:
    """Take a table of predictions for a batch; returns how many items it speaks of.

    Raises
    ------
    Invalid
        Naming lines. Nothing was taken then.
    """
    if batch.project_id != machine.project_id:
        raise Invalid(errors={"machine": _("It belongs to another project.")})
    table = read_predictions(batch=batch, file=file, name=name)
    with transaction.atomic():
        record_predictions(version=version_of(machine, version), said=table.said)
        audit.record(
            act="machine.upload", subject=f"batch:{batch.pk}", actor=by, machine=machine.name, items=table.items
        )
    return table.items


def send_predictions(
    *, machine: Machine, batch: Batch, rows: Sequence[Mapping[str, Any]], version: str = "", by: Any
) -> int:
    """Take predictions given as {hit | external_id, answers, confidence}. Raises as `upload_predictions` does."""
    if batch.project_id != machine.project_id:
        raise Invalid(errors={"machine": _("It belongs to another project.")})
    schema = design_of(batch).schema
    known = HitData.objects.filter(batch=batch)
    by_id = {
        str(public_id): pk
        for public_id, pk in known.filter(public_id__in=[row["hit"] for row in rows if row.get("hit")]).values_list(
            "public_id", "hit_id"
        )
    }
    named = [row["external_id"] for row in rows if row.get("external_id")]
    by_name = dict(known.filter(external_id__in=named).values_list("external_id", "hit_id"))
    said, errors = [], {}
    for place, row in enumerate(rows):
        where = f"predictions[{place}]"
        hit_id = by_id.get(str(row.get("hit"))) or by_name.get(row.get("external_id"))
        if hit_id is None:
            errors[where] = _("There is no such item in this batch. Name it by `hit` or `external_id`.")
            continue
        try:
            said += words_in(schema, hit_id, row["answers"], row.get("confidence"))
        except Invalid as mistake:
            errors |= {f"{where}.answers.{name}": sentence for name, sentence in mistake.errors.items()}
    if errors:
        raise Invalid(errors=dict(list(errors.items())[:20]))
    with transaction.atomic():
        record_predictions(version=version_of(machine, version), said=said)
        audit.record(act="machine.upload", subject=f"batch:{batch.pk}", actor=by, machine=machine.name, items=len(rows))
    return len(rows)


# --- asking -----------------------------------------------------------------------------------------------------------


def start_asking(*, machine: Machine, batch: Batch) -> Operation:
    """Ask a machine about all items of a batch, in turns.

    Raises
    ------
    Conflict
        `no_endpoint`: it is none that can be asked; `under_way`.
    """
    if machine.source not in REMOTE:
        raise Conflict(_("This machine has no address to ask. Send a table of its predictions."), code="no_endpoint")
    return start_operation(
        kind=KIND,
        subject=f"batch:{batch.pk}",
        requester_id=batch.project.requester_id,
        arguments={"machine": machine.pk, "batch": batch.pk},
        total=Hit.objects.filter(batch=batch).count(),
    )


def ask(turn: Turn) -> None:
    """One request. A machine that is silent is asked again, later and later; what it said before stays."""
    arguments = turn.operation.arguments
    if turn.cancel_is_asked():
        turn.finish(Operation.State.CANCELLED)
        return
    machine = Machine.objects.get(pk=arguments["machine"])
    batch = Batch.objects.select_related("project__requester").get(pk=arguments["batch"])
    after = turn.cursor.get("after", 0)
    rows = list(HitData.objects.filter(batch=batch, hit_id__gt=after).order_by("hit_id")[:AT_ONCE])
    if not rows:
        turn.finish(result={"items": turn.operation.done, "wrong": turn.cursor.get("wrong", [])})
        return
    schema = design_of(batch).schema
    turn.save()
    try:
        reply = ask_machine(machine=machine, schema=schema, items={str(row.public_id): row.data for row in rows})
    except MachineSilent as refusal:
        if turn.is_last_try:
            raise
        raise ConnectionError(refusal.message) from refusal
    said, wrong = [], list(turn.cursor.get("wrong", []))
    for row in rows:
        if (answer := reply.answers.get(str(row.public_id))) is None:
            continue
        try:
            said += words_in(schema, row.hit_id, *answer)
        except Invalid as mistake:
            wrong += [f"{row.public_id}: {name}: {sentence}" for name, sentence in mistake.errors.items()]
    if wrong and not said and not turn.operation.done:
        raise MachineSilent(_("None of its answers fits the questions.") + f" {wrong[0]}")
    with transaction.atomic():
        record_predictions(version=version_of(machine, reply.version), said=said)
        turn.save(cursor={"after": rows[-1].hit_id, "wrong": wrong[:MOST_WRONG]}, done=turn.operation.done + len(rows))


# --- taking in --------------------------------------------------------------------------------------------------------


def take_in_predictions() -> int:
    """Check what machines said since the last time, and let their projects hear it. A clock's step."""
    done = 0
    for version in _behind():
        newest = version.predictions.order_by("-pk").values_list("pk", flat=True)[0]
        check_version(version)
        if Judgment.objects.filter(project_id=version.machine.project_id).exists():
            start_refit(project=version.machine.project)
        MachineVersion.objects.filter(pk=version.pk).update(taken_in=newest)
        done += 1
    return done + accept_alone() + hide_where_unspoken()


def _behind() -> Iterator[MachineVersion]:
    """Newest versions with predictions that nobody looked at."""
    machines = Machine.objects.filter(is_on=True).values_list("project_id", flat=True)
    for project_id in sorted(set(machines)):
        for version in current_versions(project_id).select_related("machine__project"):
            if Prediction.objects.filter(version=version, pk__gt=version.taken_in).exists():
                yield version


# Items nobody has answered or holds, of which the machine of the batch spoke; and those it answered before.
TO_ACCEPT = """
SELECT h.id FROM marketplace_hit h
WHERE h.batch_id = %(batch)s AND h.lane = 0 AND h.state = 0 AND h.taken = 0
  AND EXISTS (SELECT FROM quality_prediction p WHERE p.hit_id = h.id AND p.version_id = %(version)s
              AND coalesce(p.score, 0) >= %(score)s)
ORDER BY h.id LIMIT %(most)s
"""


def accept_alone() -> int:
    """Settle what machines may answer alone, and look again at what they answered once a bound no longer holds."""
    done = 0
    uses = MachineUse.objects.filter(accepts=True, batch__state="open").select_related("batch__project", "machine")
    for use in uses.order_by("pk"):
        if (version := _version_in(use)) is None:
            continue
        stop_where_people_disagree(use, version)
        done += settle_alone(use, version)
    return done


def _version_in(use: MachineUse) -> MachineVersion | None:
    return next((one for one in current_versions(use.batch.project_id) if one.machine_id == use.machine_id), None)


def settle_alone(use: MachineUse, version: MachineVersion) -> int:
    """Settle up to `MOST_ACCEPTED` items of a batch that its machine may answer alone; how many are settled now."""
    score = threshold_of(use, version)
    if score is None or not use.accepts:
        return 0
    with connection.cursor() as cursor:
        about = {"batch": use.batch_id, "version": version.pk, "score": score, "most": MOST_ACCEPTED}
        cursor.execute(TO_ACCEPT, about)
        ids = [pk for (pk,) in cursor.fetchall() if not is_asked_anyhow(version, pk)]
    for start in range(0, len(ids), GROUP):
        digest_hits(project_id=use.batch.project_id, hit_ids=ids[start : start + GROUP])
    return Hit.objects.filter(pk__in=ids, state=Hit.State.RETIRED).count()


def answered_alone(batch: Batch) -> Any:
    """Beliefs that stand on a machine's word only."""
    return Belief.objects.filter(hit__batch=batch, hit__lane=0, state=Belief.State.SETTLED, answers=0)


# Of the items that a machine could have answered alone and people were asked all the same: what most of them said.
AGREEMENT = """
WITH said AS (
    SELECT DISTINCT ON (j.hit_id, j.question, j.part, j.worker_id) j.hit_id, j.question, j.part, j.label, j.weight
    FROM quality_judgment j WHERE j.hit_id = ANY(%(hits)s) AND j.label IS NOT NULL
    ORDER BY j.hit_id, j.question, j.part, j.worker_id, j.id DESC
), votes AS (
    SELECT hit_id, question, part, label, sum(weight) AS weight, count(*) AS n FROM said WHERE weight > 0
    GROUP BY hit_id, question, part, label
), top AS (
    SELECT DISTINCT ON (hit_id, question, part) hit_id, question, part, label,
           sum(n) OVER (PARTITION BY hit_id, question, part) AS n
    FROM votes ORDER BY hit_id, question, part, weight DESC, label
), word AS (
    SELECT DISTINCT ON (p.hit_id, p.question, p.part) p.hit_id, p.question, p.part, p.label
    FROM quality_prediction p WHERE p.version_id = %(version)s AND p.hit_id = ANY(%(hits)s)
    ORDER BY p.hit_id, p.question, p.part, p.id DESC
)
SELECT count(*), count(*) FILTER (WHERE top.label = word.label)
FROM top JOIN word USING (hit_id, question, part) WHERE top.n >= 2
"""


def agreement_of(use: MachineUse, version: MachineVersion) -> tuple[int, int]:
    """Items that people answered although the machine might have: how many, and in how many most said the same."""
    score = threshold_of(use, version)
    if score is None:
        return 0, 0
    spoken = Prediction.objects.filter(version=version, hit__batch=use.batch_id, hit__lane=0, score__gte=score)
    ids = [pk for pk in set(spoken.values_list("hit_id", flat=True)) if is_asked_anyhow(version, pk)]
    if not ids:
        return 0, 0
    with connection.cursor() as cursor:
        cursor.execute(AGREEMENT, {"hits": ids, "version": version.pk})
        asked, same = cursor.fetchone()
    return asked, same


def threshold_of(use: MachineUse, version: MachineVersion) -> float | None:
    """The score from which a machine may answer alone in a batch; None: not at all. All questions need one."""
    target = design_of(use.batch).rules.target
    grades = [Trust.from_json(row.found).threshold_for(target) for row in version.trusts.all()]
    return min((grade.score for grade in grades if grade is not None), default=None)


def stop_where_people_disagree(use: MachineUse, version: MachineVersion) -> None:
    """People's answers to a random share of the accepted items are the audit of the rest: where even the upper bound of
    the agreement is below the target, accepting stops, and what was accepted is asked of people."""
    asked, same = agreement_of(use, version)
    target = design_of(use.batch).rules.target
    # The upper bound of agreement is one less the lower bound of disagreement.
    if asked < LEAST_CHECKS // 5 or 1 - lower_bound(asked - same, same) >= target:
        return
    why = _("People answered %(asked)s of the items it could answer alone, and agreed on %(same)s: too few.")
    use.stopped_because = why % {"asked": asked, "same": same}
    use.accepts = False
    use.save(update_fields=["stopped_because", "accepts"])
    look_again(use.batch)


def look_again(batch: Batch) -> int:
    """Ask people about items that a machine answered alone and may no longer: as far as the repair reserve goes at
    once, the rest when its requester says so."""
    ids = list(answered_alone(batch).order_by("hit_id").values_list("hit_id", flat=True).distinct())
    if ids:
        begin_for_machine(batch_id=batch.pk, hit_ids=ids)
    for start in range(0, len(ids), GROUP):
        digest_hits(project_id=batch.project_id, hit_ids=ids[start : start + GROUP])
    return len(ids)
