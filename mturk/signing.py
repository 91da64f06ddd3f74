"""Signature Version 4, as the SDKs make it: who sends this, and is it what they sent?

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, quote

from mturk.errors import Refusal

ALGORITHM = "AWS4-HMAC-SHA256"
SERVICE = "mturk-requester"
#: How far a client's clock may be off.
TOLERANCE = timedelta(minutes=15)
CREDENTIAL = re.compile(r"(?P<key>[\w-]{4,128})/(?P<day>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[\w-]+)/aws4_request")


@dataclass(frozen=True)
class Signed:
    """What an Authorization header says, and what was signed."""

    key_id: str
    day: str
    region: str
    headers: tuple[str, ...]
    signature: str
    at: datetime

    @property
    def scope(self) -> str:
        return f"{self.day}/{self.region}/{SERVICE}/aws4_request"


def invalid(message: str) -> Refusal:
    return Refusal("InvalidSignatureException", message)


def read_authorization(headers: Mapping[str, str], now: datetime) -> Signed:
    """What the request says of itself.

    Raises
    ------
    Refusal
        `MissingAuthenticationTokenException` where there is no signature in the headers, `InvalidSignatureException`
        for one that cannot be read, is of another service or day, or was made over 15 minutes from now.
    """
    told = headers.get("Authorization", "")
    if not told:
        raise Refusal("MissingAuthenticationTokenException", "The request has no signature in its headers.")
    algorithm, _, rest = told.partition(" ")
    if algorithm != ALGORITHM:
        raise invalid(f"Sign with {ALGORITHM}.")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    scope = CREDENTIAL.fullmatch(parts.get("Credential", ""))
    names = tuple(name for name in parts.get("SignedHeaders", "").lower().split(";") if name)
    if scope is None or not parts.get("Signature") or not names:
        raise invalid("Authorization must have Credential, SignedHeaders and Signature.")
    if scope["service"] != SERVICE:
        raise invalid(f"Credential should be scoped to correct service: '{SERVICE}'.")
    at = _moment(headers)
    if scope["day"] != at.strftime("%Y%m%d"):
        raise invalid("Date in Credential scope does not match the date of the request.")
    if abs(at - now) > TOLERANCE:
        earlier = "expired" if at < now else "not yet current"
        raise invalid(f"Signature {earlier}: {at:%Y%m%dT%H%M%SZ} is over 15 minutes from {now:%Y%m%dT%H%M%SZ}.")
    missing = {"host"} - set(names) or {"x-amz-date", "date"}.isdisjoint(names) and {"x-amz-date"}
    if missing:
        raise invalid(f"SignedHeaders must name {', '.join(sorted(missing))}.")
    return Signed(scope["key"], scope["day"], scope["region"], names, parts["Signature"], at)


def _moment(headers: Mapping[str, str]) -> datetime:
    told = headers.get("X-Amz-Date", "")
    try:
        return datetime.strptime(told, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise invalid("X-Amz-Date must look like 20260131T235959Z.") from None


def is_right(
    signed: Signed, secret: str, *, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
) -> bool:
    """Whether the holder of `secret` signed just this request; `path` and `query` as they came over the wire."""
    lines = [
        method,
        quote(path or "/", safe="/~-._"),
        "&".join(sorted(f"{_escaped(name)}={_escaped(value)}" for name, value in parse_qsl(query, True))),
        *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed.headers),
        "",
        ";".join(signed.headers),
        hashlib.sha256(body).hexdigest(),
    ]
    canonical = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    message = f"{ALGORITHM}\n{signed.at:%Y%m%dT%H%M%SZ}\n{signed.scope}\n{canonical}"
    key = f"AWS4{secret}".encode()
    for part in (signed.day, signed.region, SERVICE, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(key, message.encode(), "sha256").hex(), signed.signature)


def _escaped(text: str) -> str:
    return quote(text, safe="-._~")
