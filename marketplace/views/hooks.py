"""Where programs hear of events: webhooks, their secrets, and how each delivery went."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import OuterRef, Subquery
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from core.errors import DomainError
from core.pages import tell
from lifecycle.deliver import redeliver, send_ping, shown_secret
from marketplace.models import Membership, Requester, Webhook, WebhookDelivery
from marketplace.selectors import requesters_of
from marketplace.services import hooks
from marketplace.views.requester import for_requesters, need_manager

PAGE = 25


@require_safe
@for_requesters
def studio_webhooks(request: HttpRequest, requester: Requester) -> HttpResponse:
    need_manager(request, requester)
    return _page(request, requester)


def _page(request: HttpRequest, requester: Requester, **more: Any) -> HttpResponse:
    last = WebhookDelivery.objects.filter(webhook=OuterRef("pk")).order_by("-pk")
    context = {
        "requester": requester,
        "webhooks": requester.webhooks.annotate(
            last_at=Subquery(last.values("at")[:1]), last_code=Subquery(last.values("response_code")[:1])
        ).order_by("pk"),
        "events": hooks.REQUESTER_EVENTS,
    }
    response = render(request, "studio/webhooks.html", context | more)
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@for_requesters
def webhook_new(request: HttpRequest, requester: Requester) -> HttpResponse:
    """Its secret is in this one response."""
    need_manager(request, requester)
    url, events = request.POST.get("url", "").strip(), request.POST.getlist("events")
    try:
        webhook = hooks.create_webhook(requester=requester, url=url, events=events)
    except DomainError as refusal:
        tell(request, refusal)
        return redirect("studio_webhooks")
    return _page(request, requester, secret=shown_secret(webhook.secret))


def _webhook(request: HttpRequest, webhook_id: uuid.UUID) -> Webhook:
    mine = Webhook.objects.filter(requester__in=requesters_of(request.user, Membership.Role.MANAGER))
    return get_object_or_404(mine.distinct(), public_id=webhook_id)


@require_safe
@for_requesters
def studio_webhook(request: HttpRequest, requester: Requester, webhook_id: uuid.UUID) -> HttpResponse:
    """One webhook with every attempt to deliver, newest first."""
    return _log(request, _webhook(request, webhook_id))


def _log(request: HttpRequest, webhook: Webhook, secret: str = "") -> HttpResponse:
    page = Paginator(webhook.deliveries.order_by("-pk"), PAGE).get_page(request.GET.get("page"))
    context = {"webhook": webhook, "page": page, "events": hooks.REQUESTER_EVENTS, "secret": secret}
    response = render(request, "studio/webhook.html", context)
    response["Cache-Control"] = "no-store"
    return response


@require_POST
@for_requesters
def webhook_act(request: HttpRequest, requester: Requester, webhook_id: uuid.UUID, act: str) -> HttpResponse:
    """Change, ping, send again, change the secret, delete."""
    webhook = _webhook(request, webhook_id)
    try:
        if act == "change":
            is_active = "is_active" in request.POST
            url, events = request.POST.get("url", "").strip(), request.POST.getlist("events")
            hooks.change_webhook(webhook=webhook, url=url, events=events, is_active=is_active)
            messages.success(request, _("Saved."))
        elif act == "ping":
            done = send_ping(webhook=webhook)
            if done.error:
                messages.error(request, _("It did not arrive. %s") % done.error)
            else:
                messages.success(request, _("It arrived, in %d ms.") % done.took_ms)
        elif act == "again":
            written = request.POST.get("delivery", "")
            found = webhook.deliveries.filter(pk=int(written) if written.isdigit() else 0)
            redeliver(delivery=get_object_or_404(found))
            messages.success(request, _("It is sent again now, under the same id."))
        elif act == "secret":
            return _log(request, webhook, shown_secret(hooks.rotate_secret(webhook=webhook).secret))
        elif act == "delete":
            hooks.delete_webhook(webhook=webhook)
            messages.success(request, _("Deleted, with its log."))
            return redirect("studio_webhooks")
        else:
            raise Http404
    except DomainError as refusal:
        tell(request, refusal)
    return redirect("studio_webhook", webhook.public_id)
