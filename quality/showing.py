"""One label and all that is known of it, as pages show it: what answers add up to, who said what, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import Prefetch, QuerySet

from marketplace.models import Answer, Assignment, Batch, Hit
from marketplace.schema import Question, is_na
from marketplace.selectors import design_of
from marketplace.showing import show_item
from payments.models import Transfer
from quality.estimators.intervals import wilson_interval
from quality.estimators.live import update_item
from quality.models import Belief, CrowdModel, Judgment, Overruling, Sample, SampleItem, WorkerReliability
from quality.services.beliefs import Crowd, counts_of, crowd_of, reliability_part, spread_of
from workers_app.services.pseudonyms import pseudonyms

ORDERS = ("disputed", "unsure", "oldest", "waiting", "drawn")
HANDED_IN = (
    Assignment.State.SUBMITTED,
    Assignment.State.REVISING,
    Assignment.State.APPROVED,
    Assignment.State.REJECTED,
)
#: Bars beyond these would say nothing: the labels that nobody named.
MOST_BARS = 6
LONGEST_WORD = 400


def review_queue(batch: Batch, order: str, question: str = "") -> QuerySet[Belief]:
    """Labels to look at, the most disputed first (or as `order` has it)."""
    beliefs = Belief.objects.filter(hit__batch=batch, hit__lane=0)
    if question:
        beliefs = beliefs.filter(question=question)
    if order == "unsure":
        return beliefs.exclude(state__in=["collecting", "overruled"]).order_by("confidence", "pk")
    if order == "waiting":
        undecided = Assignment.objects.filter(batch=batch, state="submitted", decide_at__isnull=False)
        return beliefs.filter(hit__in=undecided.values("hit")).order_by("confidence", "pk")
    if order == "drawn":
        newest = Sample.objects.filter(batch=batch, purpose=Sample.Purpose.REVIEW).order_by("-pk").first()
        if newest is None:
            return beliefs.none()
        drawn = SampleItem.objects.filter(sample=newest).values("hit")
        return (
            beliefs.filter(hit__in=drawn, question=newest.question)
            .exclude(state="overruled")
            .order_by("confidence", "pk")
        )
    disputed = beliefs.filter(state="disputed")
    return disputed.order_by("updated_at", "pk") if order == "oldest" else disputed.order_by("confidence", "pk")


# --- what the answers add up to ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    words: str
    share: float
    is_label: bool

    @property
    def width(self) -> float:
        return round(100 * self.share, 1)


def bars_of(question: Question, belief: Belief, crowd: Crowd) -> list[Bar]:
    """The classes by what is believed of them, calibrated where it is."""
    n = len(question.classes)
    if len(belief.posterior) != n or not n:
        return []
    # What the machine says, also where a person decided otherwise.
    said = Belief(posterior=belief.posterior, label=int(np.argmax(belief.posterior)), confidence=belief.confidence)
    spread = spread_of(said, crowd)
    order = np.argsort(-spread, kind="stable")[:MOST_BARS]
    return [Bar(question.classes[k], float(spread[k]), int(k) == said.label) for k in order.tolist()]


def crowd_for(batch: Batch, question: Question, part: str) -> Crowd:
    own = reliability_part(question, part)
    model = CrowdModel.objects.filter(project=batch.project_id, question=question.name, part=own).first()
    return crowd_of(question, model)


# --- who said what ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Said:
    """One worker's answer to one question (and part) of an item, with how reliable they are on it."""

    assignment: Assignment
    code: str
    words: str
    label: int | None
    is_with_label: bool
    low: float
    mid: float
    high: float
    checks: int
    seconds: float | None
    versions: list[Answer] = field(default_factory=list)

    @property
    def short(self) -> str:
        """A pseudonym as a table shows it; the whole of it is in the title."""
        return self.code[:7]

    @property
    def is_long(self) -> bool:
        return len(self.words) > 12


