"""The right to hand in from one frame: sealed, so that nobody but us can make or read it, and nothing is stored.

It binds the assignment, the session of the worker who opened the page, and this showing of the frame. It ends with the
session; what an assignment takes, `lifecycle.submit` decides.
"""

from __future__ import annotations

import base64
import secrets
import uuid
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module

import orjson
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.utils.crypto import constant_time_compare

from marketplace.models import Assignment

#: Longer is no ticket of ours.
LONGEST = 600


@dataclass(frozen=True)
class Ticket:
    assignment: uuid.UUID
    session: str
    #: Says to the worker's page that a message is from this frame.
    nonce: str

    def seal(self) -> str:
        return _box().encrypt(orjson.dumps([self.assignment.hex, self.session, self.nonce])).decode()


def new_ticket(*, assignment: uuid.UUID, session: str) -> Ticket:
    return Ticket(assignment, session, secrets.token_urlsafe(12))


def read_ticket(token: str) -> Ticket | None:
    """None for what we did not seal."""
    if len(token) > LONGEST:
        return None
    try:
        assignment, session, nonce = orjson.loads(_box().decrypt(token.encode()))
    except (InvalidToken, UnicodeEncodeError):
        return None
    return Ticket(uuid.UUID(hex=assignment), session, nonce)


def holder_of(ticket: Ticket) -> Assignment | None:
    """The assignment, where the session in the ticket still is its worker's."""
    found = (
        Assignment.objects.filter(public_id=ticket.assignment, hit__mturk__isnull=False)
        .select_related("worker__user", "batch__project__requester", "hit__data_row", "hit__mturk")
        .first()
    )
    if found is None or not found.worker.user.is_active:
        return None
    session = import_module(settings.SESSION_ENGINE).SessionStore(ticket.session)
    is_theirs = session.get(SESSION_KEY) == str(found.worker.user_id) and constant_time_compare(
        session.get(HASH_SESSION_KEY, ""), found.worker.user.get_session_auth_hash()
    )
    return found if is_theirs else None


def _box() -> Fernet:
    return _box_of(settings.SECRET_KEY)


@lru_cache(maxsize=4)
def _box_of(secret: str) -> Fernet:
    key = HKDF(SHA256(), length=32, salt=None, info=b"touchstone frames").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))
