"""Which estimator the product uses for a kind of answer."""

from __future__ import annotations

from typing import Any

from quality.estimators.hierarchical import HierarchicalDawidSkene

DEFAULTS: dict[str, type[Any]] = {"categorical": HierarchicalDawidSkene}


def default_estimator(kind: str) -> type[Any]:
    """Class to aggregate answers of a kind with; all take `seed` and `gold_sample`.

    Raises
    ------
    ValueError
        If no estimator serves the kind.

    Examples
    --------
    >>> default_estimator("categorical").__name__
    'HierarchicalDawidSkene'
    """
    if kind not in DEFAULTS:
        raise ValueError(f"kind {kind!r} has no estimator; those that have one: {', '.join(DEFAULTS)}.")
    return DEFAULTS[kind]