def answers_side_by_side(batch: Batch, belief: Belief, question: Question) -> list[Said]:
    """What each worker said, those with the label first; revised answers by their newest version."""
    versions = Prefetch("answers", Answer.objects.defer("raw").order_by("version"))
    rows = list(
        Assignment.objects.filter(hit=belief.hit_id, state__in=HANDED_IN).prefetch_related(versions).order_by("pk")
    )
    codes = pseudonyms(batch.project.pseudonym_scope, [row.worker_id for row in rows]) if rows else {}
    judged = _newest_words(belief)
    known = _reliabilities(batch, question, belief.part, [row.worker_id for row in rows])
    said = []
    for row in rows:
        label, words = _said(row, judged.get(row.pk), question, belief.part)
        low, mid, high, checks = known.get(row.worker_id, (0.0, 0.5, 1.0, 0))
        is_with = label == belief.label if belief.label is not None else words == str(belief.value)
        said.append(
            Said(
                assignment=row,
                code=codes[row.worker_id],
                words=words,
                label=label,
                is_with_label=is_with,
                low=low,
                mid=mid,
                high=high,
                checks=checks,
                seconds=row.active_seconds,
                versions=list(row.answers.all()),
            )
        )
    return sorted(said, key=lambda one: (not one.is_with_label, one.words))


def _newest_words(belief: Belief) -> dict[int, Judgment]:
    rows = Judgment.objects.filter(hit=belief.hit_id, question=belief.question, part=belief.part).order_by("pk")
    return {row.assignment_id: row for row in rows}


def _said(row: Assignment, judgment: Judgment | None, question: Question, part: str) -> tuple[int | None, str]:
    newest = list(row.answers.all())
    data = (newest[-1].data or {}) if newest else {}
    if "cannot_answer" in data:
        return None, "cannot be answered"
    if judgment is not None and judgment.label is not None and judgment.label < len(question.classes):
        return judgment.label, question.classes[judgment.label]
    value = (data.get("answers") or {}).get(question.name)
    if question.for_ != "item" and isinstance(value, Mapping) and not is_na(value):
        value = value.get(part)
    return None, "no answer" if value is None else str(value)[:LONGEST_WORD]


def _reliabilities(
    batch: Batch, question: Question, part: str, workers: Sequence[int]
) -> dict[int, tuple[float, float, float, int]]:
    """By worker: low, middle, high and the checks behind it; without checks it is by agreement with labels."""
    rows = WorkerReliability.objects.filter(project=batch.project_id, worker__in=workers, question=question.name)
    own = reliability_part(question, part)
    found: dict[int, tuple[float, float, float, int]] = {}
    for row in rows:
        checks = round(row.right + row.wrong)
        if row.part == "" and checks:
            low, high = wilson_interval(row.right, row.right + row.wrong)
            found[row.worker_id] = (max(low, 0.0), row.right / (row.right + row.wrong), min(high, 1.0), checks)
        elif row.part == own:
            found.setdefault(row.worker_id, (row.lower, (row.lower + row.upper) / 2, row.upper, 0))
    return found


# --- its whole history ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """One thing that happened to an item; `kind` names the sentence, the rest fills it."""

    at: datetime
    kind: str
    words: str = ""
    code: str = ""
    share: float | None = None
    amount: int | None = None
    reason: str = ""


def belief_steps(batch: Batch, belief: Belief, question: Question, codes: Mapping[int, str]) -> list[Step]:
    """What was believed after each word, with what is known of the workers today; nothing for kinds without classes."""
    n = len(question.classes)
    if len(belief.posterior) != n or not n:
        return []
    own = reliability_part(question, belief.part)
    crowd = crowd_for(batch, question, belief.part)
    rows = list(
        Judgment.objects.filter(hit=belief.hit_id, question=question.name, part=belief.part, label__isnull=False)
        .order_by("pk")
    )  # fmt: skip
    stored = {
        row.worker_id: row
        for row in WorkerReliability.objects.filter(
            project=batch.project_id, question=question.name, part=own, worker__in={row.worker_id for row in rows}
        )
    }
    # What the workers' counts hold of this very item is taken out, else it would speak for itself.
    last = {row.worker_id: row for row in rows}
    words: dict[int, Judgment] = {}
    steps = []
    for row in rows:
        words[row.worker_id] = row
        heard = [word for word in words.values() if word.weight > 0]
        if not heard:
            continue
        live = update_item(
            np.array([word.label for word in heard], dtype=np.intp),
            np.stack([counts_of(stored.get(word.worker_id), n) for word in heard]),
            crowd.pooled, crowd.prior, weights=np.array([word.weight for word in heard]), b=crowd.exponent,
            previous=np.array(belief.posterior),
            counted=np.array([_is_in(last[word.worker_id], word) for word in heard]), sureness=crowd.sureness,
        )  # fmt: skip
        steps.append(
            Step(
                at=row.created_at,
                kind="word" if row.weight > 0 else "unsaid",
                words=question.classes[live.label],
                code=codes.get(row.worker_id, ""),
                share=float(live.confidence[live.label]),
            )
        )
    return steps


