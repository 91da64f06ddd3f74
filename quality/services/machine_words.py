"""What machines say of items, as evidence: read by live updates and by refits, beside the answers of people.

It enters as the prior of an item: capped by what checks found, the same however many people answer, and never one of
the answers that a rule counts.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet, Subquery

from marketplace.models import Batch, Hit
from marketplace.schema import Schema
from marketplace.selectors import Design, design_of
from quality.estimators.machine import Trust, evidence, together
from quality.models import Machine, MachineTrust, MachineUse, MachineVersion, Prediction

#: Of the items that a machine could answer alone, this share is asked of people all the same.
ASKED_ANYHOW = 0.05
#: Kinds that a machine can answer alone.
ALONE = ("categorical", "ordinal", "pairwise")

Key = tuple[str, str]  # question, part


def current_versions(project_id: int, *, only_on: bool = True) -> QuerySet[MachineVersion]:
    """Of each machine the newest version that has said something, in the order of the machines."""
    said = Exists(Prediction.objects.filter(version=OuterRef("pk")))
    newest = MachineVersion.objects.filter(said, machine=OuterRef("pk")).order_by("-pk")
    machines = Machine.objects.filter(project_id=project_id)
    if only_on:
        machines = machines.filter(is_on=True)
    ids = machines.annotate(current=Subquery(newest.values("pk")[:1])).values("current")
    return MachineVersion.objects.filter(pk__in=ids).select_related("machine").order_by("machine_id")


NEWEST_WORDS = """
SELECT DISTINCT ON (p.version_id, p.hit_id, p.question, p.part)
       p.version_id, p.hit_id, p.question, p.part, p.label, p.value::text, p.score
