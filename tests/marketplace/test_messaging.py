"""Messages: both sides write, neither learns who the other is, staff may hide what was reported."""

import pytest

from core.errors import Conflict, Invalid
from marketplace.models import Message, Participation, Thread
from marketplace.services import messaging
from marketplace.services.messaging import (
    answer_thread,
    mark_read,
    report_message,
    rule_on_report,
    write_as_requester,
    write_as_worker,
)
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


def test_a_thread_goes_to_and_fro_and_says_who_has_not_read_it(worker, batch, owner):
    first = write_as_worker(worker=worker, project=batch.project, body=" Is a barred seven a seven? ")
    thread = first.thread
    assert first.body == "Is a barred seven a seven?"
    thread.refresh_from_db()
    assert (thread.unread_by_worker, thread.unread_by_requester) == (False, True)

    answer_thread(thread=thread, by=owner, body="It is.", is_by_worker=False)
    again = write_as_worker(worker=worker, project=batch.project, body="Thank you.")

    assert again.thread == thread and Thread.objects.count() == 1
    thread.refresh_from_db()
    mark_read(thread=thread, is_by_worker=False)
    thread.refresh_from_db()
    assert (thread.unread_by_worker, thread.unread_by_requester) == (False, False)
    assert list(thread.messages.order_by("pk").values_list("is_by_worker", flat=True)) == [True, False, True]


@pytest.mark.parametrize("body", ["", "  ", "x" * 5001, "a\0b"])
def test_an_empty_or_endless_message_is_not_sent(worker, batch, body):
    with pytest.raises(Invalid) as refusal:
        write_as_worker(worker=worker, project=batch.project, body=body)

    assert refusal.value.errors == {"body": "1 to 5000 characters."}
    assert not Thread.objects.exists()


def test_a_flood_is_stopped(worker, batch, monkeypatch):
    monkeypatch.setattr(messaging, "A_DAY", 2)
    for _message in range(2):
        write_as_worker(worker=worker, project=batch.project, body="Hello.")

    with pytest.raises(Conflict) as refusal:
        write_as_worker(worker=worker, project=batch.project, body="Hello.")

    assert refusal.value.code == "too_many_messages"
    assert Message.objects.count() == 2


def test_who_wishes_no_messages_is_not_written_to_first_but_answered(worker, batch, owner):
    worker.accepts_messages = False
    worker.save(update_fields=["accepts_messages"])
    with pytest.raises(Conflict) as refusal:
        write_as_requester(worker=worker, project=batch.project, by=owner, body="Would you…")
    assert refusal.value.code == "no_messages"

    write_as_worker(worker=worker, project=batch.project, body="A question.")
    answer = write_as_requester(worker=worker, project=batch.project, by=owner, body="An answer.")

    assert not answer.is_by_worker


def test_a_reported_message_is_hidden_by_staff_once(worker, batch, owner, make_user):
    thread = write_as_worker(worker=worker, project=batch.project, body="A question.").thread
    rude = answer_thread(thread=thread, by=owner, body="Something rude.", is_by_worker=False)
    with pytest.raises(Conflict) as refusal:
        report_message(message=rude, reason="It is rude.", is_by_worker=False)
    assert refusal.value.code == "own_message"

    report_message(message=rude, reason="It is rude.", is_by_worker=True)
    rule_on_report(message=rude, is_hidden=True, by=make_user(is_staff=True))

    rude.refresh_from_db()
    assert rude.hidden_at and rude.looked_at
    with pytest.raises(Conflict):
        rule_on_report(message=rude, is_hidden=False, by=make_user(is_staff=True))


def test_through_the_api_neither_side_sees_who_the_other_is(worker, batch, owner, api):
    code = code_for(batch.project.pseudonym_scope, worker.pk)
    pseudonyms(batch.project.pseudonym_scope, [worker.pk])
    hand, manager = api(worker.user, "work"), api(owner, "read", "write")

    begun = manager.post(f"projects/{batch.project.public_id}/threads", {"worker": code, "body": "Well done."})
    seen = hand.get(f"my/threads/{begun.json()['id']}")
    hand.post(f"my/threads/{begun.json()['id']}", {"body": "Thank you."})
    read = manager.get(f"threads/{begun.json()['id']}")

    assert [m["body"] for m in read.json()["messages"]] == ["Well done.", "Thank you."]
    assert owner.email not in seen.content.decode() and str(owner.public_id) not in seen.content.decode()
    assert worker.user.email not in read.content.decode() and str(worker.public_id) not in read.content.decode()
    assert read.json()["worker"] == code


def test_a_hidden_message_has_no_body_for_anybody(worker, batch, owner, api, make_user):
    thread = write_as_worker(worker=worker, project=batch.project, body="A secret of mine.").thread
    report_message(message=thread.messages.get(), reason="Private.", is_by_worker=False)
    rule_on_report(message=thread.messages.get(), is_hidden=True, by=make_user(is_staff=True))

    for client, path in ((api(worker.user, "work"), "my/threads"), (api(owner, "read"), "threads")):
        [message] = client.get(f"{path}/{thread.public_id}").json()["messages"]
        assert (message["body"], message["is_hidden"]) == ("", True)


def test_a_viewer_reads_and_does_not_write(worker, batch, api, make_user):
    viewer = make_user()
    batch.project.requester.memberships.create(user=viewer, role="viewer")
    thread = write_as_worker(worker=worker, project=batch.project, body="A question.").thread
    client = api(viewer, "read", "write")

    assert client.get(f"threads/{thread.public_id}").status_code == 200
    refused = client.post(f"threads/{thread.public_id}", {"body": "An answer."})

    assert (refused.status_code, refused.json()["code"]) == (403, "role_missing")
    assert thread.messages.count() == 1


def test_a_requester_writes_to_their_own_workers_only(batch, owner, make_worker, make_batch, api):
    elsewhere = make_worker()
    Participation.objects.create(worker=elsewhere, batch=make_batch())
    scope = batch.project.pseudonym_scope
    pseudonyms(scope, [elsewhere.pk])
    body = {"worker": code_for(scope, elsewhere.pk), "body": "Hello."}

    response = api(owner, "write").post(f"projects/{batch.project.public_id}/threads", body)

    assert response.status_code == 404
    assert not Thread.objects.exists()


def test_the_other_side_hears_of_it_without_a_name(worker, batch, owner, make_user):
    viewer = make_user()
    batch.project.requester.memberships.create(user=viewer, role="viewer")

    thread = write_as_worker(worker=worker, project=batch.project, body="A question.").thread
    answer_thread(thread=thread, by=owner, body="An answer.", is_by_worker=False)

    [told] = owner.notices.filter(kind="message.received")
    assert (told.title, told.body) == ("A worker wrote to you about “Read digits”", "A question.")
    [told] = worker.user.notices.filter(kind="message.received")
    assert told.title == f"{batch.project.requester.name} wrote to you about “Read digits”"
    assert told.url == f"/me/messages/{thread.public_id}/"
    assert not viewer.notices.exists()
