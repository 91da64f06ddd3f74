"""Ed25519 keys of this site: the newest signs certificates, and every one that ever signed still verifies.

A key is a pair of files in `CERTIFICATE_KEYS`: `<when>-<id>.key`, which only the owner reads, and `<when>-<id>.pub`.
A retired `.key` may be deleted or moved away; its `.pub` stays.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from django.conf import settings
from django.utils import timezone


def canonical(content: Any) -> bytes:
    """The bytes that are signed: JSON with sorted keys and no spaces.

    >>> canonical({"b": 1, "a": [0.5]})
    b'{"a":[0.5],"b":1}'
    """
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def sha256(content: Any) -> str:
    return hashlib.sha256(canonical(content)).hexdigest()


def sign(content: Any) -> tuple[str, str]:
    """The signature of `content` (base64) and the id of the key; the first call of a site makes its key."""
    found = sorted(_folder().glob("*.key"))
    path = found[-1] if found else _first_key()
    key = load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return base64.b64encode(key.sign(canonical(content))).decode(), key_id(key.public_key())


def is_signed(content: Any, signature: str, public: Ed25519PublicKey) -> bool:
    try:
        public.verify(base64.b64decode(signature, validate=True), canonical(content))
    except (InvalidSignature, ValueError):
        return False
    return True


def public_keys() -> dict[str, Ed25519PublicKey]:
    """Every key that this site has signed with, by id."""
    keys = {}
    for path in sorted(_folder().glob("*.pub")):
        key = load_pem_public_key(path.read_bytes())
        if isinstance(key, Ed25519PublicKey):
            keys[key_id(key)] = key
    return keys


def key_id(public: Ed25519PublicKey) -> str:
    """The first 128 bits of the key's SHA-256, in hexadecimal."""
    return hashlib.sha256(_raw(public)).hexdigest()[:32]


def written(public: Ed25519PublicKey) -> str:
    """A public key as base64, for others to verify with."""
    return base64.b64encode(_raw(public)).decode()


def read_public(text: str) -> Ed25519PublicKey:
    """Raises ValueError where `text` is no key."""
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))


def rotate() -> str:
    """Make a new key, with which everything is signed from now on; its id."""
    return key_id(load_pem_public_key(_make_key(f"{timezone.now():%Y%m%dT%H%M%S%f}").read_bytes()))  # type: ignore[arg-type]


def _first_key() -> Path:
    """Of two processes that begin at once both may make one; from then on both sign with the later."""
    _make_key(f"{timezone.now():%Y%m%dT%H%M%S%f}")
    return max(_folder().glob("*.key"))


def _make_key(when: str) -> Path:
    folder = _folder()
    key = Ed25519PrivateKey.generate()
    name = f"{when}-{key_id(key.public_key())}"
    public = folder / f"{name}.pub"
    # The public half first: nothing is ever signed with a key that cannot be looked up.
    _write(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _write(folder / f"{name}.key", secret, 0o600)
    return public


def _write(path: Path, content: bytes, mode: int) -> None:
    """All of it or nothing, and never readable by others for a moment."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fresh.touch(mode=mode)
    fresh.write_bytes(content)
    fresh.rename(path)


def _folder() -> Path:
    folder = Path(settings.CERTIFICATE_KEYS)
    if not folder.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _raw(public: Ed25519PublicKey) -> bytes:
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)
