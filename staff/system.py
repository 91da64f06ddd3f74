"""How the site itself is doing: queues and the age of their oldest row, heartbeats, database, disk, versions."""

from __future__ import annotations

import datetime as dt
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from django.conf import settings
from django.db import ProgrammingError, connection, transaction
from django.utils.translation import gettext as _

from core.models import Operation

# Each by the partial index that the clock itself reads: what is due, and since when.
DUE = """
SELECT 'digest', count(*), min(final_at) FROM marketplace_answer WHERE digested_at IS NULL AND final_at <= now()
UNION ALL SELECT 'scores', count(*), min(created_at) FROM quality_goldscore WHERE counted_at IS NULL
UNION ALL SELECT 'decide', count(*), min(decide_at) FROM marketplace_assignment WHERE decide_at <= now()
UNION ALL SELECT 'expire', count(*), min(deadline) FROM marketplace_assignment
    WHERE deadline <= now() AND state = 'accepted'
UNION ALL SELECT 'outbox', count(*), min(due_at) FROM core_outbox
    WHERE delivered_at IS NULL AND given_up_at IS NULL AND due_at <= now()
UNION ALL SELECT 'media', count(*), min(due_at) FROM marketplace_media WHERE state = 'waiting' AND due_at <= now()
UNION ALL SELECT 'operations', count(*), min(due_at) FROM core_operation
    WHERE state IN ('waiting', 'running') AND due_at <= now() AND (lease_until IS NULL OR lease_until < now())
"""
#: A row that waits longer than this, in seconds, says that something stands still.
SLOW = {"digest": 10, "scores": 30, "decide": 60, "expire": 60, "outbox": 120, "media": 120, "operations": 120}

DATABASE = """
SELECT pg_database_size(current_database()), current_setting('server_version'), pg_postmaster_start_time(),
       (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()),
       current_setting('max_connections')::int,
       (SELECT max(now() - xact_start) FROM pg_stat_activity
        WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()),
       (SELECT round(100.0 * sum(blks_hit) / nullif(sum(blks_hit + blks_read), 0), 1) FROM pg_stat_database
        WHERE datname = current_database())
"""
TABLES = """
SELECT relname, pg_total_relation_size(relid), n_live_tup, n_dead_tup, coalesce(last_autovacuum, last_vacuum)
FROM pg_stat_user_tables ORDER BY 2 DESC LIMIT 8
"""
# Processes name themselves to the database (config.database).
PROCESSES = """
SELECT application_name, count(*), min(backend_start) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name <> '' GROUP BY 1 ORDER BY 1
"""
SLOW_STATEMENTS = """
SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 160), calls, total_exec_time / 1000, mean_exec_time
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database()
ORDER BY total_exec_time DESC LIMIT 8
"""
PACKAGES = ("Django", "celery", "psycopg", "numpy", "scipy", "django-allauth", "djangorestframework")


@dataclass(frozen=True)
class Due:
    name: str
    words: str
    count: int
    since: dt.datetime | None
    is_slow: bool


def due_rows() -> list[Due]:
    words = {
        "digest": _("Answers to learn from"),
        "scores": _("Scores to take in"),
        "decide": _("Decisions by the clock"),
        "expire": _("Places past their time"),
        "outbox": _("Calls and mails to send"),
        "media": _("Files to fetch"),
        "operations": _("Long work to take up"),
    }
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        now = cursor.fetchone()[0]
        cursor.execute(DUE)
        found = cursor.fetchall()
    return [
        Due(name, words[name], count, since, since is not None and (now - since).total_seconds() > SLOW[name])
        for name, count, since in found
    ]


def database() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(DATABASE)
        size, server, started, connections, most, oldest, hits = cursor.fetchone()
        cursor.execute(TABLES)
        tables = cursor.fetchall()
        cursor.execute(PROCESSES)
        processes = cursor.fetchall()
    return {
        "size": size,
        "server": server,
        "started": started,
        "connections": connections,
        "most_connections": most,
        "oldest": oldest,
        "hits": hits,
        "tables": tables,
        "processes": processes,
    }


def slow_statements() -> list[tuple[str, int, float, float]] | None:
    """Statement, calls, seconds in all, milliseconds each; None where pg_stat_statements is not installed."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_extension WHERE extname = 'pg_stat_statements'")
            if cursor.fetchone() is None:
                return None
            cursor.execute(SLOW_STATEMENTS)
            return cursor.fetchall()
    except ProgrammingError:  # installed, and not ours to read
        return None


# One statement for all that is written once in a while.
BEATS = "SELECT name, at FROM core_watermark ORDER BY name"


def heartbeats() -> list[tuple[str, dt.datetime, bool]]:
    """Name, when, and whether that is too long ago. Celery may be silent: the sweep needs no broker."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        now = cursor.fetchone()[0]
        cursor.execute(BEATS)
        rows = cursor.fetchall()
    most = {"celery": settings.WORKER_SILENT_SECONDS, "reputation": 2 * 86_400}
    return [(name, at, (now - at).total_seconds() > most.get(name, float("inf"))) for name, at in rows]


def operations() -> dict[str, Any]:
    rows = Operation.objects.order_by("-pk")
    return {
        "running": list(rows.filter(state__in=["waiting", "running"])[:10]),
        "failed": list(rows.filter(state="failed")[:10]),
    }


def disk() -> dict[str, int]:
    usage = shutil.disk_usage(settings.DATA_DIR if settings.DATA_DIR.exists() else settings.BASE_DIR)
    return {"total": usage.total, "free": usage.free, "share": round(100 * usage.used / usage.total)}


def versions() -> list[tuple[str, str]]:
    return [("Python", platform.python_version()), *((name, version(name)) for name in PACKAGES)]
