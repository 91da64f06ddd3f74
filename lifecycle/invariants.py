"""What must hold at every commit (docs/operating.md), each as one check that returns the rows that break it.

A check is one statement, so it sees one moment of a running market. `check_invariants` runs all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from django.db import connection, connections, transaction
from django.db.migrations.executor import MigrationExecutor

from config.postgres import APP
from core import audit
from quality.models import AggregationRun, Belief
from quality.services.aggregation import changed_since

#: Rows shown of each check.
SHOWN = 20
#: Without --full, labels of so many runs are computed again, each of at most so many answers.
MOST_RUNS, MOST_ANSWERS = 5, 50_000
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Finding:
    """What one check found: `broken` holds the first rows that break the invariant."""

    name: str
    says: str
    broken: Rows


# Tables whose rows are only ever added, and the trigger that refuses the rest.
APPEND_ONLY = {
    "payments_transfer": "transfer_append_only",
    "payments_entry": "entry_append_only",
    "marketplace_answer": "answer_append_only",
    "quality_judgment": "judgment_append_only",
    "quality_overruling": "overruling_append_only",
    "quality_prediction": "prediction_append_only",
    "core_auditentry": "audit_append_only",
}

#: Name -> what it says, and the statement that finds the rows that break it.
STATEMENTS: dict[str, tuple[str, str]] = {
    # --- money -------------------------------------------------------------------------------------------------------
    "M1": (
        "Each transfer has two entries or more in one currency, none of zero, that sum to zero",
        """
        SELECT t.id AS transfer, t.key, sum(e.amount) AS sum, count(e.id) AS entries
        FROM payments_transfer t LEFT JOIN payments_entry e ON e.transfer_id = t.id
        LEFT JOIN payments_account a ON a.id = e.account_id
        GROUP BY t.id HAVING coalesce(sum(e.amount), 1) <> 0 OR count(e.id) < 2 OR count(DISTINCT a.currency) <> 1
            OR bool_or(e.amount = 0)
        """,
    ),
    "M2": (
        "All entries of a currency sum to zero",
        """
        SELECT a.currency, sum(e.amount) AS sum FROM payments_entry e JOIN payments_account a ON a.id = e.account_id
        GROUP BY a.currency HAVING sum(e.amount) <> 0
        """,
    ),
    "M3": (
        "Each stored balance is the sum of its entries; accounts that are summed store none",
        """
        SELECT a.id AS account, a.kind, a.owner_id, a.balance, coalesce(sum(e.amount), 0) AS entries
        FROM payments_account a LEFT JOIN payments_entry e ON e.account_id = a.id
        GROUP BY a.id HAVING a.balance <>
            CASE WHEN a.kind IN ('platform:fees', 'outside') THEN 0 ELSE coalesce(sum(e.amount), 0) END
        """,
    ),
    "M4": (
        "No account but the outside world is below zero",
        """
        SELECT a.id AS account, a.kind, a.owner_id, coalesce(sum(e.amount), 0) AS entries, a.balance
        FROM payments_account a LEFT JOIN payments_entry e ON e.account_id = a.id WHERE a.kind <> 'outside'
        GROUP BY a.id HAVING coalesce(sum(e.amount), 0) < 0 OR a.balance < 0
        """,
    ),
    "M5": (
        "A published batch's escrow is its price times the funded places not yet paid or released",
        """
        SELECT b.id AS batch, b.state, (b.reward + b.fee) * coalesce(h.funded, 0) AS due,
               coalesce(a.balance, 0) AS escrow
        FROM marketplace_batch b
        LEFT JOIN (SELECT batch_id, sum(funded) AS funded FROM marketplace_hit GROUP BY batch_id) h
            ON h.batch_id = b.id AND b.state NOT IN ('draft', 'publishing')
        LEFT JOIN payments_account a ON a.kind = 'batch:escrow' AND a.owner_id = b.id
        WHERE (b.reward + b.fee) * coalesce(h.funded, 0) <> coalesce(a.balance, 0)
        """,
    ),
    "M6": (
        "A closed batch holds money for undecided and appealable assignments only, and no repair reserve",
        """
        SELECT b.id AS batch, h.id AS hit, h.funded AS has, count(a.id) AS needs, NULL::bigint AS repair
        FROM marketplace_batch b JOIN marketplace_hit h ON h.batch_id = b.id
        LEFT JOIN marketplace_assignment a ON a.hit_id = h.id AND (a.state IN ('accepted', 'submitted', 'revising')
            OR (a.state = 'rejected' AND a.decide_at IS NOT NULL))
        WHERE b.state = 'closed' GROUP BY b.id, h.id HAVING h.funded <> count(a.id)
        UNION ALL
        SELECT b.id, NULL, NULL, NULL, a.balance FROM marketplace_batch b
        JOIN payments_account a ON a.kind = 'batch:repair' AND a.owner_id = b.id
        WHERE b.state = 'closed' AND a.balance <> 0
        """,
    ),
    "M7": (
        "Each approved assignment with a reward is paid that reward once; nothing else is",
        """
        SELECT a.id AS assignment, a.state, a.reward, coalesce(p.paid, 0) AS paid, coalesce(p.transfers, 0) AS transfers
        FROM marketplace_assignment a FULL JOIN (
            SELECT substring(t.key FROM 8)::bigint AS assignment_id, count(DISTINCT t.id) AS transfers,
                   sum(e.amount) FILTER (WHERE c.kind = 'worker:payable') AS paid
            FROM payments_transfer t JOIN payments_entry e ON e.transfer_id = t.id
            JOIN payments_account c ON c.id = e.account_id WHERE t.key ~ '^reward:[0-9]+$' GROUP BY t.key
        ) p ON p.assignment_id = a.id
        WHERE a.id IS NULL OR coalesce(p.paid, 0) <> CASE a.state WHEN 'approved' THEN a.reward ELSE 0 END
            OR coalesce(p.transfers, 0) > 1
        """,
    ),
    "M8": (
        "The database refuses to change or delete transfers, entries, answers, judgments and audit rows",
        """
        SELECT w.name AS table, 'no trigger refuses it' AS why
        FROM unnest(%(tables)s::text[], %(triggers)s::text[]) AS w(name, trigger)
        WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = w.name::regclass AND g.tgenabled IN ('O', 'A')
                          AND g.tgname LIKE 'pgtrigger_' || w.trigger || '%%')
        UNION ALL
        SELECT w.name, 'the application may delete rows' FROM unnest(%(tables)s::text[]) AS w(name), pg_roles r
        WHERE r.rolname = %(app)s AND has_table_privilege(r.oid, w.name::regclass, 'DELETE')
        UNION ALL
        SELECT w.name, 'the application may update amounts' FROM unnest(%(tables)s::text[]) AS w(name), pg_roles r
        WHERE r.rolname = %(app)s AND w.name LIKE 'payments_%%'
          AND has_any_column_privilege(r.oid, w.name::regclass, 'UPDATE')
        UNION ALL
        SELECT 'payments_transfer', 'reversal ' || t.key || ' names no transfer' FROM payments_transfer t
        WHERE t.kind = 'reversal' AND t.reverses_id IS NULL
        """,
    ),
    "M9": (
        "Money under way to workers is what unfinished payouts say; each deposit and payout moved its amount once",
        """
        SELECT 'payouts under way' AS what, NULL::bigint AS id, coalesce(sum(o.amount), 0) AS said,
               coalesce(max(a.balance), 0) AS moved
        FROM payments_account a FULL JOIN payments_payout o
            ON o.currency = a.currency AND o.state IN ('requested', 'sending')
        WHERE a.kind = 'payout:clearing' OR (a.id IS NULL AND o.state IN ('requested', 'sending'))
        GROUP BY coalesce(a.currency, o.currency) HAVING coalesce(sum(o.amount), 0) <> coalesce(max(a.balance), 0)
        UNION ALL
        SELECT 'payout paid', o.id, o.amount, coalesce(e.amount, 0) FROM payments_payout o
        LEFT JOIN payments_transfer t ON t.key = 'payout:' || o.id || ':paid'
        LEFT JOIN payments_entry e ON e.transfer_id = t.id AND e.amount > 0
        WHERE coalesce(e.amount, 0) <> CASE o.state WHEN 'paid' THEN o.amount ELSE 0 END
        UNION ALL
        SELECT 'deposit', d.id, d.amount, coalesce(e.amount, 0) FROM payments_deposit d
        LEFT JOIN payments_transfer t ON t.key = 'deposit:' || d.id
        LEFT JOIN payments_entry e ON e.transfer_id = t.id AND e.amount > 0
        WHERE coalesce(e.amount, 0) <> CASE d.state WHEN 'confirmed' THEN d.amount ELSE 0 END
        """,
    ),
    "M10": (
        "A key moves money once; what is under way ends once; a reversal is the exact opposite, once",
        """
        SELECT t.key, 'more than one transfer' AS why FROM payments_transfer t GROUP BY t.key HAVING count(*) > 1
        UNION ALL
        SELECT 'payout:' || o.id, 'paid and sent back in one attempt' FROM payments_payout o
        WHERE EXISTS (SELECT FROM payments_transfer t WHERE t.key = 'payout:' || o.id || ':paid')
          AND EXISTS (SELECT FROM payments_transfer t WHERE t.key = 'payout:' || o.id || ':' || o.attempt || ':back')
        UNION ALL
        SELECT max(t.key), 'reversed more than once' FROM payments_transfer t WHERE t.reverses_id IS NOT NULL
        GROUP BY t.reverses_id HAVING count(*) > 1
        UNION ALL
        SELECT t.key, 'not the opposite of what it reverses' FROM payments_transfer t WHERE t.reverses_id IS NOT NULL
        AND EXISTS (SELECT FROM payments_entry e WHERE e.transfer_id IN (t.id, t.reverses_id)
                    GROUP BY e.account_id HAVING sum(e.amount) <> 0)
        """,
    ),
    # --- work --------------------------------------------------------------------------------------------------------
    "W1": (
        "Places taken on a HIT are its assignments that take one, and no more than its maximum",
        """
        SELECT h.id AS hit, h.taken, count(a.id) AS assignments, h.max_assignments FROM marketplace_hit h
        LEFT JOIN marketplace_assignment a ON a.hit_id = h.id
            AND a.state IN ('accepted', 'submitted', 'revising', 'approved', 'rejected')
        GROUP BY h.id HAVING h.taken <> count(a.id) OR h.taken > h.max_assignments
        """,
    ),
    "W2": (
        "A worker holds a HIT, and a group of HITs, once",
        """
        SELECT a.hit_id AS hit, NULL::bigint AS group_key, a.worker_id AS worker, count(*) AS times
        FROM marketplace_assignment a WHERE a.holds GROUP BY a.hit_id, a.worker_id HAVING count(*) > 1
        UNION ALL
        SELECT NULL, a.group_key, a.worker_id, count(*) FROM marketplace_assignment a
        WHERE a.holds AND a.group_key IS NOT NULL GROUP BY a.batch_id, a.group_key, a.worker_id HAVING count(*) > 1
        """,
    ),
    "W3": (
        "Nobody works for their own organisation or a requester that blocked them, or above a batch's caps",
        """
        SELECT a.id AS assignment, a.worker_id AS worker, 'own organisation' AS why FROM marketplace_assignment a
        JOIN marketplace_batch b ON b.id = a.batch_id JOIN marketplace_project p ON p.id = b.project_id
        JOIN workers_app_worker w ON w.id = a.worker_id
        JOIN marketplace_membership m ON m.requester_id = p.requester_id AND m.user_id = w.user_id
        WHERE p.audience IN ('public', 'volunteers') AND m.created_at < a.accepted_at - interval '1 minute'
        UNION ALL
        SELECT a.id, a.worker_id, 'blocked' FROM marketplace_assignment a
        JOIN marketplace_batch b ON b.id = a.batch_id JOIN marketplace_project p ON p.id = b.project_id
        JOIN marketplace_block k ON k.requester_id = p.requester_id AND k.worker_id = a.worker_id
        WHERE k.created_at < a.accepted_at - interval '1 minute'
        UNION ALL
        SELECT max(a.id), a.worker_id, 'more places than the cap' FROM marketplace_assignment a
        JOIN marketplace_batch b ON b.id = a.batch_id
        WHERE b.place_cap IS NOT NULL AND a.state <> 'lapsed' AND NOT (a.state = 'returned' AND a.is_ahead)
        GROUP BY b.id, a.worker_id HAVING count(*) > b.place_cap
        """,
    ),
    "W4": (
        "An assignment was accepted, submitted and decided in this order, and its state fits its times",
        """
        SELECT a.id AS assignment, a.state, a.accepted_at, a.submitted_at, a.decided_at FROM marketplace_assignment a
        WHERE a.submitted_at < a.accepted_at OR a.decided_at < coalesce(a.submitted_at, a.accepted_at)
           OR (a.state IN ('submitted', 'revising', 'approved', 'rejected')) <> (a.submitted_at IS NOT NULL)
           OR (a.state IN ('approved', 'rejected')) <> (a.decided_at IS NOT NULL)
        """,
    ),
    "W5": (
        "Each acknowledged answer is there as it was sent: its bytes fit their hash, its versions have no gap",
        """
        SELECT n.assignment_id AS assignment, n.version, 'bytes and hash differ' AS why FROM marketplace_answer n
        WHERE n.raw IS NOT NULL AND sha256(n.raw) <> n.sha256
        UNION ALL
        SELECT n.assignment_id, NULL, 'a version is missing' FROM marketplace_answer n
        GROUP BY n.assignment_id HAVING min(n.version) <> 1 OR max(n.version) <> count(*)
        UNION ALL
        SELECT a.id, NULL, 'no answer' FROM marketplace_assignment a WHERE a.submitted_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM marketplace_answer n WHERE n.assignment_id = a.id)
        """,
    ),
    "W6": (
        "A place ends once: what came in time is not expired, and workers' open places are counted right",
        """
        SELECT a.id AS assignment, NULL::bigint AS participation, a.state || ', yet answered in time' AS why
        FROM marketplace_assignment a JOIN marketplace_answer n ON n.assignment_id = a.id
        WHERE a.state = 'accepted' OR (a.state IN ('expired', 'lapsed') AND n.received_at <= a.deadline)
        UNION ALL
        SELECT NULL, p.id, 'open places ' || p.open_places || ' for ' || count(a.id) FILTER (WHERE a.state = 'accepted')
            || ', places in all ' || p.taken_in_all || ' for ' || count(a.id)
        FROM marketplace_participation p LEFT JOIN marketplace_assignment a ON a.batch_id = p.batch_id
            AND a.worker_id = p.worker_id AND a.state <> 'lapsed' AND NOT (a.state = 'returned' AND a.is_ahead)
        GROUP BY p.id HAVING p.open_places <> count(a.id) FILTER (WHERE a.state = 'accepted')
            OR p.taken_in_all <> count(a.id)
        """,
    ),
    "W7": (
        "While a batch runs, no HIT has retired before its own end with fewer answers than its mode asks for at least",
        """
        SELECT h.id AS hit, r.least, count(a.id) AS answers FROM marketplace_hit h
        JOIN marketplace_batch b
          ON b.id = h.batch_id AND b.state IN ('open', 'paused') AND b.paused_because <> 'closing'
        CROSS JOIN LATERAL (SELECT CASE b.design #>> '{rules,mode}'
            WHEN 'fixed' THEN (b.design #>> '{rules,answers}')::int
            WHEN 'sampled' THEN 1 ELSE (b.design #>> '{rules,min_answers}')::int END AS least) r
        LEFT JOIN marketplace_assignment a ON a.hit_id = h.id AND a.submitted_at IS NOT NULL
        WHERE h.state = 1 AND h.lane = 0 AND NOT EXISTS (
            SELECT FROM marketplace_hitdata d WHERE d.hit_id = h.id AND d.overrides ? 'ended_at')
        GROUP BY h.id, r.least HAVING count(a.id) < least(r.least, h.max_assignments)
          AND NOT (count(a.id) = 0 AND EXISTS (  -- a machine's word, or of one that may not answer alone any more
              SELECT FROM quality_prediction p JOIN quality_machineversion v ON v.id = p.version_id
              JOIN quality_machineuse u ON u.machine_id = v.machine_id AND u.batch_id = h.batch_id
              WHERE p.hit_id = h.id))
        """,
    ),
    "W9": (
        "One person has one vote on a HIT: no two of its workers are paid out to the same identity",
        """
        SELECT a.hit_id AS hit, w.payout_details ->> 'identity' AS identity, count(DISTINCT w.id) AS workers
        FROM marketplace_assignment a JOIN workers_app_worker w ON w.id = a.worker_id
        WHERE a.holds AND w.payout_details ->> 'identity' <> '' GROUP BY a.hit_id, 2 HAVING count(DISTINCT w.id) > 1
        """,
    ),
    "W10": (
        "Each answer to a known question is scored, and no such question is shown more often than it may be",
        """
        SELECT g.id AS gold, a.id AS assignment, 'not scored' AS why FROM quality_goldquestion g
        JOIN marketplace_assignment a ON a.hit_id = g.hit_id AND a.counts
        JOIN LATERAL (SELECT max(n.digested_at) AS at FROM marketplace_answer n WHERE n.assignment_id = a.id) d ON true
        WHERE g.pool = 'test' AND g.state = 'active' AND a.submitted_at IS NOT NULL AND d.at > g.created_at
          AND NOT EXISTS (SELECT FROM quality_goldscore s WHERE s.assignment_id = a.id)
        UNION ALL
        SELECT g.id, NULL, 'shown ' || count(a.id) || ' times, may be ' || coalesce(g."limit", h.max_assignments)
        FROM quality_goldquestion g JOIN marketplace_hit h ON h.id = g.hit_id AND (h.lane = 1 OR h.lane > 2)
        JOIN marketplace_assignment a ON a.hit_id = h.id AND a.opened_at IS NOT NULL
            AND (g."limit" IS NOT NULL OR a.submitted_at IS NOT NULL)
        WHERE g.pool = 'test' GROUP BY g.id, h.id HAVING count(a.id) > coalesce(g."limit", h.max_assignments)
        """,
    ),
    # --- secrecy -----------------------------------------------------------------------------------------------------
    "S1": (
        "What a worker is shown of a HIT has no column that tells a known answer",
        """
        SELECT d.hit_id AS hit, k.name AS column FROM marketplace_hitdata d
        CROSS JOIN LATERAL
            jsonb_object_keys(CASE jsonb_typeof(d.data) WHEN 'object' THEN d.data ELSE '{}' END) AS k(name)
        WHERE k.name = 'gold' OR k.name LIKE 'gold:%%'
        """,
    ),
    "S2": (
        "A worker's name at one requester is not their name at another",
        """
        SELECT p.worker_id AS worker, p.code, count(*) AS scopes FROM workers_app_pseudonym p
        GROUP BY p.worker_id, p.code HAVING count(*) > 1
        """,
    ),
    "S3": (
        "Rows of one organisation point only at rows of the same",
        """
        SELECT 'assignment' AS row, a.id FROM marketplace_assignment a JOIN marketplace_hit h ON h.id = a.hit_id
        WHERE a.batch_id <> h.batch_id
        UNION ALL
        SELECT 'HIT data', d.hit_id FROM marketplace_hitdata d JOIN marketplace_hit h ON h.id = d.hit_id
        WHERE d.batch_id <> h.batch_id
        UNION ALL
        SELECT 'judgment', j.id FROM quality_judgment j JOIN marketplace_hit h ON h.id = j.hit_id
        JOIN marketplace_batch b ON b.id = h.batch_id WHERE j.batch_id <> b.id OR j.project_id <> b.project_id
        UNION ALL
        SELECT 'gold question', g.id FROM quality_goldquestion g JOIN marketplace_hit h ON h.id = g.hit_id
        JOIN marketplace_batch b ON b.id = h.batch_id WHERE g.project_id <> b.project_id
        """,
    ),
    "S4": (
        "Tokens and passwords are stored as hashes only",
        """
        SELECT 'token' AS row, t.id FROM users_apitoken t WHERE t.digest !~ '^[0-9a-f]{64}$' OR length(t.prefix) > 12
        UNION ALL
        SELECT 'user', u.id FROM users_user u WHERE u.password !~ '^(!|[a-z0-9_]+[$])'
        """,
    ),
    # --- system ------------------------------------------------------------------------------------------------------
    "Y1": (
        "Each event for the outside is delivered, given up aloud, or being tried",
        """
        SELECT o.id AS outbox, o.key, o.attempts, o.due_at FROM core_outbox o
        WHERE (o.delivered_at IS NOT NULL AND o.given_up_at IS NOT NULL)
           OR (o.delivered_at IS NULL AND o.given_up_at IS NULL AND o.due_at < now() - interval '1 day')
        """,
    ),
    "Y2": (
        "Nothing is left lying for an hour: work under way, places past their time, answers to learn from",
        """
        SELECT 'operation' AS row, o.id, o.due_at AS since FROM core_operation o
        WHERE o.state IN ('waiting', 'running') AND o.due_at < now() - interval '1 hour'
          AND coalesce(o.lease_until, o.due_at) < now() - interval '1 hour'
        UNION ALL
        SELECT 'assignment', a.id, a.deadline FROM marketplace_assignment a
        WHERE a.state = 'accepted' AND a.deadline < now() - interval '1 hour'
        UNION ALL
        SELECT 'answer', n.id, n.final_at FROM marketplace_answer n
        WHERE n.digested_at IS NULL AND n.final_at < now() - interval '1 hour'
        """,
    ),
    "Y3": (
        "Each repeated-request key has its answer, or its time is over",
        """
        SELECT k.id, k.method, k.path, k.created_at FROM core_idempotencykey k
        WHERE k.response_code IS NULL AND k.created_at < now() - interval '1 day'
        """,
    ),
}


def unapplied_migrations() -> Rows:
    executor = MigrationExecutor(connections["default"])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [{"app": migration.app_label, "migration": migration.name} for migration, _ in plan]


def broken_audit_links() -> Rows:
    return [{"audit_entry": entry.pk, "act": entry.act, "subject": entry.subject} for entry in audit.broken_links()]


def unrepeatable_labels(full: bool = False) -> Rows:
    """Beliefs that the run which delivered them would not deliver again: of the newest runs, of all with `full`."""
    runs = AggregationRun.objects.filter(pk__in=Belief.objects.filter(run__isnull=False).values("run"))
    if not full:
        runs = runs.filter(answers__lte=MOST_ANSWERS)
    newest = runs.select_related("project").order_by("-pk")
    return [row for run in (newest if full else newest[:MOST_RUNS]) for row in changed_since(run)]


#: Name -> what it says, and the function that finds the rows that break it.
FUNCTIONS: dict[str, tuple[str, Callable[[], Rows]]] = {
    "W8": ("Labels follow from the judgment log: the same again, with confidences within 0.0001", unrepeatable_labels),
    "Y4": ("Every migration of this version is applied", unapplied_migrations),
    "A1": ("Each row of the audit log seals the one before", broken_audit_links),
}


def check_invariants(names: Collection[str] = (), *, full: bool = False) -> list[Finding]:
    """Run the checks called `names` (default: all), in the order of their names. `full`: all labels, not a sample."""
    unknown = set(names) - set(STATEMENTS) - set(FUNCTIONS)
    if unknown:
        raise ValueError(f"No such invariant: {', '.join(sorted(unknown))}.")
    chosen = [name for name in (*STATEMENTS, *FUNCTIONS) if not names or name in names]
    return [_check(name, full) for name in sorted(chosen, key=_rank)]


def names_of_invariants() -> list[str]:
    """All of them, in the order in which they are checked."""
    return sorted([*STATEMENTS, *FUNCTIONS], key=_rank)


def _rank(name: str) -> tuple[int, int]:
    return "MWSYA".index(name[0]), int(name[1:])


def _check(name: str, full: bool) -> Finding:
    if name == "W8":
        return Finding(name, FUNCTIONS[name][0], unrepeatable_labels(full)[:SHOWN])
    if name in FUNCTIONS:
        says, find = FUNCTIONS[name]
        return Finding(name, says, find()[:SHOWN])
    says, statement = STATEMENTS[name]
    arguments: dict[str, Any] = {"tables": list(APPEND_ONLY), "triggers": list(APPEND_ONLY.values())}
    arguments |= {"app": APP, "shown": SHOWN}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(f"SELECT * FROM ({statement}) AS broken LIMIT %(shown)s", arguments)  # noqa: S608  constants
        columns = [column.name for column in cursor.description]
        return Finding(name, says, [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()])
