"""What if: the labels, cost and accuracy that other rules would have given, computed from the judgment log.

Redundancy, method, a worker or the machines left out, a target, a gate: anything can be tried on the past before it is
switched on. Nothing is stored, and nothing that is known of the truth takes part in the labels: known answers and
audits only measure them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from core.errors import Conflict, Invalid
from marketplace.models import Batch
from marketplace.schema import Question
from marketplace.selectors import design_of
from quality.estimators import NumericError, default_estimator
from quality.estimators.dawid_skene import DawidSkene
from quality.estimators.gold import Bar, pause_verdict
from quality.estimators.hierarchical import HierarchicalDawidSkene
from quality.estimators.intervals import wilson_interval
from quality.estimators.majority import MajorityVote
from quality.estimators.one_coin import OneCoin
from quality.models import Belief, GoldQuestion, GoldScore, Judgment, SampleItem
from quality.selectors import pool_of
from quality.services.fitting import with_word
from quality.services.log import Log, read_log
from quality.services.machine_words import snapshot_of_words, words_beside
from quality.services.sampling import class_of

#: Method -> its estimator; "delivered" is the one that the product uses for the kind.
METHODS: dict[str, Any] = {
    "delivered": None,
    "majority": MajorityVote,
    "one-coin": OneCoin,
    "dawid-skene": DawidSkene,
    "hierarchical": HierarchicalDawidSkene,
}
KINDS = ("categorical", "ordinal")
#: More judgments than these, and a random part of the items stands for all: the answer has to come in seconds.
MOST_JUDGMENTS = 60_000
MOST_ANSWERS = 9
#: Random choices of r answers an item; fewer where each fit takes long.
DRAWS, MANY = 4, 15_000
#: Known items from which an accuracy says something; below, labels are held against the delivered ones.
ENOUGH_KNOWN = 10
SEED = 11


@dataclass(frozen=True)
class Scenario:
    """What is tried. What is left at None is as it was.

    Attributes
    ----------
    answers : int, optional
        So many answers an item at most, chosen at random.
    target, least, most : optional
        Stop at this confidence, after `least` and at `most` answers, read in the order in which they came.
    without : frozenset of int
        Workers whose answers are left out.
    gate : float, optional
        Pause whoever is surely right less often than this on known answers, at 20, 30, ... 60 of them.
    machines : bool
        Hear machines beside people, as far as they are heard now; a majority of votes never does.
    """

    method: str = "delivered"
    answers: int | None = None
    target: float | None = None
    least: int = 2
    most: int | None = None
    without: frozenset[int] = frozenset()
    gate: float | None = None
    machines: bool = True

    def check(self) -> Scenario:
        """Raise Invalid where a value makes no sense."""
        errors = {}
        if self.method not in METHODS:
            errors["method"] = f"One of {', '.join(METHODS)}."
        if self.answers is not None and not 1 <= self.answers <= 100:
            errors["answers"] = "A whole number from 1 to 100."
        if self.target is not None and not 0.5 <= self.target <= 0.9999:
            errors["target"] = "A number from 0.5 to 0.9999."
        if not 1 <= self.least <= 100:
            errors["least"] = "A whole number from 1 to 100."
        if self.most is not None and not self.least <= self.most <= 1000:
            errors["most"] = "At least as many as the fewest, and at most 1000."
        if self.gate is not None and not 0 < self.gate < 1:
            errors["gate"] = "A share between 0 and 1."
        if self.target is not None and self.answers is not None:
            errors["answers"] = "Either a target or a fixed number of answers."
        if errors:
            raise Invalid(errors=errors)
        return self


@dataclass(frozen=True)
class Outcome:
    """What a scenario would have given.

    Attributes
    ----------
    items, judgments : int
        Labels, and answers that they rest on.
    each : float
        Answers a label.
    cost : int
        Micros, extrapolated to all items where a part stands for them.
    accuracy, low, high : float, optional
        On known items, 95 %; None where too few are known.
    known : int
    same : float
        Share of the delivered labels that stay the same.
    sure : float
        Mean confidence; not calibrated, since nothing known takes part.
    paused : int
        Workers whom the gate would have paused.
    short : int
        Labels that do not reach the target.
    status : str
        `ok`, or the estimator's guard.
    """

    items: int
    judgments: int
    each: float
    cost: int
    accuracy: float | None
    low: float | None
    high: float | None
    known: int
    same: float | None
    sure: float
    paused: int = 0
    short: int = 0
    status: str = "ok"


@dataclass(frozen=True)
class Past:
    """The log of one question of a batch, and what is known of the truth: item (HIT and part) -> accepted classes."""

    batch: Batch
    question: Question
    log: Log
    truth: Mapping[int, set[int]]
    delivered: Mapping[int, int]
    share: float = 1.0
    #: Known answers in work, in the order in which they were given: worker -> (judgment from then on, passed).
    checks: Mapping[int, list[tuple[int, bool]]] = field(default_factory=dict)
    mean: float = 0.75
    #: What machines say of items: item -> log-likelihoods of the classes (K,). Empty where none is heard.
    said: Mapping[int, np.ndarray] = field(default_factory=dict)


def questions_for(batch: Batch) -> list[Question]:
    """Questions that this can be asked of: one class out of several."""
    return [one for one in design_of(batch).schema if one.kind in KINDS and len(one.classes) > 1]


def past_of(batch: Batch, question: str = "") -> Past:
    """Read what is needed once, for any number of scenarios.

    Raises
    ------
    Invalid
        The question is not one that this can be asked of.
    Conflict
        `no_answers`
    """
    able = questions_for(batch)
    asked = next((one for one in able if one.name == question), None) if question else (able[0] if able else None)
    if asked is None:
        names = ", ".join(one.name for one in able) or "there is none with classes"
        raise Invalid(errors={"question": f"One of: {names}."})
    last = Judgment.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    log = read_log(project_id=batch.project_id, question=asked.name, last=last)
    log = log.only((log.batch == batch.pk) & (log.weight > 0) & (log.label >= 0) & (log.label < len(asked.classes)))
    if not len(log):
        raise Conflict("Nobody has answered yet. There is no past to try it on.", code="no_answers")
    log, share = _some_items(log)
    checks, mean = _checks(batch, asked)
    truth, delivered = _truth(batch, asked, log), _delivered(batch, asked, log)
    return Past(batch, asked, log, truth, delivered, share, checks, mean, _said(batch, asked, log))


def _said(batch: Batch, question: Question, log: Log) -> dict[int, np.ndarray]:
    items, size = np.unique(log.item), len(question.classes)
    words = words_beside(
        question=question.name,
        snapshot=snapshot_of_words(batch.project_id, question.name),
        items=items,
        parts=log.parts,
        columns={batch.pk: np.arange(size)},
        n_classes=size,
    )
    if words is None:
        return {}
    return {int(item): said for item, said in zip(items, words, strict=True) if said.any()}


def _some_items(log: Log) -> tuple[Log, float]:
    if len(log) <= MOST_JUDGMENTS:
        return log, 1.0
    items = np.unique(log.item)
    kept = np.random.default_rng(SEED).random(len(items)) < MOST_JUDGMENTS / len(log)
    return log.only(np.isin(log.item, items[kept])), float(kept.mean())


def _items_by_key(log: Log) -> dict[tuple[int, str], int]:
    items = np.unique(log.item)
    hits, parts = log.split_items(items)
    return {(hit, part): item for hit, part, item in zip(hits.tolist(), parts, items.tolist(), strict=True)}


def _truth(batch: Batch, question: Question, log: Log) -> dict[int, set[int]]:
    """Known answers in work, and random audits: what people say is right; not what a review of doubts found."""
    found: dict[int, set[int]] = {}
    by_key = _items_by_key(log)
    golds = GoldQuestion.objects.filter(hit__batch=batch, is_soft=False, chosen="").exclude(state="suspended")
    for hit, keys in golds.values_list("hit_id", "keys"):
        key = keys.get(question.name) or {}
        for part in log.parts:
            accepted = (key if question.for_ == "item" else key.get(part) or {}).get("accept", [])
            classes = {question.index[one] for one in accepted if isinstance(one, str) and one in question.index}
            if classes and (item := by_key.get((hit, part))) is not None:
                found[item] = classes
    audited = SampleItem.objects.filter(
        sample__batch=batch, sample__question=question.name, sample__purpose="audit", answered_at__isnull=False
    )
    for row in audited.exclude(answer=None).only("hit_id", "part", "answer"):
        if (item := by_key.get((row.hit_id, row.part))) is not None:
            said = class_of(question, row.part, row.answer)
            found[item] = set() if said is None else {said}
    return found


def _delivered(batch: Batch, question: Question, log: Log) -> dict[int, int]:
    by_key = _items_by_key(log)
    rows = Belief.objects.filter(hit__batch=batch, hit__lane=0, question=question.name, label__isnull=False)
    found = {}
    for hit, part, label in rows.values_list("hit_id", "part", "label"):
        if (item := by_key.get((hit, part))) is not None:
            found[item] = int(label or 0)
    return found


def _checks(batch: Batch, question: Question) -> tuple[dict[int, list[tuple[int, bool]]], float]:
    scores = GoldScore.objects.filter(
        gold__project=batch.project_id, question=question.name, counts=True, gold__is_soft=False
    ).order_by("pk")
    rows = list(scores.values_list("worker_id", "assignment_id", "passed"))
    judged = dict(
        Judgment.objects.filter(assignment_id__in=[row[1] for row in rows], question=question.name)
        .order_by("-pk").values_list("assignment_id", "pk")
    )  # fmt: skip
    found: dict[int, list[tuple[int, bool]]] = {}
    for worker, assignment, passed in rows:
        found.setdefault(worker, []).append((judged.get(assignment, 0), passed))
    return found, pool_of(batch.project_id, question.name, design_of(batch).schema).mean


# --- trying -----------------------------------------------------------------------------------------------------------


def try_out(past: Past, scenario: Scenario) -> Outcome:
    """Labels, cost and accuracy under `scenario`.

    Raises
    ------
    Invalid
        As `Scenario.check`, or where it leaves no answer.
    """
    scenario.check()
    log, paused = past.log, 0
    if scenario.without:
        log = log.only(~np.isin(log.worker, list(scenario.without)))
    if scenario.gate is not None:
        log, paused = _gated(past, log, scenario.gate)
    if not len(log):
        raise Invalid(errors={"without": "Nobody else has answered. Leave fewer out."})
    if scenario.target is not None:
        return _stopped(past, log, scenario, paused)
    if scenario.answers is None:
        return _outcome(past, log, [_fit(past, log, scenario)], paused)
    draws = DRAWS if len(log) <= MANY else 1
    rng = np.random.default_rng(SEED)
    kept = [_at_most(log, scenario.answers, rng) for _draw in range(draws)]
    return _outcome(past, kept[0], [_fit(past, one, scenario) for one in kept], paused)


def curve_of(past: Past, scenario: Scenario) -> list[Outcome]:
    """The same at 1, 2, 3, ... answers an item, as far as there are any."""
    counts = np.unique(past.log.item[~np.isin(past.log.worker, list(scenario.without))], return_counts=True)[1]
    if not len(counts):
        return []
    most = int(min(MOST_ANSWERS, counts.max()))
    # A number that hardly any item has tells nothing that the one before did not.
    most = max(r for r in range(1, most + 1) if (counts >= r).mean() >= 0.1)
    plain = replace(scenario, target=None, most=None)
    return [try_out(past, replace(plain, answers=r)) for r in range(1, most + 1)]


@dataclass(frozen=True)
class Labels:
    """A fit: items (I,), labels (I,), confidence (I,), with the rows of workers (W,), (W, K, K) and prior (K,)."""

    items: np.ndarray
    labels: np.ndarray
    confidence: np.ndarray
    workers: np.ndarray
    confusions: np.ndarray
    prior: np.ndarray
    b: float
    status: str


def _fit(past: Past, log: Log, scenario: Scenario) -> Labels:
    """As the product fits, or by another method; known answers take no part."""
    question, size = past.question, len(past.question.classes)
    chosen = METHODS[scenario.method]
    if chosen is None:
        is_scale = question.kind == "ordinal" and not (question.na and (log.label == size - 1).any())
        chosen = default_estimator("ordinal" if is_scale else "categorical")
    try:
        model = chosen(seed=SEED) if chosen is not DawidSkene else chosen()
        model = model.fit(log.item, log.worker, log.label, classes=list(range(size)))
    except NumericError as error:
        raise Conflict(f"This estimate does not settle on these answers. ({error})", code="fit_failed") from error
    labels, confidence = model.labels_.astype(np.int64), getattr(model, "confidence_", model.posteriors_.max(axis=1))
    confidence, calibration = np.array(confidence), getattr(model, "calibration_", None)
    b = calibration.b if calibration else 1.0
    for row, item in enumerate(model.items_.tolist()):
        if _hears(scenario) and (said := past.said.get(item)) is not None:
            _posterior, labels[row], confidence[row] = with_word(
                model.posteriors_[row], int(labels[row]), confidence[row], model.prior_, b, said
            )
    return Labels(
        model.items_, labels, confidence, model.workers_, model.confusions_, model.prior_, b,
        getattr(model, "status_", "ok"),
    )  # fmt: skip


def _hears(scenario: Scenario) -> bool:
    return scenario.machines and scenario.method != "majority"


def _at_most(log: Log, answers: int, rng: np.random.Generator) -> Log:
    order = np.lexsort((rng.random(len(log)), log.item))
    item = log.item[order]
    start = np.flatnonzero(np.r_[True, item[1:] != item[:-1]])
    rank = np.arange(len(item)) - np.repeat(start, np.diff(np.r_[start, len(item)]))
    return log.only(np.sort(order[rank < answers]))


def _gated(past: Past, log: Log, gate: float) -> tuple[Log, int]:
    """Without what a worker said after the look at which this gate would have paused them."""
    keep, paused = np.ones(len(log), bool), 0
    workers = len(np.unique(log.worker))
    bar = Bar(p1=gate + 0.1)
    found: list[tuple[int, int]] = []
    for worker, checks in past.checks.items():
        right = wrong = 0
        for judgment, passed in checks:
            right, wrong = right + passed, wrong + (not passed)
            if pause_verdict(right, wrong, past.mean, bar, 0, 10**6) == "pause":
                found.append((judgment, worker))
                break
    for judgment, worker in sorted(found)[: int(0.30 * workers)]:  # beyond that the keys are suspect
        mine = log.worker == worker
        if mine.any():
            keep &= ~(mine & (log.id > judgment))
            paused += 1
    return log.only(keep), paused


def _stopped(past: Past, log: Log, scenario: Scenario, paused: int) -> Outcome:
    """Answers are read in the order in which they came, until the label is as sure as asked.

    Workers are as a fit to all answers knows them; by majority the confidence is the share of the votes.
    """
    fitted = _fit(past, log, scenario)
    size = len(past.question.classes)
    items, row = np.unique(log.item, return_inverse=True)
    order = np.lexsort((log.id, row))
    start = np.flatnonzero(np.r_[True, row[order][1:] != row[order][:-1]])
    rank = np.empty(len(log), int)
    rank[order] = np.arange(len(log)) - np.repeat(start, np.diff(np.r_[start, len(log)]))
    is_vote, target = scenario.method == "majority", scenario.target or 0.0
    worker = np.searchsorted(fitted.workers, log.worker)
    rates = np.log(np.maximum(fitted.confusions, 1e-9))
    evidence = np.zeros((len(items), size))
    open_, used, label, sure = np.ones(len(items), bool), np.zeros(len(items), int), None, np.zeros(len(items))
    label = np.zeros(len(items), int)
    prior = np.tile(np.log(np.maximum(fitted.prior, 1e-9)), (len(items), 1))
    if _hears(scenario):
        for place, item in enumerate(items.tolist()):
            prior[place] += past.said.get(item, 0.0)
    most = min(scenario.most or int(rank.max()) + 1, int(rank.max()) + 1)
    for r in range(most):
        now = np.flatnonzero((rank == r) & open_[row])
        if not len(now):
            break
        at = row[now]
        if is_vote:
            evidence[at, log.label[now]] += 1
            share = evidence[at] / evidence[at].sum(axis=1, keepdims=True)
        else:
            evidence[at] += rates[worker[now], :, log.label[now]]
            joint = prior[at] + fitted.b * evidence[at]
            share = np.exp(joint - joint.max(axis=1, keepdims=True))
            share /= share.sum(axis=1, keepdims=True)
        used[at] += 1
        best = (evidence[at] if is_vote else prior[at] + evidence[at]).argmax(axis=1)
        label[at], sure[at] = best, share[np.arange(len(at)), best]
        open_[at] = ~((sure[at] >= target) & (used[at] >= scenario.least))
    short = int((sure < target).sum())
    kept = Labels(items, label, sure, fitted.workers, fitted.confusions, fitted.prior, fitted.b, fitted.status)
    outcome = _outcome(past, log, [kept], paused)
    judgments = int(used.sum())
    return replace(outcome, judgments=judgments, each=judgments / len(items), cost=_cost(past, judgments), short=short)


def _outcome(past: Past, log: Log, fits: list[Labels], paused: int) -> Outcome:
    """The mean of some draws; the interval is that of one, since all stand on the same known items."""
    right, known, same, sure = [], 0, [], []
    for one in fits:
        by_item = dict(zip(one.items.tolist(), one.labels.tolist(), strict=True))
        measured = [by_item[item] in accepted for item, accepted in past.truth.items() if item in by_item]
        known = len(measured)
        right.append(float(np.mean(measured)) if measured else 0.0)
        there = [by_item[item] == label for item, label in past.delivered.items() if item in by_item]
        same.append(float(np.mean(there)) if there else np.nan)
        sure.append(float(one.confidence.mean()))
    accuracy = float(np.mean(right)) if known >= ENOUGH_KNOWN else None
    low, high = wilson_interval(accuracy * known, known) if accuracy is not None else (None, None)
    items = len(fits[0].items)
    return Outcome(
        items=round(items / past.share), judgments=round(len(log) / past.share), each=len(log) / items,
        cost=_cost(past, len(log)), accuracy=accuracy, low=low, high=high, known=known,
        same=None if np.isnan(same).all() else float(np.nanmean(same)), sure=float(np.mean(sure)), paused=paused,
        status=fits[0].status,
    )  # fmt: skip


def _cost(past: Past, judgments: int) -> int:
    return round(judgments / past.share) * past.batch.price
