"""The operations by name: each takes the requester and the members of a request, and returns those of the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from marketplace.models import Requester
from mturk.operations import money

Members = Mapping[str, Any]
Operation = Callable[[Requester, Members], dict[str, Any]]

BY_NAME: dict[str, Operation] = {
    "GetAccountBalance": money.get_account_balance,
}
