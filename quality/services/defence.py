"""Signs that answers say nothing, come from one key, or mean the opposite (QUALITY.md section 6).

Every fit looks for them. What they mean for labels holds at once: who shares a key shares a vote, who is right less
often than chance counts for nothing. What they mean for a person is a person's decision: a flag with the evidence,
never a pause.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np

from core import clock
from quality.estimators.spam import Measure, measured
from quality.models import AggregationRun, Flag

#: Answers from which the measures are worth an interval.
MEASURED_FROM = 10
#: Raykar and Yu's score of one who is a fifth of the way from guessing to knowing. Only an upper bound below it counts.
SPAM_BAR = 0.04
#: The measures as the estimators call them -> as they are stored.
NAMES = {"spammer score": "score", "information": "information", "cost": "cost"}
STANDS_FOR = timedelta(days=90)
KINDS = ("spam", "copying", "inverted")


@dataclass(frozen=True)
class Signs:
    """What a fit found about one worker; `cluster` numbers those who answer from one key, from 1."""

    answers: int
    measures: Mapping[str, Sequence[float]] = field(default_factory=dict)
    cluster: int | None = None
    members: int = 0
    is_inverted: bool = False
    #: What items that nobody else saw say of the cluster (`quality.services.canaries`).
    canaries: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kinds(self) -> list[str]:
        """What a person should look at."""
        found = ["copying"] if self.cluster else []
        if self.is_inverted:
            found.append("inverted")
        elif self.measures and self.measures["score"][2] < SPAM_BAR:
            found.append("spam")
        return found

    def to_json(self) -> dict[str, Any]:
        """Figures with four digits: value, lower and upper end of the 95 % interval."""
        found: dict[str, Any] = {"answers": self.answers, "signs": self.kinds}
        found |= {name: [round(float(one), 4) for one in three] for name, three in self.measures.items()}
        if self.cluster:
            found |= {"members": self.members, "vote": round(1 / self.members, 4)}
            found |= {"canaries": self.canaries} if self.canaries else {}
        return found


def signs_of(
    *,
    workers: np.ndarray,
    counts: np.ndarray,
    answered: np.ndarray,
    pooled: np.ndarray,
    prior: np.ndarray,
    b: float,
    clusters: Sequence[Sequence[int]],
    inverted: Sequence[int],
    seed: int,
    canaries: Mapping[int, Mapping[str, Any]],
) -> dict[int, Signs]:
    """Of each worker of a fit: `workers` (W,), their soft counts (W, K, K) and answers (W,)."""
    enough = np.flatnonzero(answered >= MEASURED_FROM)
    found: dict[str, Measure] = measured(counts[enough], pooled, prior, b, seed) if len(enough) else {}
    place = {int(row): index for index, row in enumerate(enough)}
    cluster_of = {worker: number for number, members in enumerate(clusters, 1) for worker in members}
    sizes = Counter(cluster_of.values())
    upside_down = set(inverted)
    signs = {}
    for row, worker in enumerate(workers.tolist()):
        at = place.get(row)
        three = {
            short: (found[name].value[at], found[name].lower[at], found[name].upper[at])
            for name, short in NAMES.items()
            if at is not None
        }
        cluster = cluster_of.get(worker)
        signs[worker] = Signs(
            int(answered[row]), three, cluster, sizes.get(cluster or 0, 0), worker in upside_down,
            canaries.get(worker, {}),
        )  # fmt: skip
    return signs


def raise_flags(run: AggregationRun, signs: Mapping[int, Signs]) -> int:
    """A flag for each sign that nobody has looked at; those that this fit no longer bears out close. How many are new.

    A flag that a person closed is not raised again: they have looked.
    """
    found = {key_of(run, kind, worker): (kind, worker) for worker, one in signs.items() for kind in one.kinds}
    mine = Flag.objects.filter(project=run.project_id, kind__in=KINDS, evidence__question=run.question)
    for flag in mine.filter(state=Flag.State.OPEN):
        if flag.key in found:
            Flag.objects.filter(pk=flag.pk).update(evidence=_evidence(run, signs[flag.worker_id or 0]))
        else:
            why = "A later fit no longer bears it out."
            Flag.objects.filter(pk=flag.pk).update(state=Flag.State.CLOSED, closed_at=clock.now(), closed_reason=why)
    known = dict(mine.filter(key__in=list(found)).values_list("key", "closed_by"))
    by_itself = {key for key, closed_by in known.items() if closed_by is None}
    again = Flag.objects.filter(key__in=by_itself & set(found), state=Flag.State.CLOSED)
    again.update(state=Flag.State.OPEN, closed_at=None, closed_reason="", expires_at=clock.now() + STANDS_FOR)
    rows = [
        Flag(
            key=key,
            kind=kind,
            project_id=run.project_id,
            worker_id=worker,
            message=_message(kind, run.question, signs[worker]),
            evidence=_evidence(run, signs[worker]),
            expires_at=clock.now() + STANDS_FOR,
        )
        for key, (kind, worker) in sorted(found.items())
        if key not in known
    ]
    return len(Flag.objects.bulk_create(rows, ignore_conflicts=True))


def key_of(run: AggregationRun, kind: str, worker: int) -> str:
    return f"{kind}:{run.project_id}:{run.question}:{worker}"


def _evidence(run: AggregationRun, one: Signs) -> dict[str, Any]:
    return {"question": run.question, "run": str(run.public_id), **one.to_json()}


def _message(kind: str, question: str, one: Signs) -> str:
    stays = "Labels allow for it already. Nobody is paused unless a person who has looked decides so."
    if kind == "copying":
        return (
            f'{one.members} workers answer "{question}" as if from one key: together they have one vote on an item. '
            f"{stays}"
        )
    if kind == "inverted":
        return f'Answers to "{question}" are right less often than chance would have it. {stays}'
    _score, low, high = one.measures["score"]
    return (
        f'{one.answers} answers to "{question}" tell next to nothing of the truth: spammer score {max(low, 0):.2f} to '
        f"{high:.2f}, where 0 is guessing and 1 is knowing. {stays}"
    )
