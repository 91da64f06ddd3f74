"""Asking and granting as people do it."""

import pytest
from django.urls import reverse

from lifecycle.qualify import ask
from workers_app.models import Grant, Qualification, QualificationRequest
from workers_app.services.granting import create_qualification
from workers_app.services.pseudonyms import code_for, pseudonyms

pytestmark = pytest.mark.django_db


@pytest.fixture
def requester(make_requester):
    return make_requester()


@pytest.fixture
def owner(requester):
    return requester.memberships.get().user


def test_a_worker_asks_on_the_page_and_a_manager_grants_it(client, requester, owner, make_worker):
    client.force_login(owner)
    client.post(reverse("studio_qualification_new"), {"name": "Reads Fraktur", "can_request": "1"})
    made, worker = Qualification.objects.get(), make_worker()
    client.force_login(worker.user)
    assert "Reads Fraktur" in client.get(reverse("my_qualifications")).content.decode()
    client.post(reverse("ask_qualification", args=[made.public_id]), {"note": "I do."})
    asked = QualificationRequest.objects.get()
    assert owner.notices.get(kind="qualification.asked").title == "A worker asks for “Reads Fraktur”"

    client.force_login(owner)
    seen = client.get(reverse("studio_qualifications")).content.decode()
    assert "I do." in seen and worker.user.email not in seen
    client.post(reverse("studio_request_answer", args=[asked.public_id]), {"grant": "1", "value": "7"})

    assert Grant.objects.get(worker=worker).value == 7
    assert worker.user.notices.get().title == "You hold a qualification: Reads Fraktur"


def test_a_closed_batch_leads_to_the_one_qualification_it_asks_for(client, requester, make_worker):
    made = [create_qualification(requester=requester, name=name, can_request=True) for name in ("Latin", "Greek")]
    client.force_login(make_worker().user)

    page = client.get(f"{reverse('my_qualifications')}?q={made[0].public_id}").content.decode()
    assert "Latin" in page and "Greek" not in page
    assert "Greek" in client.get(f"{reverse('my_qualifications')}?q=nothing").content.decode()


def test_a_refusal_without_a_word_is_not_taken(client, requester, owner, make_worker):
    made = create_qualification(requester=requester, name="Latin", can_request=True)
    asked = ask(worker=make_worker(), qualification=made)
    client.force_login(owner)

    page = client.post(reverse("studio_request_answer", args=[asked.public_id]), {"value": "x"}, follow=True)
    assert "A whole number." in page.content.decode()
    page = client.post(reverse("studio_request_answer", args=[asked.public_id]), {"answer": " "}, follow=True)

    assert "Say why not" in page.content.decode()
    asked.refresh_from_db()
    assert asked.state == "open"


def test_what_was_asked_for_can_be_taken_back(client, requester, make_worker):
    asked = ask(
        worker=make_worker(), qualification=create_qualification(requester=requester, name="A", can_request=True)
    )
    client.force_login(asked.worker.user)

    client.post(reverse("withdraw_qualification", args=[asked.public_id]))

    asked.refresh_from_db()
    assert asked.state == "withdrawn"


def test_a_worker_is_granted_by_their_code_and_it_is_taken_back(client, requester, owner, make_worker):
    made, worker = create_qualification(requester=requester, name="Latin"), make_worker()
    scope = f"requester:{requester.pk}"
    pseudonyms(scope, [worker.pk])
    client.force_login(owner)
    url = reverse("studio_grant", args=[made.public_id])

    wrong = client.post(url, {"worker": "WAAAAAAAAAAAAAAAA"}, follow=True)
    assert "No worker of yours has this code." in wrong.content.decode()
    client.post(url, {"worker": code_for(scope, worker.pk), "value": "3"})
    assert Grant.objects.get().value == 3
    client.post(url, {"worker": code_for(scope, worker.pk), "revoke": "1"})

    assert not Grant.objects.exists()


def test_a_list_of_workers_is_nothing_that_workers_see(client, requester, make_worker):
    mine, worker = create_qualification(requester=requester, name="My favourites", kind="list"), make_worker()
    Grant.objects.create(qualification=mine, worker=worker)
    client.force_login(worker.user)

    assert "My favourites" not in client.get(reverse("my_qualifications")).content.decode()


def test_the_page_asks_as_often_for_many_as_for_one(client, requester, owner, make_worker, django_assert_num_queries):
    for number in range(12):
        made = create_qualification(requester=requester, name=f"No. {number}", can_request=True)
        Grant.objects.create(qualification=made, worker=make_worker())
        ask(worker=make_worker(), qualification=made)
    client.force_login(owner)

    with django_assert_num_queries(9):
        client.get(reverse("studio_qualifications"))
