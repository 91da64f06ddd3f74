"""Estimators from elsewhere: by entry point, and crowd-kit's through an adapter."""

from __future__ import annotations

from collections.abc import Collection
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Self

import numpy as np

from quality.estimators.calibration import Calibration
from quality.estimators.encode import Gold, Ids, encode, encode_gold
from quality.estimators.expectation import smoothed_confusions, soft_counts
from quality.estimators.majority import most_likely

#: An installed package offers estimators as entry points of this group: `name = "package.module:Class"`.
GROUP = "touchstone.estimators"


def named_estimator(name: str) -> type[Any]:
    """The class that an installed package offers under `name`, or `crowd-kit:GLAD` and the like.

    Raises
    ------
    ValueError
        If nothing is called so; it lists what is.
    """
    if name.startswith("crowd-kit:"):
        method = name.partition(":")[2]
        return type(f"CrowdKit{method}", (CrowdKit,), {"method": method})
    offered = {point.name: point for point in entry_points(group=GROUP)}
    if name not in offered:
        known = ", ".join(sorted(offered)) or "none"
        raise ValueError(f"no estimator is called {name!r}; installed ones: {known}, and crowd-kit:METHOD.")
    return offered[name].load()


class CrowdKit:
    """A classification method of crowd-kit behind the interface of ours.

    Parameters
    ----------
    method : str
        Its name in `crowdkit.aggregation`, such as "GLAD".
    **options
        Passed on to it.

    Raises
    ------
    ImportError
        If crowd-kit is not installed: it is no dependency.
    """

    method = "DawidSkene"

    def __init__(
        self, seed: int = 0, gold_sample: str | None = None, method: str | None = None, **options: Any
    ) -> None:
        self.seed, self.gold_sample = seed, gold_sample
        self.method, self.options = method or self.method, options

    def fit(
        self, items: Ids, workers: Ids, labels: Ids, gold: Gold | None = None, weights: Ids | None = None,
        classes: Collection[Any] | None = None,
    ) -> Self:  # fmt: skip
        """Estimate; gold is clamped in the result, and weights are refused: crowd-kit's methods have none.

        Raises
        ------
        ValueError
            Names the argument that is wrong.
        """
        if weights is not None and not (np.asarray(weights) == 1).all():
            raise ValueError("weights are not known to crowd-kit.")
        answers = encode(items, workers, labels, None, classes)
        known = encode_gold(gold, answers)
        try:
            kit, pandas = import_module("crowdkit.aggregation"), import_module("pandas")
        except ImportError as error:
            raise ImportError(f"crowd-kit is not installed ({error}): pip install crowd-kit.") from None
        if not hasattr(kit, self.method):
            raise ValueError(f"method {self.method!r} is not in crowdkit.aggregation.")
        table = pandas.DataFrame({"task": answers.item, "worker": answers.worker, "label": answers.label})
        model = getattr(kit, self.method)(**self.options)
        said = model.fit_predict(table).reindex(range(len(answers.items))).to_numpy().astype(int)
        posterior = np.eye(len(answers.classes))[said]
        if (probas := getattr(model, "probas_", None)) is not None:
            share = probas.reindex(index=range(len(said)), columns=range(posterior.shape[1])).fillna(0).to_numpy()
            posterior = share / share.sum(axis=1, keepdims=True)
        posterior[known.rows] = known.truth
        self._publish(answers, posterior, len(known))
        return self

    def _publish(self, answers: Any, posterior: np.ndarray, n_gold: int) -> None:
        self.items_, self.workers_, self.classes_ = answers.items, answers.workers, answers.classes
        self.posteriors_, self.prior_ = posterior, posterior.mean(axis=0)
        winner = most_likely(posterior, self.prior_)
        self.labels_ = answers.classes[winner]
        self.confidence_ = posterior[np.arange(len(posterior)), winner]
        self.confusions_ = smoothed_confusions(soft_counts(answers, posterior))
        self.calibration_ = Calibration(b=1.0, n_gold=n_gold, calibrated=False)
        self.n_iter_, self.status_ = 0, "ok"
        self.objective_: list[float] = []
