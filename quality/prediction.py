"""Accuracy for the money before anything is published: what so many answers an item are likely to give.

Simulated from what the project's crowd did before, else from a usual crowd. Once answers are in, `quality.curves`
measures the same on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
import orjson

from core.freshness import fresh
from marketplace.models import Project
from marketplace.rules import SAMPLED_PLACES, SAMPLED_SHARE, Rules
from marketplace.schema import Question, schema_of
from quality.estimators.expectation import pooled_confusion
from quality.models import CrowdModel

ITEMS, SEED = 3_000, 5
MOST_ANSWERS = 9
#: Items are not alike: the logit of being right moves by so much from one to the next, as on crowds that are known.
DIFFICULTY = 1.0
#: How alike workers are: answers that the average worker's row weighs in each one's own.
ALIKE = 12.0
TARGETS = (0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Expected:
    """Answers a label on average, and the share of labels that is likely right. `target`: asked until so sure."""

    answers: float
    share: float
    target: float | None = None


@dataclass(frozen=True)
class Prediction:
    """`is_measured`: by the project's own crowd, else by a usual one."""

    fixed: list[Expected]
    adaptive: list[Expected]
    chosen: Expected
    is_measured: bool


def prediction_of(project: Project, rules: Rules) -> Prediction | None:
    """For the first question with classes; None where there is none."""
    able = [one for one in schema_of(project.questions) if one.classes and one.kind in ("categorical", "ordinal")]
    question = able[0] if able else None
    if question is None:
        return None
    model = CrowdModel.objects.filter(project=project, question=question.name, part="").first()
    asked = sha256(orjson.dumps([rules.to_json(), project.questions])).hexdigest()[:16]
    key = f"prediction:{project.pk}:{model.updated_at.timestamp() if model else 0}:{asked}"
    return fresh(key, lambda: predict(question, rules, model), least=60)


def predict(question: Question, rules: Rules, model: CrowdModel | None = None) -> Prediction:
    size = len(question.classes)
    is_measured = model is not None and len(model.prior) == size
    if is_measured and model is not None:
        pooled, prior, b = np.array(model.pooled).reshape(size, size), np.array(model.prior), model.exponent
    else:
        pooled, prior, b = pooled_confusion(np.zeros((size, size))), np.full(size, 1 / size), 0.6
    most = max(MOST_ANSWERS, min(rules.most_places, 15))
    beliefs, truth = _answered(pooled, prior, b, most)
    fixed = [Expected(r, _share(beliefs[r - 1], truth)) for r in range(1, MOST_ANSWERS + 1)]
    adaptive = [_until(beliefs, truth, target, rules.min_answers, most) for target in TARGETS]
    return Prediction(fixed, adaptive, _chosen(beliefs, truth, rules, most), is_measured)


def _answered(pooled: np.ndarray, prior: np.ndarray, b: float, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Beliefs after each answer, shape (most, ITEMS, K), and the truth, shape (ITEMS,)."""
    rng = np.random.default_rng(SEED)
    size = len(prior)
    truth = rng.choice(size, ITEMS, p=prior / prior.sum())
    harder = rng.normal(0, DIFFICULTY, ITEMS)
    beliefs = np.empty((most, ITEMS, size))
    evidence = np.zeros((ITEMS, size))
    for r in range(most):
        drawn = rng.gamma(np.maximum(ALIKE * pooled[None], 1e-3), size=(ITEMS, size, size))
        rows = drawn / drawn.sum(axis=2, keepdims=True)  # a worker of their own for each answer
        own = rows[np.arange(ITEMS), truth]
        right = np.clip(own[np.arange(ITEMS), truth], 1e-6, 1 - 1e-6)
        eased = 1 / (1 + np.exp(-(np.log(right / (1 - right)) + harder)))
        own = own * ((1 - eased) / (1 - right))[:, None]
        own[np.arange(ITEMS), truth] = eased
        said = (own.cumsum(axis=1) < rng.random(ITEMS)[:, None] * own.sum(axis=1, keepdims=True)).sum(axis=1)
        said = np.minimum(said, size - 1)
        evidence += np.log(np.maximum(rows[np.arange(ITEMS), :, said], 1e-9))
        joint = np.log(np.maximum(prior, 1e-9)) + b * evidence
        share = np.exp(joint - joint.max(axis=1, keepdims=True))
        beliefs[r] = share / share.sum(axis=1, keepdims=True)
    return beliefs, truth


def _share(belief: np.ndarray, truth: np.ndarray) -> float:
    return float((belief.argmax(axis=1) == truth).mean())


def _until(beliefs: np.ndarray, truth: np.ndarray, target: float, least: int, most: int) -> Expected:
    sure = beliefs[:most].max(axis=2) >= target
    sure[: min(least, most) - 1] = False
    sure[most - 1] = True
    stop = sure.argmax(axis=0)
    label = beliefs[stop, np.arange(len(truth))].argmax(axis=1)
    return Expected(float(stop.mean()) + 1, float((label == truth).mean()), target)


def _chosen(beliefs: np.ndarray, truth: np.ndarray, rules: Rules, most: int) -> Expected:
    if rules.is_adaptive:
        return _until(beliefs, truth, rules.target, rules.min_answers, min(rules.most_places, most))
    if rules.mode == "sampled":
        once, more = _share(beliefs[0], truth), _share(beliefs[SAMPLED_PLACES - 1], truth)
        each = 1 + SAMPLED_SHARE * (SAMPLED_PLACES - 1)
        return Expected(each, (1 - SAMPLED_SHARE) * once + SAMPLED_SHARE * more)
    r = min(rules.answers, most)
    return Expected(rules.answers, _share(beliefs[r - 1], truth))
