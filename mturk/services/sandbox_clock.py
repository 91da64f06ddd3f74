"""The business clock of a sandbox, which its people may move forward.

No statement has a second clock. "It is later by D" is the same as "all of it happened, and falls due, D sooner", so the
times of the sandbox's work are moved back by D, and what is due by then, the sweep does as ever. Signatures, tokens,
messages, money and the live world keep the real time.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from core import audit
from core.errors import Conflict, Invalid
from marketplace.models import Batch, Requester
from mturk.services.sandbox import is_sandbox
from users.models import User

FURTHEST = timedelta(days=366)

# What is still to come and now is over falls due this moment, not in the past: the sweep looks no further back than it
# has looked before. Locked in the house order: participations, HITs, assignments.
STATEMENTS = (
    """
    UPDATE marketplace_participation SET today = today - %(days)s
    WHERE id IN (
        SELECT id FROM marketplace_participation WHERE batch_id = ANY(%(batches)s) ORDER BY id FOR NO KEY UPDATE
    )
    """,
    """
    SELECT count(*) FROM (
        SELECT 1 FROM marketplace_hit WHERE batch_id = ANY(%(batches)s) ORDER BY id FOR NO KEY UPDATE
    ) AS locked
    """,
    """
    UPDATE marketplace_assignment SET
        accepted_at = accepted_at - %(by)s, opened_at = opened_at - %(by)s, submitted_at = submitted_at - %(by)s,
        deadline = CASE WHEN state = 'accepted' AND deadline > statement_timestamp()
                        THEN greatest(deadline - %(by)s, statement_timestamp()) ELSE deadline - %(by)s END,
        decide_at = decide_at - %(by)s, decided_at = decided_at - %(by)s
    WHERE batch_id = ANY(%(batches)s)
    """,
    """
    UPDATE marketplace_appeal a SET
        created_at = a.created_at - %(by)s, rule_by = a.rule_by - %(by)s, ruled_at = a.ruled_at - %(by)s
    FROM marketplace_assignment s WHERE s.id = a.assignment_id AND s.batch_id = ANY(%(batches)s)
    """,
    """
    UPDATE marketplace_batch SET expires_at = expires_at - %(by)s, spent_on = spent_on - %(days)s
    WHERE id = ANY(%(batches)s)
    """,
    """
    UPDATE mturk_mturkhit m SET
        created_at = m.created_at - %(by)s, disposed_at = m.disposed_at - %(by)s,
        expires_at = CASE WHEN h.state = 0 AND m.expires_at > statement_timestamp()
                          THEN greatest(m.expires_at - %(by)s, statement_timestamp()) ELSE m.expires_at - %(by)s END
    FROM marketplace_hit h WHERE h.id = m.hit_id AND m.requester_id = %(requester)s
    """,
    """
    UPDATE workers_app_qualificationrequest r SET
        created_at = r.created_at - %(by)s, decided_at = r.decided_at - %(by)s
    FROM workers_app_qualification q WHERE q.id = r.qualification_id AND q.requester_id = %(requester)s
    """,
    """
    UPDATE quality_flag f SET expires_at = f.expires_at - %(by)s
    FROM marketplace_project p WHERE p.id = f.project_id AND p.requester_id = %(requester)s
    """,
    """
    UPDATE quality_workerreliability r SET look_again_at = r.look_again_at - %(by)s
    FROM marketplace_project p WHERE p.id = r.project_id AND p.requester_id = %(requester)s
    """,
)


@transaction.atomic
def move_clock(*, requester: Requester, forward: timedelta, by: User) -> None:
    """It is later in this sandbox by `forward`. Only time undoes it.

    Raises
    ------
    Conflict
        `not_a_sandbox`
    Invalid
        Not forward, or more than a year at once.
    """
    if not is_sandbox(requester):
        raise Conflict("The clock of live work is nobody's to move. Make a sandbox.", code="not_a_sandbox")
    if not timedelta() < forward <= FURTHEST:
        raise Invalid(errors={"seconds": f"From 1 to {FURTHEST.days * 86_400}: forward only, a year at once."})
    about: dict[str, Any] = {
        "by": forward,
        "days": forward.days,
        "requester": requester.pk,
        "batches": list(Batch.objects.filter(project__requester=requester).values_list("pk", flat=True)),
    }
    with connection.cursor() as cursor:
        for statement in STATEMENTS:
            cursor.execute(statement, about)
    audit.record(
        act="sandbox.clock", subject=f"requester:{requester.pk}", actor=by, seconds=int(forward.total_seconds())
    )
