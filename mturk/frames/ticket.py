"""The right to hand in from one frame: sealed, so that nobody but us can make or read it, and nothing is stored.

It binds the assignment, the session of the worker who opened the page, and this showing of the frame. It ends with the
session; what an assignment takes, `lifecycle.submit` decides. Who only looks at a HIT has a ticket for it that hands in
nothing.
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
from django.contrib.sessions.backends.base import SessionBase
from django.utils.crypto import constant_time_compare

from marketplace.models import Assignment, Hit
from workers_app.models import Worker

#: Longer is no ticket of ours.
LONGEST = 600


@dataclass(frozen=True)
class Ticket:
    assignment: uuid.UUID
    session: str
    #: Says to the worker's page that a message is from this frame.
    nonce: str
    #: `assignment` is the id of a HIT then, which nobody has taken.
    is_look: bool = False

    def seal(self) -> str:
        return _box().encrypt(orjson.dumps([self.assignment.hex, self.session, self.nonce, self.is_look])).decode()


def new_ticket(*, assignment: uuid.UUID, session: str, is_look: bool = False) -> Ticket:
    return Ticket(assignment, session, secrets.token_urlsafe(12), is_look)


def read_ticket(token: str) -> Ticket | None:
    """None for what we did not seal."""
    if len(token) > LONGEST:
        return None
    try:
        assignment, session, nonce, is_look = orjson.loads(_box().decrypt(token.encode()))
    except (InvalidToken, UnicodeEncodeError, ValueError):  # ValueError: as they were sealed before there were looks
        return None
    return Ticket(uuid.UUID(hex=assignment), session, nonce, is_look)


def holder_of(ticket: Ticket) -> Assignment | None:
    """The assignment, where the session in the ticket still is its worker's; of a look, one that is not stored."""
    store = import_module(settings.SESSION_ENGINE).SessionStore(ticket.session)
    if ticket.is_look:
        worker = Worker.objects.select_related("user").filter(user=store.get(SESSION_KEY)).first()
        return looked_at(ticket.assignment) if worker and _is_theirs(store, worker) else None
    found = (
        Assignment.objects.filter(public_id=ticket.assignment, hit__mturk__isnull=False)
        .select_related("worker__user", "batch__project__requester", "hit__data_row", "hit__mturk")
        .first()
    )
    return found if found is not None and _is_theirs(store, found.worker) else None


def _is_theirs(session: SessionBase, worker: Worker) -> bool:
    return (
        worker.user.is_active
        and session.get(SESSION_KEY) == str(worker.user_id)
        and constant_time_compare(session.get(HASH_SESSION_KEY, ""), worker.user.get_session_auth_hash())
    )


def looked_at(hit_id: uuid.UUID) -> Assignment | None:
    """Stands for a place on the HIT that nobody took."""
    hits = Hit.objects.filter(data_row__public_id=hit_id, mturk__isnull=False)
    hit = hits.select_related("batch__project__requester", "data_row", "mturk").first()
    return Assignment(public_id=hit_id, hit=hit, batch=hit.batch, is_ahead=True) if hit else None


def _box() -> Fernet:
    return _box_of(settings.SECRET_KEY)


@lru_cache(maxsize=4)
def _box_of(secret: str) -> Fernet:
    key = HKDF(SHA256(), length=32, salt=None, info=b"touchstone frames").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))
