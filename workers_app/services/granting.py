"""Granting and revoking qualifications."""

from __future__ import annotations

from workers_app.models import Grant, Qualification, Worker


def grant_qualification(*, qualification: Qualification, worker: Worker, value: int = 1) -> Grant:
    grant, _ = Grant.objects.update_or_create(qualification=qualification, worker=worker, defaults={"value": value})
    return grant


def revoke_qualification(*, qualification: Qualification, worker: Worker) -> bool:
    deleted, _ = Grant.objects.filter(qualification=qualification, worker=worker).delete()
    return bool(deleted)
