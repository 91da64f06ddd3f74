"""Where the events of HIT types are told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mturk.models import AccessKey
from mturk.operations.hits import type_of
from mturk.services.notifications import send_test, set_notification

Members = Mapping[str, Any]


def update_notification_settings(key: AccessKey, members: Members) -> dict[str, Any]:
    hit_type = type_of(key.requester, members["HITTypeId"])
    set_notification(hit_type=hit_type, spec=members.get("Notification"), is_active=members.get("Active"))
    return {}


def send_test_event_notification(key: AccessKey, members: Members) -> dict[str, Any]:
    send_test(requester=key.requester, spec=members["Notification"], event=members["TestEventType"])
    return {}
