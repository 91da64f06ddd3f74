"""Webhooks: signed, delivered at least once, logged; given up where nobody answers."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from core.models import Outbox
from core.outbox import PAUSES, take_due
from lifecycle import deliver
from lifecycle.events import emit
from marketplace.models import WebhookDelivery
from marketplace.services.hooks import create_webhook, rotate_secret


@pytest.fixture
def receiver(settings):
    """A receiver on the loopback, which the settings let through; it answers what `answer` says."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.server.came.append((dict(self.headers), body))
            self.send_response(self.server.answer)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.end_headers()
            self.wfile.write(b"x" * 200_000)  # nobody has to read all of it

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.came, server.answer = [], 200
    threading.Thread(target=server.serve_forever, daemon=True).start()
    settings.OUTBOUND_ALLOWED = [f"127.0.0.1:{server.server_address[1]}"]
    server.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def hook(receiver, make_requester):
    return create_webhook(url=receiver.url, events=["batch.finished"], requester=make_requester(deposit="0"))


def happen(hook, key="1"):
    emit("batch.finished", {key: ([hook], {"batch": key})})
    return Outbox.objects.get(key=f"webhook:{hook.pk}:batch.finished:{key}")


def verify(secret, headers, body):
    """What a receiver does by the Standard Webhooks: whether one of the signatures fits."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    right = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return f"v1,{right}" in headers["webhook-signature"].split(" ")


@pytest.mark.django_db
def test_an_event_arrives_signed_and_is_logged(hook, receiver):
    row = happen(hook)

    assert deliver.deliver_due() == 1

    ((headers, body),) = receiver.came
    row.refresh_from_db()
    log = WebhookDelivery.objects.get()
    assert json.loads(body)["type"] == "batch.finished"
    assert json.loads(body)["data"] == {"batch": "1"}
    assert verify(deliver.shown_secret(hook.secret), headers, body)
    assert not verify(deliver.shown_secret("ab" * 32), headers, body)
    assert not verify(deliver.shown_secret(hook.secret), headers, body + b" ")
    assert row.delivered_at is not None
    assert (log.event, log.attempt, log.response_code, log.error) == ("batch.finished", 1, 200, "")
    assert deliver.deliver_due() == 0


@pytest.mark.django_db
def test_while_the_secret_changes_both_sign(hook, receiver):
    before = deliver.shown_secret(hook.secret)
    rotate_secret(webhook=hook)
    happen(hook)

    deliver.deliver_due()

    ((headers, body),) = receiver.came
    assert verify(before, headers, body)
    assert verify(deliver.shown_secret(hook.secret), headers, body)


@pytest.mark.django_db
def test_a_receiver_that_fails_is_asked_again_with_the_same_id(hook, receiver):
    row = happen(hook)
    receiver.answer = 500
    deliver.deliver_due()
    assert deliver.deliver_due() == 0  # not before its time
    Outbox.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    receiver.answer = 204

    deliver.deliver_due()

    row.refresh_from_db()
    assert row.attempts == 2 and row.delivered_at
    assert len({headers["webhook-id"] for headers, _ in receiver.came}) == 1
    assert list(WebhookDelivery.objects.order_by("pk").values_list("response_code", flat=True)) == [500, 204]


@pytest.mark.django_db
def test_after_the_last_attempt_it_is_given_up_and_others_flow(hook, receiver):
    row, receiver.answer = happen(hook), 500
    for _ in range(len(PAUSES) + 1):
        Outbox.objects.update(due_at=timezone.now() - timedelta(seconds=1))
        assert deliver.deliver_due() == 1

    row.refresh_from_db()
    assert row.given_up_at and row.attempts == len(PAUSES) + 1
    receiver.answer = 200
    happen(hook, "2")
    assert deliver.deliver_due() == 1
    assert receiver.came[-1][1] != receiver.came[0][1]


@pytest.mark.django_db
@pytest.mark.parametrize(("answer", "is_given_up"), [(410, True), (302, False), (404, False)])
def test_redirects_are_failures_and_gone_is_final(hook, receiver, answer, is_given_up):
    row, receiver.answer = happen(hook), answer

    deliver.deliver_due()

    row.refresh_from_db()
    assert len(receiver.came) == 1
    assert row.delivered_at is None
    assert bool(row.given_up_at) is is_given_up


@pytest.mark.django_db
def test_what_was_switched_off_is_not_sent(hook, receiver):
    row = happen(hook)
    type(hook).objects.update(is_active=False)

    deliver.deliver_due()

    row.refresh_from_db()
    assert row.given_up_at and not receiver.came


@pytest.mark.django_db
def test_a_sender_that_died_is_followed_by_another(hook, receiver):
    happen(hook)
    take_due("webhook", 10)  # and then it dies
    assert deliver.deliver_due() == 0
    Outbox.objects.update(lease_until=timezone.now() - timedelta(seconds=1))

    deliver.deliver_due()

    assert len(receiver.came) == 1


@pytest.mark.django_db
def test_who_lost_the_lease_writes_nothing(hook, receiver):
    happen(hook)
    (slow,) = take_due("webhook", 10)
    Outbox.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    deliver.deliver_due()

    deliver.note(slow, hook, deliver.Attempt(500, "Late.", 1))

    assert Outbox.objects.get().delivered_at
    assert WebhookDelivery.objects.count() == 1


@pytest.mark.django_db
def test_a_private_address_is_never_called(hook, receiver, settings):
    happen(hook)
    settings.OUTBOUND_ALLOWED = []

    deliver.deliver_due()

    assert not receiver.came
    assert WebhookDelivery.objects.get().response_code is None


@pytest.mark.django_db
def test_a_ping_says_how_it_went(hook, receiver, api):
    owner = hook.requester.memberships.get().user

    told = api(owner, "write").post(f"webhooks/{hook.public_id}/ping").json()

    assert (told["status"], told["error"]) == (200, "")
    assert json.loads(receiver.came[0][1])["type"] == "ping"
