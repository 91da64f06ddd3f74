"""A worker's home: figures, standing as of yesterday, appeals, and rating those who paid."""

import pytest
from django.urls import reverse

from lifecycle.accept import accept
from lifecycle.decide import decide_due
from lifecycle.digest import digest_due
from lifecycle.submit import submit
from marketplace.models import Assignment, Rating
from tests.support.factories import body
from workers_app.models import Reputation

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(make_batch):
    return make_batch(hits=20)


@pytest.fixture
def worker(make_worker, batch):
    worker = make_worker()
    place = accept(worker=worker, batch=batch)
    submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"), undo=0)
    digest_due()
    decide_due()
    return worker


def test_the_standing_is_told_in_steps_and_only_when_there_is_enough(client, worker, batch):
    client.force_login(worker.user)
    standing = Reputation.objects.create(worker=worker, project=batch.project, a=40, b=10, score=0.703, checked=19)
    assert "not enough to tell yet" in client.get(reverse("my_home")).content.decode()

    Reputation.objects.filter(pk=standing.pk).update(checked=20)
    page = client.get(reverse("my_home")).content.decode()

    assert "70\u202f% to 90\u202f%" in page
    assert "gold" not in page


def test_a_requester_is_rated_once_they_have_paid(client, worker, batch, make_worker):
    client.force_login(worker.user)
    assert batch.project.requester.name in client.get(reverse("my_requesters")).content.decode()
    url = reverse("rate_requester", args=[batch.project.requester.public_id])

    assert "1 to 5" in client.post(url, {"stars": "six"}, follow=True).content.decode()
    assert not Rating.objects.exists()
    client.post(url, {"stars": "4"})
    assert Rating.objects.get().stars == 4

    client.force_login(make_worker().user)
    assert client.post(url, {"stars": "1"}).status_code == 404


def test_preferences_are_kept(client, worker):
    client.force_login(worker.user)

    client.post(reverse("my_data"), {"languages": "de", "time_zone": "Europe/Vienna", "language": "en"})

    worker.refresh_from_db()
    worker.user.refresh_from_db()
    assert (worker.accepts_messages, worker.user.time_zone) == (False, "Europe/Vienna")


def test_the_home_takes_a_fixed_number_of_queries(client, worker, make_batch, django_assert_max_num_queries):
    client.force_login(worker.user)

    def ask():
        with django_assert_max_num_queries(30) as made:
            assert client.get(reverse("my_home")).status_code == 200
        return len(made)

    few = ask()
    for _number in range(6):
        accept(worker=worker, batch=make_batch())
    assert ask() == few
