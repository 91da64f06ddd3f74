"""One question's judgments into an estimator, and its result back: arrays in, arrays out, no database."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import orjson

from marketplace.schema import Question
from quality.estimators import HierarchicalDawidSkene, default_estimator
from quality.estimators.calibration import Calibration
from quality.estimators.confidence import Sureness, live_sureness
from quality.estimators.encode import encode, encode_gold
from quality.estimators.expectation import pooled_confusion, soft_counts
from quality.estimators.guards import MAJORITY
from quality.estimators.live import at_confidence
from quality.estimators.risk import RiskModel
from quality.services.log import Log
from quality.services.scoring import Scored, expected_scores, is_scored

#: Targets of accuracy of which a report says whether gold proves them.
TARGETS = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99)

#: Item -> accepted classes, numbers or texts.
Keys = Mapping[int, list[Any]]


@dataclass(frozen=True)
class Crowd:
    """What a fit says of the crowd: shares (K,) of the classes, confusion (K, K) of the average worker."""

    prior: np.ndarray
    pooled: np.ndarray


@dataclass(frozen=True)
class Fitted:
    """A consensus for each item of a log.

    Attributes
    ----------
    items : ndarray of int64, shape (I,)
    posteriors : ndarray, shape (I, K)
        K = 0 for kinds without classes.
    labels : ndarray of int64, shape (I,)
        Column of the label; -1 for kinds without classes.
    confidence : ndarray, shape (I,)
        Of kinds without classes the expected score, 0 where it is not known.
    values : list, length I
        The consensus of kinds without classes; the median grade of ordinal ones.
    intervals : ndarray, shape (I, 2) or (I, 0)
        95 % intervals of numbers.
    crowds : dict
        Of each part of a multilabel question, else of "".
    b, calibrated, n_gold
        The calibration.
    sureness
        What gold taught of how sure live labels are; by parts, as `crowds`.
    calibration
        What gold proves of confidence; None for kinds without classes.
    risk
        What gold taught of expected scores.
    clusters, inverted
        Workers who answer from one key, each cluster by itself; workers who are right less often than chance.
    """

    method: str
    items: np.ndarray
    posteriors: np.ndarray
    labels: np.ndarray
    confidence: np.ndarray
    values: list[Any]
    intervals: np.ndarray
    status: str
    n_iter: int
    crowds: dict[str, Crowd] = field(default_factory=dict)
    b: float = 0.5
    calibrated: bool = False
    n_gold: int = 0
    sureness: dict[str, Sureness] = field(default_factory=dict)
    calibration: Calibration | None = None
    risk: RiskModel | None = None
    clusters: tuple[tuple[int, ...], ...] = ()
    inverted: tuple[int, ...] = ()
    #: Items that no person answered -> their batch.
    alone: dict[int, int] = field(default_factory=dict)

    @property
    def proven(self) -> float | None:
        """The highest of `TARGETS` that gold proves."""
        return max(filter(self.calibration.proves, TARGETS), default=None) if self.calibration else None

    def more_to_prove(self, target: float) -> int | None:
        """Known answers as sure as that, all of them right, that would prove it besides those there are."""
        return self.calibration.more_to_prove(target) if self.calibration else None

    def digest(self) -> str:
        """SHA-256 of the result."""
        found = hashlib.sha256()
        for array in (self.items, self.posteriors, self.labels, self.confidence, self.intervals):
            found.update(np.ascontiguousarray(array).tobytes())
        found.update(orjson.dumps(self.values))
        return found.hexdigest()


def hear(question: Question, fitted: Fitted, said: np.ndarray, keys: Keys, parts: tuple[str, ...]) -> Fitted:
    """A fit of people's answers with what machines say beside them, `said` (I, K): log-likelihoods of the classes.

    Where the answer is known nothing changes. What is shown as confidence moves by the same evidence as the posterior.
    """
    said = np.where(np.isin(fitted.items, list(keys))[:, None], 0.0, said)
    heard = np.flatnonzero(said.any(axis=1))
    if not len(heard):
        return fitted
    posteriors, labels = fitted.posteriors.copy(), fitted.labels.copy()
    confidence, values = fitted.confidence.copy(), list(fitted.values)
    for row in heard.tolist():
        own = "" if "" in fitted.crowds else _label_of(parts[int(fitted.items[row] % len(parts))], fitted.crowds)
        posteriors[row], labels[row], confidence[row] = with_word(
            posteriors[row], int(labels[row]), confidence[row], fitted.crowds[own].prior, fitted.b, said[row]
        )
        if values[row] is not None:
            values[row] = question.classes[int(np.searchsorted(np.cumsum(posteriors[row]), 0.5 - 1e-12))]
    return replace(fitted, posteriors=posteriors, labels=labels, confidence=confidence, values=values)


def with_word(
    posterior: np.ndarray, label: int, confidence: float, prior: np.ndarray, b: float, said: np.ndarray
) -> tuple[np.ndarray, int, float]:
    """A posterior (K,), its label and its confidence, after a machine `said` (K,) something: log-likelihoods."""
    word = np.exp(said)
    spread = at_confidence(np.maximum(posterior, 1e-300) ** b * prior ** (1 - b), label, confidence)
    posterior, spread = posterior * word, spread * word
    posterior, spread = posterior / posterior.sum(), spread / spread.sum()
    label = int(np.argmax(np.where(posterior >= posterior.max() - 1e-9, prior, -1.0)))
    return posterior, label, float(spread[label])


def add_alone(fitted: Fitted, items: np.ndarray, batches: np.ndarray, labels: np.ndarray, lower: np.ndarray) -> Fitted:
    """A fit with the items that a machine answers alone, each (M,): its word, at the bound that checks have shown."""
    if not len(items):
        return fitted
    n = fitted.posteriors.shape[1]
    posteriors = np.repeat(((1 - lower) / max(n - 1, 1))[:, None], n, axis=1)
    posteriors[np.arange(len(items)), labels] = lower
    order = np.argsort(np.concatenate([fitted.items, items]), kind="stable")
    return replace(
        fitted,
        items=np.concatenate([fitted.items, items])[order],
        posteriors=np.concatenate([fitted.posteriors, posteriors])[order],
        labels=np.concatenate([fitted.labels, labels])[order],
        confidence=np.concatenate([fitted.confidence, lower])[order],
        values=[([*fitted.values, *[None] * len(items)])[row] for row in order.tolist()],
        intervals=np.concatenate([fitted.intervals, np.zeros((len(items), fitted.intervals.shape[1]))])[order],
        alone=dict(zip(items.tolist(), batches.tolist(), strict=True)),
    )


def _label_of(part: str, crowds: Mapping[str, Crowd]) -> str:
    """The label that a part of a multilabel question is about."""
    return part if part in crowds else part.partition("/")[2]


def fit(
    question: Question, log: Log, keys: Keys, *, seed: int, texts: np.ndarray | None = None, scores: bool = True
) -> Fitted | None:
    """Fit the judgments that have weight; None where nobody has said anything yet.

    Without `scores`, kinds without classes are fitted as they were before there were expected scores.
    """
    if question.kind == "multilabel":
        return _fit_multilabel(question, log, keys, seed)
    if is_scored(question):
        return _fit_values(question, log, keys, seed, texts, scores)
    return _fit_classes(question, log, keys, seed)


def _fit_classes(question: Question, log: Log, keys: Keys, seed: int) -> Fitted | None:
    log = log.only((log.weight > 0) & (log.label >= 0))
    n = len(question.classes)
    if not len(log) or n < 2:
        return None
    # Pairs of things are items like others here; "can't tell" stands on no scale, so it makes an ordinal one nominal.
    is_scale = question.kind == "ordinal" and not (question.na and (log.label == n - 1).any())
    chosen: type[Any] = default_estimator("ordinal") if is_scale else HierarchicalDawidSkene
    if question.kind == "categorical":
        chosen = default_estimator("categorical")
    model = chosen(seed=seed, gold_sample="balanced").fit(
        log.item, log.worker, log.label, gold=keys, weights=log.weight, classes=list(range(n))
    )
    values: list[Any] = [None] * len(model.items_)
    if is_scale:
        values = [question.classes[grade] for grade in model.estimates_]
    return Fitted(
        method=chosen.__name__,
        items=model.items_,
        posteriors=model.posteriors_,
        labels=model.labels_.astype(np.int64),
        confidence=model.confidence_,
        values=values,
        intervals=np.zeros((len(values), 0)),
        status=model.status_,
        n_iter=model.n_iter_,
        crowds={"": Crowd(model.prior_, model.pooled_)},
        b=model.calibration_.b,
        calibrated=model.calibration_.calibrated,
        n_gold=model.calibration_.n_gold,
        sureness=_live_sureness(log, keys, model, n, seed),
        calibration=model.calibration_,
        clusters=tuple(getattr(model, "clusters_", ())),
        inverted=tuple(np.asarray(getattr(model, "adversaries_", ()), int).tolist()),
    )


def _live_sureness(log: Log, keys: Keys, model: Any, n_classes: int, seed: int) -> dict[str, Sureness]:
    if not model.calibration_.calibrated or model.status_ in MAJORITY:
        return {}
    answers = encode(log.item, log.worker, log.label, log.weight, list(range(n_classes)))
    gold = encode_gold(keys, answers)
    found = live_sureness(answers, gold, model.posteriors_, model.counts_, model.pooled_, model.prior_, seed)
    return {"": found} if found else {}


def _label_sureness(log: Log, keys: Keys, fitted: Fitted, seed: int) -> dict[str, Sureness]:
    """Of a multilabel question each label by itself, as the live updates take it: `log` holds its yes and no."""
    n_classes = fitted.posteriors.shape[1]
    sureness: dict[str, Sureness] = {}
    for own, crowd in fitted.crowds.items() if fitted.calibrated else ():
        is_own = np.array([_label_of(part, fitted.crowds) == own for part in log.parts])
        about = log.only(is_own[log.part])
        if not len(about):
            continue
        answers = encode(about.item, about.worker, about.label, about.weight, list(range(n_classes)))
        posteriors = fitted.posteriors[np.searchsorted(fitted.items, answers.items)]
        gold, counts = encode_gold(keys, answers), soft_counts(answers, posteriors)
        found = live_sureness(answers, gold, posteriors, counts, crowd.pooled, crowd.prior, seed)
        sureness |= {own: found} if found else {}
    return sureness


def _fit_multilabel(question: Question, log: Log, keys: Keys, seed: int) -> Fitted | None:
    """One yes or no for each label. Who can't tell says neither."""
    n = len(question.classes)
    log = log.only((log.weight > 0) & (log.label >= 0) & (log.label < 2))
    if not len(log):
        return None
    wholes = [part.rpartition("/")[0] if question.for_ != "item" else "" for part in log.parts]
    names = [part[len(whole) + 1 :] if whole else part for part, whole in zip(log.parts, wholes, strict=True)]
    heads = sorted(set(wholes))
    head = np.array([heads.index(whole) for whole in wholes])[log.part]
    # One answer is all the rows of a worker on one part of a HIT.
    item = log.hit * len(heads) + head
    answers, row = np.unique(np.stack([item, log.worker]), axis=1, return_inverse=True)
    said: list[list[str]] = [[] for _ in range(answers.shape[1])]
    weights = np.ones(answers.shape[1])
    for place, part, label, weight in zip(row.ravel(), log.part, log.label, log.weight, strict=True):
        weights[place] = weight
        if label == 1:
            said[place].append(names[part])
    chosen = default_estimator("multilabel")
    model = chosen(seed=seed, gold_sample="balanced").fit(
        answers[0], answers[1], said, gold=_sets(keys, log, heads, wholes, names),
        weights=weights, classes=list(question.labels),
    )  # fmt: skip
    fitted = _spread_labels(question, log, model, heads, n, chosen.__name__)
    return replace(fitted, sureness=_label_sureness(log, keys, fitted, seed))


