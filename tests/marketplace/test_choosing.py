"""Ratings that no requester can trace to a worker; favourites and saved searches."""

import pytest

from core.errors import Conflict, Invalid
from marketplace.models import Assignment, Favourite, Rating, RatingSum
from marketplace.selectors import Stars, rating_of, stars_of
from marketplace.services.choosing import (
    MOST_SEARCHES,
    delete_search,
    rate_requester,
    save_search,
    set_favourite,
    was_paid,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(make_batch):
    return make_batch(hits=12, places=12)


@pytest.fixture
def paid(batch, make_worker):
    """Makes a worker whom the requester has paid."""

    def make():
        worker = make_worker()
        worker.participations.create(batch=batch)
        hit = batch.hits.first()
        Assignment.objects.create(
            hit=hit, batch=batch, worker=worker, reward=100_000, state="approved", deadline=batch.published_at
        )
        return worker

    return make


def test_who_was_not_paid_does_not_rate(batch, make_worker):
    worker = make_worker()

    with pytest.raises(Conflict) as refusal:
        rate_requester(worker=worker, requester=batch.project.requester, stars=1)

    assert refusal.value.code == "not_paid_yet"
    assert not Rating.objects.exists()


@pytest.mark.parametrize("stars", [0, 6])
def test_stars_are_one_to_five(batch, paid, stars):
    with pytest.raises(Invalid):
        rate_requester(worker=paid(), requester=batch.project.requester, stars=stars)

    assert not Rating.objects.exists()


def test_nothing_is_told_before_five_have_spoken(batch, paid):
    requester = batch.project.requester
    for _worker in range(4):
        rate_requester(worker=paid(), requester=requester, stars=5)
    assert rating_of(requester) == Stars()

    rate_requester(worker=paid(), requester=requester, stars=5)

    assert (rating_of(requester).raters, rating_of(requester).stars) == (5, 5.0)


def test_one_more_voice_does_not_move_the_sum_so_nobody_is_found_by_the_difference(batch, paid):
    requester = batch.project.requester
    workers = [paid() for _worker in range(9)]
    for worker in workers[:5]:
        rate_requester(worker=worker, requester=requester, stars=5)
    told = rating_of(requester)
    for worker in workers[5:]:
        rate_requester(worker=worker, requester=requester, stars=1)
        assert rating_of(requester) == told

    # The fifth voice since then is somebody's second word.
    rate_requester(worker=workers[0], requester=requester, stars=3)

    assert RatingSum.objects.get().stars == 4 * 5 + 3 + 4 * 1
    assert rating_of(requester).raters == 9


def test_saying_the_same_again_is_no_new_voice(batch, paid):
    requester, worker = batch.project.requester, paid()
    for _again in range(6):
        rate_requester(worker=worker, requester=requester, stars=2)

    assert Rating.objects.count() == 1
    assert rating_of(requester) == Stars()


def test_the_interval_holds_the_mean_and_narrows():
    few, many = stars_of(RatingSum(raters=5, stars=20)), stars_of(RatingSum(raters=500, stars=2000))

    assert few.stars == many.stars == 4.0
    assert 1 <= few.low < many.low < 4.0 < many.high < few.high <= 5
    assert stars_of(RatingSum(raters=5, stars=25)).high == 5.0


def test_own_pay_of_another_requester_counts_nothing(batch, paid, make_requester):
    worker = paid()

    assert was_paid(worker, batch.project.requester)
    assert not was_paid(worker, make_requester())


def test_a_favourite_is_marked_once_and_unmarked(batch, make_worker):
    worker = make_worker()
    for is_favourite, count in ((True, 1), (True, 1), (False, 0), (False, 0)):
        set_favourite(worker=worker, project=batch.project, is_favourite=is_favourite)
        assert Favourite.objects.filter(worker=worker).count() == count


def test_a_saved_search_has_a_name_of_its_own_and_they_are_not_endless(make_worker):
    worker = make_worker()
    first = save_search(worker=worker, name=" Texts ", filters={"q": "text"})
    assert first.name == "Texts"
    for name, code in (("Texts", "name_taken"), ("", "invalid")):
        with pytest.raises((Conflict, Invalid)) as refusal:
            save_search(worker=worker, name=name, filters={})
        assert refusal.value.code == code
    for number in range(MOST_SEARCHES - 1):
        save_search(worker=worker, name=f"No. {number}", filters={})
    with pytest.raises(Conflict) as refusal:
        save_search(worker=worker, name="One more", filters={})
    assert refusal.value.code == "too_many_searches"

    delete_search(search=first)

    assert worker.saved_searches.count() == MOST_SEARCHES - 1
