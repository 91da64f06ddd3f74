"""Plans of the hot statements over tables of 10^6 rows: what PostgreSQL reads for what it returns.

    python benchmarks/plans.py [--rows 1000000] [--keep] [--verbose] [--json]

Hit, HitData, Assignment, Answer, Judgment and Belief get so many rows each, made inside the server. Then each act, step
of the clock and list page runs once through the project's own functions; every statement that it sends is explained
with ANALYZE in the very transaction, and one line tells of its dearest. Nothing is committed. Exits 1 when a statement
scans one of these tables from end to end, or reads more than `MOST_READ` rows of them; one that counts a whole batch
may, within the time that a web process has. The server is one of its own, in var/bench-plans; `--keep` leaves the rows
there, and uses those that an earlier run with `--keep` has left.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.database import PROJECT, own_database

DATA_DIR = PROJECT / "var" / "bench-plans"
BIG = {
    "marketplace_hit",
    "marketplace_hitdata",
    "marketplace_assignment",
    "marketplace_answer",
    "quality_judgment",
    "quality_belief",
}
WORKERS = 200
#: Rows of the big tables that one statement may read. Figures of a whole batch count it, and stand in `COUNTS_ALL`.
MOST_READ = 20_000
#: Acts that look at a whole batch by their nature, and one batch is most of these tables: what counts is whether each
#: statement stays below the limit of a web process.
MOST_MILLISECONDS = 5_000
COUNTS_ALL = {"batch page", "results page", "export", "ask for more", "close"}
#: Counts the HITs of a batch once in some minutes; else it looks at so many of the newest.
COUNTS_ALL |= {"step: gold shares"}

# Half of the HITs are answered by two workers each, settled and undecided; 2000 answers are not digested yet, 500 of
# the decisions are due, 100 places are held beyond their time.
FILL = [
    """
    INSERT INTO marketplace_participation (worker_id, batch_id, cursor, lane_cursor, today, checked_until, created_at,
                                           instruction_version_seen)
    SELECT w, %(batch)s, (random() * 2147483646)::int, (random() * 2147483646)::int, CURRENT_DATE,
           now() + interval '1 day', now(), 1
    FROM unnest(%(workers)s) w
    """,
    """
    INSERT INTO marketplace_assignment (hit_id, batch_id, worker_id, state, reward, accepted_at, opened_at,
                                        submitted_at, active_seconds, deadline)
    SELECT h.id, h.batch_id, (%(workers)s)[1 + (h.n + turn * 100) %% 200], 'submitted', 10000, at, at,
           at + interval '20 s', 20, at + interval '10 min'
    FROM (SELECT id, batch_id, row_number() OVER (ORDER BY id) AS n FROM marketplace_hit WHERE batch_id = %(batch)s) h,
         generate_series(0, 1) turn, LATERAL (SELECT now() - h.n * interval '200 ms' - interval '1 hour' AS at) t
    WHERE h.n <= %(rows)s / 2
    """,
    """
    UPDATE marketplace_hit h SET taken = 2, state = 1 FROM (
        SELECT DISTINCT hit_id FROM marketplace_assignment WHERE batch_id = %(batch)s) a WHERE a.hit_id = h.id
    """,
    """
    INSERT INTO marketplace_answer (assignment_id, version, raw, sha256, data, received_at, final_at, digested_at)
    SELECT id, 1, '{"answers": {"digit": "one"}}', sha256('{"answers": {"digit": "one"}}'),
           '{"answers": {"digit": "one"}}', submitted_at, submitted_at, submitted_at
    FROM marketplace_assignment WHERE batch_id = %(batch)s
    """,
    """
    INSERT INTO quality_judgment (project_id, batch_id, hit_id, worker_id, assignment_id, question, version, label,
                                  weight)
    SELECT %(project)s, batch_id, hit_id, worker_id, id, 'digit', 1, 1, 1 FROM marketplace_assignment
    WHERE batch_id = %(batch)s ORDER BY id
    """,
    """
    INSERT INTO quality_belief (hit_id, question, part, state, posterior, label, confidence, answers, seen,
                                is_calibrated, interval, updated_at, settled_at)
    SELECT id, 'digit', '', CASE WHEN id %% 50 = 0 THEN 'disputed' ELSE 'settled' END, '{0.02,0.94,0.02,0.02}', 1,
           .9 + random() / 10, 2, (SELECT max(id) FROM quality_judgment), true, '{}', now(), now()
    FROM marketplace_hit WHERE batch_id = %(batch)s
    """,
    "UPDATE marketplace_assignment SET decide_at = submitted_at + interval '3 days' WHERE batch_id = %(batch)s",
    """
    UPDATE marketplace_assignment SET decide_at = now() - interval '1 s'
    WHERE id IN (SELECT id FROM marketplace_assignment WHERE batch_id = %(batch)s ORDER BY id LIMIT 500)
    """,
    """
    UPDATE marketplace_answer SET digested_at = NULL WHERE id IN (
        SELECT id FROM marketplace_answer ORDER BY id DESC LIMIT 2000)
    """,
    """
    INSERT INTO marketplace_assignment (hit_id, batch_id, worker_id, reward, opened_at, deadline)
    SELECT id, batch_id, (%(workers)s)[1 + id %% 200], 10000, now(), now() - interval '1 s' FROM marketplace_hit
    WHERE batch_id = %(batch)s AND room ORDER BY id LIMIT 100
    """,
    """
    UPDATE marketplace_hit h SET taken = taken + 1 FROM marketplace_assignment a
    WHERE a.hit_id = h.id AND a.state = 'accepted'
    """,
    """
    UPDATE marketplace_participation p SET open_places = a.n FROM (
        SELECT worker_id, count(*) AS n FROM marketplace_assignment WHERE state = 'accepted' GROUP BY worker_id) a
    WHERE a.worker_id = p.worker_id
    """,
    """
    INSERT INTO core_watermark (name, at) VALUES ('expire', now() - interval '5 s')
    ON CONFLICT (name) DO UPDATE SET at = excluded.at
    """,
    """
    INSERT INTO core_outbox (kind, key, payload, attempts, due_at, created_at, last_error, delivered_at)
    SELECT 'webhook', 'old:' || n, '{}', 1, now(), now(), '', now() FROM generate_series(1, %(rows)s / 10) n
    """,
]


@dataclass
class Plan:
    """One statement as it ran: which nodes, rows read of the big tables, rows returned, milliseconds."""

    sql: str
    nodes: list[str]
    read: int
    returned: int
    milliseconds: float
    scanned: list[str]


@dataclass
class Act:
    name: str
    plans: list[Plan] = field(default_factory=list)

    @property
    def dearest(self) -> Plan:
        return max(self.plans, key=lambda plan: plan.milliseconds)

    @property
    def faults(self) -> list[str]:
        if self.name in COUNTS_ALL:
            slow = [plan for plan in self.plans if plan.milliseconds > MOST_MILLISECONDS]
            return [f"{self.name}: takes {plan.milliseconds} ms: {plan.sql[:300]}" for plan in slow]
        faults = [f"{self.name}: scans {', '.join(p.scanned)}: {p.sql[:300]}" for p in self.plans if p.scanned]
        return faults + [f"{self.name}: reads {p.read} rows: {p.sql[:300]}" for p in self.plans if p.read > MOST_READ]


def main() -> int:
    """Measure, print, and say by the exit code whether every statement finds its rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep", action="store_true", help="leave the database, and use one that is there")
    parser.add_argument("--verbose", action="store_true", help="every statement, with its text")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    with own_database(DATA_DIR):
        from django.conf import settings

        settings.ALLOWED_HOSTS.append("testserver")
        settings.STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
        acts = measure(options.rows, keep=options.keep)
    faults = [fault for act in acts for fault in act.faults]
    if options.json:
        print(json.dumps({"acts": [asdict(act) for act in acts], "faults": faults}))
    else:
        show(acts, verbose=options.verbose)
        print("\n".join(["", *faults]) if faults else "\nEvery statement finds its rows.")
    return 1 if faults else 0


