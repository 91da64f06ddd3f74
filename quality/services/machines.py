"""Machines of a project: who they are, what they said, and what checks against known answers found of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import orjson
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from core import audit
from core.errors import Conflict, Invalid
from core.outbound import NotSent, target_of, vetted_literal
from marketplace.models import Batch, Hit, Project
from marketplace.schema import CANT_TELL, Question, Schema
from marketplace.schema.kinds import NA, Refused
from marketplace.selectors import design_of
from quality.estimators.machine import assess
from quality.models import Machine, MachineTrust, MachineUse, MachineVersion, Prediction, SampleItem
from quality.services.beliefs import CLASSED, truth_of
from quality.services.machine_words import Word, current_versions, newest_words
from quality.services.sampling import class_of

LONGEST_NAME, LONGEST_VERSION = 80, 120
#: Sources that are asked over the network.
REMOTE = (Machine.Source.LABEL_STUDIO, Machine.Source.HTTP)


class Said(NamedTuple):
    """A prediction that is not stored yet."""

    hit_id: int
    question: str
    part: str
    label: int | None
    value: Any
    score: float | None


# --- who they are -----------------------------------------------------------------------------------------------------


def connect_machine(
    *, project: Project, name: str, source: str = "table", url: str = "", token: str = "", by: Any
) -> Machine:
    """Let a machine speak in a project.

    Raises
    ------
    Invalid
        Naming each field.
    Conflict
        `machine_exists`.
    """
    errors = {}
    name, url = name.strip(), url.strip()
    if not 0 < len(name) <= LONGEST_NAME or "\0" in name:
        errors["name"] = _("1 to %(most)s characters, such as the name of the model.") % {"most": LONGEST_NAME}
    if source not in Machine.Source.values:
        errors["source"] = f"One of {', '.join(Machine.Source.values)}."
    if source in REMOTE:
        try:
            vetted_literal(target_of(url))
        except NotSent as refusal:
            errors["url"] = str(refusal)
    elif url:
        errors["url"] = _("Only an endpoint has an address.")
    if len(token) > 300 or not token.isascii() or not token.isprintable():
        errors["token"] = _("At most 300 plain characters.")
    if errors:
        raise Invalid(errors=errors)
    try:
        with transaction.atomic():
            machine = Machine.objects.create(project=project, name=name, source=source, url=url[:500], token=token)
    except IntegrityError:
        raise Conflict(_("A machine of this name is here already."), code="machine_exists") from None
    audit.record(act="machine.connect", subject=f"project:{project.pk}", actor=by, machine=name, source=source, url=url)
    return machine


def switch_machine(*, machine: Machine, is_on: bool, by: Any) -> Machine:
    """Whether what it says counts for labels. What it said stays on record."""
    Machine.objects.filter(pk=machine.pk).update(is_on=is_on)
    machine.is_on = is_on
    audit.record(
        act="machine.switch", subject=f"project:{machine.project_id}", actor=by, machine=machine.name, is_on=is_on
    )
    return machine


def version_of(machine: Machine, name: str = "") -> MachineVersion:
    """The version of this name; without one, the newest."""
    name = name.strip()[:LONGEST_VERSION]
    if not name:
        newest = machine.versions.order_by("-pk").first()
        if newest is not None:
            return newest
    return MachineVersion.objects.get_or_create(machine=machine, name=name or "1")[0]


def use_machine(
    *, batch: Batch, machine: Machine | None, accepts: bool = False, show_share: float = 0.0, by: Any
) -> MachineUse | None:
    """Say what a batch does with a machine; None: nothing more than counting what it says.

    Raises
    ------
    Invalid
        A machine of another project, or a share outside 0 to 1.
    """
    errors = {}
    if machine is not None and machine.project_id != batch.project_id:
        errors["machine"] = _("It belongs to another project.")
    if not 0 <= show_share <= 1:
        errors["show_share"] = _("A share from 0 to 1.")
    elif show_share and machine is not None and "machine" not in errors and (left := unspoken(batch, machine)):
        errors["show_share"] = _(
            "It has to speak of every item of the batch first, else those without a suggestion stand out."
            " %(n)s are missing."
        ) % {"n": left}
    if errors:
        raise Invalid(errors=errors)
    audit.record(
        act="machine.use", subject=f"batch:{batch.pk}", actor=by, machine=machine.name if machine else None,
        accepts=accepts, show_share=show_share,
    )  # fmt: skip
    cache.delete(f"machine-use:{batch.pk}")
    if machine is None:
        MachineUse.objects.filter(batch=batch).delete()
        return None
    settings = {"machine": machine, "accepts": accepts, "show_share": show_share, "stopped_because": ""}
    return MachineUse.objects.update_or_create(batch=batch, defaults=settings | {"updated_at": timezone.now()})[0]


def unspoken(batch: Batch, machine: Machine) -> int:
    """Items of the batch of which the newest version of a machine has said nothing."""
    version = current_versions(batch.project_id, only_on=False).filter(machine=machine).first()
    hits = Hit.objects.filter(batch=batch).exclude(state=Hit.State.CANCELLED)
    if version is not None:
        hits = hits.exclude(Exists(Prediction.objects.filter(hit=OuterRef("pk"), version=version)))
    return hits.count()


# --- what they said ---------------------------------------------------------------------------------------------------


def read_score(raw: Any) -> float | None:
    """A certainty from 0 to 1; nothing where none is given. Raises `Refused`."""
    if raw is None or raw == "":
        return None
    try:
        score = float(raw)
    except (TypeError, ValueError):
        score = -1.0
    if isinstance(raw, bool) or not 0 <= score <= 1:
        raise Refused(_("A certainty is a number from 0 to 1."))
    return score


def read_word(question: Question, raw: Any) -> Any:
    """One machine's answer to a question asked of the whole item, in canonical form. Raises `Refused`."""
    if raw == CANT_TELL and question.na:
        return dict(NA)
    if question.kind == "multilabel" and isinstance(raw, str):
        raw = [word.strip() for word in raw.split("|") if word.strip()]
    return question.read(raw)