FROM quality_prediction p WHERE p.version_id = ANY(%(versions)s) AND p.hit_id = ANY(%(hits)s)
ORDER BY p.version_id, p.hit_id, p.question, p.part, p.id DESC
"""


class Word(NamedTuple):
    """The newest prediction of a version about one question and part of one HIT."""

    version_id: int
    hit_id: int
    question: str
    part: str
    label: int | None
    value: str | None
    score: float | None


def newest_words(version_ids: Sequence[int], hit_ids: Sequence[int]) -> list[Word]:
    if not version_ids or not hit_ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(NEWEST_WORDS, {"versions": list(version_ids), "hits": list(hit_ids)})
        return [Word(*row) for row in cursor.fetchall()]


def trusts_of(version_ids: Sequence[int]) -> dict[tuple[int, str], Trust]:
    """By version and question."""
    rows = MachineTrust.objects.filter(version_id__in=list(version_ids))
    return {(row.version_id, row.question): Trust.from_json(row.found) for row in rows}


# --- beside the answers to one HIT ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Words:
    """What machines say of some HITs.

    Attributes
    ----------
    logs : dict
        By HIT, question and part: log-likelihoods of the classes, shape (K,).
    alone : dict
        By HIT that a machine answers alone: question and part -> (label, checked lower bound).
    """

    logs: Mapping[tuple[int, str, str], np.ndarray] = field(default_factory=dict)
    alone: Mapping[int, Mapping[Key, tuple[int, float]]] = field(default_factory=dict)


def words_on(
    *,
    project_id: int,
    hits: Sequence[Hit],
    batches: Mapping[int, Batch],
    designs: Mapping[int, Design],
) -> Words:
    """What the machines of a project say of these HITs."""
    versions = list(current_versions(project_id))
    if not versions:
        return Words()
    trusts = trusts_of([version.pk for version in versions])
    batch_of = {hit.pk: hit.batch_id for hit in hits}
    by_key: dict[tuple[int, str, str], list[np.ndarray]] = defaultdict(list)
    by_hit: dict[tuple[int, int], list[Word]] = defaultdict(list)
    for word in newest_words([version.pk for version in versions], list(batch_of)):
        trust, schema = trusts.get((word.version_id, word.question)), designs[batch_of[word.hit_id]].schema
        by_hit[word.hit_id, word.version_id].append(word)
        if trust is None or word.label is None or not _fits(word, schema, trust):
            continue
        said = evidence(trust, np.array([word.label]), np.array([word.score or 0.0]))[0]
        by_key[word.hit_id, word.question, word.part].append(said)
    logs = {key: together(np.stack(said)) for key, said in by_key.items()}
    return Words(logs, _alone(hits, versions, trusts, by_hit, designs))


def _fits(word: Word, schema: Schema, trust: Trust) -> bool:
    """Classes may have changed since the checks."""
    return word.question in schema and len(schema[word.question].classes) == len(trust.confusion)


def _alone(
    hits: Sequence[Hit],
    versions: Sequence[MachineVersion],
    trusts: Mapping[tuple[int, str], Trust],
    by_hit: Mapping[tuple[int, int], Sequence[Word]],
    designs: Mapping[int, Design],
) -> dict[int, dict[Key, tuple[int, float]]]:
    uses = {use.batch_id: use for use in MachineUse.objects.filter(batch__in=list(designs), accepts=True)}
    version_of = {version.machine_id: version for version in versions}
    found = {}
    for hit in hits:
        use = uses.get(hit.batch_id)
        version = version_of.get(use.machine_id) if use is not None else None
        if version is None or hit.lane or is_asked_anyhow(version, hit.pk):
            continue
        design = designs[hit.batch_id]
        answers = alone_in(by_hit.get((hit.pk, version.pk), ()), trusts, design.schema, design.rules.target)
        if answers:
            found[hit.pk] = answers
    return found


def alone_in(
    words: Sequence[Word], trusts: Mapping[tuple[int, str], Trust], schema: Schema, target: float
) -> dict[Key, tuple[int, float]]:
    """The words on one HIT where they answer all of its questions past the checked bound; else nothing."""
    answers: dict[Key, tuple[int, float]] = {}
    for word in words:
        trust = trusts.get((word.version_id, word.question))
        if trust is None or word.label is None or not _fits(word, schema, trust):
            continue
        grade = trust.threshold_for(target)
        if grade is not None and (word.score or 0.0) >= grade.score and schema[word.question].kind in ALONE:
            answers[word.question, word.part] = (word.label, grade.lower)
    return answers if {name for name, _ in answers} == {question.name for question in schema} else {}


def is_asked_anyhow(version: MachineVersion, hit_id: int) -> bool:
    """Whether people answer this item although the machine might: the same draw at any time."""
    return zlib.crc32(f"{version.machine_id}:{version.pk}:{hit_id}".encode()) % 10_000 < 10_000 * ASKED_ANYHOW


def softened(prior: np.ndarray, said: np.ndarray | None) -> np.ndarray:
    """The prior (K,) of an item of which machines say `said` (K,)."""
    if said is None or len(said) != len(prior):
        return prior
    share = prior * np.exp(said)
    return share / share.sum()


# --- beside a whole log -----------------------------------------------------------------------------------------------


def snapshot_of_words(project_id: int, question: str) -> dict[str, Any]:
    """What a refit needs to hear the machines as they are now, and again later."""
    versions = list(current_versions(project_id))
    trusts = trusts_of([version.pk for version in versions])
    heard = {
        str(version.pk): trusts[version.pk, question].to_json()
        for version in versions
        if (version.pk, question) in trusts and trusts[version.pk, question].is_checked
    }
    if not heard:
        return {}
    newest = Prediction.objects.filter(version__in=list(map(int, heard))).order_by("-pk")
    snapshot = {"last": newest.values_list("pk", flat=True)[0], "versions": heard}
    return snapshot | {"alone": _uses_in(project_id, question, versions, trusts)}


def _uses_in(
    project_id: int, question: str, versions: Sequence[MachineVersion], trusts: Mapping[tuple[int, str], Trust]
) -> list[dict[str, Any]]:
    """Batches in which a machine answers items of their one question alone: its version, threshold and bound."""
    version_of = {version.machine_id: version.pk for version in versions}
    found = []
    uses = MachineUse.objects.filter(batch__project=project_id, accepts=True).select_related("batch__project")
    for use in uses.order_by("pk"):
        design = design_of(use.batch)
        trust = trusts.get((version_of.get(use.machine_id, 0), question))
        grade = trust.threshold_for(design.rules.target) if trust is not None else None
        if (
            grade is not None
            and [one.name for one in design.schema] == [question]
            and design.schema[question].kind in ALONE
        ):
            about = {"batch": use.batch_id, "version": version_of[use.machine_id]}
            found.append(about | {"score": grade.score, "lower": grade.lower})
    return found


WORDS_OF_LOG = """
SELECT DISTINCT ON (p.hit_id, p.part) p.hit_id, p.part, h.batch_id, p.label, coalesce(p.score, 0)
FROM quality_prediction p JOIN marketplace_hit h ON h.id = p.hit_id
WHERE p.version_id = %(version)s AND p.question = %(question)s AND p.id <= %(last)s AND p.label IS NOT NULL
ORDER BY p.hit_id, p.part, p.id DESC
"""


def words_beside(
    *,
    question: str,
    snapshot: Mapping[str, Any],
    items: np.ndarray,
    parts: Sequence[str],
    columns: Mapping[int, np.ndarray],
    n_classes: int,
) -> np.ndarray | None:
    """Log-likelihoods of the classes, shape (I, K), for the items of a log; None where no machine is heard.

    `columns` maps the classes of each batch to those of the fit.
    """
    if not snapshot:
        return None
    place = {part: index for index, part in enumerate(parts)}
    heard = []
    for version, found in sorted(snapshot["versions"].items()):
        trust = Trust.from_json(found)
        if len(trust.confusion) != n_classes:
            continue
        with connection.cursor() as cursor:
            cursor.execute(WORDS_OF_LOG, {"version": int(version), "question": question, "last": snapshot["last"]})
            rows = [
                (hit * len(parts) + place[part], int(columns[batch][label]), score)
                for hit, part, batch, label, score in cursor
                if part in place and batch in columns and label < len(columns[batch]) and columns[batch][label] >= 0
            ]
        said = np.zeros((len(items), n_classes))
        if rows:
            item, label, score = (np.array(column) for column in zip(*rows, strict=True))
            at = np.minimum(np.searchsorted(items, item), max(len(items) - 1, 0))
            known = items[at] == item
            said[at[known]] = evidence(trust, label[known], score[known].astype(float))
        heard.append(said)
    if not heard:
        return None
    if len(heard) == 1:
        return heard[0]
    return np.stack([together(rows) for rows in np.stack(heard, axis=1)])


ALONE_IN = """
SELECT hit_id, label FROM (
    SELECT DISTINCT ON (p.hit_id) p.hit_id, p.label, p.score
    FROM quality_prediction p JOIN marketplace_hit h ON h.id = p.hit_id AND h.batch_id = %(batch)s
    WHERE p.version_id = %(version)s AND p.question = %(question)s AND p.part = '' AND p.id <= %(last)s
    ORDER BY p.hit_id, p.id DESC
) n WHERE n.label IS NOT NULL AND coalesce(n.score, 0) >= %(score)s ORDER BY hit_id
"""


class Alone(NamedTuple):
    """An item that a machine answers alone, in the classes of its batch."""

    hit_id: int
    batch_id: int
    label: int
    lower: float


def alone_beside(*, question: str, snapshot: Mapping[str, Any], answered: np.ndarray) -> list[Alone]:
    """What machines answer alone by a snapshot: items past the threshold that no person has answered."""
    people = set(answered.tolist())
    found = []
    for use in snapshot.get("alone", ()):
        version = MachineVersion.objects.get(pk=use["version"])
        with connection.cursor() as cursor:
            cursor.execute(ALONE_IN, {**use, "question": question, "last": snapshot["last"]})
            found += [
                Alone(hit_id, use["batch"], label, use["lower"])
                for hit_id, label in cursor.fetchall()
                if hit_id not in people and not is_asked_anyhow(version, hit_id)
            ]
    return sorted(found)
