"""How workers choose: rating requesters, favourites, saved searches."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Q, Sum

from core import clock
from core.errors import Conflict, Invalid
from marketplace.models import Assignment, Favourite, Project, Rating, RatingSum, Requester, SavedSearch
from workers_app.models import Worker

#: The sum of a requester's ratings is told from so many raters on, and told anew after so many have spoken since.
RATERS = 5
MOST_SEARCHES = 20


@transaction.atomic
def rate_requester(*, worker: Worker, requester: Requester, stars: int) -> Rating:
    """Say how a requester is to work for, once one was paid by them. Saying it again changes one's word.

    Raises
    ------
    Invalid
        When `stars` is none of 1 to 5.
    Conflict
        `not_paid_yet` before the first paid answer.
    """
    if stars not in Rating.STARS:
        raise Invalid(errors={"stars": "1 to 5."})
    if not was_paid(worker, requester):
        raise Conflict("You can rate a requester once they have paid you.", code="not_paid_yet")
    # One at a time for each requester: two that count at once would both see four.
    Requester.objects.select_for_update(no_key=True).only("pk").get(pk=requester.pk)
    rating, is_new = Rating.objects.get_or_create(worker=worker, requester=requester, defaults={"stars": stars})
    if not is_new and rating.stars != stars:
        Rating.objects.filter(pk=rating.pk).update(stars=stars, is_fresh=True)
        rating.refresh_from_db()
    _sum_up(requester)
    return rating


def was_paid(worker: Worker, requester: Requester) -> bool:
    """Whether an answer of this worker was approved and paid by this requester."""
    batches = worker.participations.filter(batch__project__requester=requester).values("batch_id")
    paid = Assignment.objects.filter(worker=worker, batch__in=batches, state=Assignment.State.APPROVED, reward__gt=0)
    return paid.exists()


def _sum_up(requester: Requester) -> None:
    """A new sum, where enough workers have spoken since the last one."""
    of = Rating.objects.filter(requester=requester)
    sums = of.aggregate(raters=Count("pk"), stars=Sum("stars"), fresh=Count("pk", filter=Q(is_fresh=True)))
    if sums["fresh"] < RATERS:
        return
    RatingSum.objects.update_or_create(
        requester=requester, defaults={"raters": sums["raters"], "stars": sums["stars"], "made_at": clock.now()}
    )
    of.filter(is_fresh=True).update(is_fresh=False)


def set_favourite(*, worker: Worker, project: Project, is_favourite: bool) -> None:
    """Safe to repeat."""
    if is_favourite:
        Favourite.objects.bulk_create([Favourite(worker=worker, project=project)], ignore_conflicts=True)
    else:
        Favourite.objects.filter(worker=worker, project=project).delete()


def save_search(*, worker: Worker, name: str, filters: dict[str, Any], tells: bool = False) -> SavedSearch:
    """Keep filters of the list of work under a name.

    Raises
    ------
    Invalid
    Conflict
        `name_taken`, `too_many_searches`.
    """
    if not 0 < len(name.strip()) <= 80:
        raise Invalid(errors={"name": "1 to 80 characters."})
    if worker.saved_searches.count() >= MOST_SEARCHES:
        raise Conflict(f"You have {MOST_SEARCHES} saved searches. Delete one first.", code="too_many_searches")
    try:
        with transaction.atomic():
            return SavedSearch.objects.create(worker=worker, name=name.strip(), filters=filters, tells=tells)
    except IntegrityError:
        raise Conflict("There is a saved search of this name already.", code="name_taken") from None


def delete_search(*, search: SavedSearch) -> None:
    SavedSearch.objects.filter(pk=search.pk).delete()
