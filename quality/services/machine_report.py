"""What pages and programs say of the machines of a batch: how far they spoke, what checks found, what follows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from marketplace.models import Batch, Hit, HitData
from marketplace.selectors import design_of
from quality.estimators.machine import LEAST_CHECKS, Grade, Trust
from quality.models import Belief, Machine, MachineUse, MachineVersion, Prediction
from quality.services.machine_words import current_versions, trusts_of


@dataclass(frozen=True)
class Checked:
    """One question: what checks found, and from which score on a machine may answer it alone (None: never)."""

    question: str
    trust: Trust
    alone: Grade | None

    @property
    def mean(self) -> float:
        return self.trust.right / self.trust.checked

    @property
    def lacking(self) -> int:
        """Checks until its word counts."""
        return max(0, LEAST_CHECKS - self.trust.checked)


@dataclass(frozen=True)
class Report:
    """One machine in a batch. `items`: HITs of the batch that its newest version spoke of."""

    machine: Machine
    version: MachineVersion | None
    items: int
    checked: list[Checked]


def report_of(batch: Batch) -> list[Report]:
    """The machines of the batch's project, in the order in which they came."""
    target = design_of(batch).rules.target
    machines = list(Machine.objects.filter(project=batch.project_id).order_by("pk"))
    versions = {one.machine_id: one for one in current_versions(batch.project_id, only_on=False)}
    trusts = trusts_of([version.pk for version in versions.values()])
    spoken = dict(
        Prediction.objects.filter(version__in=list(versions.values()), hit__batch=batch)
        .values_list("version_id")
        .annotate(n=Count("hit", distinct=True))
    )
    reports = []
    for machine in machines:
        version = versions.get(machine.pk)
        found = [
            Checked(name, trust, trust.threshold_for(target))
            for (pk, name), trust in sorted(trusts.items())
            if version is not None and pk == version.pk
        ]
        reports.append(Report(machine, version, spoken.get(version.pk, 0) if version else 0, found))
    return reports


def use_of(batch: Batch) -> MachineUse | None:
    return MachineUse.objects.filter(batch=batch).select_related("machine").first()


def items_of(batch: Batch) -> int:
    return Hit.objects.filter(batch=batch).count()


def alone_count(batch: Batch) -> int:
    """Items whose label stands on a machine's word only."""
    settled = Belief.objects.filter(hit__batch=batch, hit__lane=0, state=Belief.State.SETTLED, answers=0)
    return settled.values("hit").distinct().count()


@dataclass(frozen=True)
class Doubted:
    """A label that a model trained here holds for wrong."""

    hit: str
    name: str
    label: str
    suggested: str
    margin: float


@dataclass(frozen=True)
class Learned:
    """What the newest training found: of which question, from how many labels, how often it says the label."""

    question: str
    kind: str
    learned_from: int
    agrees: float
    doubtful_count: int
    doubtful: list[Doubted]
    next: list[tuple[str, str]]


def learned_of(batch: Batch, result: Mapping[str, Any], most: int = 20) -> Learned | None:
    """The result of a training in words, its lists cut at `most`; None before there is one."""
    schema = design_of(batch).schema
    if not result or result["question"] not in schema:
        return None
    classes = schema[result["question"]].classes
    doubtful, following = result["doubtful"][:most], result["next"][:most]
    ids = {row[0] for row in doubtful} | set(following)
    rows = {row.hit_id: row for row in HitData.objects.filter(batch=batch, hit_id__in=ids)}
    name = {pk: (str(row.public_id), row.external_id or str(row.public_id)[:8]) for pk, row in rows.items()}
    return Learned(
        question=result["question"],
        kind=result["kind"],
        learned_from=result["learned_from"],
        agrees=result["agrees"],
        doubtful_count=result["doubtful_count"],
        doubtful=[
            Doubted(*name[pk], classes[label], classes[suggested], margin)
            for pk, label, suggested, margin in doubtful
            if pk in name
        ],
        next=[name[pk] for pk in following if pk in name],
    )
