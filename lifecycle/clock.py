"""What the sweep does every second: each step is safe to run twice, and at the same time as itself."""

from __future__ import annotations

import logging
from collections.abc import Callable

from lifecycle.announce import announce_work
from lifecycle.audit_crowd import take_in_audits
from lifecycle.close import close_finished
from lifecycle.decide import decide_due
from lifecycle.deliver import deliver_due
from lifecycle.digest import digest_due
from lifecycle.expire import expire_due
from lifecycle.heal import heal_due, send_due_to_experts
from lifecycle.machines import take_in_predictions
from lifecycle.operations import run_due_operations
from lifecycle.refit import start_children, start_due_refits
from lifecycle.route import route_budgets
from lifecycle.upkeep import forget_old_rows, measure_pay, pause_expired, raise_share_caps
from lifecycle.watch import carry_pauses, limit_gold, set_gold_shares, take_in_scores
from marketplace.services.media import fetch_due_media
from quality.services.certificates import check_certificates
from quality.services.reputation import refresh_reputations
from users.services.mailing import gather_digests, send_due_mail

log = logging.getLogger(__name__)

#: Name, step, seconds between two runs.
STEPS: list[tuple[str, Callable[[], int], float]] = [
    ("digest", digest_due, 1.0),
    ("scores", take_in_scores, 1.0),
    ("pauses", carry_pauses, 1.0),
    ("gold shares", set_gold_shares, 10.0),
    ("gold limits", limit_gold, 5.0),
    ("decide", decide_due, 1.0),
    ("expire", expire_due, 1.0),
    ("close", close_finished, 5.0),
    ("expired batches", pause_expired, 10.0),
    ("shares", raise_share_caps, 60.0),
    ("reputations", refresh_reputations, 300.0),
    ("old rows", forget_old_rows, 600.0),
]

#: Steps that may take seconds. They have a process of their own (`sweep --long`), else digests would wait for them.
LONG_STEPS: list[tuple[str, Callable[[], int], float]] = [
    ("operations", run_due_operations, 0.5),
    ("media", fetch_due_media, 0.5),
    ("deliver", deliver_due, 1.0),
    ("pay", measure_pay, 5.0),
    ("new work", announce_work, 60.0),
    ("mail of the day", gather_digests, 60.0),
    ("mail", send_due_mail, 2.0),
    ("certificates", check_certificates, 5.0),
    ("audits", take_in_audits, 10.0),
    ("budgets", route_budgets, 2.0),
    ("healing", heal_due, 5.0),
    ("experts", send_due_to_experts, 60.0),
    ("predictions", take_in_predictions, 10.0),
    ("refits", start_due_refits, 10.0),
    ("refit processes", start_children, 1.0),
]


def add_step(name: str, step: Callable[[], int], seconds: float, *, is_long: bool = False) -> None:
    """A step of an app that stands above this one; called once, when that app is ready."""
    (LONG_STEPS if is_long else STEPS).append((name, step, seconds))
