"""Events of HIT types, told to where a requester wants them: by mail, to a queue (SQS), to a topic (SNS).

Rows of the outbox, sent after the commit, tried again, at least once. Without Amazon, SQS is any queue that takes
`SendMessage`, and SNS whatever https address `MTURK_TOPICS` names for a topic.
"""

from __future__ import annotations

import base64
import hashlib
import smtplib
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.core.validators import validate_email

from core import clock
from core.models import Outbox
from core.outbound import NotSent, send, target_of, vetted_literal
from core.outbox import settle, take_due
from marketplace.models import Assignment, Requester
from mturk import ids
from mturk.errors import RequestError
from mturk.models import HitType, MturkHit, Notification
from mturk.services.watching import watch_type

KIND = "mturk"
VERSIONS = ("2006-05-05", "2014-08-15")
PING = "Ping"
GROUP, SIDE_BY_SIDE = 16, 8


def customer_id(requester: Requester) -> str:
    """The requester's own A... id.

    >>> customer_id(Requester(public_id=uuid.UUID(int=1)))[0]
    'A'
    """
    digest = hashlib.sha256(requester.public_id.bytes).digest()
    return "A" + base64.b32encode(digest[:10]).decode()[:13]


# --- settings ---------------------------------------------------------------------------------------------------------


def check(spec: Mapping[str, Any], *, is_test: bool = False) -> None:
    """Raises `RequestError`: `InvalidTransportEndpoint` where nothing can be sent to."""
    if spec["Version"] not in VERSIONS:
        raise RequestError("InvalidParameterValue", f"Notification.Version: one of {', '.join(VERSIONS)}.")
    if not spec["EventTypes"] and not is_test:
        raise RequestError("InvalidParameterValue", "Notification.EventTypes: at least one.")
    if PING in spec["EventTypes"] and not is_test:
        raise RequestError("InvalidParameterValue", "Notification.EventTypes: Ping is for SendTestEventNotification.")
    if len(spec["Destination"]) > 500:
        raise RequestError("InvalidParameterValue", "Notification.Destination: at most 500 characters.")
    try:
        if spec["Transport"] == "Email":
            validate_email(spec["Destination"])
        else:
            vetted_literal(target_of(address_of(spec["Transport"], spec["Destination"])))
    except (ValidationError, NotSent) as refused:
        why = refused.message if isinstance(refused, ValidationError) else str(refused)
        raise RequestError("InvalidTransportEndpoint", f"Notification.Destination: {why}") from None


def address_of(transport: str, destination: str) -> str:
    """Raises `NotSent` for a topic that no address is known for."""
    if transport != "SNS" or not destination.startswith("arn:"):
        return destination
    address = settings.MTURK_TOPICS.get(destination)
    if not address:
        raise NotSent(f"The topic {destination} has no address here. MTURK_TOPICS names it.", is_final=True)
    return address


def set_notification(*, hit_type: HitType, spec: Mapping[str, Any] | None, is_active: bool | None) -> None:
    """A new specification replaces the one before; without one, that is switched on or off. Raises `RequestError`."""
    if spec is None and is_active is None:
        raise RequestError("AWS.MissingParameters", "Give Notification, Active, or both.")
    changes: dict[str, Any] = {}
    if spec is not None:
        check(spec)
        changes = {
            "destination": spec["Destination"],
            "transport": spec["Transport"],
            "version": spec["Version"],
            "event_types": sorted(set(spec["EventTypes"])),
        }
    before = Notification.objects.select_for_update().filter(hit_type=hit_type).first()
    if before is None and spec is None:
        raise RequestError("InvalidParameterValue", "Active: there is no Notification that could be switched.")
    if is_active is not None or before is None:
        changes["is_active"] = is_active is not False
    Notification.objects.update_or_create(hit_type=hit_type, defaults=changes)
    watch_type(hit_type)


# --- telling ----------------------------------------------------------------------------------------------------------