def _sets(keys: Keys, log: Log, heads: list[str], wholes: list[str], names: list[str]) -> dict[int, list[str]]:
    """The exact set of labels of each item, from the accepted classes of its labels; not where it is ambiguous."""
    sets: dict[int, list[str]] = {}
    ambiguous: set[int] = set()
    for item, accepted in keys.items():
        hit, part = divmod(item, len(log.parts))
        whole = hit * len(heads) + heads.index(wholes[part])
        if len(accepted) != 1 or accepted[0] > 1:
            ambiguous.add(whole)
        sets.setdefault(whole, []).extend([names[part]] if accepted == [1] else [])
    return {whole: labels for whole, labels in sets.items() if whole not in ambiguous}


def _spread_labels(question: Question, log: Log, model: Any, heads: list[str], n: int, method: str) -> Fitted:
    place = {part: index for index, part in enumerate(log.parts)}
    items, rows, columns = [], [], []
    for row, whole in enumerate(model.items_.tolist()):
        hit, head = divmod(whole, len(heads))
        for column, label in enumerate(model.classes_.tolist()):
            part = place.get(f"{heads[head]}/{label}" if heads[head] else label)
            if part is not None:
                items.append(hit * len(log.parts) + part)
                rows.append(row)
                columns.append(column)
    order = np.argsort(items)
    item, at = np.array(items, np.int64)[order], (np.array(rows)[order], np.array(columns)[order])
    holds = model.posteriors_[at]
    posteriors = np.zeros((len(item), n))
    posteriors[:, 0], posteriors[:, 1] = 1 - holds, holds
    crowds = {}
    for label, share in zip(model.classes_.tolist(), model.prior_, strict=True):
        prior = np.full(n, 1e-6)  # nobody's truth is "can't tell" here
        prior[:2] = 1 - share, share
        crowds[label] = Crowd(prior / prior.sum(), pooled_confusion(np.zeros((n, n))))
    return Fitted(
        method=method,
        items=item,
        posteriors=posteriors,
        labels=(holds > 0.5).astype(np.int64),
        confidence=model.label_confidence_[at],
        values=[None] * len(item),
        intervals=np.zeros((len(item), 0)),
        status=model.status_,
        n_iter=model.n_iter_,
        crowds=crowds,
        b=model.calibration_.b,
        calibrated=model.calibration_.calibrated,
        n_gold=model.calibration_.n_gold,
        calibration=model.calibration_,
    )


