"""Verifying a certificate: signature, sections, labels and figures, one line each."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from quality.models import Certificate
from quality.services.certificates import FORMAT, computed_again, differences
from quality.services.signing import is_signed, public_keys, read_public, sha256

#: Sections that are measured and move on: signed, and not computed again.
MEASURED = {"pay"}


@dataclass(frozen=True)
class Check:
    state: Literal["ok", "note", "BROKEN"]
    says: str
    details: Sequence[str] = field(default_factory=list)


def verify(content: bytes, *, with_log: bool = True) -> list[Check]:
    """What holds of a certificate file. Never raises for what the file says; a broken line names what is wrong."""
    try:
        document = orjson.loads(content)
        claim, sections, signature = document["claim"], document["sections"], document["signature"]
        if claim["format"] != FORMAT or not isinstance(sections, Mapping):
            raise ValueError
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return [Check("BROKEN", f"This is no certificate of the form {FORMAT}.")]
    checks = [*_signature(claim, signature), _sections(claim, sections)]
    if with_log:
        checks += _log(claim, sections)
    return checks


def _signature(claim: Mapping[str, Any], signature: Mapping[str, Any]) -> list[Check]:
    value, ours = str(signature.get("value")), public_keys().get(str(signature.get("key_id")))
    if ours is not None:
        if is_signed(claim, value, ours):
            return [Check("ok", "Signed by this site, and not changed since.")]
        return [Check("BROKEN", "The claim is not what was signed.")]
    try:
        theirs = read_public(str(signature.get("public_key")))
    except ValueError:
        return [Check("BROKEN", "Its key is not of this site, and it carries none.")]
    if not is_signed(claim, value, theirs):
        return [Check("BROKEN", "The claim is not what was signed.")]
    return [Check("BROKEN", "Signed by a key that is not of this site. Only its owner can say whose it is.")]


def _sections(claim: Mapping[str, Any], sections: Mapping[str, Any]) -> Check:
    signed = claim.get("sections", {})
    wrong = [name for name, section in sections.items() if signed.get(name) != sha256(section)]
    if wrong:
        return Check("BROKEN", "Sections are not what was signed.", wrong)
    kept_back = sorted(set(signed) - set(sections))
    return Check("ok", "Every section is what was signed.", [f"kept back: {name}" for name in kept_back])


def _log(claim: Mapping[str, Any], sections: Mapping[str, Any]) -> list[Check]:
    try:
        known = uuid.UUID(str(claim.get("id")))
    except ValueError:
        return [Check("BROKEN", "Its id is no id.")]
    related = Certificate.objects.select_related("batch__project__requester", "sample", "run__project")
    certificate = related.filter(public_id=known).first()
    if certificate is None:
        return [Check("BROKEN", "This site has issued no such certificate; --signature-only asks no more.")]
    try:
        found, again = computed_again(certificate)
    except ValueError as error:
        return [Check("BROKEN", "It cannot be computed again.", [str(error)])]
    checks = []
    if claim["labels_sha256"] == found["labels_sha256"]:
        checks.append(Check("ok", f"{claim['delivered']} labels follow from the judgment log."))
    else:
        checks.append(Check("BROKEN", "The judgment log gives other labels."))
    # Names may be mended; what is counted and computed may not.
    figures = {name: found[name] for name in found if name not in ("requester", "project", "batch", "labels_sha256")}
    wrong = differences({name: claim.get(name) for name in figures}, figures)
    wrong += [
        line
        for name, section in sections.items()
        if name not in MEASURED
        for line in differences(section, again.get(name, {}), name)
    ]
    checks.append(Check("BROKEN", "Figures differ.", wrong) if wrong else Check("ok", "Figures follow from the log."))
    if certificate.state == Certificate.State.SUPERSEDED:
        checks.append(Check("note", f"It is superseded. {certificate.superseded_because}"))
    return checks