def words_in(schema: Schema, hit_id: int, answers: Mapping[str, Any], scores: Any) -> list[Said]:
    """The predictions in the answers to one item; `scores` is one for all questions, or one for each.

    Raises
    ------
    Invalid
        Naming the question.
    """
    said: list[Said] = []
    errors = {}
    for name, raw in answers.items():
        if name not in schema:
            known = ", ".join(question.name for question in schema)
            errors[str(name)[:60]] = _("There is no such question. There are: %(names)s.") % {"names": known}
            continue
        question = schema[name]
        try:
            if question.for_ != "item":
                raise Refused(_("Machines answer questions about whole items only."))
            value = read_word(question, raw)
            score = read_score(scores.get(name) if isinstance(scores, Mapping) else scores)
        except Refused as refused:
            errors[name] = str(refused)
            continue
        if question.kind in CLASSED:
            said += [Said(hit_id, name, one.part, one.label, None, score) for one in question.judgments(value)]
        else:
            said.append(Said(hit_id, name, "", None, value, score))
    if errors:
        raise Invalid(errors=errors)
    return said


def record_predictions(*, version: MachineVersion, said: Iterable[Said]) -> int:
    """Store what a machine said; the sweep takes it in."""
    rows = Prediction.objects.bulk_create(
        [Prediction(version=version, **one._asdict()) for one in said], batch_size=2000
    )
    return len(rows)


def answer_of(schema: Schema, words: Iterable[Word]) -> dict[str, Any]:
    """The words of one machine on one HIT as an answer would say them: question -> value."""
    answer: dict[str, Any] = {}
    for word in words:
        if word.question not in schema:
            continue
        question = schema[word.question]
        if question.kind == "multilabel":
            chosen = answer.setdefault(word.question, [])
            if word.label == 1:
                chosen.append(word.part)
        elif word.label is not None:
            if word.label < len(question.classes):
                said = question.classes[word.label]
                answer[word.question] = dict(NA) if question.na and said == CANT_TELL else said
        else:
            answer[word.question] = orjson.loads(word.value or "null")
    return answer


