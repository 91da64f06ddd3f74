"""Webhooks: where programs hear of events, and how deliveries went."""

from __future__ import annotations

import uuid
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request

from core.api.endpoint import Endpoint, act
from core.api.fields import Empty, Input
from lifecycle.deliver import redeliver, send_ping, shown_secret
from marketplace.api.finding import one, requester_for, webhook_for, worker_of
from marketplace.models import Webhook, WebhookDelivery
from marketplace.services import hooks

URL = {"max_length": 500, "help_text": "https, port 443, a public address."}


class WebhookOut(serializers.Serializer):
    id = serializers.UUIDField(source="public_id")
    url = serializers.CharField()
    events = serializers.ListField(child=serializers.CharField())
    is_active = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class NewWebhookOut(WebhookOut):
    secret = serializers.SerializerMethodField(help_text="Signs what we send (Standard Webhooks). Shown this once.")

    def get_secret(self, webhook: Webhook) -> str:
        return shown_secret(webhook.secret)


class RequesterHookIn(Input):
    url = serializers.CharField(**URL)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=hooks.REQUESTER_EVENTS), min_length=1, max_length=10
    )


class WorkerHookIn(Input):
    url = serializers.CharField(**URL)
    events = serializers.ListField(
        child=serializers.ChoiceField(choices=hooks.WORKER_EVENTS), min_length=1, max_length=10
    )


class HookChangeIn(Input):
    url = serializers.CharField(required=False, **URL)
    events = serializers.ListField(
        required=False,
        child=serializers.ChoiceField(choices=[*hooks.REQUESTER_EVENTS, *hooks.WORKER_EVENTS]),
        min_length=1,
        max_length=10,
    )
    is_active = serializers.BooleanField(required=False)


class DeliveryOut(serializers.Serializer):
    id = serializers.IntegerField(source="pk")
    event = serializers.CharField()
    attempt = serializers.IntegerField()
    status = serializers.IntegerField(source="response_code", allow_null=True)
    error = serializers.CharField()
    took_ms = serializers.IntegerField()
    at = serializers.DateTimeField()


class PingOut(serializers.Serializer):
    status = serializers.IntegerField(source="response_code", allow_null=True)
    error = serializers.CharField()
    took_ms = serializers.IntegerField()


class RequesterHooks(Endpoint):
    @act("read", gives=WebhookOut, paged=True, tag="webhooks")
    def get(self, request: Request, organisation_id: uuid.UUID) -> Any:
        """Webhooks of the organisation (managers)."""
        return requester_for(request, organisation_id, "manager").webhooks.all()

    @act("write", takes=RequesterHookIn, gives=NewWebhookOut, status=201, keyed=True, tag="webhooks")
    def post(self, request: Request, organisation_id: uuid.UUID, data: dict[str, Any]) -> Webhook:
        """Hear of events at this address (managers). Each is signed and delivered at least once."""
        return hooks.create_webhook(requester=requester_for(request, organisation_id, "manager"), **data)


class MyHooks(Endpoint):
    @act("work", gives=WebhookOut, paged=True, tag="webhooks")
    def get(self, request: Request) -> Any:
        """Your own webhooks as a worker."""
        return worker_of(request).webhooks.all()

    @act("work", takes=WorkerHookIn, gives=NewWebhookOut, status=201, keyed=True, tag="webhooks")
    def post(self, request: Request, data: dict[str, Any]) -> Webhook:
        """Hear of your payouts at this address."""
        return hooks.create_webhook(worker=worker_of(request), **data)


class Hook(Endpoint):
    @act("read", "work", gives=WebhookOut, tag="webhooks")
    def get(self, request: Request, webhook_id: uuid.UUID) -> Webhook:
        """One webhook."""
        return webhook_for(request, webhook_id)

    @act("write", "work", takes=HookChangeIn, gives=WebhookOut, tag="webhooks")
    def patch(self, request: Request, webhook_id: uuid.UUID, data: dict[str, Any]) -> Webhook:
        """Change address or events, or switch it off and on."""
        return hooks.change_webhook(webhook=webhook_for(request, webhook_id), **data)

    @act("write", "work", tag="webhooks")
    def delete(self, request: Request, webhook_id: uuid.UUID) -> None:
        """Delete it with its log."""
        hooks.delete_webhook(webhook=webhook_for(request, webhook_id))


class HookSecret(Endpoint):
    @act("write", "work", takes=Empty, gives=NewWebhookOut, keyed=True, tag="webhooks")
    def post(self, request: Request, webhook_id: uuid.UUID, data: dict[str, Any]) -> Webhook:
        """Change the secret. Until the next change both sign, so that nothing is missed meanwhile."""
        return hooks.rotate_secret(webhook=webhook_for(request, webhook_id))


class HookPing(Endpoint):
    @act("write", "work", takes=Empty, gives=PingOut, tag="webhooks")
    def post(self, request: Request, webhook_id: uuid.UUID, data: dict[str, Any]) -> WebhookDelivery:
        """Send a `ping` now and say how it went."""
        return send_ping(webhook=webhook_for(request, webhook_id))


class Deliveries(Endpoint):
    @act("read", "work", gives=DeliveryOut, paged=True, tag="webhooks")
    def get(self, request: Request, webhook_id: uuid.UUID) -> Any:
        """Every attempt to deliver, newest first."""
        return webhook_for(request, webhook_id).deliveries.all()


class DeliveryAgain(Endpoint):
    @act("write", "work", takes=Empty, status=202, keyed=True, tag="webhooks")
    def post(self, request: Request, webhook_id: uuid.UUID, delivery_id: int, data: dict[str, Any]) -> None:
        """Send it once more, under the same id."""
        redeliver(delivery=one(webhook_for(request, webhook_id).deliveries.all(), pk=delivery_id))