def emit(row: MturkHit, event: str, *, at: datetime | None = None, assignment_id: int | None = None) -> None:
    """Tell an event of a HIT, where its type's events of this kind are told."""
    setting = Notification.objects.filter(hit_type=row.hit_type_id, is_active=True).first()
    if setting is None or event not in setting.event_types:
        return
    told = {
        "EventType": event,
        "EventTimestamp": _written(at or clock.now()),
        "HITTypeId": ids.written(row.hit_type.public_id),
        "HITId": ids.written(row.hit.data_row.public_id),
    }
    if assignment_id is not None:
        assignment = Assignment.objects.values_list("public_id", flat=True).get(pk=assignment_id)
        told["AssignmentId"] = ids.written(assignment)
    requester = Requester.objects.get(pk=row.requester_id)
    _post(requester, setting.transport, setting.destination, setting.version, told)


def send_test(*, requester: Requester, spec: Mapping[str, Any], event: str) -> None:
    """An event that did not happen, whatever event types the specification names. Raises `RequestError`."""
    check(spec, is_test=True)
    told = {"EventType": event, "EventTimestamp": _written(clock.now())}
    if event != PING:
        names = ["HITTypeId", "HITId"] + (["AssignmentId"] if event.startswith("Assignment") else [])
        told |= {name: ids.written(uuid.uuid4()) for name in names}
    _post(requester, spec["Transport"], spec["Destination"], spec["Version"], told)


def _written(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _post(requester: Requester, transport: str, destination: str, version: str, event: dict[str, str]) -> None:
    identity = str(uuid.uuid4())
    document = {
        "EventDocVersion": version,
        "EventDocId": identity,
        "CustomerId": customer_id(requester),
        "Events": [event],
    }
    payload = {"transport": transport, "destination": destination, "document": orjson.dumps(document).decode()}
    Outbox.objects.create(kind=KIND, key=f"mturk:{identity}", payload=payload)


# --- sending ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attempt:
    arrived: bool
    error: str = ""
    is_final: bool = False


def deliver_due(limit: int = GROUP) -> int:
    """Send what is due. Called every second; safe at the same time as itself."""
    rows = take_due(KIND, limit)
    if not rows:
        return 0
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:  # the threads only wait for the network: no database in them
        attempts = list(pool.map(_attempt, rows))
    for row, one in zip(rows, attempts, strict=True):
        settle(row, arrived=one.arrived, error=one.error, is_final=one.is_final)
    return len(rows)


def _attempt(row: Outbox) -> Attempt:
    transport, destination, document = (row.payload[name] for name in ("transport", "destination", "document"))
    try:
        if transport == "Email":
            (event,) = orjson.loads(document)["Events"]
            send_mail(f"Mechanical Turk: {event['EventType']}", document, None, [destination])
            return Attempt(True)
        body, headers = _request(transport, destination, document, row)
        with send("POST", address_of(transport, destination), body=body, headers=headers) as response:
            arrived = 200 <= response.status < 300
            return Attempt(arrived, "" if arrived else f"Answered {response.status}.", response.status == 410)
    except NotSent as why:
        return Attempt(False, str(why)[:300], why.is_final)
    except (OSError, smtplib.SMTPException) as error:
        return Attempt(False, f"The mail was not taken ({type(error).__name__}).")


def _request(transport: str, destination: str, document: str, row: Outbox) -> tuple[bytes, dict[str, str]]:
    if transport == "SQS":
        said = {"Action": "SendMessage", "MessageBody": document, "Version": "2012-11-05"}
        return urlencode(said).encode(), {"Content-Type": "application/x-www-form-urlencoded"}
    envelope = {
        "Type": "Notification",
        "MessageId": row.key.removeprefix("mturk:"),
        "TopicArn": destination,
        "Message": document,
        "Timestamp": f"{row.created_at:%Y-%m-%dT%H:%M:%S.000Z}",
    }
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "x-amz-sns-message-type": "Notification",
        "x-amz-sns-message-id": envelope["MessageId"],
        "x-amz-sns-topic-arn": destination,
    }
    return orjson.dumps(envelope), headers
