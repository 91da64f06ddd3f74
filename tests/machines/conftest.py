"""A batch whose answers are known in part, and a machine that is right as often as a test says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from marketplace.models import Batch, Hit
from quality.models import GoldQuestion, Machine, MachineVersion
from quality.services.machines import Said, connect_machine, record_predictions, version_of

WORDS = ("zero", "one")


class Setting:
    """`truth` by HIT; the first `known` HITs are hidden questions."""

    def __init__(self, batch: Batch, known: int, seed: int = 5) -> None:
        rng = np.random.default_rng(seed)
        self.batch = batch
        self.hits = list(Hit.objects.filter(batch=batch).order_by("pk"))
        self.truth = {hit.pk: int(rng.integers(2)) for hit in self.hits}
        self.known, self.others = self.hits[:known], self.hits[known:]
        Hit.objects.filter(pk__in=[hit.pk for hit in self.known]).update(lane=1)
        GoldQuestion.objects.bulk_create(
            GoldQuestion(project=batch.project, hit=hit, keys={"digit": {"accept": [WORDS[self.truth[hit.pk]]]}})
            for hit in self.known
        )
        owner = batch.project.requester.memberships.get().user
        self.machine: Machine = connect_machine(project=batch.project, name="Net", by=owner)
        self.owner = owner

    def speak(self, *, wrong: int = 0, version: str = "1", score: Any = None, hits: Any = None) -> MachineVersion:
        """The machine says the truth, but for the first `wrong` of the known items."""
        spoken = version_of(self.machine, version)
        missed = {hit.pk for hit in self.known[:wrong]}
        record_predictions(
            version=spoken,
            said=[
                Said(
                    hit.pk, "digit", "", 1 - self.truth[hit.pk] if hit.pk in missed else self.truth[hit.pk], None,
                    score(hit) if callable(score) else score,
                )
                for hit in (hits or self.hits)
            ],
        )  # fmt: skip
        return spoken


@pytest.fixture
def setting(make_batch):
    def make(*, known: int = 60, others: int = 20, **kwargs: Any) -> Setting:
        return Setting(make_batch(hits=known + others, **kwargs), known)

    return make
