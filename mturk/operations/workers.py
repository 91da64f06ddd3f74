"""Blocks, and words to workers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from core.errors import DomainError
from marketplace.models import Assignment, Block
from marketplace.services.blocking import block_worker, unblock_worker
from marketplace.services.messaging import write_as_requester
from mturk import people
from mturk.errors import RequestError
from mturk.models import AccessKey
from mturk.paging import Page

Members = Mapping[str, Any]
MOST_NOTIFIED, LONGEST_SUBJECT, LONGEST_TEXT = 100, 200, 4096


def create_worker_block(key: AccessKey, members: Members) -> dict[str, Any]:
    worker = people.worker_of(key.requester, members["WorkerId"])
    block_worker(requester=key.requester, worker=worker, reason=members["Reason"])
    return {}


def delete_worker_block(key: AccessKey, members: Members) -> dict[str, Any]:
    unblock_worker(requester=key.requester, worker=people.worker_of(key.requester, members["WorkerId"]))
    return {}


def list_worker_blocks(key: AccessKey, members: Members) -> dict[str, Any]:
    page = Page(members, "ListWorkerBlocks", key.requester_id)
    shown, about = page.of(Block.objects.filter(requester=key.requester))
    names = people.worker_ids(key.requester, [block.worker_id for block in shown])
    return {
        **about,
        "WorkerBlocks": [{"WorkerId": names[block.worker_id], "Reason": block.reason} for block in shown],
    }


def notify_workers(key: AccessKey, members: Members) -> dict[str, Any]:
    """A message to each, from whom the requester has judged work; the others are named in the answer."""
    names = list(dict.fromkeys(members["WorkerIds"]))
    for name, size, most in (
        ("WorkerIds", len(names), MOST_NOTIFIED),
        ("Subject", len(members["Subject"]), LONGEST_SUBJECT),
        ("MessageText", len(members["MessageText"]), LONGEST_TEXT),
    ):
        if not 0 < size <= most:
            raise RequestError("InvalidParameterValue", f"{name}: 1 to {most}.")
    body = f"{members['Subject'].strip()}\n\n{members['MessageText'].strip()}"
    failures = [failure for name in names if (failure := _notify(key, name, body))]
    return {"NotifyWorkersFailureStatuses": failures}


def _notify(key: AccessKey, name: str, body: str) -> dict[str, str] | None:
    """What went wrong, or None."""
    judged = (Assignment.State.APPROVED, Assignment.State.REJECTED)
    worker = people.find_worker(key.requester, name)
    last = (
        Assignment.objects.filter(worker=worker, state__in=judged, batch__project__requester=key.requester)
        .select_related("batch__project")
        .order_by("-pk")
        .first()
        if worker is not None
        else None
    )
    if worker is None or last is None:
        return _failure("HardFailure", name, "You have not approved or rejected work of this worker.")
    try:
        with transaction.atomic():
            write_as_requester(worker=worker, project=last.batch.project, by=key.made_by, body=body)
    except DomainError as refusal:
        return _failure("SoftFailure", name, refusal.message)
    return None


def _failure(code: str, name: str, message: str) -> dict[str, str]:
    return {"NotifyWorkersFailureCode": code, "NotifyWorkersFailureMessage": message, "WorkerId": name}