def show(acts: list[Act], *, verbose: bool) -> None:
    print(f"{'':18} {'statements':>10} {'read':>9} {'returned':>9} {'ms':>8}  nodes of the dearest")
    for act in acts:
        dear = act.dearest
        nodes = ", ".join(dict.fromkeys(dear.nodes))
        print(
            f"{act.name:18} {len(act.plans):10} {dear.read:9} {dear.returned:9} {dear.milliseconds:8.1f}  {nodes[:110]}"
        )
        if verbose:
            for plan in act.plans:
                print(f"    {plan.milliseconds:8.1f} ms {plan.read:8} read  {plan.sql[:400]}")


def measure(rows: int, *, keep: bool) -> list[Act]:
    import psycopg
    from django.conf import settings

    with psycopg.connect(settings.OWNER_DATABASE_URL, autocommit=True) as owner:
        count = owner.execute("SELECT count(*) FROM marketplace_hit").fetchone()
        if not keep or not count or count[0] < rows:
            fill(owner, rows)
        found = [run(name, act) for name, act in acts_of(rows)]
        if not keep:
            forget(owner)
    return found


def forget(owner: Any) -> None:
    owner.execute("TRUNCATE marketplace_hit, users_user, marketplace_requester, core_operation, core_outbox CASCADE")


