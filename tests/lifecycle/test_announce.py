"""New work is told to those who asked, once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.models import Watermark
from lifecycle.announce import announce_work
from marketplace.services.choosing import save_search, set_favourite

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def since_yesterday():
    Watermark.objects.create(name="announced", at=timezone.now() - timedelta(days=1))


def test_a_saved_search_and_a_favourite_are_told_of_new_work_once(make_batch, make_worker, make_project):
    searcher, fan, silent = make_worker(), make_worker(), make_worker()
    batch = make_batch(project=make_project(name="Read letters"))
    save_search(worker=searcher, name="Letters", filters={"q": "letter"}, tells=True)
    save_search(worker=silent, name="Letters", filters={"q": "letter"})
    set_favourite(worker=fan, project=batch.project, is_favourite=True)

    assert announce_work() == 2
    assert announce_work() == 0

    assert searcher.user.notices.get().body == "It fits your search “Letters”."
    assert fan.user.notices.get().title == f"New work: Read letters, from {batch.project.requester.name}"
    assert not silent.user.notices.exists()


def test_nobody_is_told_of_work_that_is_closed_to_them_or_does_not_fit(make_batch, make_worker):
    worker = make_worker()
    make_batch(rules={"requirements": [{"subject": "country", "compare": "==", "value": "DE"}]})
    make_batch()
    save_search(worker=worker, name="All", filters={"least": "1000"}, tells=True)
    save_search(worker=worker, name="German", filters={"q": "nothing"}, tells=True)

    assert announce_work() == 0
    assert not worker.user.notices.exists()
