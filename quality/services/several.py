"""Where more than one answer is true: what is delivered then, and what disagreement seems to come from."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core import audit
from core.errors import Invalid
from marketplace.models import Batch, HitData, Project
from marketplace.rules import Rules
from marketplace.schema import Question
from marketplace.selectors import design_of
from marketplace.services.projects import update_project
from quality.estimators.disagreement import confused_pairs, entropy
from quality.models import AggregationRun, Judgment, WorkerReliability
from quality.services.log import Log
from workers_app.models import Grant, Qualification, QualificationRequest

#: A group of fewer workers is not shown: its answers would be theirs by name.
LEAST_IN_GROUP = 5
#: Whoever is no better than this much above guessing is not asked what the guidelines mean.
ABOVE_CHANCE = 0.2
FEW_GOLDS = 5
MOST_PAIRS, MOST_EXAMPLES = 6, 5
#: Answers of contested items that are looked at; more are drawn from.
MOST_ANSWERS = 200_000


def rules_now(project: Project) -> Rules:
    """The rules as the project has them now: how results are delivered may be changed at any time."""
    return Rules.from_json(project.rules, audience=project.audience)


def delivers_shares(project: Project) -> bool:
    return rules_now(project).delivers == "distribution"


def deliver_as(*, project: Project, delivers: str, groups_by: str | None = None, by: Any) -> Project:
    """Choose what results give: one label, or how the answers are distributed, also by groups of workers.

    Raises
    ------
    Invalid
        Another word, or a qualification that is not the organisation's or that workers cannot ask for.
    """
    chosen = _uuid(groups_by) if groups_by is not None else None
    is_known = chosen is not None and group_choices(project).filter(public_id=chosen).exists()
    if groups_by is not None and not is_known:
        raise Invalid(
            errors={
                "groups_by": _("A qualification of yours that workers can ask for: only they put themselves there.")
            }
        )
    rules = {**project.rules, "delivers": delivers, "groups_by": groups_by}
    Rules.from_json(rules, audience=project.audience)
    updated = update_project(project=project, rules=rules)
    audit.record(
        act="project.deliver", subject=f"project:{project.pk}", actor=by, delivers=delivers, groups_by=groups_by
    )
    return updated


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def group_choices(project: Project) -> QuerySet[Qualification]:
    """Qualifications whose holders chose to hold them."""
    return Qualification.objects.filter(requester=project.requester_id, can_request=True).order_by("name")


def has_shares(question: Question) -> bool:
    """Whether the answers to a question have a distribution over labels."""
    return bool(question.classes) and question.for_ == "item"


# --- what is delivered ------------------------------------------------------------------------------------------------


def shares_on(batch: Batch, hit_ids: Collection[int]) -> dict[tuple[int, str], dict[str, Any]]:
    """By HIT and question: how the answers are distributed, and by worker group where that is asked for.

    Each worker's newest answer counts with the weight it has for labels: copies share one voice, and what was set aside
    has none. Nobody's voice is smaller for disagreeing.
    """
    questions = {question.name: question for question in design_of(batch).schema if has_shares(question)}
    rows = Judgment.objects.filter(hit_id__in=list(hit_ids), question__in=list(questions)).order_by("pk")
    newest: dict[tuple[int, str, str, int], tuple[int, float]] = {}
    for hit_id, name, part, worker, label, weight in rows.values_list(
        "hit_id", "question", "part", "worker_id", "label", "weight"
    ):
        if label is not None:
            newest[hit_id, name, part, worker] = (label, weight)
    group_of = groups_in(batch)
    said: dict[tuple[int, str], list[tuple[str, int, float, str]]] = defaultdict(list)
    for (hit_id, name, part, worker), (label, weight) in newest.items():
        if weight > 0:
            said[hit_id, name].append((part, label, weight, group_of.get(worker, "")))
    return {key: _shared(questions[key[1]], rows) for key, rows in said.items()}


def _shared(question: Question, said: Sequence[tuple[str, int, float, str]]) -> dict[str, Any]:
    shared: dict[str, Any] = _distribution(question, said)
    groups = sorted({group for *_said, group in said if group})
    if groups:
        shared["groups"] = {
            group: _distribution(question, [row for row in said if row[3] == group]) for group in groups
        }
    return shared


def _distribution(question: Question, said: Sequence[tuple[str, int, float, str]]) -> dict[str, Any]:
    """Shares and counts by label. Of several labels at once: the share of answers that name each."""
    if question.kind == "multilabel":
        yes: dict[str, float] = defaultdict(float)
        total: dict[str, float] = defaultdict(float)
        for part, label, weight, _group in said:
            total[part] += weight
            yes[part] += weight * (label == 1)
        shares = {label: round(yes[label] / total[label], 4) for label in question.labels if total[label]}
        counts = {
            label: sum(1 for part, one, *_rest in said if part == label and one == 1) for label in question.labels
        }
        both = np.array([[share, 1 - share] for share in shares.values()])
        spread = float(entropy(both).mean()) if len(both) else 0.0
        return {"shares": shares, "counts": counts, "entropy": round(spread, 4)}
    weights = np.zeros(len(question.classes))
    counted = np.zeros(len(question.classes), int)
    for _part, label, weight, _group in said:
        weights[label] += weight
        counted[label] += 1
    share = weights / weights.sum()
    return {
        "shares": {label: round(float(one), 4) for label, one in zip(question.classes, share, strict=True)},
        "counts": {label: int(n) for label, n in zip(question.classes, counted, strict=True)},
        "entropy": round(float(entropy(share)), 4),
    }


def share_words(shared: Mapping[str, Any], most: int = 3) -> str:
    """A distribution in words, the largest shares first: "cat 60 %, dog 40 %"."""
    ordered = sorted(shared["shares"].items(), key=lambda one: -one[1])
    named = [f"{label} {share:.0%}".replace("%", "\u202f%") for label, share in ordered if share > 0]
    return ", ".join(named[:most]) + (" …" if len(named) > most else "")


def groups_in(batch: Batch) -> dict[int, str]:
    """Worker -> group, by the qualification that the project groups by. Only workers who asked for it themselves are
    in one, and only groups of `LEAST_IN_GROUP` and more workers of this batch are told apart."""
    wanted = rules_now(batch.project).groups_by
    if not wanted:
        return {}
    qualification = Qualification.objects.filter(public_id=wanted, requester=batch.project.requester_id).first()
    if qualification is None:
        return {}
    chose = QualificationRequest.objects.filter(qualification=qualification, state="granted").values("worker_id")
    grants = Grant.objects.filter(
        qualification=qualification, worker__in=chose, worker__participations__batch=batch,
        worker__participations__taken_in_all__gt=0,
    )  # fmt: skip
    group_of = {worker: f"{qualification.name} {value}" for worker, value in grants.values_list("worker_id", "value")}
    sizes: dict[str, int] = defaultdict(int)
    for group in group_of.values():
        sizes[group] += 1
    return {worker: group for worker, group in group_of.items() if sizes[group] >= LEAST_IN_GROUP}


# --- what it comes from -----------------------------------------------------------------------------------------------


def disagreement_in(project_id: int, question: Question, log: Log, seed: int) -> list[dict[str, Any]]:
    """Pairs of classes that reliable workers confuse, for the report of a fit."""
    if question.kind not in ("categorical", "ordinal", "pairwise"):
        return []
    careless = careless_workers(project_id, question)
    log = log.only((log.weight > 0) & (log.label >= 0) & ~np.isin(log.worker, sorted(careless)))
    rng = np.random.default_rng(seed)
    item = log.item
    if len(log) > MOST_ANSWERS:
        unique = np.unique(item)
        keep = np.isin(item, rng.permutation(unique)[: int(len(unique) * MOST_ANSWERS / len(log))])
        log, item = log.only(keep), item[keep]
    pairs = confused_pairs(item, log.worker, log.label, len(question.classes), rng=rng)
    return [
        {
            "first": question.classes[pair.first],
            "second": question.classes[pair.second],
            "items": pair.items,
            "share": round(pair.share, 4),
            "verdict": pair.verdict,
            "p": round(pair.p_value, 4),
            "lean_first": pair.leaning_first,
            "lean_second": pair.leaning_second,
            "examples": log.split_items(pair.examples[:MOST_EXAMPLES])[0].tolist(),
        }
        for pair in pairs[:MOST_PAIRS]
    ]


def careless_workers(project_id: int, question: Question) -> set[int]:
    """Workers whose answers say little: paused, set aside, or hardly above guessing where the answer is known."""
    bar = 1 / max(len(question.classes), 1) + ABOVE_CHANCE
    rows = WorkerReliability.objects.filter(project_id=project_id, question=question.name, part="")
    found = set()
    for worker, state, ignored, right, wrong, upper in rows.values_list(
        "worker_id", "state", "ignored_at", "right", "wrong", "upper"
    ):
        checks = right + wrong
        share = (right + 1) / (checks + 2) if checks >= FEW_GOLDS else upper
        if state == WorkerReliability.State.PAUSED or ignored is not None or share < bar:
            found.add(worker)
    return found


@dataclass(frozen=True)
class Confusion:
    """A pair of labels that reliable workers confuse, in words: what it looks like, and what to ask oneself."""

    question: str
    first: str
    second: str
    items: int
    share: float
    verdict: str
    words: str
    suggestion: str
    examples: list[tuple[str, str]]


def confusions_of(batch: Batch) -> list[Confusion]:
    """What the newest fit of each question found, the most contested pair first; examples are of this batch."""
    found: list[Confusion] = []
    for question in design_of(batch).schema:
        run = AggregationRun.objects.filter(project=batch.project_id, question=question.name).order_by("-pk").first()
        if run is None:
            continue
        rows: list[Mapping[str, Any]] = run.report.get("disagreement") or []
        ids = [pk for row in rows for pk in row["examples"]]
        known = {row.hit_id: row for row in HitData.objects.filter(batch=batch, hit_id__in=ids)}
        for row in rows:
            examples = [
                (str(one.public_id), one.external_id or str(one.public_id)[:8])
                for one in (known.get(pk) for pk in row["examples"])
                if one is not None
            ]
            found.append(
                Confusion(
                    question.name, row["first"], row["second"], row["items"], row["share"], row["verdict"],
                    words_of(row), suggestion_of(row), examples,
                )
            )  # fmt: skip
    return sorted(found, key=lambda one: -one.items)


def words_of(row: Mapping[str, Any]) -> str:
    """What the disagreement about a pair of labels looks like, in a sentence."""
    names = {"first": row["first"], "second": row["second"]}
    if row["verdict"] == "guidelines":
        leaning = {"a": row["lean_first"], "b": row["lean_second"], **names}
        return (
            _("It looks like unclear guidelines: who says which hangs on who answers.")
            + " "
            + ngettext(
                "%(a)s worker leans to “%(first)s” every time,", "%(a)s workers lean to “%(first)s” every time,",
                row["lean_first"],
            ) % leaning
            + " "
            + _("%(b)s to “%(second)s”.") % leaning
        )  # fmt: skip
    if row["verdict"] == "items":
        return _("It looks like the items: workers scatter over both by chance, and nobody leans one way.")
    return _("Too few answers by the same workers to tell whether it is the items or the guidelines.")


def suggestion_of(row: Mapping[str, Any]) -> str:
    """A question for the guidelines to answer."""
    names = {"first": row["first"], "second": row["second"]}
    if row["verdict"] == "items":
        return _("Do items that are both “%(first)s” and “%(second)s” need a label of their own, or both?") % names
    return _("When an item could be “%(first)s” or “%(second)s”, what decides between them?") % names
