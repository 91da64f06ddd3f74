"""What the dialect answers when it refuses: the two modelled errors with their TurkErrorCode, and those of the wire."""

from __future__ import annotations

import time
from typing import Any


def stamped(message: str) -> str:
    """With the moment in milliseconds behind it, as Amazon's messages end; some clients cut it off again."""
    return f"{message} ({time.time_ns() // 1_000_000} s)"


class Refusal(Exception):
    """An error of the wire, before any operation: `type` is what clients make an exception of."""

    status = 400

    def __init__(self, type: str, message: str) -> None:
        super().__init__(message)
        self.type = type
        self.message = message

    def body(self) -> dict[str, Any]:
        return {"__type": self.type, "message": self.message}


class RequestError(Refusal):
    """The caller's mistake, with the code that clients match on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__("RequestError", stamped(message))
        self.code = code if code.startswith("AWS.") else f"AWS.MechanicalTurk.{code}"

    def body(self) -> dict[str, Any]:
        return {"__type": self.type, "Message": self.message, "TurkErrorCode": self.code}


class ServiceFault(Refusal):
    """Our mistake."""

    status = 500

    def __init__(self) -> None:
        super().__init__("ServiceFault", stamped("The service has a fault. It was written down; nothing was changed."))

    def body(self) -> dict[str, Any]:
        return {"__type": self.type, "Message": self.message, "TurkErrorCode": "AWS.ServiceUnavailable"}


def does_not_exist(kind: str, name: str) -> RequestError:
    """Not there, or not the caller's: `kind` is HIT, Assignment, HITType, QualificationType, Worker ..."""
    return RequestError(f"{kind}DoesNotExist", f"{kind} {name} does not exist.")