def fill(owner: Any, rows: int) -> None:
    from tests.support.market import make_batch, make_workers

    forget(owner)
    batch = make_batch(owner, hits=rows, places=3, gold_percent=1, rules={"auto_approve_seconds": 259_200})
    for _ in range(20):
        make_batch(owner, hits=10, places=3, gold_percent=0)
    workers = [worker.pk for worker, _ in make_workers(WORKERS)]
    about = {"batch": batch.pk, "project": batch.project_id, "rows": rows, "workers": workers}
    for statement in FILL:
        owner.execute(statement, about)
        owner.execute("ANALYZE")  # else checks of foreign keys go by plans that were made for empty tables
    owner.execute("VACUUM (ANALYZE)")


# --- what runs --------------------------------------------------------------------------------------------------------


def acts_of(rows: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Names and functions, as the site calls them."""
    from django.test import Client

    from core.outbox import take_due
    from lifecycle import close, decide, digest, events, expire, export, more, upkeep
    from lifecycle.accept import accept
    from lifecycle.clock import STEPS
    from lifecycle.submit import submit
    from marketplace.models import Assignment, Batch
    from users.services import create_token
    from workers_app.models import Worker

    batch = Batch.objects.select_related("project__requester").order_by("pk").first()
    assert batch is not None
    owner = batch.project.requester.members.get()
    worker = Worker.objects.select_related("user").order_by("pk")[7]
    held = Assignment.objects.filter(state="accepted", worker=worker).first()
    programs, people, workers = Client(), Client(), Client()
    people.force_login(owner)
    workers.force_login(worker.user)
    tokens = {
        "requester": create_token(user=owner, scopes=["read"])[1],
        "worker": create_token(user=worker.user, scopes=["work", "money"])[1],
    }

    def get(path: str, who: str = "requester") -> Callable[[], Any]:
        def ask() -> None:
            answer = programs.get(f"/api/v1/{path}", headers={"Authorization": f"Bearer {tokens[who]}"})
            assert answer.status_code == 200, (path, answer.content[:300])

        return ask

    def visit(client: Client, path: str) -> Callable[[], Any]:
        def ask() -> None:
            answer = client.get(path)
            assert answer.status_code == 200, (path, answer.status_code, answer.headers.get("Location"))

        return ask

    def hand_in() -> None:
        Assignment.objects.filter(pk=held.pk).update(deadline="2999-01-01T00:00Z")
        submit(
            assignment=Assignment.objects.select_related("batch").get(pk=held.pk), raw=b'{"answers":{"digit":"one"}}'
        )

    def export_a_part() -> None:
        turn = first_turn(export.start_export(batch=batch, what="both"))
        export.export(turn)

    def close_a_group() -> None:
        close.work(first_turn(close.close_batch(batch=Batch.objects.get(pk=batch.pk))))

    def ask_a_group() -> None:
        more.work(first_turn(more.ask_for_more(batch=batch, answers=1)))

    yield "claim", lambda: accept(worker=worker, batch=batch)
    yield "submit", hand_in
    yield "digest due", lambda: digest.digest_due(limit=40)
    yield "decide due", lambda: decide.decide_due(limit=100)
    yield "expire due", lambda: expire.expire_due(limit=20)
    yield "finished batches", close.close_finished
    yield "upkeep", lambda: (upkeep.pause_expired(), upkeep.raise_share_caps(), upkeep.forget_old_rows())
    for name, step, _ in STEPS:
        if name not in ("digest", "decide", "expire", "close", "expired batches", "shares", "old rows"):
            yield f"step: {name}", step
    yield "outbox", lambda: take_due("webhook", 16)
    yield "hooks", lambda: events.batch_finished(batch)
    yield "close", close_a_group
    yield "ask for more", ask_a_group
    yield "export", export_a_part
    yield "find work", get("work?open=true", "worker")
    yield "find work, page", visit(workers, "/work/")
    yield "my assignments", get("my/assignments", "worker")
    yield "statement", get("my/statement", "worker")
    yield "earnings page", visit(workers, "/earnings/")
    yield "hits", get(f"batches/{batch.public_id}/hits")
    yield "hits, deep", get(f"batches/{batch.public_id}/hits?limit=200")
    yield "assignments", get(f"batches/{batch.public_id}/assignments")
    yield "assignments, state", get(f"batches/{batch.public_id}/assignments?state=submitted")
    yield "batch page", visit(people, f"/studio/batches/{batch.public_id}/")
    yield "results page", visit(people, f"/studio/batches/{batch.public_id}/results/")


def first_turn(operation: Any) -> Any:
    from core.operations import Turn, take

    leased = take(operation)
    assert leased is not None
    return Turn(leased)


def run(name: str, act: Callable[[], Any]) -> Act:
    """`act` in a transaction that is taken back, each of its statements explained first."""
    from django.core.cache import cache
    from django.db import connection, transaction

    found = Act(name)
    cache.clear()
    with transaction.atomic():
        with connection.execute_wrapper(explaining(found)):
            act()
        transaction.set_rollback(True)
    return found


@contextmanager
def savepoint(cursor: Any) -> Iterator[None]:
    cursor.execute("SAVEPOINT plan")
    try:
        yield
    finally:
        cursor.execute("ROLLBACK TO SAVEPOINT plan")


def explaining(found: Act) -> Callable[..., Any]:
    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        words = sql.lstrip().split(None, 1)[0].upper() if sql.strip() else ""
        if words in ("SELECT", "WITH", "UPDATE", "INSERT", "DELETE") and not many:
            cursor = context["cursor"].cursor if hasattr(context["cursor"], "cursor") else context["cursor"]
            with savepoint(cursor):
                cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params)
                (explained,) = cursor.fetchone()
            found.plans.append(plan_of(sql, explained[0]))
        return execute(sql, params, many, context)

    return wrapper


def plan_of(sql: str, explained: dict[str, Any]) -> Plan:
    nodes, read, scanned = [], 0, []

    def walk(node: dict[str, Any]) -> None:
        nonlocal read
        kind, table, loops = node["Node Type"], node.get("Relation Name"), node["Actual Loops"]
        nodes.append(kind)
        if table in BIG and kind != "ModifyTable" and "Bitmap Heap" not in kind:
            rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
            rows += node.get("Rows Removed by Index Recheck", 0)
            read += round(rows * loops)
            if "Seq Scan" in kind and rows > 1000:
                scanned.append(table)
        elif "Bitmap Heap" in kind and table in BIG:
            read += round((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * loops)
        for inner in node.get("Plans", []):
            walk(inner)

    walk(explained["Plan"])
    returned = round(explained["Plan"]["Actual Rows"])
    return Plan(" ".join(sql.split()), nodes, read, returned, round(explained["Execution Time"], 2), scanned)


if __name__ == "__main__":
    sys.exit(main())