def _fit_values(
    question: Question, log: Log, keys: Keys, seed: int, texts: np.ndarray | None, scores: bool
) -> Fitted | None:
    is_number = question.kind == "number"
    if texts is None and not is_number:
        raise ValueError("The texts of the log are missing.")
    asked = log.item[log.weight > 0]
    keep = (log.weight > 0) & (~np.isnan(log.number) if is_number else log.label < 0)
    said: list[Any] = (log.number if texts is None else texts)[keep].tolist()
    log = log.only(keep)
    if not said:
        return None
    chosen = default_estimator(question.kind)
    known: Mapping[int, Any] = keys
    if is_number:
        known = {item: float(accepted[0]) for item, accepted in keys.items() if len(accepted) == 1}
    model: Any = chosen(seed=seed).fit(log.item, log.worker, said, gold=known, weights=log.weight)  # type: ignore[attr-defined]
    scored = Scored(getattr(model, "confidence_", np.zeros(len(model.items_))), 0, False, None)
    if scores:
        scored = expected_scores(question, log.item, log.worker, said, asked, keys, model.items_, seed)
    n = len(model.items_)
    return Fitted(
        method=chosen.__name__,
        items=model.items_,
        posteriors=np.zeros((n, 0)),
        labels=np.full(n, -1),
        confidence=scored.expected,
        values=list(model.estimates_.tolist() if is_number else model.estimates_),
        intervals=model.intervals_ if is_number else np.zeros((n, 0)),
        status=model.status_,
        n_iter=getattr(model, "n_iter_", 0),
        calibrated=scored.calibrated,
        n_gold=scored.n_gold,
        risk=scored.model,
    )
