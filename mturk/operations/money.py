"""The balance and bonuses. Prices, bonuses and fees are the market's own (payments/)."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Sum

from lifecycle.bonus import pay_bonus
from marketplace.models import Assignment, Batch
from mturk import ids, people, status
from mturk.amounts import dollars, micros
from mturk.errors import RequestError
from mturk.models import AccessKey
from mturk.operations.assignments import assignment_of, wrong_state
from mturk.operations.hits import hit_of
from mturk.paging import Page
from mturk.services import sandbox, tokens
from payments.models import Account
from payments.selectors import balance


def get_account_balance(key: AccessKey, members: Mapping[str, Any]) -> dict[str, Any]:
    """What can be spent, and what is put aside for HITs."""
    requester = key.requester
    batches = Batch.objects.filter(project__requester=requester).values("pk")
    kinds = (Account.Kind.ESCROW, Account.Kind.REPAIR)
    held = Account.objects.filter(kind__in=kinds, owner_id__in=batches).aggregate(sum=Sum("balance"))["sum"]
    available = balance(Account.Kind.AVAILABLE, requester.pk, requester.currency)
    return {"AvailableBalance": dollars(available), "OnHoldBalance": dollars(held or 0)}


def send_bonus(key: AccessKey, members: Mapping[str, Any]) -> dict[str, Any]:
    token = members.get("UniqueRequestToken")
    tokens.hold_token(requester=key.requester, operation="SendBonus", token=token)
    assignment = assignment_of(key.requester, members["AssignmentId"])
    if people.worker_ids(key.requester, [assignment.worker_id])[assignment.worker_id] != members["WorkerId"]:
        raise RequestError("InvalidParameterValue", "WorkerId: the assignment is another worker's.")
    if assignment.state not in status.ANSWERED:
        raise wrong_state("Submitted,Approved,Rejected")
    amount = micros("BonusAmount", members["BonusAmount"])
    pay_bonus(
        assignment=assignment,
        amount=amount,
        reason=members["Reason"],
        key=uuid.uuid4().hex,
        by=key.made_by,
        fee=sandbox.fee_of(amount) if sandbox.is_sandbox(key.requester) else None,
    )
    return {}


# Keys begin with `bonus:` and the assignment; the operators go by the index whatever the collation.
BONUSES = """
SELECT t.id, a.id, e.amount, t.memo, t.created_at
FROM unnest(%(assignments)s::bigint[]) AS a(id)
JOIN payments_transfer t ON t.key ~>=~ ('bonus:' || a.id || ':') AND t.key ~<~ ('bonus:' || a.id || ';')
JOIN payments_entry e ON e.transfer_id = t.id
JOIN payments_account c ON c.id = e.account_id AND c.kind = 'worker:payable'
WHERE t.id > %(after)s ORDER BY t.id LIMIT %(most)s
"""


class Bonus(NamedTuple):
    pk: int
    assignment_id: int
    amount: int
    reason: str
    at: datetime


def list_bonus_payments(key: AccessKey, members: Mapping[str, Any]) -> dict[str, Any]:
    if ("HITId" in members) == ("AssignmentId" in members):
        raise RequestError("AWS.MissingParameters", "Give either HITId or AssignmentId.")
    if "HITId" in members:
        hit = hit_of(key.requester, members["HITId"])
        given = list(Assignment.objects.filter(hit=hit.pk))
    else:
        given = [assignment_of(key.requester, members["AssignmentId"])]
    by_id = {row.pk: row for row in given}
    named = members.get("HITId") or members["AssignmentId"]
    page = Page(members, "ListBonusPayments", key.requester_id, named)
    with connection.cursor() as cursor:
        about: dict[str, Any] = {"assignments": list(by_id), "after": int(page.after or 0), "most": page.size + 1}
        cursor.execute(BONUSES, about)
        found = [Bonus(*row) for row in cursor.fetchall()]
    shown, paging = page.cut(found, lambda bonus: bonus.pk)
    names = people.worker_ids(key.requester, [row.worker_id for row in given])
    return {**paging, "BonusPayments": [_told(bonus, by_id[bonus.assignment_id], names) for bonus in shown]}


def _told(bonus: Bonus, assignment: Assignment, names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "WorkerId": names[assignment.worker_id],
        "BonusAmount": dollars(bonus.amount),
        "AssignmentId": ids.written(assignment.public_id),
        "Reason": bonus.reason,
        "GrantTime": bonus.at,
    }
