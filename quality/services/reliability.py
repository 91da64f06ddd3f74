"""Does the stated confidence hold? Labels whose truth is known, by groups of equal confidence."""

from __future__ import annotations

from typing import Any

import numpy as np

from marketplace.schema import Question
from quality.estimators.intervals import wilson_interval
from quality.estimators.metrics import brier_score, expected_calibration_error
from quality.services.fitting import Keys, fit
from quality.services.log import Log

#: Groups of about equal size, and labels that a group needs.
GROUPS, LEAST_GROUP = 6, 10
#: Known answers from which half of them can vouch for the other half; judgments beyond which that takes too long.
ENOUGH_GOLD, MOST_JUDGMENTS = 40, 200_000
DIGITS = 6


def reliability(stated: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Groups with stated and seen share and 95 % interval, calibration error and Brier score; {} where too few.

    Parameters
    ----------
    stated : ndarray, shape (n,)
    right : ndarray of bool, shape (n,)
    """
    if len(stated) < LEAST_GROUP:
        return {}
    order = np.lexsort((right, stated))
    stated, right = np.asarray(stated, float)[order], np.asarray(right, bool)[order]
    groups = []
    for rows in np.array_split(np.arange(len(stated)), min(GROUPS, len(stated) // LEAST_GROUP)):
        low, high = wilson_interval(float(right[rows].sum()), float(len(rows)))
        groups.append(
            {
                "stated": _round(stated[rows].mean()),
                "right": _round(right[rows].mean()),
                "low": _round(max(low, 0.0)),
                "high": _round(min(high, 1.0)),
                "count": len(rows),
            }
        )
    return {
        "groups": groups,
        "error": _round(expected_calibration_error(stated, right)),
        "brier": _round(brier_score(stated, right)),
    }


def on_known_answers(question: Question, log: Log, keys: Keys, seed: int) -> dict[str, Any]:
    """Of known answers, each half in a fit that knows the other half alone; {} where they are too few.

    A known answer that takes part in a fit is as sure as can be, and shows nothing.
    """
    if question.kind not in ("categorical", "ordinal") or len(keys) < ENOUGH_GOLD or len(log) > MOST_JUDGMENTS:
        return {}
    items = np.random.default_rng(seed).permutation(sorted(keys))
    stated: list[float] = []
    right: list[bool] = []
    for held in (items[::2], items[1::2]):
        hidden = set(held.tolist())
        fitted = fit(question, log, {item: key for item, key in keys.items() if item not in hidden}, seed=seed)
        if fitted is None:
            return {}
        at = np.searchsorted(fitted.items, held)
        there = at < len(fitted.items)
        for item, row in zip(held[there].tolist(), at[there].tolist(), strict=True):
            if fitted.items[row] == item:
                stated.append(float(fitted.confidence[row]))
                right.append(int(fitted.labels[row]) in keys[item])
    return reliability(np.array(stated), np.array(right, bool))


def _round(value: float) -> float:
    return round(float(value), DIGITS)
