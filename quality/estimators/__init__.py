"""Estimators of labels and workers from redundant answers: plain numpy, no Django."""

from quality.estimators import agreement
from quality.estimators.boxes import BoxConsensus
from quality.estimators.dawid_skene import DawidSkene
from quality.estimators.defaults import default_estimator
from quality.estimators.em import NumericError
from quality.estimators.hierarchical import HierarchicalDawidSkene
from quality.estimators.majority import MajorityVote
from quality.estimators.masks import MaskConsensus
from quality.estimators.multilabel import MultilabelDawidSkene
from quality.estimators.numbers import RobustMean
from quality.estimators.one_coin import OneCoin
from quality.estimators.ordinal import OrdinalDawidSkene
from quality.estimators.pairwise import BradleyTerry
from quality.estimators.plugins import CrowdKit, named_estimator
from quality.estimators.rankings import RankConsensus
from quality.estimators.sequences import SequenceConsensus
from quality.estimators.subtypes import SubtypeDawidSkene
from quality.estimators.text import TextConsensus

__all__ = [
    "OneCoin",
    "CrowdKit",
    "named_estimator",
    "SequenceConsensus",
    "RankConsensus",
    "MaskConsensus",
    "BoxConsensus",
    "BradleyTerry",
    "DawidSkene",
    "HierarchicalDawidSkene",
    "MajorityVote",
    "MultilabelDawidSkene",
    "NumericError",
    "OrdinalDawidSkene",
    "RobustMean",
    "SubtypeDawidSkene",
    "TextConsensus",
    "agreement",
    "default_estimator",
]
