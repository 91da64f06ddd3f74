"""What leaves the house: rows of the outbox, sent to webhooks. At least once; the receiver drops a repeat by its id.

Signed as Standard Webhooks say: HMAC-SHA256 of `id.timestamp.body`; two signatures while a secret changes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import orjson
from django.db import transaction
from django.db.models import Q

from core import clock
from core.errors import Conflict
from core.models import Outbox
from core.outbound import NotSent
from core.outbound import send as call
from core.outbox import settle, take_due
from marketplace.models import Webhook, WebhookDelivery

log = logging.getLogger(__name__)

#: Rows in one turn: sent side by side, so that one slow receiver holds nobody up for long.
GROUP = 16
SIDE_BY_SIDE = 8
#: Of the Standard Webhooks scheme: what follows is base64.
MARK = "whsec_"


@dataclass(frozen=True)
class Attempt:
    """How one sending went. `status` is None where there was no reply."""

    status: int | None
    error: str
    took_ms: int
    is_final: bool = False

    @property
    def arrived(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def deliver_due(limit: int = GROUP) -> int:
    """Send what is due. Called every second; safe at the same time as itself."""
    rows = take_due("webhook", limit)
    hooks = Webhook.objects.in_bulk([row.payload["webhook"] for row in rows])
    jobs = [(row, hooks.get(row.payload["webhook"])) for row in rows]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:  # the threads only wait for the network: no database in them
        attempts = list(pool.map(lambda job: attempt(*job), jobs))
    for (row, hook), one in zip(jobs, attempts, strict=True):
        note(row, hook, one)
    return len(rows)


def attempt(row: Outbox, hook: Webhook | None) -> Attempt:
    if hook is None or not hook.is_active:
        return Attempt(None, "The webhook was switched off or deleted.", 0, is_final=True)
    body = {
        "type": row.payload["event"],
        "timestamp": row.created_at.isoformat(),
        "data": row.payload["data"],
    }
    return send(hook, message_id(row.key), orjson.dumps(body))


def send(hook: Webhook, identity: str, body: bytes) -> Attempt:
    """One signed POST. Never raises for what the other side does."""
    began = time.monotonic()
    try:
        with call("POST", hook.url, headers=signed_headers(hook, identity, body), body=body) as response:
            status = response.status  # what it says beside that is of no use to us, and stays unread
    except NotSent as why:
        return Attempt(None, str(why)[:300], _since(began))
    error = "" if 200 <= status < 300 else f"Answered {status}."
    # 410: the receiver wants no more of it (Standard Webhooks).
    return Attempt(status, error, _since(began), is_final=status == 410)


def signed_headers(hook: Webhook, identity: str, body: bytes) -> dict[str, str]:
    timestamp = str(int(time.time()))
    secrets = [secret for secret in (hook.secret, hook.old_secret) if secret]
    return {
        "Content-Type": "application/json",
        "User-Agent": "Touchstone",
        "webhook-id": identity,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{signature(s, identity, timestamp, body)}" for s in secrets),
    }


def signature(secret: str, identity: str, timestamp: str, body: bytes) -> str:
    signed = f"{identity}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.new(bytes.fromhex(secret), signed, hashlib.sha256).digest()).decode()


def shown_secret(secret: str) -> str:
    """As receivers' libraries want it."""
    return MARK + base64.b64encode(bytes.fromhex(secret)).decode()


def message_id(key: str) -> str:
    """The same for every attempt, and tells nothing: the key holds row numbers."""
    return f"msg_{hashlib.sha256(key.encode()).hexdigest()[:32]}"


@transaction.atomic
def note(row: Outbox, hook: Webhook | None, one: Attempt) -> None:
    """Write down how it went, unless somebody else took the row over meanwhile."""
    noted = settle(row, arrived=one.arrived, error=one.error, is_final=one.is_final)
    if noted and hook is not None and Webhook.objects.filter(pk=hook.pk).exists():
        _log(hook, row.key, row.payload["event"], row.attempts + 1, one)


def redeliver(*, delivery: WebhookDelivery) -> None:
    """Send it once more, whatever became of it; the receiver knows the repeat by its id.

    Raises
    ------
    Conflict
        When it was a ping, or is on its way.
    """
    ours = Outbox.objects.filter(key=delivery.outbox_key, payload__webhook=delivery.webhook_id)
    ended = ours.filter(Q(delivered_at__isnull=False) | Q(given_up_at__isnull=False))
    if not ended.update(delivered_at=None, given_up_at=None, due_at=clock.now(), lease_until=None, attempts=0):
        raise Conflict("A ping is not sent again, and what is on its way arrives by itself.", code="not_ended")


def send_ping(*, webhook: Webhook) -> WebhookDelivery:
    """Try the address now. Call it outside of a transaction: it waits for the other side, up to 10 seconds."""
    key = f"ping:{webhook.pk}:{time.time_ns()}"
    body = orjson.dumps({"type": "ping", "timestamp": clock.now().isoformat(), "data": {}})
    return _log(webhook, key, "ping", 1, send(webhook, message_id(key), body))


def _log(hook: Webhook, key: str, event: str, number: int, one: Attempt) -> WebhookDelivery:
    return WebhookDelivery.objects.create(
        webhook=hook,
        outbox_key=key[:200],
        event=event,
        attempt=number,
        response_code=one.status,
        error=one.error[:300],
        took_ms=one.took_ms,
    )


def _since(began: float) -> int:
    return int((time.monotonic() - began) * 1000)
