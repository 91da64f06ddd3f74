"""UniqueRequestToken: a second call with it fails for 24 hours, however close behind the first it comes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection

from core import clock
from marketplace.models import Requester
from mturk.errors import RequestError
from mturk.models import RequestToken

KEPT = timedelta(hours=24)

# An equal call at the same moment waits here until the first commits (then it is refused) or fails (then it goes on).
HOLD = """
INSERT INTO mturk_requesttoken AS t (requester_id, operation, token, made, created_at)
VALUES (%(requester)s, %(operation)s, %(token)s, '', %(now)s)
ON CONFLICT (requester_id, operation, token) DO UPDATE SET created_at = excluded.created_at, made = ''
WHERE t.created_at <= %(until)s
RETURNING id
"""


def hold_token(*, requester: Requester, operation: str, token: str | None) -> int | None:
    """Take the token before the work, in the transaction of the work: what fails does not use it up.

    Raises
    ------
    RequestError
        `HitAlreadyExists` (with the id of the HIT) or `DuplicateRequest`.
    """
    if token is None:
        return None
    now = clock.now()
    about: dict[str, Any] = {"requester": requester.pk, "operation": operation, "token": token}
    with connection.cursor() as cursor:
        cursor.execute(HOLD, {**about, "now": now, "until": now - KEPT})
        row = cursor.fetchone()
    if row is not None:
        return int(row[0])
    message = f'The idempotency token "{token}" has already been processed.'
    made = RequestToken.objects.get(requester=requester, operation=operation, token=token).made
    if operation == "CreateHIT":
        raise RequestError("HitAlreadyExists", f"{message} It made the HIT {made}.")
    raise RequestError("DuplicateRequest", message)


def note_made(token_id: int | None, made: str) -> None:
    if token_id is not None:
        RequestToken.objects.filter(pk=token_id).update(made=made)


def forget_old_tokens() -> int:
    """Called by the sweep."""
    return RequestToken.objects.filter(created_at__lt=clock.now() - KEPT).delete()[0]
