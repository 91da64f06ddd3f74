"""The list of work as a worker narrows it down, and what a closed door says."""

import pytest
from django.urls import reverse

from lifecycle.accept import accept
from lifecycle.decide import reject
from marketplace import figures, jobs
from marketplace.jobs import Filters
from marketplace.models import Assignment, Favourite, Participation, RatingSum, SavedSearch
from tests.support.factories import body
from workers_app.services.granting import create_qualification

pytestmark = pytest.mark.django_db


@pytest.fixture
def post(make_project, make_batch):
    """`post("Name", reward=..., seconds=...)`: an open batch."""

    def make(name, *, reward="0.10", seconds=36, hits=2, requirements=(), **fields):
        rules = {"reward": reward, "estimated_seconds": seconds, "requirements": list(requirements)}
        return make_batch(project=make_project(name=name, rules=rules, **fields), hits=hits)

    return make


def names(worker, **wished):
    return [job.batch.project.name for job in jobs.find(worker, Filters.read(wished)).jobs]


def test_filters_narrow_and_sorts_order(post, make_worker):
    worker = make_worker()
    post("Slow", reward="0.50", seconds=300, topics=["news"])
    post("Quick", reward="0.05", seconds=9)
    post("Fair", reward="0.20", seconds=60, questions=[{"name": "t", "kind": "text"}])
    post("Free", reward="0", audience="volunteers")

    assert names(worker) == ["Quick", "Fair", "Slow", "Free"]
    assert names(worker, sort="new") == ["Free", "Fair", "Quick", "Slow"]
    assert names(worker, sort="reward")[0] == "Slow"
    assert names(worker, sort="short")[0] == "Quick"
    assert names(worker, least="12") == ["Quick", "Fair"]
    assert names(worker, kind="text") == ["Fair"]
    assert names(worker, topic="news") == names(worker, q="NEWS") == ["Slow"]
    assert names(worker, length="30s") == ["Quick"]
    assert names(worker, show="unpaid") == ["Free"]
    assert names(worker, q="uick") == ["Quick"]


def test_ratings_and_favourites_are_filters_too(post, make_worker):
    worker = make_worker()
    good, poor = post("Good"), post("Poor")
    RatingSum.objects.create(requester=good.project.requester, raters=10, stars=45)
    RatingSum.objects.create(requester=poor.project.requester, raters=10, stars=15)
    Favourite.objects.create(worker=worker, project=poor.project)

    assert names(worker, stars="4") == ["Good"]
    assert names(worker, favourites="1") == ["Poor"]
    assert names(worker, sort="stars") == ["Good", "Poor"]


@pytest.mark.parametrize(
    "given", [{"least": "a lot", "sort": "magic", "stars": "9", "kind": "x", "show": ["all"], "q": "\0"}, {}]
)
def test_what_is_no_filter_is_passed_over(given):
    assert Filters.read(given) == Filters()
    assert Filters.read(given).to_query() == ""


def test_filters_survive_their_own_address():
    wished = Filters.read({"q": "a b", "least": "12.5", "show": ["open", "quiz"], "favourites": "1", "sort": "new"})

    assert Filters.read(wished.to_dict()) == wished
    assert wished.to_query() == "q=a+b&sort=new&least=12.50&show=open&show=quiz&favourites=1"


def test_each_reason_says_what_is_missing_and_where_it_is_had(post, make_worker, make_requester):
    skill = create_qualification(requester=make_requester(), name="Reads Fraktur", can_request=True)
    secret = create_qualification(requester=make_requester(), name="My friends", kind="list")
    asks = [
        {"subject": "language", "compare": "in", "value": ["de"]},
        {"subject": str(skill.public_id), "compare": ">=", "value": 60},
        {"subject": str(secret.public_id), "compare": "exists"},
    ]
    batch = post("Old print", requirements=asks, is_distressing=True)
    worker = make_worker(languages=["en"])

    [job] = jobs.with_details(jobs.jobs_of(worker, [batch]))

    assert [(reason.code, reason.way, reason.about) for reason in job.closed] == [
        ("distressing", "profile", ""),
        ("requirement:language", "profile", ""),
        (f"requirement:{skill.public_id}", f"ask:{skill.public_id}", "Reads Fraktur"),
        (f"requirement:{secret.public_id}", "", ""),
    ]
    assert job.closed[1].message == "Your languages: one of de is asked for, you have en."
    assert job.closed[2].message == "A qualification: at least 60 is asked for, you have none."