def _is_in(last: Judgment, word: Judgment) -> bool:
    """Whether the worker's counts hold this word: it is their last on the item, and has its weight."""
    return last.weight > 0 and last.label == word.label


def money_steps(hit: Hit, codes: Mapping[int, str]) -> list[Step]:
    """Each transfer that this item or an answer to it caused, with what it took from the requester."""
    ids = list(Assignment.objects.filter(hit=hit).values_list("pk", "worker_id"))
    keys = {f"reward:{pk}": worker for pk, worker in ids}
    found = Transfer.objects.filter(key__in=list(keys)) | Transfer.objects.filter(key__startswith=f"ask:{hit.pk}:")
    for pk, worker in ids:
        found |= Transfer.objects.filter(key__startswith=f"bonus:{pk}:")
        keys[f"bonus:{pk}"] = worker
    steps = []
    for transfer in found.prefetch_related("entries").order_by("pk").distinct():
        paid = keys.get(transfer.key) or keys.get(":".join(transfer.key.split(":")[:2]))
        amount = sum(entry.amount for entry in transfer.entries.all() if entry.amount > 0)
        steps.append(
            Step(
                at=transfer.created_at, kind=f"money.{transfer.kind}", code=codes.get(paid or 0, ""), amount=amount,
                reason=transfer.memo,
            )
        )  # fmt: skip
    return steps


def overruling_steps(belief: Belief, question: Question) -> list[Step]:
    rows = Overruling.objects.filter(hit=belief.hit_id, question=belief.question, part=belief.part).order_by("pk")
    return [
        Step(
            at=row.created_at,
            kind="given_back" if row.is_lifted else "overruled",
            words=words_of(question, row.label, row.value),
            reason=row.reason,
        )
        for row in rows
    ]


def answer_steps(said: Sequence[Said], question: Question) -> list[Step]:
    """Accepted, handed in (each version) and decided, of each answer."""
    steps = []
    for one in said:
        row = one.assignment
        for version in one.versions:
            value = ((version.data or {}).get("answers") or {}).get(question.name)
            steps.append(
                Step(
                    at=version.received_at,
                    kind="answer" if version.version == 1 else "revised",
                    code=one.code,
                    words="" if value is None else plain(value),
                )
            )
        if row.decided_at and row.state in (Assignment.State.APPROVED, Assignment.State.REJECTED):
            steps.append(Step(at=row.decided_at, kind=row.state, code=one.code, reason=row.decision_reason))
    return steps


def words_of(question: Question, label: int | None, value: Any) -> str:
    if label is not None and label < len(question.classes):
        return question.classes[label]
    return "" if value is None else plain(value)


def plain(value: Any) -> str:
    """An answer's value in words."""
    if is_na(value):
        return "can't tell"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {plain(one)}" for name, one in value.items())
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def item_of(batch: Batch, belief: Belief) -> Any:
    """The item as a worker sees it, with the one question that the label answers."""
    shown = show_item(design_of(batch), belief.hit.data_row.data, batch.project.requester_id)
    part = belief.part
    question = design_of(batch).schema[belief.question]
    if question.kind == "multilabel":
        part = part.rpartition("/")[0] if question.for_ != "item" else ""
    widget = next((one for one in shown.widgets if one.name == belief.question and one.part == part), None)
    return shown.content, widget
