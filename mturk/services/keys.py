"""Access keys: made, shown once, opened to check a signature, revoked."""

from __future__ import annotations

import base64
import secrets
from datetime import timedelta

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from core import audit
from core.errors import Conflict, NotAllowed
from marketplace.models import Membership, Requester
from mturk.models import AccessKey
from users.models import User

BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
#: Live keys a requester may have: two to rotate, and some for programs of their own.
MOST_KEYS = 10
#: `last_used_at` is good to this: a write for each call would be the dearest part of it.
USED_WITHIN = timedelta(minutes=5)


@transaction.atomic
def create_access_key(*, requester: Requester, by: User, name: str = "") -> tuple[AccessKey, str]:
    """A new key and its secret, which is shown this once.

    Raises
    ------
    NotAllowed
        Who is not at least a manager of the requester.
    Conflict
        `too_many_keys`
    """
    member = Membership.objects.filter(requester=requester, user=by).first()
    if member is None or not member.is_at_least(Membership.Role.MANAGER):
        raise NotAllowed("Access keys are made by owners and managers.", code="role_missing")
    Requester.objects.select_for_update(no_key=True).get(pk=requester.pk)
    if AccessKey.objects.filter(requester=requester, revoked_at=None).count() >= MOST_KEYS:
        raise Conflict(f"There are {MOST_KEYS} live keys. Revoke one first.", code="too_many_keys")
    secret = base64.b64encode(secrets.token_bytes(30)).decode()  # 40 characters, as Amazon's
    key = AccessKey.objects.create(
        requester=requester,
        made_by=by,
        key_id="AKIA" + "".join(secrets.choice(BASE32) for _ in range(16)),
        sealed=_box().encrypt(secret.encode()),
        name=name.strip()[:80],
    )
    audit.record(act="access_key.create", subject=f"requester:{requester.pk}", actor=by, key=key.key_id)
    return key, secret


def revoke_access_key(*, key: AccessKey, by: User) -> None:
    """Ends it at once; safe to run twice."""
    if AccessKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=timezone.now()):
        audit.record(act="access_key.revoke", subject=f"requester:{key.requester_id}", actor=by, key=key.key_id)


def live_key(key_id: str) -> AccessKey | None:
    """The key of this id, unless it was revoked or who made it has left the requester."""
    key = AccessKey.objects.select_related("requester", "made_by").filter(key_id=key_id, revoked_at=None).first()
    if key is None or not key.made_by.is_active:
        return None
    is_member = Membership.objects.filter(requester=key.requester_id, user=key.made_by_id).exists()
    return key if is_member else None


def secret_of(key: AccessKey) -> str | None:
    """None where the site's secret has changed since and is not among `ACCESS_KEY_SECRETS` any more."""
    try:
        return _box().decrypt(bytes(key.sealed)).decode()
    except InvalidToken:
        return None


def note_use(key: AccessKey) -> None:
    now = timezone.now()
    if key.last_used_at is None or key.last_used_at < now - USED_WITHIN:
        AccessKey.objects.filter(pk=key.pk).update(last_used_at=now)


def _box() -> MultiFernet:
    """The first secret encrypts, all of them open: so it can be changed without losing keys."""
    found = settings.ACCESS_KEY_SECRETS or [settings.SECRET_KEY]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(_derived(secret))) for secret in found])


def _derived(secret: str) -> bytes:
    return HKDF(SHA256(), length=32, salt=None, info=b"touchstone access keys").derive(secret.encode())
