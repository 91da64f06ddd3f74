"""A finished batch with known truth: answers in the log, fitted, closed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from django.utils import timezone

from lifecycle.refit import refit_project
from marketplace.models import Answer, Assignment, Batch, Hit, Participation
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


def finish(make_batch: Any, make_worker: Any):
    """`finished(items=..., accuracy=...)`: every HIT has five answers; the batch is closed and fitted."""

    def make(*, items: int = 60, accuracy: float = 0.75, seed: int = 3, **kwargs: Any) -> Done:
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, 2, items)
        batch = make_batch(hits=items, **kwargs)
        hits = list(Hit.objects.filter(batch=batch).order_by("pk"))
        workers = [make_worker() for _ in range(5)]
        now = timezone.now()
        said = [
            (n, hit, worker, int(truth[n] if rng.random() < accuracy else 1 - truth[n]))
            for n, hit in enumerate(hits)
            for worker in workers
        ]
        given = Assignment.objects.bulk_create(
            Assignment(
                hit=hit, batch=batch, worker=worker, state="approved", reward=0, deadline=now, opened_at=now,
                submitted_at=now, decided_at=now, active_seconds=4 + n % 9,
            )
            for n, hit, worker, _label in said
        )  # fmt: skip
        words = ["zero", "one"]
        Answer.objects.bulk_create(
            Answer(
                assignment=one, raw=b"{}", sha256=hashlib.sha256(b"{}").digest(), final_at=now, digested_at=now,
                data={"answers": {"digit": words[label]}},
            )
            for one, (_n, _hit, _worker, label) in zip(given, said, strict=True)
        )  # fmt: skip
        Judgment.objects.bulk_create(
            Judgment(
                project_id=batch.project_id, batch=batch, hit=hit, worker=worker, assignment_id=one.pk,
                question="digit", version=1, label=label,
            )
            for one, (_n, hit, worker, label) in zip(given, said, strict=True)
        )  # fmt: skip
        Participation.objects.bulk_create(Participation(worker=w, batch=batch, taken_in_all=items) for w in workers)
        Hit.objects.filter(batch=batch).update(state=Hit.State.RETIRED, taken=5, max_assignments=5, funded=0)
        Batch.objects.filter(pk=batch.pk).update(state="closed", closed_at=timezone.now())
        batch.refresh_from_db()
        refit_project(project=batch.project)
        return Done(batch, hits, truth, batch.project.requester.memberships.get().user)

    return make


@pytest.fixture
def finished(make_batch, make_worker):
    return finish(make_batch, make_worker)
