"""Review policies: read from a request, and what they make of answers. No rows and no money are touched here.

https://docs.aws.amazon.com/AWSMechTurk/latest/AWSMturkAPI/ApiReference_AssignmentReviewPolicies.html
https://docs.aws.amazon.com/AWSMechTurk/latest/AWSMturkAPI/ApiReference_HITReviewPolicies.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mturk.errors import RequestError

KNOWN_ANSWERS = "ScoreMyKnownAnswers/2011-09-01"
PLURALITY = "SimplePlurality/2011-09-01"
#: Longer answers are not compared.
LONGEST = 256
YEAR = 31_536_000

Values = frozenset[str]


@dataclass(frozen=True)
class KnownAnswers:
    key: Mapping[str, Values]
    approve_from: int = 101
    approve_reason: str = ""
    reject_below: int = 0
    reject_reason: str = ""
    extend_below: int = 0
    extend_most: int = 5
    extend_seconds: int = 0

    def grade(self, answers: Mapping[str, Values]) -> dict[str, bool]:
        """Whether each question of the key was answered with just its values."""
        return {name: answers.get(name, frozenset()) == values for name, values in self.key.items()}


@dataclass(frozen=True)
class Plurality:
    questions: tuple[str, ...]
    threshold: int
    no_rejected: bool = False
    known_from: int | None = None
    extend_below: int = 0
    extend_most: int = 0
    extend_seconds: int = 0
    approve_from: int | None = None
    reject_below: int = 0
    reject_reason: str = ""


@dataclass(frozen=True)
class Agreement:
    """`share` is the percentage of workers who gave `answer`."""

    share: int
    answer: Values


@dataclass(frozen=True)
class Verdict:
    """What workers agree on: by question, of the HIT in percent, and how many agreed answers each one gave."""

    agreed: Mapping[str, Agreement]
    hit_score: int
    right: Sequence[int] = field(default_factory=tuple)

    def score_of(self, index: int) -> int | None:
        return 100 * self.right[index] // len(self.agreed) if self.agreed else None


def agree(policy: Plurality, answers: Sequence[Mapping[str, Values]]) -> Verdict:
    """`answers` of the workers who count, the first one first.

    >>> coat = [{"1": frozenset({one})} for one in ("coat", "sweater", "coat")]
    >>> agree(Plurality(("1",), 50), coat).agreed["1"].share
    66
    """
    agreed: dict[str, Agreement] = {}
    for question in policy.questions:
        found = _agreed([_short(one.get(question, frozenset())) for one in answers])
        if found and (found.share > policy.threshold or found.share == policy.threshold == 100):
            agreed[question] = found
    right = tuple(
        sum(_short(one.get(name, frozenset())) == found.answer for name, found in agreed.items()) for one in answers
    )
    return Verdict(agreed, 100 * len(agreed) // len(policy.questions), right)


def _agreed(said: Sequence[Values | None]) -> Agreement | None:
    groups: dict[Values, int] = {}
    for one in said:
        if one:
            groups[one] = groups.get(one, 0) + 1
    if not groups:
        return None
    answer = max(groups, key=lambda one: groups[one])  # of equal groups the one that began first
    return Agreement(100 * groups[answer] // len(said), answer)


def _short(values: Values) -> Values | None:
    """None where it is too long to be compared."""
    return None if any(len(value) > LONGEST for value in values) else values


# --- reading ----------------------------------------------------------------------------------------------------------


def wrong(name: str, why: str) -> RequestError:
    return RequestError("InvalidParameterValue", f"{name}: {why}")


def read_known_answers(sent: Mapping[str, Any]) -> KnownAnswers:
    """Raises `RequestError` naming the parameter."""
    given = _Given("AssignmentReviewPolicy", sent, KNOWN_ANSWERS)
    policy = KnownAnswers(
        key=given.map_of("AnswerKey"),
        approve_from=given.whole("ApproveIfKnownAnswerScoreIsAtLeast", 0, 101, 101),
        approve_reason=given.text("ApproveReason"),
        reject_below=given.whole("RejectIfKnownAnswerScoreIsLessThan", 0, 101, 0),
        reject_reason=given.text("RejectReason"),
        extend_below=given.whole("ExtendIfKnownAnswerScoreIsLessThan", 0, 101, 0),
        extend_most=given.whole("ExtendMaximumAssignments", 2, 25, 5),
        extend_seconds=given.seconds(),
    )
    given.must_be_used_up()
    return policy


def read_plurality(sent: Mapping[str, Any]) -> Plurality:
    """Raises `RequestError` naming the parameter."""
    given = _Given("HITReviewPolicy", sent, PLURALITY)
    approve_from = given.whole("ApproveIfWorkerAgreementScoreIsAtLeast", 0, 101, -1)
    known_from = given.whole("DisregardAssignmentIfKnownAnswerScoreIsLessThan", 0, 101, -1)
    policy = Plurality(
        questions=given.names("QuestionIds"),
        threshold=given.whole("QuestionAgreementThreshold", 0, 100, None),
        no_rejected=given.truth("DisregardAssignmentIfRejected"),
        known_from=None if known_from < 0 else known_from,
        extend_below=given.whole("ExtendIfHITAgreementScoreIsLessThan", 1, 100, 0),
        extend_most=given.whole("ExtendMaximumAssignments", 2, 25, 0),
        extend_seconds=given.seconds(),
        approve_from=None if approve_from < 0 else approve_from,
        reject_below=given.whole("RejectIfWorkerAgreementScoreIsLessThan", 0, 101, 0),
        reject_reason=given.text("RejectReason"),
    )
    given.must_be_used_up()
    if policy.extend_below and not policy.extend_most:
        raise wrong("HITReviewPolicy", "ExtendMaximumAssignments must be there with ExtendIf...")
    return policy


class _Given:
    """The parameters of a policy; keys are compared without case."""

    def __init__(self, member: str, sent: Mapping[str, Any], expected: str) -> None:
        self.member = member
        if sent["PolicyName"] != expected:
            raise wrong(f"{member}.PolicyName", f"only {expected} is known, not {sent['PolicyName']}.")
        self.left: dict[str, Mapping[str, Any]] = {}
        for parameter in sent.get("Parameters") or []:
            key = parameter.get("Key", "").lower()
            if key in self.left:
                raise wrong(member, f"{parameter.get('Key')} is there twice.")
            self.left[key] = parameter

    def must_be_used_up(self) -> None:
        for parameter in self.left.values():
            raise wrong(self.member, f"there is no parameter {parameter.get('Key')}.")

    def _values(self, name: str) -> list[str]:
        return [value.strip() for value in self.left.pop(name.lower(), {}).get("Values") or []]

    def text(self, name: str) -> str:
        text = " ".join(self._values(name))
        if len(text) > 1000:
            raise wrong(f"{self.member}.{name}", "at most 1000 characters.")
        return text

    def whole(self, name: str, low: int, high: int, default: int | None) -> int:
        if name.lower() not in self.left:
            if default is None:
                raise wrong(f"{self.member}.{name}", "must be there.")
            return default
        values = self._values(name)
        try:
            number = int(values[0]) if len(values) == 1 else low - 1
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise wrong(f"{self.member}.{name}", f"a whole number from {low} to {high}.")
        return number

    def seconds(self) -> int:
        return self.whole("ExtendMinimumTimeInSeconds", 60, YEAR, 0)

    def truth(self, name: str) -> bool:
        values = [value.lower() for value in self._values(name)]
        if values and values[0] not in ("t", "f", "true", "false"):
            raise wrong(f"{self.member}.{name}", "T or F.")
        return values[:1] in (["t"], ["true"])

    def names(self, name: str) -> tuple[str, ...]:
        values = [part.strip() for value in self._values(name) for part in value.split(",")]
        found = tuple(dict.fromkeys(part for part in values if part))
        if not found:
            raise wrong(f"{self.member}.{name}", "must be there.")
        return found

    def map_of(self, name: str) -> dict[str, Values]:
        entries: Iterable[Mapping[str, Any]] = self.left.pop(name.lower(), {}).get("MapEntries") or []
        found = {
            entry.get("Key", ""): frozenset(value.strip() for value in entry.get("Values") or []) - {""}
            for entry in entries
        }
        if not found or "" in found:
            raise wrong(f"{self.member}.{name}", "MapEntries from question to values must be there.")
        return found
