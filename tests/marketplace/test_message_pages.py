"""Messages as people send them, from both sides."""

import pytest
from django.urls import reverse

from marketplace.models import Message, Participation, Thread
from marketplace.services.messaging import write_as_worker
from workers_app.services.pseudonyms import code_for, pseudonyms

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(make_batch):
    return make_batch(hits=2)


@pytest.fixture
def worker(make_worker, batch):
    worker = make_worker()
    Participation.objects.create(worker=worker, batch=batch)
    return worker


@pytest.fixture
def owner(batch):
    return batch.project.requester.memberships.get().user


def test_a_worker_writes_and_the_requester_answers(client, worker, batch, owner):
    client.force_login(worker.user)
    about = f"{reverse('my_message_new')}?project={batch.project.public_id}"
    assert client.get(about).status_code == 200
    response = client.post(about, {"body": "Is a barred seven a seven?"})
    thread = Thread.objects.get()
    assert response.url == reverse("my_thread", args=[thread.public_id])

    client.force_login(owner)
    seen = client.get(reverse("studio_messages")).content.decode()
    assert "Is a barred seven a seven?" in seen and worker.user.email not in seen
    client.post(reverse("studio_thread_read", args=[thread.public_id]))
    client.post(reverse("studio_thread", args=[thread.public_id]), {"body": "It is."})

    thread.refresh_from_db()
    assert (thread.unread_by_worker, thread.unread_by_requester) == (True, False)
    client.force_login(worker.user)
    assert "It is." in client.get(reverse("my_thread", args=[thread.public_id])).content.decode()
    assert owner.email not in client.get(reverse("my_messages")).content.decode()


def test_looking_at_a_thread_changes_nothing(client, worker, batch, owner):
    thread = write_as_worker(worker=worker, project=batch.project, body="Hello.").thread
    client.force_login(owner)

    client.get(reverse("studio_thread", args=[thread.public_id]))

    thread.refresh_from_db()
    assert thread.unread_by_requester


def test_a_requester_begins_with_a_worker_of_theirs(client, worker, batch, owner):
    project = batch.project
    pseudonyms(project.pseudonym_scope, [worker.pk])
    code = code_for(project.pseudonym_scope, worker.pk)
    client.force_login(owner)
    page = f"{reverse('studio_message_new')}?project={project.public_id}&worker="
    assert client.get(f"{page}{code}").status_code == 200
    assert client.get(f"{page}WAAAAAAAAAAAAAAAA").status_code == 404

    client.post(f"{page}{code}", {"body": "Well done."})

    assert Message.objects.get().body == "Well done."


@pytest.mark.parametrize("asked", ["", "?project=x", "?project=00000000-0000-4000-8000-000000000000"])
def test_a_message_has_to_be_about_something_one_knows(client, worker, owner, asked):
    for name, user in (("my_message_new", worker.user), ("studio_message_new", owner)):
        client.force_login(user)
        assert client.get(reverse(name) + asked).status_code == 404
        assert client.post(reverse(name) + asked, {"body": "Hello."}).status_code == 404
    assert not Message.objects.exists()


def test_an_empty_message_is_told_and_not_sent(client, worker, batch):
    client.force_login(worker.user)

    page = client.post(f"{reverse('my_message_new')}?project={batch.project.public_id}", {"body": " "})

    assert "1 to 5000 characters" in page.content.decode()
    assert not Message.objects.exists()


def test_the_list_asks_as_often_for_many_threads_as_for_one(client, worker, batch, owner, django_assert_num_queries):
    client.force_login(worker.user)
    for answer in range(12):
        hit = batch.hits.first()
        one = hit.assignments.create(batch=batch, worker=worker, reward=1, deadline=batch.published_at, state="expired")
        write_as_worker(worker=worker, project=batch.project, assignment=one, body=f"No. {answer}")

    with django_assert_num_queries(7):
        page = client.get(reverse("my_messages"))

    assert page.content.decode().count("No. ") == 12
