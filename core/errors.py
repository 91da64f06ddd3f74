"""What services raise. `core.api` turns each family into one HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy


def _(words: str) -> str:
    """Marks words of a class: they are translated when the refusal is raised."""
    return cast(str, gettext_lazy(words))


class DomainError(Exception):
    """A refusal with a stable `code` for programs and a sentence for people.

    `errors` names the fields (or `row 418, column image`) that are at fault, each with what would be right.
    """

    code = "refused"
    message = _("This cannot be done.")

    def __init__(
        self, message: str | Promise | None = None, *, code: str | None = None, errors: Mapping[str, str] | None = None
    ) -> None:
        self.message = str(message or self.message)  # written now, in the language of whoever asked
        self.code = code or self.code
        self.errors = dict(errors or {})
        super().__init__(self.message)


class Invalid(DomainError):
    """The input is wrong: 400."""

    code = "invalid"
    message = _("The request has errors. Nothing was changed.")


class InsufficientFunds(DomainError):
    """The money is not there: 402."""

    code = "insufficient_funds"
    message = _("The balance does not cover this. Nothing was changed.")


class NotAllowed(DomainError):
    """The person may not do this: 403."""

    code = "not_allowed"
    message = _("You may not do this.")


class NotThere(DomainError):
    """The thing does not exist for this person: 404."""

    code = "not_found"
    message = _("There is no such thing here.")


class Conflict(DomainError):
    """The state of things does not allow it now: 409."""

    code = "conflict"
    message = _("This has changed meanwhile.")


class IllegalMove(Conflict):
    code = "illegal_move"


class KeyReused(DomainError):
    """An idempotency key came with another request: 422."""

    code = "key_reused"
    message = _("This Idempotency-Key was used for another request. Use a new one for each thing you want done.")