def test_caps_are_told_before_the_claim_refuses(post, make_worker):
    batch, worker = post("Capped"), make_worker()
    type(batch).objects.filter(pk=batch.pk).update(day_cap=3, open_cap=2)
    batch.refresh_from_db()
    row = Participation.objects.create(worker=worker, batch=batch, taken_today=3, open_places=2)

    assert [(r.code, r.way) for r in jobs.jobs_of(worker, [batch])[0].closed] == [
        ("day_cap", "tomorrow"),
        ("too_many_open", "queue"),
    ]
    Participation.objects.filter(pk=row.pk).update(taken_today=2, open_places=1)
    assert jobs.jobs_of(worker, [batch])[0].closed == []


def test_how_a_requester_decides_is_counted(post, make_worker):
    from lifecycle.digest import digest_due
    from lifecycle.submit import submit

    batch = post("Counted", hits=3)
    project = batch.project
    for _number in range(2):
        place = accept(worker=make_worker(), batch=batch)
        submit(assignment=Assignment.objects.get(pk=place.assignment_id), raw=body(digit="one"), undo=0)
    digest_due()
    first, second = Assignment.objects.order_by("pk")
    for one in (first, second):
        if one.state == "submitted":
            reject(assignment=one, by=project.requester.memberships.get().user_id, reason="No.")

    found = figures.decisions_of([project.requester_id])[project.requester_id]

    states = list(Assignment.objects.values_list("state", flat=True))
    assert (found.decided, found.rejected) == (2, states.count("rejected"))
    assert found.seconds is not None and found.seconds >= 0


def test_the_page_filters_saves_and_forgets_a_search(client, post, make_worker):
    worker = make_worker()
    post("Quick", reward="0.05", seconds=9)
    post("Slow", reward="0.01", seconds=60)
    client.force_login(worker.user)

    page = client.get(reverse("find_work") + "?least=12").content.decode()
    assert "Quick" in page and "Slow" not in page
    client.post(reverse("save_search"), {"name": "Well paid", "least": "12", "tells": "1"})
    search = SavedSearch.objects.get()
    assert (search.filters, search.tells) == ({"least": "12.00"}, True)
    assert "?least=12.00" in client.get(reverse("find_work")).content.decode()

    client.post(reverse("delete_search", args=[search.public_id]))

    assert not SavedSearch.objects.exists()


def test_a_star_marks_a_project_and_leads_back(client, post, make_worker):
    batch, worker = post("Liked"), make_worker()
    client.force_login(worker.user)
    url = reverse("mark_favourite", args=[batch.project.public_id])

    assert client.post(url, {"on": "1", "back": "/work/?q=li"}).url == "/work/?q=li"
    assert worker.favourites.count() == 1
    assert client.post(url, {"back": "https://elsewhere.example/"}).url == reverse("find_work")
    assert worker.favourites.count() == 0


def test_what_is_queued_is_listed_gone_on_with_and_given_back(client, post, make_worker):
    batch, worker = post("Queued", hits=3), make_worker()
    client.force_login(worker.user)
    for _number in range(2):
        client.post(reverse("queue_work", args=[batch.public_id]))
    first, second = Assignment.objects.filter(state="accepted").order_by("deadline", "pk")

    page = client.get(reverse("my_queue")).content.decode()
    assert page.index(str(first.public_id)[:8].upper()) < page.index(str(second.public_id)[:8].upper())
    response = client.post(reverse("work_return", args=[first.public_id]), {"reason": "other", "then": "queue"})

    assert response.url == reverse("my_queue")
    first.refresh_from_db()
    assert first.state == "returned"
    assert "Queued" in client.get(reverse("find_work")).content.decode()


def test_the_api_filters_as_the_page_does(api, post, make_worker):
    worker = make_worker()
    post("Quick", reward="0.05", seconds=9)
    post("Slow", reward="0.01", seconds=60)
    client = api(worker.user, "work")

    found = client.get("work?least=12.00").json()["items"]

    assert [row["name"] for row in found] == ["Quick"]
    assert (found[0]["hourly"], found[0]["left"], found[0]["is_measured"]) == ("20.00", 2, False)
    assert found[0]["rating"] == {"raters": 0, "stars": None, "low": None, "high": None}
