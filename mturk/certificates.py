"""A certificate for the two names under which Amazon's tools look for Mechanical Turk, signed by an authority that is
made on this machine and known nowhere else."""

from __future__ import annotations

import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from django.conf import settings

VALID = datetime.timedelta(days=825)
RENEW_BEFORE = datetime.timedelta(days=30)


def made(folder: Path) -> tuple[Path, Path]:
    """(authority, certificate with its key) as PEM files in `folder`, made anew where they are old or missing."""
    authority, chain = folder / "authority.pem", folder / "amazon.pem"
    if not _is_fresh(authority) or not _is_fresh(chain):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make(authority, chain)
    return authority, chain


def _is_fresh(path: Path) -> bool:
    if not path.exists():
        return False
    until = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    return until - RENEW_BEFORE > datetime.datetime.now(datetime.UTC)


def _make(authority: Path, chain: Path) -> None:
    """The authority's key is thrown away: whoever finds the files can sign nothing more with it."""
    now = datetime.datetime.now(datetime.UTC)
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = _named("Touchstone, for tools of Mechanical Turk")
    names = [x509.DNSName(name) for name in settings.AMAZON_HOSTS]
    basics = (root_name, now)
    root = (
        _builder(root_name, root_key.public_key(), *basics)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
        .add_extension(
            x509.NameConstraints(permitted_subtrees=names, excluded_subtrees=None),
            critical=True,
        )
        .sign(root_key, hashes.SHA256())
    )  # fmt: skip
    leaf = (
        _builder(
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, settings.AMAZON_HOSTS[0])]), key.public_key(), *basics
        )
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in settings.AMAZON_HOSTS]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    written = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    chain.touch(mode=0o600)
    chain.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + written)
    authority.write_bytes(root.public_bytes(serialization.Encoding.PEM))


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(
    name: x509.Name, key: ec.EllipticCurvePublicKey, issuer: x509.Name, now: datetime.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + VALID)
    )
