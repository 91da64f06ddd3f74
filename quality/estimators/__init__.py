"""Estimators of labels and workers from redundant answers: plain numpy, no Django."""

from quality.estimators.dawid_skene import DawidSkene
from quality.estimators.defaults import default_estimator
from quality.estimators.em import NumericError
from quality.estimators.hierarchical import HierarchicalDawidSkene
from quality.estimators.majority import MajorityVote

__all__ = ["DawidSkene", "HierarchicalDawidSkene", "MajorityVote", "NumericError", "default_estimator"]
