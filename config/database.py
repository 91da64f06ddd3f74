"""Which database this process talks to, and as whom."""

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from environs import Env
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from config import postgres

#: Commands that change the schema run as the owner of the tables, everything else as the role that may only use them.
OWNER_COMMANDS = {"migrate", "makemigrations", "test", "pgtrigger", "flush", "sqlflush", "squashmigrations", "serve"}
NO_DATABASE = {"help", "version", "--help", "--version", "collectstatic", "serve", "startapp", "makemessages"}
NO_DATABASE |= {
    "compilemessages",
    "diffsettings",
    "findstatic",
    "spectacular",
    "sendtestemail",
    "forget",
    "database_environment",
}

WEB_STATEMENT_SECONDS, STATEMENT_SECONDS, LOCK_SECONDS = 5, 60, 2


def urls(env: Env, data_dir: Path) -> tuple[str, str]:
    """The database's URL for the application and for its owner."""
    if url := env.str("DATABASE_URL", ""):
        return url, env.str("OWNER_DATABASE_URL", "") or url
    cluster = postgres.Cluster.at(data_dir)
    return cluster.url(postgres.APP), cluster.url(postgres.OWNER)


def django_database(url: str, *, process: str, owner: bool, prepare_threshold: int | None) -> dict[str, Any]:
    """One entry of DATABASES. `process` is `web` for what answers people, whose statements are cut off soonest."""
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    statement = 0 if owner else WEB_STATEMENT_SECONDS if process == "web" else STATEMENT_SECONDS
    limits = {"statement_timeout": f"{statement}s", "lock_timeout": f"{LOCK_SECONDS}s"}
    limits["idle_in_transaction_session_timeout"] = "0" if owner else f"{STATEMENT_SECONDS}s"
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", postgres.DATABASE),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "ATOMIC_REQUESTS": False,
        # A web process has one thread that touches the database: one lasting connection is all the pool it needs.
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            **parts,
            "application_name": f"touchstone {process}",
            "connect_timeout": 10,
            # Without both, the claim is planned anew each time: half the speed (docs/decisions).
            "server_side_binding": True,
            "prepare_threshold": prepare_threshold,
            "options": " ".join(f"-c {name}={value}" for name, value in limits.items()),
        },
    }


def conninfo(url: str, *, process: str) -> str:
    """`url` as libpq wants it, for libraries that open connections of their own."""
    return make_conninfo(url, application_name=f"touchstone {process}", connect_timeout=5)


def needs_owner(argv: list[str]) -> bool:
    return len(argv) > 1 and argv[1] in OWNER_COMMANDS


def for_command(argv: list[str], env: Env, data_dir: Path) -> AbstractContextManager:
    """The embedded server for as long as a manage.py command runs, where the command needs one."""
    name = argv[1] if len(argv) > 1 else "help"
    idle = name in NO_DATABASE or "--help" in argv or (name == "check" and "--database" not in argv)
    if idle or env.str("DATABASE_URL", ""):
        return nullcontext()
    return postgres.running(data_dir)


def main(argv: list[str]) -> None:
    """What manage.py does."""
    from django.conf import settings
    from django.core.management import execute_from_command_line

    try:
        with for_command(argv, settings.ENV, settings.DATA_DIR):
            execute_from_command_line(argv)
    except postgres.PostgresError as error:
        sys.exit(f"touchstone: {error}")
