"""Qualification requirements as they are sent, and as rules of the market."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from mturk.errors import RequestError
from mturk.finding import find
from workers_app.models import Qualification
from workers_app.services.granting import LARGEST_VALUE

MOST = 10
MOST_INTEGERS, MOST_LOCALES = 15, 30
LOCALE = "00000000000000000071"
#: Whoever staff grants it is a Master, in both worlds.
MASTERS = uuid.uuid5(uuid.NAMESPACE_URL, "https://www.mturk.com/qualifications/masters")
MASTERS_IDS = ("2F1QJWKUDD8XADTFD2Q0G6UTO95ALH", "2ARFPLSP75KLA8M8DH1HTEQVJT3SY6")


@dataclass(frozen=True)
class SystemType:
    """A qualification that nobody grants: `subject` is what the market's requirements call it."""

    name: str
    description: str
    subject: str


SYSTEM = {
    "000000000000000000L0": SystemType(
        "Worker_PercentAssignmentsApproved",
        "The percentage of a worker's submitted assignments that were approved; 100 for who submitted less than 100.",
        "approval",
    ),
    "00000000000000000040": SystemType(
        "Worker_NumberHITsApproved", "The number of a worker's approved assignments.", "approved"
    ),
    LOCALE: SystemType("Worker_Locale", "Where a worker is: a country, and its subdivision.", "locale"),
    "00000000000000000060": SystemType(
        "Worker_Adult", "1 for a worker who accepts content that may be distressing, else 0.", "adult"
    ),
    "00000000000000000000": SystemType(
        "Worker_PercentAssignmentsSubmitted",
        "The percentage of accepted assignments that were submitted.",
        "submission",
    ),
    "00000000000000000070": SystemType(
        "Worker_PercentAssignmentsAbandoned", "The percentage of accepted assignments that expired.", "abandonment"
    ),
    "000000000000000000E0": SystemType(
        "Worker_PercentAssignmentsReturned", "The percentage of accepted assignments that were returned.", "return"
    ),
    "000000000000000000S0": SystemType(
        "Worker_PercentAssignmentsRejected", "The percentage of submitted assignments that were rejected.", "rejection"
    ),
    **{
        one: SystemType("Masters", "Workers whom the staff of this site vouch for.", str(MASTERS))
        for one in MASTERS_IDS
    },
}
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
GUARDED = {"Accept": "accept", "PreviewAndAccept": "preview", "DiscoverPreviewAndAccept": "discover"}
WITHOUT_VALUE = ("Exists", "DoesNotExist")
LISTS = ("In", "NotIn")
ORDERED = ("LessThan", "LessThanOrEqualTo", "GreaterThan", "GreaterThanOrEqualTo")


def told(requirement: Mapping[str, Any]) -> dict[str, Any]:
    """As given back: as sent, with the actions that it guards."""
    guarded = "PreviewAndAccept" if requirement.get("RequiredToPreview") else "Accept"
    return {"ActionsGuarded": guarded, **requirement}


def rules_of(requirements: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The market's requirements, each with what it guards.

    Raises
    ------
    RequestError
        For a comparator without its values, or a type that is not there.
    """
    if len(requirements) > MOST:
        raise RequestError("InvalidParameterValue", f"QualificationRequirements: at most {MOST}.")
    return [rule for requirement in requirements for rule in _rules(requirement)]


def _rules(requirement: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    type_id, comparator = requirement["QualificationTypeId"], requirement["Comparator"]
    value = _value(requirement)
    system = SYSTEM.get(type_id)
    subject = system.subject if system else str(usable(type_id).public_id)
    guards = GUARDED[told(requirement)["ActionsGuarded"]]
    if comparator in ("NotEqualTo", "NotIn"):  # without any value it fails
        yield {"subject": subject, "compare": "exists", "guards": guards}
    yield {"subject": subject, "compare": COMPARED[comparator], "value": value, "guards": guards}


def _value(requirement: Mapping[str, Any]) -> Any:
    type_id, comparator = requirement["QualificationTypeId"], requirement["Comparator"]
    integers, locales = requirement.get("IntegerValues") or [], requirement.get("LocaleValues") or []

    def wrong(why: str) -> RequestError:
        return RequestError("InvalidParameterValue", f"QualificationRequirement {type_id}, {comparator}: {why}")

    if comparator in WITHOUT_VALUE:
        if integers or locales:
            raise wrong("takes no value.")
        return None
    if type_id in MASTERS_IDS:
        raise wrong("Masters can only be asked for with Exists or DoesNotExist.")
    if bool(integers) == bool(locales):
        raise wrong("needs IntegerValues or LocaleValues.")
    if (type_id == LOCALE) != bool(locales):
        raise wrong("LocaleValues are for the locale, IntegerValues for every other type.")
    if comparator in ORDERED and locales:
        raise wrong("takes one integer.")
    most = (MOST_INTEGERS if integers else MOST_LOCALES) if comparator in LISTS else 1
    if len(integers or locales) > most:
        raise wrong(f"at most {most} values.")
    if any(abs(value) > LARGEST_VALUE for value in integers):
        raise wrong(f"integers are from {-LARGEST_VALUE} to {LARGEST_VALUE}.")
    values = list(integers) or [_locale(one) for one in locales]
    return values if comparator in LISTS else values[0]


def _locale(locale: Mapping[str, str]) -> str:
    """Such as US, or US-CA."""
    return "-".join(part.upper() for part in (locale["Country"], locale.get("Subdivision")) if part)


def living() -> QuerySet[Qualification]:
    """The types of requesters that were not deleted."""
    rows = Qualification.objects.filter(~Q(kind=Qualification.Kind.QUIZ), requester__isnull=False)
    return rows.filter(Q(mturk=None) | Q(mturk__deleted_at=None)).select_related("mturk")


def usable(type_id: str) -> Qualification:
    """A type that a new requirement may name: of anyone, while it is active."""
    found = find(living(), "QualificationType", type_id)
    if hasattr(found, "mturk") and not found.mturk.is_active:
        raise RequestError(
            "InvalidQualificationTypeState",
            f"The QualificationType {type_id} is Inactive. This operation can be called with a status of: Active",
        )
    return found
