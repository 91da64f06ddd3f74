"""Webhooks: where a program hears of events. Secrets are shown when they are made, and can be changed without a gap."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from core.errors import Conflict, Invalid
from core.outbound import NotSent, target_of, vetted_literal
from marketplace.models import Webhook

MOST_HOOKS = 20
REQUESTER_EVENTS = ("batch.finished", "answer.submitted", "label.settled")
WORKER_EVENTS = ("payout.changed",)


def create_webhook(*, url: str, events: Sequence[str], requester: Any = None, worker: Any = None) -> Webhook:
    """For a requester or a worker. Raises `Invalid`, and `Conflict` when there are too many."""
    _check(url, events, WORKER_EVENTS if worker else REQUESTER_EVENTS)
    owner = {"requester": requester} if requester else {"worker": worker}
    if Webhook.objects.filter(**owner).count() >= MOST_HOOKS:
        raise Conflict(f"At most {MOST_HOOKS} webhooks. Delete one first.", code="too_many_webhooks")
    return Webhook.objects.create(url=url, events=sorted(set(events)), **owner)


def change_webhook(
    *, webhook: Webhook, url: str | None = None, events: Sequence[str] | None = None, is_active: bool | None = None
) -> Webhook:
    url, events = url or webhook.url, events if events is not None else webhook.events
    _check(url, events, WORKER_EVENTS if webhook.worker_id else REQUESTER_EVENTS)
    is_active = webhook.is_active if is_active is None else is_active
    Webhook.objects.filter(pk=webhook.pk).update(url=url, events=sorted(set(events)), is_active=is_active)
    webhook.refresh_from_db()
    return webhook


def rotate_secret(*, webhook: Webhook) -> Webhook:
    """A new secret. The one before still signs beside it, until the next change: receivers have time to follow."""
    Webhook.objects.filter(pk=webhook.pk).update(secret=secrets.token_hex(32), old_secret=webhook.secret)
    webhook.refresh_from_db(fields=["secret", "old_secret"])
    return webhook


def delete_webhook(*, webhook: Webhook) -> None:
    Webhook.objects.filter(pk=webhook.pk).delete()


def _check(url: str, events: Sequence[str], known: Sequence[str]) -> None:
    errors = {}
    try:
        vetted_literal(target_of(url))
    except NotSent as refused:
        errors["url"] = str(refused)
    if len(url) > 500:
        errors["url"] = "At most 500 characters."
    unknown = sorted(set(events) - set(known))
    if unknown or not events:
        errors["events"] = f"One or more of {', '.join(known)}."
    if errors:
        raise Invalid(errors=errors)
