"""Which estimator the product uses for a kind of answer."""

from __future__ import annotations

from typing import Any

from quality.estimators.boxes import BoxConsensus
from quality.estimators.masks import MaskConsensus
from quality.estimators.multilabel import MultilabelDawidSkene
from quality.estimators.numbers import RobustMean
from quality.estimators.ordinal import OrdinalDawidSkene
from quality.estimators.pairwise import BradleyTerry
from quality.estimators.rankings import RankConsensus
from quality.estimators.sequences import SequenceConsensus
from quality.estimators.subtypes import SubtypeDawidSkene
from quality.estimators.text import TextConsensus

DEFAULTS: dict[str, type[Any]] = {
    "categorical": SubtypeDawidSkene,
    "multilabel": MultilabelDawidSkene,
    "ordinal": OrdinalDawidSkene,
    "number": RobustMean,
    "pairwise": BradleyTerry,
    "text": TextConsensus,
    "sequence": SequenceConsensus,
    "ranking": RankConsensus,
    "mask": MaskConsensus,
    "boxes": BoxConsensus,
}


def default_estimator(kind: str) -> type[Any]:
    """Class to aggregate answers of a kind with; all take `seed` and `gold_sample`.

    Raises
    ------
    ValueError
        If no estimator serves the kind.

    Examples
    --------
    >>> default_estimator("categorical").__name__
    'SubtypeDawidSkene'
    """
    if kind not in DEFAULTS:
        raise ValueError(f"kind {kind!r} has no estimator; those that have one: {', '.join(DEFAULTS)}.")
    return DEFAULTS[kind]
