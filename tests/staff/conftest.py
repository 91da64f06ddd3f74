"""A worker with a record: known answers met, a copycat beside them, and staff who look."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from lifecycle.accept import accept
from lifecycle.digest import digest_due
from lifecycle.submit import submit
from lifecycle.watch import take_in_scores
from marketplace.models import Assignment, Batch, Hit
from quality.services.gold import mark_as_gold
from users.models import User
from workers_app.models import Worker

ITEMS = 24


@dataclass
class Crowd:
    batch: Batch
    worker: Worker
    copycat: Worker
    others: list[Worker]
    staff: User

    def answers_of(self, worker: Worker) -> Any:
        return Assignment.objects.filter(worker=worker, batch=self.batch)


def say(worker: Worker, batch: Batch, word: str, seconds: float = 9.0) -> None:
    """One answer through the real accept and submit; final at once."""
    place = accept(worker=worker, batch=batch)
    truth = Hit.objects.get(pk=Assignment.objects.get(pk=place.assignment_id).hit_id).data_row.data["text"]
    number = int(truth.split()[1])
    said = {"right": number % 2, "copied": number % 3 == 0}[word]
    raw = json.dumps({"answers": {"digit": "one" if said else "zero"}, "seconds": seconds}).encode()
    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=raw, undo=0)


@pytest.fixture
def crowd(make_batch, make_project, make_worker, make_user) -> Crowd:
    """Two say the same, often wrong; three others are right. Three items have a known answer."""
    project = make_project(rules={"mode": "fixed", "answers": 5, "auto_approve_seconds": 600})
    batch = make_batch(project=project, hits=ITEMS, places=5)
    workers = [make_worker() for _one in range(5)]
    for worker, word in zip(workers, ("copied", "copied", "right", "right", "right"), strict=True):
        for _item in range(ITEMS):
            say(worker, batch, word)
    digest_due()
    for hit in batch.hits.order_by("pk")[:3]:
        mark_as_gold(hit=hit, keys={"digit": "one" if int(hit.data_row.data["text"].split()[1]) % 2 else "zero"})
    take_in_scores()
    return Crowd(batch, workers[0], workers[1], workers[2:], make_user(is_staff=True, is_superuser=True))
