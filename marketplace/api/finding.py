"""Finding a row for a caller. Strangers get a 404, members of too low a role a 403 that names the role."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from django.http import Http404
from rest_framework.request import Request

from core.errors import NotAllowed
from marketplace.models import Assignment, Batch, Hit, Project, Requester, Webhook
from marketplace.selectors import batches_of, projects_of, requesters_of
from users.api.lean import NoWorker
from workers_app.models import Pseudonym, Worker
from workers_app.services.pseudonyms import pseudonyms

Row = TypeVar("Row", bound=Model)


class RoleMissing(NotAllowed):
    code = "role_missing"


def one(rows: QuerySet[Row], **by: Any) -> Row:
    found = rows.filter(**by).first()
    if found is None:
        raise Http404
    return found


def as_role(scope: Callable[[Any, str], QuerySet[Row]], user: Any, role: str, **by: Any) -> Row:
    """One row in which `user` has at least `role`."""
    found = scope(user, role).filter(**by).first()
    if found is not None:
        return found
    if scope(user, "viewer").filter(**by).exists():
        raise RoleMissing(f"This is for members who are at least {role}.")
    raise Http404


def requester_for(request: Request, public_id: uuid.UUID, role: str = "viewer") -> Requester:
    return as_role(requesters_of, request.user, role, public_id=public_id)


def project_for(request: Request, public_id: uuid.UUID, role: str = "viewer") -> Project:
    return as_role(_projects, request.user, role, public_id=public_id)


def batch_for(request: Request, public_id: uuid.UUID, role: str = "viewer") -> Batch:
    return as_role(batches_of, request.user, role, public_id=public_id)


def hit_for(request: Request, public_id: uuid.UUID, role: str = "viewer") -> Hit:
    return as_role(_hits, request.user, role, data_row__public_id=public_id)


def assignment_for(request: Request, public_id: uuid.UUID, role: str = "viewer") -> Assignment:
    return as_role(_assignments, request.user, role, public_id=public_id)


def webhook_for(request: Request, public_id: uuid.UUID) -> Webhook:
    """Of an organisation that one manages, or one's own."""
    own = Webhook.objects.filter(worker__user=request.user, public_id=public_id).first()
    return own or as_role(_webhooks, request.user, "manager", public_id=public_id)


def _projects(user: Any, role: str) -> QuerySet[Project]:
    return projects_of(user, role).select_related("requester")


def _hits(user: Any, role: str) -> QuerySet[Hit]:
    return Hit.objects.filter(batch__in=batches_of(user, role)).select_related("batch__project__requester", "data_row")


def _assignments(user: Any, role: str) -> QuerySet[Assignment]:
    return Assignment.objects.filter(batch__in=batches_of(user, role)).select_related(
        "batch__project__requester", "hit__data_row"
    )


def _webhooks(user: Any, role: str) -> QuerySet[Webhook]:
    return Webhook.objects.filter(requester__in=requesters_of(user, role))


# --- workers ----------------------------------------------------------------------------------------------------------


def worker_of(request: Request) -> Worker:
    """The caller as a worker."""
    worker = Worker.objects.select_related("user").filter(user_id=request.user.pk).first()
    if worker is None:
        raise NoWorker
    return worker


def codes_for(project: Project, worker_ids: Iterable[int]) -> dict[int, str]:
    """The names by which this project's requester knows these workers."""
    return pseudonyms(project.pseudonym_scope, worker_ids)


def worker_by_code(requester: Requester, code: str) -> Worker:
    """The worker whom this requester (or one of its projects) knows by `code`; anybody else's code is a 404."""
    scopes = [f"requester:{requester.pk}"]
    scopes += [f"project:{pk}" for pk in requester.projects.filter(own_pseudonyms=True).values_list("pk", flat=True)]
    found = Pseudonym.objects.select_related("worker").filter(scope__in=scopes, code=code).first()
    if found is None:
        raise Http404
    return found.worker
