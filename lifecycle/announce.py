"""New work is told to those who asked to hear of it: by a saved search, or as a favourite."""

from __future__ import annotations

from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core import clock
from core.models import Watermark
from marketplace.jobs import Filters, Job, find
from marketplace.models import Batch, SavedSearch
from users.services.notices import notify
from workers_app.models import Worker

WATERMARK = "announced"


def announce_work(limit: int = 200) -> int:
    """Tell workers of the batches that were published since the last time; how many notices. Safe to run twice: a
    worker hears of a batch once."""
    now = clock.now()
    mark, _is_new = Watermark.objects.get_or_create(name=WATERMARK, defaults={"at": now})
    fresh = list(
        Batch.objects.filter(state=Batch.State.OPEN, published_at__gt=mark.at, published_at__lte=now)
        .order_by("published_at", "pk")
        .values_list("pk", "project_id", "published_at")[:limit]
    )
    if not fresh:
        return 0
    ids = [pk for pk, _project, _at in fresh]
    told = 0
    searches = SavedSearch.objects.filter(tells=True, worker__user__is_active=True).select_related("worker__user")
    for search in searches.order_by("pk").iterator(chunk_size=500):
        filters = Filters.read(search.filters)
        told += sum(_tell(search.worker, job, search.name) for job in find(search.worker, filters, among=ids).jobs)
    projects = {project for _pk, project, _at in fresh}
    fans = Worker.objects.filter(favourites__project__in=projects, user__is_active=True).distinct()
    for worker in fans.select_related("user").order_by("pk").iterator(chunk_size=500):
        told += sum(_tell(worker, job) for job in find(worker, Filters(favourites=True), among=ids).jobs)
    Watermark.objects.filter(pk=mark.pk).update(at=fresh[-1][2])
    return told


def _tell(worker: Worker, job: Job, search: str = "") -> int:
    if job.is_closed:
        return 0
    project = job.batch.project
    body = format_lazy(_("It fits your search “{name}”."), name=search) if search else _("A favourite of yours.")
    told = notify(
        user=worker.user,
        kind="work.new",
        title=format_lazy(
            _("New work: {project}, from {requester}"), project=project.name, requester=project.requester
        ),
        body=body,
        url=f"{reverse('find_work')}?sort=new",
        key=f"work:{job.batch.pk}",
    )
    return int(told is not None)