# --- what checks found ------------------------------------------------------------------------------------------------

# Where the answer is known for certain: hidden questions with a key that a person gave, and answered random audits.
# Labels that somebody overruled are not among them, nor known answers that a review of doubtful labels led to.
KEYS = """
SELECT g.hit_id, h.batch_id, g.keys::text FROM quality_goldquestion g JOIN marketplace_hit h ON h.id = g.hit_id
WHERE g.project_id = %(project)s AND g.pool = 'test' AND g.state IN ('active', 'retired') AND NOT g.is_soft
  AND g.chosen = ''
  AND EXISTS (SELECT FROM quality_prediction p WHERE p.hit_id = g.hit_id AND p.version_id = %(version)s)
"""


def check_version(version: MachineVersion) -> list[MachineTrust]:
    """Hold what a version said against all answers that are known, for each question with classes."""
    project_id = version.machine.project_id
    batches = {batch.pk: design_of(batch).schema for batch in Batch.objects.filter(project_id=project_id)}
    with connection.cursor() as cursor:
        cursor.execute(KEYS, {"project": project_id, "version": version.pk})
        keys = {hit_id: (batch_id, key) for hit_id, batch_id, key in _parsed(cursor.fetchall())}
    audited = list(
        SampleItem.objects.filter(
            sample__batch_id__in=list(batches), sample__purpose="audit", answered_at__isnull=False
        ).values_list("hit_id", "sample__batch_id", "sample__question", "part", "answer")
    )
    words = newest_words([version.pk], sorted({*keys, *(row[0] for row in audited)}))
    audits = {(hit_id, name, part): (batch_id, answer) for hit_id, batch_id, name, part, answer in audited}
    checked: dict[str, list[tuple[int, int, float]]] = {}
    sizes: dict[str, int] = {}
    for word in words:
        found = _truth(word, keys, audits, batches)
        if found is None or word.label is None:
            continue
        accepted, n_classes = found
        truth = word.label if word.label in accepted else min(accepted)
        checked.setdefault(word.question, []).append((truth, word.label, word.score or 0.0))
        sizes[word.question] = n_classes
    trusts = []
    for name, rows in sorted(checked.items()):
        table = np.array(rows, float)
        trust = assess(table[:, 0], table[:, 1], table[:, 2], sizes[name])
        trusts.append(MachineTrust(version=version, question=name, found=trust.to_json()))
    MachineTrust.objects.filter(version=version).exclude(question__in=list(checked)).delete()
    return MachineTrust.objects.bulk_create(
        trusts,
        update_conflicts=True,
        unique_fields=["version", "question"],
        update_fields=["found", "updated_at"],
    )


def _parsed(rows: Iterable[tuple[int, int, str]]) -> list[tuple[int, int, Any]]:
    return [(hit, batch, orjson.loads(keys)) for hit, batch, keys in rows]


def _truth(
    word: Word,
    keys: Mapping[int, tuple[int, Any]],
    audits: Mapping[tuple[int, str, str], tuple[int, Any]],
    schemas: Mapping[int, Schema],
) -> tuple[list[int], int] | None:
    """Accepted classes of what a word is about, and how many classes there are; None where nobody knows."""
    if word.hit_id in keys:
        batch_id, key = keys[word.hit_id]
        if word.question in schemas[batch_id]:
            question = schemas[batch_id][word.question]
            truth = truth_of(question, word.part, key)
            if truth is not None:
                return np.flatnonzero(truth).tolist(), len(question.classes)
    known = audits.get((word.hit_id, word.question, word.part))
    if known is None or word.question not in schemas[known[0]]:
        return None
    question = schemas[known[0]][word.question]
    label = class_of(question, word.part, known[1])
    return None if label is None else ([label], len(question.classes))
