"""Qualification requirements as they are sent, and as rules of the market."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mturk import ids
from mturk.errors import RequestError, does_not_exist
from workers_app.models import Qualification

MOST = 10
MOST_INTEGERS, MOST_LOCALES = 15, 30
LOCALE = "00000000000000000071"
COMPARED = {
    "LessThan": "<",
    "LessThanOrEqualTo": "<=",
    "GreaterThan": ">",
    "GreaterThanOrEqualTo": ">=",
    "EqualTo": "==",
    "NotEqualTo": "!=",
    "In": "in",
    "NotIn": "not_in",
    "Exists": "exists",
    "DoesNotExist": "missing",
}
WITHOUT_VALUE = ("Exists", "DoesNotExist")
LISTS = ("In", "NotIn")
ORDERED = ("LessThan", "LessThanOrEqualTo", "GreaterThan", "GreaterThanOrEqualTo")


def told(requirement: Mapping[str, Any]) -> dict[str, Any]:
    """As given back: as sent, with the actions that it guards."""
    guarded = "PreviewAndAccept" if requirement.get("RequiredToPreview") else "Accept"
    return {"ActionsGuarded": guarded, **requirement}


def rules_of(requirements: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The market's requirements. Each is asked for at accept, whatever it guards.

    Raises
    ------
    RequestError
        For a comparator without its values, a type that is not there, or one that is not known here yet.
    """
    if len(requirements) > MOST:
        raise RequestError("InvalidParameterValue", f"QualificationRequirements: at most {MOST}.")
    return [rule for requirement in requirements for rule in _rules(requirement)]


def _rules(requirement: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    type_id, comparator = requirement["QualificationTypeId"], requirement["Comparator"]
    value = _value(requirement)
    subject = "country" if type_id == LOCALE else str(qualification_of(type_id).public_id)
    if comparator in ("NotEqualTo", "NotIn"):  # without any value it fails
        yield {"subject": subject, "compare": "exists"}
    yield {"subject": subject, "compare": COMPARED[comparator], "value": value}


def _value(requirement: Mapping[str, Any]) -> Any:
    type_id, comparator = requirement["QualificationTypeId"], requirement["Comparator"]
    integers, locales = requirement.get("IntegerValues") or [], requirement.get("LocaleValues") or []

    def wrong(why: str) -> RequestError:
        return RequestError("InvalidParameterValue", f"QualificationRequirement {type_id}, {comparator}: {why}")

    if comparator in WITHOUT_VALUE:
        if integers or locales:
            raise wrong("takes no value.")
        return None
    if bool(integers) == bool(locales):
        raise wrong("needs IntegerValues or LocaleValues.")
    if (type_id == LOCALE) != bool(locales):
        raise wrong("LocaleValues are for the locale, IntegerValues for every other type.")
    if comparator in ORDERED and locales:
        raise wrong("takes one integer.")
    most = (MOST_INTEGERS if integers else MOST_LOCALES) if comparator in LISTS else 1
    if len(integers or locales) > most:
        raise wrong(f"at most {most} values.")
    if any(locale.get("Subdivision") for locale in locales):
        raise RequestError("NotImplemented", "LocaleValues: a Subdivision is not known here. Name the country alone.")
    values = list(integers) or [locale["Country"] for locale in locales]
    return values if comparator in LISTS else values[0]


def qualification_of(type_id: str) -> Qualification:
    """A type that a requirement may name: of anyone."""
    if type_id.startswith("0000") or type_id in ("2F1QJWKUDD8XADTFD2Q0G6UTO95ALH", "2ARFPLSP75KLA8M8DH1HTEQVJT3SY6"):
        raise RequestError("NotImplemented", f"The system qualification {type_id} is not known here yet.")
    public_id = ids.read(type_id)
    found = Qualification.objects.filter(public_id=public_id).first() if public_id else None
    if found is None:
        raise does_not_exist("QualificationType", type_id)
    return found
