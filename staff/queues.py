"""What waits for a person: how much of it, and since when."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import connection
from django.urls import reverse
from django.utils.translation import gettext as _

# Each reads a partial index or few rows: queues are short, what is behind them is not.
COUNTS = """
SELECT 'appeals', count(*), min(rule_by) FROM marketplace_appeal WHERE state = 'open'
UNION ALL SELECT 'flags', count(*), min(created_at) FROM quality_flag WHERE state = 'open'
UNION ALL SELECT 'pauses', count(DISTINCT (project_id, worker_id)), min(look_again_at) FROM quality_workerreliability
    WHERE state = 'paused' AND look_again_at < now()
UNION ALL SELECT 'keys', count(*), min(created_at) FROM quality_contest WHERE state = 'open'
UNION ALL SELECT 'reports', count(*), min(reported_at) FROM marketplace_message
    WHERE reported_at IS NOT NULL AND looked_at IS NULL
UNION ALL SELECT 'deposits', count(*), min(created_at) FROM payments_deposit WHERE state = 'requested'
UNION ALL SELECT 'payouts', count(*), min(created_at) FROM payments_payout WHERE state IN ('requested', 'sending')
UNION ALL SELECT 'people', count(*), min(date_joined) FROM users_user WHERE approved_at IS NULL AND is_active
UNION ALL SELECT 'operations', count(*), min(finished_at) FROM core_operation
    WHERE state = 'failed' AND finished_at > now() - interval '7 days'
UNION ALL SELECT 'outbox', count(*), min(given_up_at) FROM core_outbox
    WHERE given_up_at IS NOT NULL AND given_up_at > now() - interval '7 days'
"""


@dataclass(frozen=True)
class Queue:
    """`since`: of appeals, when the first is won by itself; of pauses, when the first was to be looked at."""

    name: str
    words: str
    what: str
    url: str
    count: int
    since: dt.datetime | None


def queues() -> list[Queue]:
    """All of them in the order in which they press: one statement."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTS)
        found = {name: (count, since) for name, count, since in cursor.fetchall()}
    lines = [
        ("appeals", _("Appeals"), _("Without a ruling in time the worker wins."), "staff_appeals", ""),
        ("flags", _("Flags"), _("Raised by rules; a person says what they are worth."), "staff_flags", ""),
        ("pauses", _("Pauses to look at"), _("A person was promised a look by now."), "staff_workers", "?show=due"),
        ("keys", _("Contested known answers"), _("Workers say that a key is wrong."), "staff_keys", ""),
        ("reports", _("Reported messages"), _("One side says that the other went too far."), "staff_reports", ""),
        ("deposits", _("Deposits"), _("Announced; confirm once the bank shows them."), "staff_deposits", ""),
        ("payouts", _("Payouts"), _("Workers wait for their money."), "staff_payouts", ""),
        ("people", _("Sign-ups"), _("Waiting to be let in."), "staff_people", "?show=waiting"),
        ("operations", _("Failed work"), _("Long work that gave up in the last 7 days."), "staff_system", ""),
        ("outbox", _("Given up"), _("Calls and mails not delivered in the last 7 days."), "staff_system", ""),
    ]
    return [
        Queue(name, words, what, reverse(view) + query, *found.get(name, (0, None)))
        for name, words, what, view, query in lines
    ]
