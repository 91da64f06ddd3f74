"""The demonstration can be put away and brought back; the search finds only what one may see."""

import pytest
from django.urls import reverse

from lifecycle.accept import accept
from marketplace.errors import BatchNotOpen
from marketplace.models import Batch, HitData, Project
from marketplace.services.tour import put_tour_away, tour_of
from payments.models import Entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def shown(make_batch, make_project):
    """A demonstration with one open batch, and a project that is none."""
    batch = make_batch(hits=2, project=make_project(name="Digits"))
    Project.objects.update(is_tour=True)
    make_project(requester=batch.project.requester, name="My own")
    return batch


@pytest.fixture
def owner(shown, client):
    user = shown.project.requester.memberships.get().user
    client.force_login(user)
    return user


def test_one_click_hides_the_demonstration_everywhere(shown, owner, client, make_worker):
    entries = Entry.objects.count()
    assert "This is a demonstration" in client.get(reverse("studio")).content.decode()

    client.post(reverse("tour_away"))

    page = client.get(reverse("studio")).content.decode()
    assert "My own" in page and "Digits" not in page.split("toasts")[0] and "This is a demonstration" not in page
    assert shown.name not in client.get(reverse("studio_batches")).content.decode()
    assert client.get(reverse("studio_batch", args=[shown.public_id])).status_code == 404
    assert "Nothing is called" in found(client, "digits")
    with pytest.raises(BatchNotOpen):
        accept(worker=make_worker(), batch=Batch.objects.get(pk=shown.pk))
    assert Entry.objects.count() == entries


def test_it_is_undone_with_what_it_paused(shown, owner, client, make_batch):
    resting = make_batch(project=shown.project)
    Batch.objects.filter(pk=resting.pk).update(state="paused", paused_because="requester")
    page = client.post(reverse("tour_away"), follow=True).content.decode()
    assert "Undo" in page and str(shown.public_id) in page and str(resting.public_id) not in page

    client.post(reverse("tour_back"), {"batches": f"{shown.public_id} nonsense"})

    assert tour_of(shown.project.requester) == [shown.project]
    assert Batch.objects.get(pk=shown.pk).state == "open" and Batch.objects.get(pk=resting.pk).state == "paused"


def test_somebody_elses_demonstration_stays(shown, make_requester):
    other = make_requester()

    put_tour_away(requester=other, by=other.memberships.get().user)

    assert len(tour_of(shown.project.requester)) == 1


def found(client, words):
    return client.get(reverse("search"), {"q": words}).content.decode().split("<main")[1]


def test_a_requester_finds_projects_batches_and_hits(shown, owner, client):
    HitData.objects.filter(batch=shown).update(external_id=None)
    row = HitData.objects.filter(batch=shown).first()
    HitData.objects.filter(pk=row.pk).update(external_id="card-418")

    assert reverse("studio_project", args=[shown.project.public_id]) in found(client, "igit")
    assert reverse("studio_batch", args=[shown.public_id]) in found(client, shown.name.lower())
    assert "card-418" in found(client, "card-418").split("</form>")[1]
    assert "Nothing is called" in found(client, "card-41")
    assert reverse("studio_results", args=[shown.public_id]) in found(client, str(row.public_id))


def test_a_stranger_finds_none_of_it(shown, client, make_requester):
    client.force_login(make_requester().memberships.get().user)

    for words in ("Digits", shown.name, str(shown.public_id), str(HitData.objects.first().public_id)):
        assert "Nothing is called" in found(client, words)


def test_a_worker_finds_work(shown, client, make_worker):
    client.force_login(make_worker().user)

    assert f"{reverse('find_work')}?q=Digits" in found(client, "digi")
    assert "Nothing is called" in found(client, shown.name)


def test_staff_find_people(shown, client, make_user, make_worker):
    worker = make_worker()
    client.force_login(make_user(is_staff=True))

    assert reverse("staff_worker", args=[worker.public_id]) in found(client, worker.user.email)
    assert reverse("admin:marketplace_batch_change", args=[shown.pk]) in found(client, shown.name)


@pytest.mark.parametrize("words", ["", "x", "\0\0", "%", "a" * 500, "' OR 1=1 --"])
def test_odd_words_find_nothing_and_break_nothing(shown, owner, client, words):
    assert client.get(reverse("search"), {"q": words}).status_code == 200
