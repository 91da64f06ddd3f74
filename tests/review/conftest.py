"""A finished batch with known truth: answers in the log, fitted, closed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from lifecycle.refit import refit_project
from marketplace.models import Batch, Hit
from quality.models import Judgment


@dataclass
class Done:
    """A closed batch, its HITs in order, and the class of each that is true."""

    batch: Batch
    hits: list[Hit]
    truth: np.ndarray
    owner: Any

    def word(self, hit_id: int) -> str:
        return ("zero", "one")[self.truth[[hit.pk for hit in self.hits].index(hit_id)]]


@pytest.fixture
def finished(make_batch, make_worker):
    """`finished(items=..., accuracy=...)`: every HIT has five answers; the batch is closed and fitted."""

    def make(*, items: int = 60, accuracy: float = 0.75, seed: int = 3, **kwargs: Any) -> Done:
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, 2, items)
        batch = make_batch(hits=items, **kwargs)
        hits = list(Hit.objects.filter(batch=batch).order_by("pk"))
        workers = [make_worker() for _ in range(5)]
        Judgment.objects.bulk_create(
            Judgment(
                project_id=batch.project_id, batch=batch, hit=hit, worker=worker, assignment_id=0, question="digit",
                version=1, label=int(truth[n] if rng.random() < accuracy else 1 - truth[n]),
            )
            for n, hit in enumerate(hits)
            for worker in workers
        )  # fmt: skip
        Hit.objects.filter(batch=batch).update(state=Hit.State.RETIRED)
        Batch.objects.filter(pk=batch.pk).update(state="closed", closed_at=timezone.now())
        batch.refresh_from_db()
        refit_project(project=batch.project)
        return Done(batch, hits, truth, batch.project.requester.memberships.get().user)

    return make
