"""Workers as one requester knows them: A... ids, which stand for pseudonyms."""

from __future__ import annotations

from collections.abc import Iterable

from marketplace.models import Requester
from mturk import ids
from mturk.errors import does_not_exist
from workers_app.models import Pseudonym, Worker
from workers_app.services.pseudonyms import pseudonyms


def scope_of(requester: Requester) -> str:
    return f"requester:{requester.pk}"


def worker_ids(requester: Requester, workers: Iterable[int]) -> dict[int, str]:
    """By the worker's key."""
    codes = pseudonyms(scope_of(requester), workers)
    return {worker: ids.worker_id(code) for worker, code in codes.items()}


def find_worker(requester: Requester, name: str) -> Worker | None:
    codes = ids.codes_like(name)
    if codes is None:
        return None
    rows = Pseudonym.objects.filter(scope=scope_of(requester), code__gte=codes[0], code__lte=codes[1])
    found = rows.filter(code__startswith=codes[0]).select_related("worker__user").order_by("code").first()
    return found.worker if found else None


def worker_of(requester: Requester, name: str) -> Worker:
    """Raises `WorkerDoesNotExist`: a requester knows those who have worked for them."""
    worker = find_worker(requester, name)
    if worker is None:
        raise does_not_exist("Worker", name)
    return worker
